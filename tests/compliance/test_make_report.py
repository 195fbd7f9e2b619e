"""Reports that wait are made whole: files with their sums, an entry, and the same bytes again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.models import Ledger
from compliance import make_report, report_attempt
from compliance.make_report import make_reports, take_report, work_on_report
from compliance.memory import Memory
from compliance.models import Report, Snapshot
from compliance.report import ask_for_report, cancel_report, retry_report, want_report_of
from compliance.report_attempt import ReportStopped
from compliance.report_content import content_digest, parse_content
from compliance.report_files import files_of, folder_of, make_link, path_of, sum_up
from tests.compliance.building import counts, lens
from tests.compliance.reporting import ask, fill, finish, made, settle
from tests.conftest import chain, entries, make_event

ROOT = Path(__file__).parents[2]
FORMATS = ("pdf", "html", "csv", "json", "oscal", "executive", "zip")


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.REPORT_DIR = str(tmp_path / "reports")


@pytest.fixture
def busy(ledger: Ledger) -> Ledger:
    """Return a ledger with something to report, signed and counted."""
    return fill(ledger)


def sums(report: Report) -> dict[str, str]:
    return {each.name: each.sha256 for each in files_of(report)}


def generated(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the events that tell of reports, oldest first."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["action"] == "audit.report_generated"]


def parts() -> list[Path]:
    return list(Path(settings.REPORT_DIR).glob("*.part"))


# --- Made whole -----------------------------------------------------------------------------------


def test_every_format_is_made_with_its_sum_and_the_row_has_the_numbers(busy: Ledger) -> None:
    report = made(busy, *FORMATS)

    files = files_of(report)
    order = ["pdf", "executive", "html", "csv", "json", "oscal", "zip"]
    assert [each.format for each in files] == order
    for file in files:
        assert (file.size, file.sha256) == sum_up(path_of(report, file)), file.name
    raw = (folder_of(report) / "content.json").read_bytes()
    content = parse_content(raw)
    assert content_digest(raw) == report.content_sha256
    assert report.report_id == content.cover.report_id
    assert report.snapshot is not None
    assert (report.evidenced, report.cap) == (report.snapshot.evidenced, report.snapshot.cap)
    assert (report.tested, report.coverage) == (report.snapshot.tested, report.snapshot.coverage)
    assert parts() == []
    assert {each.stat().st_mode & 0o077 for each in folder_of(report).iterdir()} == {0}


def test_only_what_was_asked_for_is_kept(busy: Ledger) -> None:
    report = made(busy, "zip")

    assert [each.format for each in files_of(report)] == ["zip"]
    names = {each.name for each in folder_of(report).iterdir()}
    assert names == {"content.json", "items.csv", *sums(report)}


def test_a_report_that_is_made_is_an_entry_with_every_sum(busy: Ledger) -> None:
    report = made(busy, "json", "csv")

    (event,) = generated(busy)
    said = event["details"]
    assert event["outcome"] == "success"
    assert event["actor"] == {"type": "human", "id": "alice"}
    assert event["reason"] == "October"
    assert said["report"] == str(report.uid)
    assert said["content_sha256"] == report.content_sha256
    assert said["files"] == sums(report)
    assert said["snapshot"] == str(report.snapshot_id)
    (entry,) = [each for each in entries(busy) if each.action == "audit.report_generated"]
    assert entry.event_id == report.event_id


def test_who_asks_and_why_satisfies_the_check_of_log_reads(busy: Ledger) -> None:
    made(busy)
    append_pending(busy.id)
    memory = Memory([lens("LOG-07")])
    for each in entries(busy):
        memory.read(each.seq, bytes(each.record), bytes.fromhex(each.hash))

    assert counts(memory, start="2020-01-01", end="2100-01-01") == (1, 0, 0)


# --- The same bytes -------------------------------------------------------------------------------


def test_the_same_result_gives_the_same_bytes_in_another_process_with_nothing_stored(
    busy: Ledger, tmp_path: Path
) -> None:
    first = made(busy, *FORMATS)
    assert first.snapshot is not None
    asked = want_report_of(first.snapshot, formats=FORMATS, reason="again")
    second = ask_for_report(asked, via="admin", by="bob")

    ended = in_another_process(busy, tmp_path / "elsewhere")

    assert ended.returncode == 0, ended.stderr
    second.refresh_from_db()
    assert second.state == "done", second.note
    assert sums(second) == sums(first)
    assert second.content_sha256 == first.content_sha256


def in_another_process(
    ledger: Ledger, folder: Path, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Make what waits of a ledger in a process of its own, whose reports lie elsewhere."""
    code = (
        "import django; django.setup()\n"
        "from compliance.make_report import make_reports\n"
        f"make_reports({ledger.id})\n"
    )
    environment = os.environ | {
        "OBS_REPORT_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "obsplatform.settings",
        "PYTHONHASHSEED": "7",
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


def test_a_later_report_of_the_same_result_begins_with_what_is_stored(busy: Ledger) -> None:
    first = made(busy, "json", "csv")
    assert first.snapshot is not None
    chain(busy, [make_event()])
    settle(busy)
    asked = want_report_of(first.snapshot, formats=["json", "csv"], reason="again")
    second = ask_for_report(asked, via="admin", by="bob")

    make_reports(busy.id)

    second.refresh_from_db()
    assert sums(second) == sums(first)


def test_stored_content_that_somebody_changed_is_not_taken(busy: Ledger) -> None:
    first = made(busy, "json")
    assert first.snapshot is not None
    stored = folder_of(first) / "content.json"
    stored.write_bytes(stored.read_bytes().replace(b'"items', b'"Items', 1) + b" ")
    asked = want_report_of(first.snapshot, formats=["json"], reason="again")
    second = ask_for_report(asked, via="admin", by="bob")

    make_reports(busy.id)

    second.refresh_from_db()
    assert second.content_sha256 == first.content_sha256


# --- What goes wrong ------------------------------------------------------------------------------


def test_a_ledger_without_entries_fails_at_once_with_the_way_out(ledger: Ledger) -> None:
    report = ask(ledger)

    make_reports(ledger.id)

    report.refresh_from_db()
    assert (report.state, files_of(report)) == ("failed", [])
    assert "no entries yet" in report.note
    (event,) = generated(ledger)
    assert (event["outcome"], event["error"]["message"]) == ("failure", report.note)
    assert parts() == []
    assert not folder_of(report).exists()


def test_while_tallies_are_counted_again_a_report_waits_and_says_so(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM compliance_lens WHERE ledger_id = %s AND check_id = 'TOOL-01'", [busy.id]
        )
    report = ask(busy)

    assert make_reports(busy.id) == 1

    report.refresh_from_db()
    assert report.state == "queued"
    assert report.note.startswith("It waits: ")
    assert make_reports(busy.id) == 0
    assert not generated(busy)
    monkeypatch.setattr(make_report, "PAUSE", 0.0)
    assert take_report(busy.id) is not None


def test_a_full_disk_fails_the_report_and_leaves_no_file(busy: Ledger, tmp_path: Path) -> None:
    report = ask(busy, "pdf", "json")
    folder = tmp_path / "small"

    ended = in_another_process(busy, folder, preexec_fn=no_file_above_a_few_kilobytes)

    assert ended.returncode == 0, ended.stderr
    report.refresh_from_db()
    assert report.state == "failed"
    assert report.note.startswith("There is no room in OBS_REPORT_DIR")
    assert "try again" in report.note
    assert list(folder.iterdir()) == []
    retry_report(report)
    make_reports(busy.id)
    report.refresh_from_db()
    assert report.state == "done", report.note


def no_file_above_a_few_kilobytes() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_worker_that_was_killed_loses_the_report_to_another(busy: Ledger, tmp_path: Path) -> None:
    report = ask(busy, "csv", "json", "zip")
    job = take_report(busy.id)
    assert job is not None
    Report.objects.filter(id=report.id).update(seen_at=timezone.now() - timedelta(seconds=31))

    finish(busy)

    report.refresh_from_db()
    assert (report.state, report.lost) == ("done", 1)
    before = sums(report)
    work_on_report(job)  # the dead come back late
    report.refresh_from_db()
    assert report.state == "done"
    assert sums(report) == before
    assert {name: sum_up(folder_of(report) / name)[1] for name in before if name.endswith("zip")}
    assert parts() == []


def test_a_process_killed_amid_its_work_leaves_what_another_makes_anew(
    busy: Ledger, tmp_path: Path
) -> None:
    report = ask(busy, *FORMATS)
    folder = Path(settings.REPORT_DIR)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import django; django.setup()\n"
            f"from compliance.make_report import make_reports\nmake_reports({busy.id})\n",
        ],
        cwd=ROOT,
        env=os.environ
        | {"OBS_REPORT_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "obsplatform.settings"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(folder.glob("*.part/*.pdf")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    report.refresh_from_db()
    assert report.state == "running"
    assert not folder_of(report).exists()
    Report.objects.filter(id=report.id).update(seen_at=timezone.now() - timedelta(seconds=31))

    finish(busy)

    report.refresh_from_db()
    assert (report.state, report.lost) == ("done", 1)
    assert parts() == []


def test_a_report_that_loses_every_worker_is_given_up(busy: Ledger) -> None:
    report = ask(busy)
    assert take_report(busy.id) is not None
    Report.objects.filter(id=report.id).update(
        seen_at=timezone.now() - timedelta(seconds=31), lost=make_report.MOST_LOST
    )

    assert make_reports(busy.id) == 0

    report.refresh_from_db()
    assert report.state == "failed"
    assert "was lost 4 times" in report.note
    assert generated(busy)[0]["outcome"] == "failure"


def test_one_worker_alone_takes_a_report(busy: Ledger) -> None:
    ask(busy)
    taken: list[object] = []

    def take() -> None:
        taken.append(take_report(busy.id))
        connection.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sum(each is not None for each in taken) == 1


def test_a_report_cancelled_while_it_is_made_leaves_nothing(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_attempt, "_SAY_EVERY", 0.01)
    report = ask(busy, "pdf", "html", "oscal")
    job = take_report(busy.id)
    assert job is not None
    told: list[str] = []

    def cancel_at_the_pdf(stage: str, done: int, total: int) -> None:
        told.append(stage)
        if stage == "writing PDF":
            cancel_report(report, by="bob")

    work_on_report(job, cancel_at_the_pdf)

    report.refresh_from_db()
    assert (report.state, files_of(report)) == ("cancelled", [])
    assert not folder_of(report).exists()
    assert parts() == []
    assert not generated(busy)
    assert told[0] == "evaluating"


def test_a_worker_that_lost_its_report_writes_nothing_into_its_row(busy: Ledger) -> None:
    report = ask(busy)
    old = take_report(busy.id)
    assert old is not None
    Report.objects.filter(id=report.id).update(seen_at=timezone.now() - timedelta(seconds=31))
    new = take_report(busy.id)
    assert new is not None

    with report_attempt.Heart(old, None) as heart:
        heart._say_once()
        with pytest.raises(ReportStopped, match="another worker has it"):
            heart.say("writing PDF")


# --- Signatures -----------------------------------------------------------------------------------


def test_an_archive_waits_for_its_signature_without_a_worker(busy: Ledger) -> None:
    report = ask(busy, "zip", "json")

    make_reports(busy.id)

    report.refresh_from_db()
    assert report.state == "signing"
    assert files_of(report) == []
    assert not folder_of(report).exists()
    assert make_reports(busy.id) == 0
    finish(busy)
    report.refresh_from_db()
    assert report.state == "done"


def test_an_archive_that_nobody_signs_fails_and_says_what_to_do(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ask(busy, "zip")
    make_reports(busy.id)
    monkeypatch.setattr(make_report, "SIGNED_WITHIN", 0.0)

    make_reports(busy.id)

    report.refresh_from_db()
    assert report.state == "failed"
    assert "manage.py seal --follow" in report.note
    assert parts() == []


def test_a_worker_ends_a_signed_report_even_when_its_folder_is_gone(busy: Ledger) -> None:
    report = ask(busy, "zip", "json")
    make_reports(busy.id)
    (part,) = parts()
    for path in part.iterdir():
        path.unlink()
    part.rmdir()

    finish(busy)

    report.refresh_from_db()
    assert report.state == "done", report.note


# --- Restatements ---------------------------------------------------------------------------------


def test_both_reports_stay_when_a_period_is_sealed_again(busy: Ledger) -> None:
    first = made(busy, "json")
    chain(busy, [make_event()])
    settle(busy)

    second = made(busy, "json")

    assert first.snapshot_id != second.snapshot_id
    assert first.report_id != second.report_id
    first.refresh_from_db()
    assert sum_up(path_of(first, files_of(first)[0]))[1] == files_of(first)[0].sha256
    assert Snapshot.objects.filter(ledger=busy, kind="period").count() == 2


def test_the_json_is_the_content_itself(busy: Ledger) -> None:
    report = made(busy, "json")
    (file,) = files_of(report)

    said = json.loads(path_of(report, file).read_bytes())

    assert file.sha256 == report.content_sha256
    assert said["cover"]["report_id"] == report.report_id
    assert make_link(report, file).startswith(f"/reports/{report.id}/{file.name}?link=")


def names(files: Sequence[Any]) -> list[str]:
    return [each.name for each in files]


def test_files_are_named_for_ledger_framework_and_days(busy: Ledger) -> None:
    report = made(busy, "pdf", "csv")
    stem = f"{busy.name}-soc2-{report.start_day}-{report.last_day}"

    assert names(files_of(report)) == [f"{stem}.pdf", f"{stem}-items.csv"]
    assert open_ledger(busy.name).id == busy.id
