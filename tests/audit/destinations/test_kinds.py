"""Each kind of destination writes what its page says, and is told when it was not taken."""

from __future__ import annotations

import datetime
import gzip
import hmac
import ipaddress
import json
import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from audit import destination as destinations
from audit.append import append_pending
from audit.destinations import Batch, Item, NotDelivered
from audit.destinations.file import Folder
from audit.destinations.kinds import DestinationRefused
from audit.destinations.objectstore import key_of
from audit.ledger.record import leaf_hash
from audit.models import Destination, Ledger
from tests.audit.destinations.receiving import (
    LOOPBACK,
    SECRET,
    deliver,
    destination,
    endpoint,
    let_time_pass,
    reset,
    syslog,
)
from tests.conftest import chain, entries, make_event, post

NOW = datetime.datetime(2026, 11, 21, 3, 5, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def loopback(settings: Settings, tmp_path: Path) -> None:
    settings.OUTBOUND_RULES = LOOPBACK
    settings.DESTINATION_FOLDER = tmp_path / "destinations"


def items(first: int, count: int) -> Batch:
    records = [json.dumps({"seq": at}).encode() for at in range(first, first + count)]
    return Batch(
        ledger="main",
        items=tuple(
            Item(seq=first + at, hash=leaf_hash(record).hex(), record=record)
            for at, record in enumerate(records)
        ),
    )


# --- HTTP ----------------------------------------------------------------------------------------


def test_an_event_collector_gets_objects_that_hold_the_records_as_they_are(ledger: Ledger) -> None:
    with endpoint() as told:
        row = destination(ledger, told.url, kind="http", index="audit", host="obs.example.com")
        chain(ledger, [make_event(details={"text": "é"}) for _ in range(2)])
        told.answer = b'{"text":"Success","code":0}'
        deliver(row)

    (got,) = told.got
    assert got.headers["authorization"] == f"Splunk {SECRET}"
    assert got.headers["content-type"] == "application/json"
    stored = entries(ledger)
    for line, entry in zip(got.body.splitlines(), stored, strict=True):
        said = json.loads(line)
        assert bytes(entry.record) in line
        assert said["event"] == entry.parsed()
        assert {name: said[name] for name in said if name not in {"event", "time"}} == {
            "host": "obs.example.com",
            "source": f"obsplatform:{ledger.name}",
            "sourcetype": "obsplatform:entry",
            "index": "audit",
        }
        exact = line.partition(b'"time":')[2].partition(b",")[0]
        assert abs(float(exact) - entry.received_at.timestamp()) < 1e-5


@pytest.mark.parametrize(
    ("answer", "steps"),
    [
        (b'{"text":"Success","code":0}', ["sent", "idle"]),
        (b'{"text":"Server is busy","code":9}', ["failed"]),
        (b'{"code":false}', ["sent", "idle"]),
        (b"[]", ["sent", "idle"]),
        (b"thank you", ["sent", "idle"]),
        (b"", ["sent", "idle"]),
    ],
)
def test_a_code_other_than_0_is_a_refusal(ledger: Ledger, answer: bytes, steps: list[str]) -> None:
    with endpoint() as told:
        row = destination(ledger, told.url, kind="http")
        append_pending(ledger.id)
        told.answer = answer

        assert deliver(row) == steps


def test_a_webhook_is_signed_over_time_and_body(ledger: Ledger) -> None:
    with endpoint() as told:
        row = destination(ledger, told.url)
        chain(ledger, [make_event()])
        deliver(row)

    (got,) = told.got
    timestamp = got.headers["x-obs-timestamp"]
    made = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + got.body, sha256).hexdigest()
    assert got.headers["x-obs-signature"] == f"v1={made}"
    assert got.headers["x-obs-delivery"] == sha256(got.body).hexdigest()
    assert got.headers["x-obs-ledger"] == ledger.name
    assert (got.headers["x-obs-first-seq"], got.headers["x-obs-last-seq"]) == ("0", "1")


def test_ocsf_events_name_seq_and_hash(ledger: Ledger) -> None:
    with endpoint() as told:
        row = destination(ledger, told.url, kind="ocsf")
        chain(ledger, [make_event()])
        deliver(row)

    for said, entry in zip(told.got[0].records(), entries(ledger), strict=True):
        assert said["class_uid"] == 6003
        assert (said["unmapped"]["seq"], said["unmapped"]["hash"]) == (entry.seq, entry.hash)


def test_personal_data_goes_out_as_it_is_stored_and_never_in_clear(ledger: Ledger) -> None:
    event = make_event(
        data={"subject_ids": ["patient-4711"], "classes": ["phi"], "purpose": "care"},
        personal={"name": "Carol Clear"},
        actor={"type": "human", "id": "patient-4711"},
    )
    with endpoint() as told:
        for kind in ("webhook", "http", "ocsf"):
            destination(ledger, told.url, kind=kind)
        chain(ledger, [event])
        for row in Destination.objects.filter(ledger=ledger):
            deliver(row)

    sent = b"".join(got.body for got in told.got)
    assert b"ciphertext" in sent
    assert b"Carol" not in sent
    assert b"patient-4711" not in sent


# --- Syslog --------------------------------------------------------------------------------------


def test_syslog_lines_hold_cef_in_order(ledger: Ledger) -> None:
    with syslog() as told:
        row = destination(ledger, told.address, kind="syslog", host="obs.example.com")
        chain(
            ledger,
            [
                make_event(severity="critical"),
                make_event(action="data.read", category="data_access"),
            ],
        )
        deliver(row)

    stored = entries(ledger)
    assert len(told.messages) == len(stored)
    for line, entry in zip(told.messages, stored, strict=True):
        head, _, cef = line.decode().partition(" - CEF:0|")
        severity = 2 if entry.severity == "critical" else 6
        received = entry.parsed()["received_at"]
        assert head == (
            f"<{13 * 8 + severity}>1 {received} obs.example.com obsplatform - {entry.action}"
        )
        assert f"cn1={entry.seq}" in cef
        assert f"cs1={entry.hash}" in cef
        assert "\n" not in line.decode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the certificate of 127.0.0.1 that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def authority(certificate: Path) -> str:
    return certificate.read_text().partition("-----BEGIN PRIVATE")[0]


def test_syslog_over_tls_trusts_the_authority_that_was_given(
    ledger: Ledger, certificate: Path
) -> None:
    with syslog(server_side(certificate)) as told:
        row = destination(ledger, told.address, kind="syslog", ca=authority(certificate))
        chain(ledger, [make_event()])
        deliver(row)

    assert len(told.messages) == len(entries(ledger)) == row.next_seq


def test_syslog_over_tls_to_a_stranger_is_refused(ledger: Ledger, certificate: Path) -> None:
    with syslog(server_side(certificate)) as told:
        row = destination(ledger, told.address, kind="syslog")
        append_pending(ledger.id)

        assert deliver(row) == ["failed"]

    assert "self-signed" in row.error
    assert told.messages == []


def close_at_once(connection: socket.socket) -> None:
    """End the connection without reading; what was sent is unread, so a reset follows."""
    connection.recv(1)
    connection.close()


def hold(_: socket.socket) -> None:
    """Read nothing and keep the connection for longer than anybody waits."""
    time.sleep(2)


@pytest.mark.parametrize("wrong", [reset, hold, close_at_once])
@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_syslog_without_an_orderly_end_is_sent_again(
    ledger: Ledger, settings: Settings, certificate: Path, wrong: Any, over: str
) -> None:
    settings.OUTBOUND_RULES = replace(LOOPBACK, seconds=0.5)
    options = {"ca": authority(certificate)} if over == "tls" else {}
    with syslog(server_side(certificate) if over == "tls" else None) as told:
        row = destination(ledger, told.address, kind="syslog", **options)
        chain(ledger, [make_event() for _ in range(3)])
        told.behave = wrong
        assert deliver(row) == ["failed"]
        assert row.next_seq == 0

        told.behave = None
        let_time_pass(row, seconds=60)
        assert deliver(row) == ["sent", "idle"]

    assert [f"cn1={at} " in line.decode() for at, line in enumerate(told.messages)] == [True] * 4


def test_tls_that_ends_without_its_farewell_is_no_acknowledgement(
    ledger: Ledger, settings: Settings, certificate: Path
) -> None:
    settings.OUTBOUND_RULES = replace(LOOPBACK, seconds=0.5)

    def cut(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass
        # Below TLS, as somebody on the way could do it.
        socket.socket.shutdown(connection, socket.SHUT_WR)

    with syslog(server_side(certificate)) as told:
        row = destination(ledger, told.address, kind="syslog", ca=authority(certificate))
        append_pending(ledger.id)
        told.behave = cut

        assert deliver(row) == ["failed"]


# --- File ----------------------------------------------------------------------------------------


def files(row: Destination, settings: Settings) -> list[Path]:
    folder = Path(settings.DESTINATION_FOLDER) / row.ledger.name / row.address
    return sorted(folder.iterdir())


def test_a_file_holds_the_records_one_a_line(ledger: Ledger, settings: Settings) -> None:
    row = destination(ledger, "siem", kind="file")
    for _ in range(3):
        chain(ledger, [make_event()])
        deliver(row)

    (path,) = files(row, settings)
    today = timezone.now().date().isoformat()
    assert path.name == f"{today}.{0:019d}.ndjson"
    assert path.read_bytes() == b"".join(bytes(e.record) + b"\n" for e in entries(ledger))


def test_a_file_that_has_grown_or_a_day_that_is_over_begins_a_new_one(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path, ledger="main", name="siem", rotate_bytes=100)
    for at in range(4):
        folder.take(items(at * 5, 5), now=NOW)
    folder.take(items(20, 1), now=NOW + datetime.timedelta(days=1))

    found = sorted((tmp_path / "main" / "siem").iterdir())
    assert [path.name for path in found] == [
        "2026-11-21.0000000000000000000.ndjson",
        "2026-11-21.0000000000000000010.ndjson",
        "2026-11-22.0000000000000000020.ndjson",
    ]
    seqs = [json.loads(line)["seq"] for path in found for line in path.open()]
    assert seqs == list(range(21))


def test_a_line_that_a_crash_tore_is_cut_before_the_next_batch(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path, ledger="main", name="siem", rotate_bytes=10**9)
    folder.take(items(0, 2), now=NOW)
    (path,) = (tmp_path / "main" / "siem").iterdir()
    with path.open("ab") as file:
        file.write(b'{"seq": 2, "text": "' + b"x" * 100_000)

    folder.take(items(2, 1), now=NOW)

    assert [json.loads(line)["seq"] for line in path.open()] == [0, 1, 2]


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "a/b", "../x", "/etc", "a\\b", "A", "-x", "x" * 64, "a\0b", "a b", "ü"],
)
def test_a_folder_is_one_plain_name(ledger: Ledger, name: str) -> None:
    with pytest.raises(DestinationRefused, match="address"):
        destination(ledger, name, kind="file")


def test_no_link_is_followed_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "main").mkdir(parents=True)
    (root / "main" / "siem").symlink_to(outside)
    folder = Folder(root=root, ledger="main", name="siem", rotate_bytes=100)

    with pytest.raises(NotDelivered, match="siem"):
        folder.take(items(0, 1), now=NOW)

    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("keep")
    place = tmp_path / "root" / "main" / "siem"
    place.mkdir(parents=True)
    (place / "2026-11-21.0000000000000000000.ndjson").symlink_to(target)
    folder = Folder(root=tmp_path / "root", ledger="main", name="siem", rotate_bytes=100)

    with pytest.raises(NotDelivered):
        folder.take(items(0, 1), now=NOW)

    assert target.read_text() == "keep"


def test_a_folder_that_cannot_be_written_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("a file in its place")
    folder = Folder(root=tmp_path, ledger="main", name="siem", rotate_bytes=100)

    with pytest.raises(NotDelivered, match="main/siem cannot be written"):
        folder.take(items(0, 1), now=NOW)


def test_two_destinations_never_share_a_folder(ledger: Ledger) -> None:
    destination(ledger, "siem", kind="file")

    with pytest.raises(DestinationRefused, match="address"):
        destination(ledger, "siem", kind="file")


# --- Object store --------------------------------------------------------------------------------


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
