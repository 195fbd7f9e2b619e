"""`manage.py writereport`: whole files in a folder, the same of a bundle, clear ends."""

from __future__ import annotations

import json
import threading
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.append import append_pending
from audit.exportfile import path_of as export_path
from audit.models import Ledger
from audit.seal import seal
from audit.signatures import sign_waiting_texts
from compliance.models import Report
from tests.audit.exporting import made as exported
from tests.audit.exporting import signing, vkey
from tests.compliance.reporting import days, fill

START, END = (str(day) for day in days())


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.REPORT_DIR = str(tmp_path / "reports")
    settings.EXPORT_DIR = str(tmp_path / "exports")


@pytest.fixture
def busy(ledger: Ledger) -> Ledger:
    return fill(ledger)


def run(out: Path, *arguments: str, framework: str = "soc2", **options: Any) -> str:
    said = StringIO()
    given = ("--from", START, "--to", END, "--out", str(out), *arguments)
    call_command("writereport", framework, *given, stdout=said, **options)
    return said.getvalue()


def sign_soon(ledger: Ledger, stop: threading.Event) -> None:
    """Sign as the sealing process does, until told to stop."""
    while not stop.wait(0.1):
        append_pending(ledger.id)
        seal(ledger)
        sign_waiting_texts(ledger, signing(ledger))
    connection.close()


@pytest.fixture
def sealer(busy: Ledger) -> Any:
    """Sign what waits while the test runs."""
    stop = threading.Event()
    thread = threading.Thread(target=sign_soon, args=(busy, stop))
    thread.start()
    yield thread
    stop.set()
    thread.join(timeout=10)


@pytest.mark.usefixtures("sealer")
def test_files_are_made_signed_and_put_where_they_were_asked_for(
    busy: Ledger, tmp_path: Path
) -> None:
    out = tmp_path / "october"

    said = json.loads(
        run(out, "--ledger", busy.name, "--format", "pdf,json,zip", "--reason", "x", "--json")
    )

    assert [each["format"] for each in said["files"]] == ["pdf", "json", "zip"]
    for each in said["files"]:
        assert sha256(Path(each["file"]).read_bytes()).hexdigest() == each["sha256"]
    assert {each.name for each in out.iterdir()} == {
        Path(each["file"]).name for each in said["files"]
    }
    report = Report.objects.get(id=said["report"])
    assert (report.state, report.via, report.asked_by) == ("done", "command", "writereport")
    assert said["content_sha256"] == report.content_sha256
    assert report.owner
    archive = next(Path(each["file"]) for each in said["files"] if each["format"] == "zip")
    with ZipFile(archive) as found:
        assert {"report.pdf", "report.json", "items.csv", "manifest"} <= set(found.namelist())
        assert "UNSIGNED.txt" not in found.namelist()


def test_of_a_bundle_alone_the_content_is_the_same(busy: Ledger, tmp_path: Path) -> None:
    of_ledger = json.loads(
        run(tmp_path / "a", "--ledger", busy.name, "--format", "json,csv,html", "--json")
    )
    append_pending(busy.id)
    seal(busy)
    bundle = export_path(exported(busy))
    count = Report.objects.count()

    of_bundle = json.loads(
        run(
            tmp_path / "b",
            *("--bundle", str(bundle), "--key", vkey(busy), "--format", "json,csv,html", "--json"),
        )
    )

    assert of_bundle["report"] is None
    assert Report.objects.count() == count
    assert of_bundle["content_sha256"] == of_ledger["content_sha256"]
    assert [each["sha256"] for each in of_bundle["files"]] == [
        each["sha256"] for each in of_ledger["files"]
    ]


def test_an_unsigned_archive_says_that_it_is(busy: Ledger, tmp_path: Path) -> None:
    out = tmp_path / "out"

    said = json.loads(run(out, "--ledger", busy.name, "--format", "zip", "--unsigned", "--json"))

    (file,) = said["files"]
    with ZipFile(file["file"]) as found:
        assert "UNSIGNED.txt" in found.namelist()
    assert Report.objects.get(id=said["report"]).formats == ["json"]


def test_without_a_signature_it_ends_with_4_and_keeps_the_report(
    busy: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="no signature came within") as ended:
        run(tmp_path / "out", "--ledger", busy.name, "--format", "zip", "--wait", "0.1")

    assert ended.value.returncode == 4
    assert Report.objects.get(ledger=busy).state == "signing"
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_said_without_json_names_files_and_hashes(busy: Ledger, tmp_path: Path) -> None:
    said = run(tmp_path / "out", "--ledger", busy.name, "--format", "csv")

    assert "items.csv" in said
    assert "content SHA-256" in said


def test_progress_goes_to_stderr(
    busy: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "out", "--ledger", busy.name, "--format", "html")

    assert "evaluating\n" in capsys.readouterr().err


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(
    busy: Ledger, tmp_path: Path
) -> None:
    asked = ("--ledger", busy.name, "--format", "csv")
    run(tmp_path, *asked)
    (file,) = tmp_path.glob("*.csv")
    file.write_text("mine")

    with pytest.raises(CommandError, match="is there already"):
        run(tmp_path, *asked)
    assert file.read_text() == "mine"
    run(tmp_path, *asked, "--force")

    assert file.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "docx"), "--format: there is no format 'docx'"),
        (("--format", ","), "--format: name at least one"),
        (("--format", "csv", "--ledger", "none"), "there is no ledger 'none'"),
        (("--format", "csv", "--environment", "moon"), "--environment: is one of"),
        (("--format", "csv", "--key", "x"), "--key is of --bundle"),
        (("--format", "zip", "--bundle", "x.zip"), "nobody here can sign"),
        (("--format", "csv", "--bundle", "/no/such/bundle.zip"), "--bundle"),
        (("--format", "csv", "--from", "2190-01-01", "--to", "2190-02-01"), "in the future"),
        (("--format", "csv", "--from", "2026-10-02", "--to", "2026-10-01"), "--to: is a day after"),
        (("--format", "csv", "--from", "soon"), "a date looks like"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_the_option(
    busy: Ledger, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = arguments if "--ledger" in arguments else ("--ledger", busy.name, *arguments)

    with pytest.raises(CommandError, match=said) as ended:
        run(tmp_path / "out", *given)

    assert ended.value.returncode == 2
    assert not Report.objects.filter(ledger=busy).exists()


def test_an_unknown_framework_is_usage_and_an_empty_ledger_a_failure(
    busy: Ledger, ledger: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="FRAMEWORK: no framework in force") as ended:
        run(tmp_path / "out", "--ledger", busy.name, "--format", "csv", framework="soc3")
    assert ended.value.returncode == 2


def test_a_ledger_without_entries_ends_with_1(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no entries yet") as ended:
        run(tmp_path / "out", "--ledger", ledger.name, "--format", "csv")

    assert ended.value.returncode == 1


def test_a_bundle_that_is_none_ends_with_1(tmp_path: Path, busy: Ledger) -> None:
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"no archive at all")

    with pytest.raises(CommandError, match="--bundle: ") as ended:
        run(tmp_path / "out", "--bundle", str(wrong), "--format", "csv")

    assert ended.value.returncode == 1
