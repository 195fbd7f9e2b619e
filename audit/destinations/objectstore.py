"""Put entries into an S3-compatible bucket, a gzip file a batch, under object lock.

    <bucket>/<prefix><ledger>/<first seq, 19 digits>-<last seq, 19 digits>.ndjson.gz

One stored record a line. The same batch is always the same key and the same bytes, so a retry puts
again what is there. A test puts `<prefix><ledger>/test.ndjson.gz`. Requests and locks: audit.s3.
"""

from __future__ import annotations

import gzip
import ssl
from dataclasses import dataclass
from datetime import datetime

from audit.destinations import Batch, NotDelivered
from audit.destinations.lines import record_lines
from audit.outbound import AddressRefused, Rules
from audit.s3 import Bucket, BucketFailed, put_locked


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """A bucket that takes batches."""

    bucket: Bucket
    rules: Rules
    tls: ssl.SSLContext | None = None

    def take(self, batch: Batch, /, *, now: datetime) -> str:
        """Put one object. Raises NotDelivered."""
        key = key_of(batch, prefix=self.bucket.prefix)
        # No time and a fixed level: the bytes must not tell one try from the next.
        content = gzip.compress(record_lines(batch), compresslevel=6, mtime=0)
        try:
            version = put_locked(
                self.bucket,
                key,
                content,
                kind="application/gzip",
                now=now,
                rules=self.rules,
                tls=self.tls,
            )
        except AddressRefused as error:
            raise NotDelivered(f"the address may not be reached: {error}") from error
        except BucketFailed as error:
            raise NotDelivered(str(error)) from error
        return f"{key} version {version or 'none'}"


def key_of(batch: Batch, *, prefix: str) -> str:
    """Return the key of a batch."""
    name = "test" if batch.is_test else f"{batch.first:019d}-{batch.last:019d}"
    return f"{prefix}{batch.ledger}/{name}.ndjson.gz"
