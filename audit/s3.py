"""Speak to an S3-compatible bucket: sign a request, send it, and put an object under lock.

Requests are signed by botocore (Signature Version 4) and sent by audit.outbound, so the address
passes the same rule as any other. Owns no naming of objects: checkpoints are audit.sinks
(objectstore.py), entries audit.destinations (objectstore.py).
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from audit.errors import AuditError
from audit.outbound import Answer, NoAnswer, Rules, send


class BucketFailed(AuditError):
    """A bucket did not do what it was asked; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Where objects go, and with whose key."""

    url: str
    """Of the bucket, path style: `https://s3.example.com/bucket`."""
    prefix: str
    """Before each key; empty or ending in a slash."""
    region: str
    key_id: str
    secret: str = field(repr=False)
    lock: str
    """COMPLIANCE: nobody shortens it. GOVERNANCE: whoever has a special right may. Empty: none."""
    lock_days: int

    def __repr__(self) -> str:
        """Never show the secret."""
        return f"Bucket({self.url}, {self.prefix!r})"


def put_locked(
    bucket: Bucket,
    key: str,
    content: bytes,
    *,
    kind: str,
    now: datetime,
    rules: Rules,
    tls: ssl.SSLContext | None = None,
) -> str:
    """Put one object, locked as the bucket says, and return its version; empty without versions.

    `kind` is its Content-Type. The store compares the SHA-256. Raises BucketFailed; also when a
    lock was asked for and the bucket keeps no versions, since an object there can be replaced.
    """
    headers = {
        "Content-Type": kind,
        "x-amz-sdk-checksum-algorithm": "SHA256",
        "x-amz-checksum-sha256": base64.b64encode(sha256(content).digest()).decode(),
    }
    if bucket.lock:
        until = now + timedelta(days=bucket.lock_days)
        headers |= {
            "x-amz-object-lock-mode": bucket.lock,
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    answer = ask(bucket, "PUT", key, body=content, headers=headers, rules=rules, tls=tls)
    version = answer.headers.get("x-amz-version-id", "")
    if bucket.lock and not version:
        raise BucketFailed(
            f"{bucket.url} keeps no versions, so an object there can be replaced;"
            " make the bucket with object lock"
        )
    return version


def ask(
    bucket: Bucket,
    method: str,
    key: str,
    *,
    rules: Rules,
    query: Mapping[str, str] | None = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Sign and send one request. Raises BucketFailed unless it went well, AddressRefused."""
    url = f"{bucket.url}/{quote(key, safe='/-_.~')}"
    if query:
        url += "?" + urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers or {}))
    credentials = Credentials(bucket.key_id, bucket.secret)
    S3SigV4Auth(credentials, "s3", bucket.region).add_auth(request)
    try:
        answer = send(
            method, url, rules=rules, body=body, headers=dict(request.headers.items()), tls=tls
        )
    except NoAnswer as error:
        raise BucketFailed(f"the object store is not there: {error}") from error
    if answer.status != 200:
        raise BucketFailed(
            f"the object store answered {answer.status} to {method}: {answer.text()}"
        )
    return answer
