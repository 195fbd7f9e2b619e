"""The bucket keeps checkpoints locked, and its newest one comes back. Against moto's server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from audit.outbound import Rules
from audit.sinks import SinkFailed, SinkUnreachable
from audit.sinks.objectstore import Bucket, ObjectStoreSink, _parse_versions
from tests.audit.sinks.publishing import LOOPBACK, ORIGIN, Log

LOG = Log()


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
    """Return the vendor's client, for what an attacker or an auditor does."""
    return boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}),
    )


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"anchors-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def sink_of(store: str, bucket: str, *, rules: Rules = LOOPBACK, **fields: Any) -> ObjectStoreSink:
    options: dict[str, Any] = {
        "url": f"{store}/{bucket}",
        "prefix": "held/",
        "region": "us-east-1",
        "key_id": "key",
        "secret": "secret",
        "lock": "COMPLIANCE",
        "lock_days": 30,
    }
    return ObjectStoreSink(Bucket(**options | fields), interval=60, rules=rules)


def keys(s3: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_object_versions(Bucket=bucket).get("Versions", [])]


def test_the_newest_note_comes_back_byte_for_byte(store: str, bucket: str) -> None:
    sink = sink_of(store, bucket)
    assert sink.newest(ORIGIN) is None

    for size in (2, 9, 10, 100):
        sink.publish(LOG.published(size))

    assert sink.newest(ORIGIN) == LOG.note(100)


@pytest.mark.parametrize("lock", ["COMPLIANCE", "GOVERNANCE"])
def test_an_object_is_locked_until_its_retention_ends(
    store: str, bucket: str, s3: Any, lock: str
) -> None:
    receipt = sink_of(store, bucket, lock=lock).publish(LOG.published(5))

    (key,) = keys(s3, bucket)
    found = s3.get_object(Bucket=bucket, Key=key)
    assert found["ObjectLockMode"] == lock
    assert 29 <= (found["ObjectLockRetainUntilDate"] - found["LastModified"]).days <= 30
    assert receipt.reference == f"{store}/{bucket}/{key} version {found['VersionId']}"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=key, VersionId=found["VersionId"])


def test_the_same_checkpoint_is_put_once(store: str, bucket: str, s3: Any) -> None:
    receipts = {sink_of(store, bucket).publish(LOG.published(5)) for _ in range(2)}

    assert len(receipts) == len(keys(s3, bucket)) == 1


def test_an_older_checkpoint_is_a_mismatch(store: str, bucket: str) -> None:
    sink = sink_of(store, bucket)
    sink.publish(LOG.published(5))

    with pytest.raises(SinkFailed, match="restored or cut") as refused:
        sink.publish(LOG.published(4))

    assert refused.value.is_mismatch


def test_another_root_at_one_size_is_a_mismatch(store: str, bucket: str) -> None:
    sink = sink_of(store, bucket)
    sink.publish(LOG.published(5))

    with pytest.raises(SinkFailed, match="rewritten") as refused:
        sink.publish(Log(word="other").published(5))

    assert refused.value.is_mismatch


def test_a_delete_marker_hides_nothing(store: str, bucket: str, s3: Any) -> None:
    sink = sink_of(store, bucket)
    sink.publish(LOG.published(5))
    (key,) = keys(s3, bucket)

    s3.delete_object(Bucket=bucket, Key=key)

    assert sink.newest(ORIGIN) == LOG.note(5)


def test_a_later_version_hides_nothing(store: str, bucket: str, s3: Any) -> None:
    sink = sink_of(store, bucket)
    sink.publish(LOG.published(5))
    (key,) = keys(s3, bucket)

    s3.put_object(Bucket=bucket, Key=key, Body=b"nothing")

    assert sink.newest(ORIGIN) == LOG.note(5)


def test_what_is_no_checkpoint_in_front_is_a_mismatch(store: str, bucket: str, s3: Any) -> None:
    sink = sink_of(store, bucket)
    s3.put_object(Bucket=bucket, Key=f"held/{ORIGIN}/0", Body=b"nothing")

    with pytest.raises(SinkFailed, match="no checkpoint") as refused:
        sink.publish(LOG.published(5))

    assert refused.value.is_mismatch


def test_an_origin_within_another_is_told_apart(store: str, bucket: str) -> None:
    sink = sink_of(store, bucket)
    inner = Log(origin=f"{ORIGIN}/inner")
    sink.publish(inner.published(9))
    sink.publish(LOG.published(3))

    assert (sink.newest(ORIGIN), sink.newest(inner.origin)) == (LOG.note(3), inner.note(9))


def test_an_origin_of_odd_characters_finds_its_objects(store: str, bucket: str) -> None:
    sink, odd = sink_of(store, bucket), Log(origin="exämple.com/a b?c=d&e~f")
    sink.publish(odd.published(3))

    assert sink.newest(odd.origin) == odd.note(3)


def test_a_bucket_without_lock_is_refused(store: str, s3: Any) -> None:
    name = f"plain-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)

    with pytest.raises(SinkFailed, match=r"lock|Lock|versions"):
        sink_of(store, name).publish(LOG.published(5))


def test_a_bucket_that_is_not_there_says_so(store: str) -> None:
    sink = sink_of(store, "nowhere-to-be-found")

    with pytest.raises(SinkFailed, match="404"):
        sink.publish(LOG.published(5))
    with pytest.raises(SinkUnreachable, match="404"):
        sink.newest(ORIGIN)


def test_our_own_network_is_not_reached_unless_allowed(store: str, bucket: str) -> None:
    with pytest.raises(SinkFailed, match="OBS_OUTBOUND_ALLOW"):
        sink_of(store, bucket, rules=Rules()).publish(LOG.published(5))


@pytest.mark.parametrize("listing", [b"<!DOCTYPE x><r/>", b"<r", b"<r><Version/></r>"])
def test_a_listing_that_is_none_is_refused(listing: bytes) -> None:
    with pytest.raises(SinkUnreachable):
        _parse_versions(listing)


def test_the_secret_is_not_shown(store: str, bucket: str) -> None:
    assert "secret" not in repr(sink_of(store, bucket)._bucket)
