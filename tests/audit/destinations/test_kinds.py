"""Each kind of destination writes what its page says: HTTP and files.

Syslog: test_syslog.py. Object stores: test_objectstore.py.
"""

from __future__ import annotations

import datetime
import hmac
import json
from hashlib import sha256
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from audit.append import append_pending
from audit.destinations import NotDelivered
from audit.destinations.file import Folder
from audit.destinations.kinds import DestinationRefused
from audit.models import Destination, Ledger
from tests.audit.destinations.receiving import SECRET, deliver, destination, endpoint
from tests.audit.destinations.writing import NOW, items, loopback
from tests.conftest import chain, entries, make_event

__all__ = ["loopback"]  # fixtures, which pytest finds by their names here


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
