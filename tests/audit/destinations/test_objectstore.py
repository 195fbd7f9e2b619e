"""An object store holds each batch under its range, locked where that is asked for."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from audit import destination as destinations
from audit.append import append_pending
from audit.destinations.objectstore import key_of
from audit.models import Destination, Ledger
from tests.audit.destinations.receiving import deliver, destination
from tests.audit.destinations.writing import items, loopback
from tests.conftest import chain, entries, make_event, post

__all__ = ["loopback"]  # fixtures, which pytest finds by their names here


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Return the address of an S3 of our own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(store: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}),
    )


def make_bucket(s3: Any, *, is_locked: bool = True) -> str:
    name = f"entries-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=is_locked)
    return name


def test_a_bucket_holds_each_batch_locked_under_its_range(
    ledger: Ledger, store: str, s3: Any
) -> None:
    bucket = make_bucket(s3)
    row = destination(
        ledger,
        f"{store}/{bucket}",
        kind="objectstore",
        key_id="key",
        prefix="held/",
        lock_days=30,
        collect_seconds=0,
    )
    for _ in range(2):
        chain(ledger, [make_event()])
        deliver(row)

    listed = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    folder = f"held/{ledger.name}/"
    assert listed == [
        f"{folder}{0:019d}-{1:019d}.ndjson.gz",
        f"{folder}{2:019d}-{2:019d}.ndjson.gz",
    ]
    found = s3.get_object(Bucket=bucket, Key=listed[0])
    assert found["ObjectLockMode"] == "COMPLIANCE"
    stored = b"".join(bytes(each.record) + b"\n" for each in entries(ledger)[:2])
    assert gzip.decompress(found["Body"].read()) == stored


def test_a_retry_puts_the_same_bytes_under_the_same_key(
    ledger: Ledger, store: str, s3: Any
) -> None:
    bucket = make_bucket(s3)
    row = destination(
        ledger, f"{store}/{bucket}", kind="objectstore", key_id="key", collect_seconds=0
    )
    chain(ledger, [make_event() for _ in range(3)])
    deliver(row)
    # As after a crash between the answer and the cursor.
    Destination.objects.filter(id=row.id).update(next_seq=0, batch_to=row.next_seq)
    post(ledger, [make_event()])
    append_pending(ledger.id)
    deliver(row)

    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    first = [each for each in versions if "-0000000000000000003." in each["Key"]]
    assert len(first) == 2
    assert first[0]["ETag"] == first[1]["ETag"]
    assert len(versions) == 3


def test_a_bucket_without_lock_is_refused_where_a_lock_is_asked_for(
    ledger: Ledger, store: str, s3: Any
) -> None:
    bucket = make_bucket(s3, is_locked=False)
    row = destination(
        ledger, f"{store}/{bucket}", kind="objectstore", key_id="key", collect_seconds=0
    )
    append_pending(ledger.id)

    assert deliver(row) == ["failed"]
    assert row.next_seq == 0

    destinations.change(
        row,
        address=row.address,
        options={**row.options, "lock": ""},
        secret=None,
        by="alice",
    )
    assert deliver(row)[0] == "sent"


def test_a_key_names_ledger_and_range() -> None:
    assert key_of(items(7, 3), prefix="held/") == (
        "held/main/0000000000000000007-0000000000000000009.ndjson.gz"
    )
