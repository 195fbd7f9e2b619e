"""A report to an object store: each file is an object, and the list comes last."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from audit.models import Ledger
from compliance.deliver_report import deliver_waiting
from tests.compliance.delivering import NOW, loopback
from tests.compliance.scheduling import delivered, deliveries_of, recipient, scheduled

__all__ = ["loopback"]  # fixtures, which pytest finds by their names here


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
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


@pytest.fixture
def bucket(s3: Any) -> Callable[..., str]:
    def make(**options: Any) -> str:
        name = f"reports-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=name, **options)
        return name

    return make


def test_each_file_is_an_object_and_the_list_comes_last(
    ledger: Ledger, store: str, s3: Any, bucket: Callable[..., str]
) -> None:
    name = bucket()
    to = recipient("objectstore", f"{store}/{name}", secret="secret", key_id="key", prefix="held/")
    schedule = scheduled(ledger, recipients=(to,))
    delivered(schedule)

    assert deliver_waiting(NOW) == 1

    stem = f"held/{ledger.name}-soc2-2026-05-01-2026-05-31"
    file = f"{ledger.name}-soc2-2026-05-01-2026-05-31"
    found = {each["Key"]: each for each in s3.list_objects_v2(Bucket=name)["Contents"]}
    assert set(found) == {f"{stem}/{file}.pdf", f"{stem}/{file}.json", f"{stem}/delivery.json"}
    body = s3.get_object(Bucket=name, Key=f"{stem}/{file}.pdf")["Body"].read()
    assert body == b"%PDF-1.7 a report"
    facts = json.loads(s3.get_object(Bucket=name, Key=f"{stem}/delivery.json")["Body"].read())
    assert facts["delivery"] == str(deliveries_of(schedule)[0].uid)
    assert found[f"{stem}/delivery.json"]["LastModified"] == max(
        each["LastModified"] for each in found.values()
    )


def test_objects_are_locked_when_asked_for(
    ledger: Ledger, store: str, s3: Any, bucket: Callable[..., str]
) -> None:
    name = bucket(ObjectLockEnabledForBucket=True)
    options: dict[str, Any] = {"key_id": "key", "lock": "COMPLIANCE", "lock_days": 30}
    to = recipient("objectstore", f"{store}/{name}", secret="secret", **options)
    delivered(scheduled(ledger, recipients=(to,)))

    assert deliver_waiting(NOW) == 1

    for each in s3.list_objects_v2(Bucket=name)["Contents"]:
        assert s3.get_object(Bucket=name, Key=each["Key"])["ObjectLockMode"] == "COMPLIANCE"


def test_a_file_that_was_changed_on_disk_goes_to_nobody(
    ledger: Ledger, store: str, s3: Any, bucket: Callable[..., str], settings: Settings
) -> None:
    name = bucket()
    to = recipient("objectstore", f"{store}/{name}", secret="secret", key_id="key")
    schedule = scheduled(ledger, recipients=(to,))
    report = delivered(schedule)
    for path in (Path(settings.REPORT_DIR) / str(report.uid)).iterdir():
        path.write_bytes(b"forged")

    deliver_waiting(NOW)

    (row,) = deliveries_of(schedule)
    assert (row.state, "its SHA-256 differs" in row.note) == ("failed", True)
    assert "Contents" not in s3.list_objects_v2(Bucket=name)


def test_a_bucket_that_is_not_there_is_told(ledger: Ledger, store: str) -> None:
    to = recipient("objectstore", f"{store}/nobody-has-this", secret="secret", key_id="key")
    schedule = scheduled(ledger, recipients=(to,))
    delivered(schedule)

    deliver_waiting(NOW)

    (row,) = deliveries_of(schedule)
    assert (row.state, "answered 404" in row.note) == ("waiting", True)
