"""Put checkpoints into an S3-compatible bucket under object lock, where nobody can take them back.

    <bucket>/<prefix><origin>/<2^63 - 1 - size, 19 digits>-<size>.checkpoint     the signed note

The number counts down, so a listing, which S3 sorts by key, begins with the newest checkpoint.
Each object is locked until its retention ends: COMPLIANCE binds the account's owner too. A later
version or a delete marker under the same key hides nothing, since the listing is of versions and
the oldest version of a key is the one we wrote. The bucket must have been made with object lock.

Requests: audit.s3.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar
from xml.etree import ElementTree

from django.conf import settings

from audit.ledger.checkpoint import MAX_SIZE, Checkpoint, parse_checkpoint
from audit.ledger.errors import CheckpointMalformed, NoteMalformed
from audit.ledger.note import parse_note
from audit.outbound import AddressRefused, Answer, Rules
from audit.s3 import Bucket as Bucket
from audit.s3 import BucketFailed, ask, put_locked
from audit.sinks import Published, Receipt, SinkFailed, SinkUnreachable

_VERSIONS_LISTED = 20
"""Versions of which the newest key's oldest is taken; more of one key is somebody's attempt."""


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
        try:
            version = put_locked(
                self._bucket,
                key,
                published.note,
                kind="text/plain; charset=utf-8",
                now=datetime.now(UTC),
                rules=self._rules,
            )
        except AddressRefused as error:
            raise SinkFailed(f"OBS_ANCHOR_S3_URL may not be reached: {error}") from error
        except BucketFailed as error:
            raise SinkFailed(str(error)) from error
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
        listed = self._get(
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
        return key, version, self._get(key, query={"versionId": version}).body

    def _get(self, key: str, *, query: Mapping[str, str]) -> Answer:
        """Ask for a listing or an object. Raises SinkUnreachable unless it went well."""
        try:
            return ask(self._bucket, "GET", key, query=query, rules=self._rules)
        except AddressRefused as error:
            raise SinkUnreachable(f"OBS_ANCHOR_S3_URL may not be reached: {error}") from error
        except BucketFailed as error:
            raise SinkUnreachable(str(error)) from error


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
