"""Put checkpoints into an S3-compatible bucket under object lock, where nobody can take them back.

    <bucket>/<prefix><origin>/<2^63 - 1 - size, 19 digits>-<size>.checkpoint     the signed note

The number counts down, so a listing, which S3 sorts by key, begins with the newest checkpoint.
Each object is locked until its retention ends: COMPLIANCE binds the account's owner too. A later
version or a delete marker under the same key hides nothing, since the listing is of versions and
the oldest version of a key is the one we wrote. The bucket must have been made with object lock.

Requests are signed by botocore (Signature Version 4) and sent by audit.outbound.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import ClassVar
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.conf import settings

from audit.ledger.checkpoint import MAX_SIZE, Checkpoint, parse_checkpoint
from audit.ledger.errors import CheckpointMalformed, NoteMalformed
from audit.ledger.note import parse_note
from audit.outbound import AddressRefused, Answer, NoAnswer, Rules, send
from audit.sinks import Published, Receipt, SinkFailed, SinkUnreachable

_VERSIONS_LISTED = 20
"""Versions of which the newest key's oldest is taken; more of one key is somebody's attempt."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Where checkpoints go, and with whose key."""

    url: str
    """Of the bucket, path style: `https://s3.example.com/bucket`."""
    prefix: str
    """Before each key; empty or ending in a slash."""
    region: str
    key_id: str
    secret: str
    lock: str
    """COMPLIANCE: nobody shortens it. GOVERNANCE: whoever has a special right may."""
    lock_days: int

    def __repr__(self) -> str:
        """Never show the secret."""
        return f"Bucket({self.url}, {self.prefix!r})"


class ObjectStoreSink:
    """A bucket with object lock."""

    name = "objectstore"
    can_read: ClassVar[bool] = True

    def __init__(self, bucket: Bucket, *, interval: float, rules: Rules) -> None:
        self.interval = interval
        self._bucket = bucket
        self._rules = rules

    @classmethod
    def from_settings(cls) -> ObjectStoreSink | None:
        """Return the sink, or None without OBS_ANCHOR_S3_URL."""
        if not settings.ANCHOR_S3_URL:
            return None
        bucket = Bucket(
            url=settings.ANCHOR_S3_URL.rstrip("/"),
            prefix=settings.ANCHOR_S3_PREFIX,
            region=settings.ANCHOR_S3_REGION,
            key_id=settings.ANCHOR_S3_KEY_ID,
            secret=settings.ANCHOR_S3_SECRET,
            lock=settings.ANCHOR_S3_LOCK,
            lock_days=settings.ANCHOR_S3_LOCK_DAYS,
        )
        return cls(bucket, interval=settings.ANCHOR_S3_SECONDS, rules=settings.OUTBOUND_RULES)

    def publish(self, published: Published, /) -> Receipt:
        """Put one object, locked. Raises SinkFailed; a mismatch when a newer or other one is there.

        A checkpoint that is there already is not put again.
        """
        try:
            held = self._newest_version(published.origin)
            if held is not None and self._is_there(held, published):
                return Receipt(reference=self._reference(*held[:2]))
            return self._put(published)
        except SinkUnreachable as error:
            raise SinkFailed(str(error)) from error

    def newest(self, origin: str, /) -> bytes | None:
        """Return the first listed object's oldest version. Raises SinkUnreachable."""
        held = self._newest_version(origin)
        return None if held is None else held[2]

    def _put(self, published: Published) -> Receipt:
        key = self._key(published)
        until = datetime.now(UTC) + timedelta(days=self._bucket.lock_days)
        digest = base64.b64encode(sha256(published.note).digest()).decode()
        answer = self._send(
            "PUT",
            key,
            body=published.note,
            headers={
                "Content-Type": "text/plain; charset=utf-8",
                "x-amz-sdk-checksum-algorithm": "SHA256",
                "x-amz-checksum-sha256": digest,
                "x-amz-object-lock-mode": self._bucket.lock,
                "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )
        version = answer.headers.get("x-amz-version-id", "")
        if not version:
            raise SinkFailed(
                f"{self._bucket.url} keeps no versions, so an object there can be replaced;"
                " make the bucket with object lock"
            )
        return Receipt(reference=self._reference(key, version))

    def _folder(self, origin: str) -> str:
        return f"{self._bucket.prefix}{origin}/"

    def _key(self, published: Published) -> str:
        countdown = f"{MAX_SIZE - published.size:019d}"
        return f"{self._folder(published.origin)}{countdown}-{published.size}.checkpoint"

    def _reference(self, key: str, version: str) -> str:
        return f"{self._bucket.url}/{key} version {version}"

    def _is_there(self, held: tuple[str, str, bytes], published: Published) -> bool:
        key, version, note = held
        found = _read(note, self._reference(key, version))
        if found.size > published.size:
            raise SinkFailed(
                f"{self._reference(key, version)} is newer than size {published.size}:"
                " the database was restored or cut",
                is_mismatch=True,
            )
        if found.size == published.size and found.root != published.root:
            raise SinkFailed(
                f"{self._reference(key, version)} has another root: history was rewritten",
                is_mismatch=True,
            )
        return found.size == published.size

    def _newest_version(self, origin: str) -> tuple[str, str, bytes] | None:
        """Return key, version and content of the newest checkpoint of a ledger."""
        listed = self._send(
            "GET",
            "",
            query={
                "versions": "",
                "prefix": self._folder(origin),
                "delimiter": "/",  # another origin may begin with this one
                "max-keys": str(_VERSIONS_LISTED),
            },
        )
        versions = _parse_versions(listed.body)
        if not versions:
            return None
        first = versions[0][0]
        key, version = [each for each in versions if each[0] == first][-1]
        return key, version, self._send("GET", key, query={"versionId": version}).body

    def _send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Sign and send one request. Raises SinkUnreachable unless it went well."""
        url = f"{self._bucket.url}/{quote(key, safe='/-_.~')}"
        if query:
            url += "?" + urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers or {}))
        credentials = Credentials(self._bucket.key_id, self._bucket.secret)
        S3SigV4Auth(credentials, "s3", self._bucket.region).add_auth(request)
        try:
            answer = send(
                method, url, rules=self._rules, body=body, headers=dict(request.headers.items())
            )
        except AddressRefused as error:
            raise SinkUnreachable(f"OBS_ANCHOR_S3_URL may not be reached: {error}") from error
        except NoAnswer as error:
            raise SinkUnreachable(f"the object store is not there: {error}") from error
        if answer.status != 200:
            raise SinkUnreachable(
                f"the object store answered {answer.status} to {method}: {answer.text()}"
            )
        return answer


def _read(note: bytes, place: str) -> Checkpoint:
    try:
        return parse_checkpoint(parse_note(note).text)
    except (NoteMalformed, CheckpointMalformed) as error:
        raise SinkFailed(
            f"{place} is no checkpoint ({error}); find out who wrote there", is_mismatch=True
        ) from error


def _parse_versions(listing: bytes) -> list[tuple[str, str]]:
    """Return key and version of each object of a listing, in its order; delete markers are none."""
    # Such a listing declares nothing; refusing it keeps entities that grow without end out.
    if b"<!" in listing:
        raise SinkUnreachable("the object store's listing holds declarations; it is no S3 listing")
    try:
        root = ElementTree.fromstring(listing)  # noqa: S314  (bounded, and without declarations)
    except ElementTree.ParseError as error:
        raise SinkUnreachable(f"the object store's listing is no XML: {error}") from error
    found = []
    for each in root.iterfind("{*}Version"):
        key, version = each.findtext("{*}Key"), each.findtext("{*}VersionId")
        if key is None or version is None:
            raise SinkUnreachable("the object store's listing lacks keys or versions")
        found.append((key, version))
    return found
