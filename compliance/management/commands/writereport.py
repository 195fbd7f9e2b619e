"""Make a report here and now, of a ledger or of a bundle, and put its files into a folder."""

from __future__ import annotations

import getpass
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.acting import ActRefused
from compliance.gather import Ledger
from compliance.in_force import UnknownFramework
from compliance.make_report import make_reports, start_report, work_on_report
from compliance.models import Report
from compliance.renderers import FORMATS
from compliance.report import (
    EVERYWHERE,
    TooManyReports,
    WantedReport,
    cancel_report,
    check_formats,
    check_period,
    want_report,
)
from compliance.report_attempt import Job
from compliance.report_build import build_from_bundle
from compliance.report_content import ITEMS, ReportContent, content_digest, parse_content
from compliance.report_draft import NothingToReport
from compliance.report_files import (
    CONTENT,
    files_of,
    folder_of,
    path_of,
    stem,
    sum_up,
)
from compliance.report_forms import (
    ARCHIVE,
    archived,
    copy_whole,
    manifest_of,
    put_archive,
    write_forms,
)
from compliance.scratch import BundleRefused

BY: Final = "writereport"
ALL: Final = "all"
NOT_SIGNED: Final = 4
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """What lies in the folder at the end."""

    content: ReportContent
    digest: str
    files: Mapping[str, Path]
    """By format."""
    number: int | None
    """Of the report in the archive; None: made of a bundle."""


class Command(BaseCommand):
    """`manage.py writereport FRAMEWORK --from DATE --to DATE --format … --out DIR`."""

    help = (
        "Make a report of a framework over the days from --from up to, not including, --to, and "
        "put its files into a folder. Of a ledger it seals the result, keeps the report in the "
        "archive and leaves an entry; of an evidence bundle (--bundle) it reads nothing but the "
        "bundle and the catalogue, and comes to the same content. "
        "Exit 0 done, 1 failed, 2 usage, 4 no signature came. "
        "Example: manage.py writereport soc2 --from 2026-10-01 --to 2026-11-01 "
        "--format pdf,json,zip --out ./october"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("framework", help="its id, such as soc2; manage.py catalog list")
        parser.add_argument("--from", dest="start", required=True, metavar="DATE")
        parser.add_argument(
            "--to", dest="end", required=True, metavar="DATE", help="the day after the last"
        )
        parser.add_argument(
            "--format",
            dest="formats",
            required=True,
            metavar="FORMAT[,…]",
            help=f"one or more of {', '.join(FORMATS)}",
        )
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="made if absent")
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument(
            "--environment",
            default="prod",
            help=f"of the agents that count, {ALL} for each of them (default: %(default)s)",
        )
        parser.add_argument(
            "--bundle", type=Path, metavar="FILE", help="read an unfiltered evidence bundle instead"
        )
        parser.add_argument(
            "--key",
            dest="keys",
            action="append",
            default=[],
            metavar="VKEY",
            help="a verifier key of the bundle's ledger, from outside; may be repeated",
        )
        parser.add_argument(
            "--unsigned", action="store_true", help="make the ZIP without waiting for a signature"
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=60.0,
            metavar="SECONDS",
            help="for the signature of the sealing process (default: %(default)s)",
        )
        parser.add_argument("--reason", default="", help="why; stands in the ledger for ever")
        parser.add_argument("--force", action="store_true", help="replace files that are there")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the files and say what they are."""
        try:
            formats = check_formats([each for each in options["formats"].split(",") if each])
            start, end = _date("--from", options["start"]), _date("--to", options["end"])
            check_period(start, end)
        except ActRefused as refused:
            raise _usage(refused) from refused
        if options["bundle"] and ARCHIVE in formats and not options["unsigned"]:
            raise CommandError(
                "--bundle: nobody here can sign for its ledger; say --unsigned, or leave zip out",
                returncode=2,
            )
        if options["keys"] and not options["bundle"]:
            raise CommandError("--key is of --bundle", returncode=2)
        out: Path = options["out"]
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writereport-", dir=out) as folder:
            make = self._of_bundle if options["bundle"] else self._of_ledger
            written = make(options, start, end, formats, Path(folder))
            placed = _targets(options, _stem_of(written.content), formats)
            for name, path in placed.items():
                copy_whole(written.files[name], path)
        self._tell(written, placed, as_json=options["json"])

    # --- Of a ledger ------------------------------------------------------------------------

    def _of_ledger(
        self,
        options: dict[str, Any],
        start: date,
        end: date,
        formats: tuple[str, ...],
        folder: Path,
    ) -> _Written:
        is_unsigned = options["unsigned"] and ARCHIVE in formats
        # The archive keeps what was signed alone: an unsigned ZIP is made beside it.
        kept = tuple(each for each in formats if each != ARCHIVE or not is_unsigned) or ("json",)
        wanted = self._wanted(options, start, end, kept)
        _targets(options, stem(wanted.ledger.name, wanted.framework, start, end), formats)
        shown = _Shown()
        try:
            job = start_report(wanted, by=BY)
        except TooManyReports as full:
            raise CommandError(str(full), returncode=2) from full
        try:
            report = self._make(job, shown, wait=options["wait"])
        except KeyboardInterrupt:
            cancel_report(job.report, by=BY)
            raise
        if report.state != "done":
            why = report.note or f"it is {report.state}"
            raise CommandError(f"report {report.id} was not made: {why}", returncode=1)
        content = parse_content((folder_of(report) / CONTENT).read_bytes())
        paths = {each.format: path_of(report, each) for each in files_of(report)}
        if is_unsigned:
            paths[ARCHIVE] = self._unsigned(content, folder_of(report), folder, shown)
        return _Written(
            content=content, digest=report.content_sha256, files=paths, number=report.id
        )

    def _wanted(
        self, options: dict[str, Any], start: date, end: date, formats: tuple[str, ...]
    ) -> WantedReport:
        try:
            return want_report(
                _ledger(options["ledger"]),
                options["framework"],
                start=start,
                end=end,
                environment=EVERYWHERE if options["environment"] == ALL else options["environment"],
                formats=formats,
                reason=options["reason"],
                owner=getpass.getuser(),
            )
        except ActRefused as refused:
            raise _usage(refused) from refused

    def _make(self, job: Job, shown: _Shown, *, wait: float) -> Report:
        work_on_report(job, shown.show)
        until = time.monotonic() + wait
        report = _again(job)
        while report.is_going():
            if report.state == "signing" and time.monotonic() > until:
                raise CommandError(
                    f"no signature came within {wait:g} s: is manage.py seal --follow running, and "
                    f"has {report.ledger.name} a key? Report {report.id} is kept, and is finished "
                    "as soon as it is signed; see Reports in the desk, or say --unsigned",
                    returncode=NOT_SIGNED,
                )
            shown.show(report.note or report.stage or report.state, 0, 0)
            if not make_reports(report.ledger_id):
                time.sleep(_LOOK_SECONDS)
            report = _again(job)
        return report

    # --- Of a bundle ------------------------------------------------------------------------

    def _of_bundle(
        self,
        options: dict[str, Any],
        start: date,
        end: date,
        formats: tuple[str, ...],
        folder: Path,
    ) -> _Written:
        shown = _Shown()
        made = folder / "made"
        made.mkdir(mode=0o700)
        environment = None if options["environment"] == ALL else options["environment"]
        try:
            built = build_from_bundle(
                options["bundle"],
                options["framework"],
                start=start,
                end=end,
                environment=environment,
                folder=made,
                keys=options["keys"],
                on_progress=shown.show,
            )
        except BundleRefused as refused:
            raise CommandError(f"--bundle: {refused}", returncode=1) from refused
        except NothingToReport as nothing:
            raise CommandError(str(nothing), returncode=1) from nothing
        except UnknownFramework as unknown:
            raise CommandError(str(unknown), returncode=2) from unknown
        except OSError as unread:
            raise CommandError(f"--bundle {unread}", returncode=2) from unread
        name = _stem_of(built.content)
        _targets(options, name, formats)
        plain = [each for each in formats if each != ARCHIVE]
        paths = write_forms(built.content, made, formats=plain, stem=name, on_progress=shown.show)
        if ARCHIVE in formats:
            paths[ARCHIVE] = self._unsigned(built.content, made, folder, shown)
        return _Written(
            content=built.content, digest=content_digest(built.raw), files=paths, number=None
        )

    def _unsigned(self, content: ReportContent, stored: Path, folder: Path, shown: _Shown) -> Path:
        """Make an archive that nobody signs, from a folder with content and items; return it."""
        work = folder / "archive"
        work.mkdir(mode=0o700)
        for name in (CONTENT, ITEMS):
            shutil.copyfile(stored / name, work / name)
        forms = write_forms(
            content, work, formats=[ARCHIVE], stem=_stem_of(content), on_progress=shown.show
        )
        files = archived(content, forms)
        path = folder / "archive.zip"
        put_archive(path, files, manifest=manifest_of(content, files), note=None)
        return path

    # --- Telling ----------------------------------------------------------------------------

    def _tell(self, written: _Written, placed: Mapping[str, Path], *, as_json: bool) -> None:
        cover, numbers = written.content.cover, written.content.result["numbers"]
        sums = {name: sum_up(path) for name, path in placed.items()}
        if as_json:
            said = {
                "report": written.number,
                "report_id": cover.report_id,
                "framework": cover.framework,
                "ledger": cover.ledger,
                "from": cover.start,
                "to": cover.end,
                "snapshot": cover.snapshot or None,
                "content_sha256": written.digest,
                **{name: numbers[name] for name in ("evidenced", "tested", "coverage", "cap")},
                "files": [
                    {"format": name, "file": str(path), "bytes": size, "sha256": digest}
                    for name, path in placed.items()
                    for size, digest in (sums[name],)
                ],
            }
            self.stdout.write(json.dumps(said))
            return
        for name, path in placed.items():
            size, digest = sums[name]
            self.stdout.write(f"{path}: {size:,} bytes, SHA-256 {digest}")
        self.stdout.write(f"report {cover.report_id}, content SHA-256 {written.digest}")
        if numbers["evidenced"] is None:
            self.stdout.write(f"no score is issued: {numbers['reason']}")


class _Shown:
    """Progress on stderr: in place on a terminal, a line each stage and five seconds elsewhere."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._stage = ""

    def show(self, stage: str, done: int, total: int) -> None:
        """Say the stage and, where it is known, the share of it that is done."""
        is_terminal = sys.stderr.isatty()
        now = time.monotonic()
        if stage == self._stage and now - self._at < (0.2 if is_terminal else 5.0):
            return
        self._at, self._stage = now, stage
        line = f"{stage}, {done:,} of {total:,}, {done / total:.0%}" if total else stage
        sys.stderr.write(f"\r{line}\033[K" if is_terminal else f"{line}\n")
        sys.stderr.flush()


def _again(job: Job) -> Report:
    return Report.objects.select_related("ledger").get(id=job.report.id)


def _stem_of(content: ReportContent) -> str:
    cover = content.cover
    start, end = date.fromisoformat(cover.start), date.fromisoformat(cover.end)
    return stem(cover.ledger, cover.framework, start, end)


def _targets(options: dict[str, Any], name: str, formats: tuple[str, ...]) -> dict[str, Path]:
    """Return where each form goes. Refuses what is there already, unless it may be replaced."""
    found = {each: options["out"] / (name + FORMATS[each].suffix) for each in formats}
    there = [path for path in found.values() if path.exists()]
    if there and not options["force"]:
        raise CommandError(f"{there[0]} is there already; --force replaces it", returncode=2)
    return found


def _ledger(name: str) -> Ledger:
    ledger = Ledger.objects.filter(name=name).first()
    if ledger is None:
        names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(
            f"there is no ledger {name!r}; there are: {names or 'none'}", returncode=2
        )
    return ledger


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: a date looks like 2026-10-01", returncode=2) from None


def _usage(refused: ActRefused) -> CommandError:
    option = {"formats": "--format", "framework": "FRAMEWORK"}.get(
        refused.field, f"--{refused.field}"
    )
    return CommandError(f"{option}: {refused.message}", returncode=2)
