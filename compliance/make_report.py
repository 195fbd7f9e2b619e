"""Make the reports that wait: take one, build its content, write each form, put the files in place.

A Celery task takes a report. One worker has it at a time; a thread says each second how far it is,
on a connection of its own, since the content is read in one long transaction and a form may take a
minute to set. A report whose worker was lost begins again with another. What has a report's name is
always a whole report. An archive is made in two steps, since whoever makes it does not hold the
signing key: the report is left in state `signing` until audit/signatures.py has its manifest
signed, then any worker ends it. What is made is an entry, `audit.report_generated`; what failed for
good too.

Asking: report.py. What a worker says meanwhile: report_attempt.py. Content: report_build.py. Forms:
report_forms.py. Files: report_files.py. What follows when a report has ended, deliveries and its
slot: slots.py.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from django.db import DatabaseError, transaction

from compliance.gather import (
    AuditError,
    Signed,
    ask_for_signature,
    receive_own,
    rows,
    signature_of_text,
)
from compliance.in_force import UnknownFramework
from compliance.models import Report
from compliance.report import WantedReport, begin_report
from compliance.report_attempt import Heart, Job, Progress, ReportStopped
from compliance.report_build import SnapshotDiffers, build_report
from compliance.report_content import ITEMS, ReportContent, content_digest, parse_content
from compliance.report_draft import NothingToReport
from compliance.report_files import (
    CONTENT,
    make_part_folder,
    make_whole,
    remove_parts,
    shown_name,
    stem_of,
    stored_content,
    sum_up,
    take_over_folder,
)
from compliance.report_forms import (
    ARCHIVE,
    archived,
    forms_in,
    manifest_of,
    put_archive,
    write_forms,
)
from compliance.scratch import PrunedSince
from compliance.tallied import LensNotTallied

log = structlog.get_logger(__name__)


MOST_LOST: Final = 3
"""Workers that a report may lose before it is given up."""
PAUSE: Final = 15.0
"""Seconds before a report that waits for the tallies is tried again."""
SIGNED_WITHIN: Final = 3600.0
"""Seconds that an archive waits for its signature before it fails and says so."""


# What waits, what lost its worker, what was signed meanwhile, and what nobody signs.
_TAKE = """
UPDATE compliance_report AS report
SET state = 'running',
    attempt = report.attempt + 1,
    attempt_at = clock_timestamp(),
    seen_at = clock_timestamp(),
    lost = CASE report.state WHEN 'running' THEN report.lost + 1 WHEN 'queued' THEN 0
           ELSE report.lost END,
    stage = '',
    done = 0,
    total = 0,
    finished_at = NULL,
    note = ''
FROM (
    SELECT ledger_id, id, state
    FROM compliance_report
    WHERE state IN ('queued', 'running', 'signing')
      AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
      AND (
          (state = 'queued'
              AND (note = '' OR attempt_at < clock_timestamp() - make_interval(secs => %(pause)s)))
          OR (state = 'running' AND seen_at < clock_timestamp() - make_interval(secs => %(gone)s)
              AND lost < %(most_lost)s)
          OR (state = 'signing' AND (
              seen_at < clock_timestamp() - make_interval(secs => %(signed_within)s)
              OR EXISTS (
                  SELECT FROM audit_signature AS s
                  WHERE s.ledger_id = compliance_report.ledger_id
                    AND s.id = compliance_report.signature_id
                    AND s.settled_at IS NOT NULL)))
      )
    ORDER BY ledger_id, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS next
WHERE report.ledger_id = next.ledger_id
  AND report.id = next.id
RETURNING report.ledger_id, report.id, report.attempt, next.state
"""
_LOST_ONES = """
SELECT ledger_id, id, attempt
FROM compliance_report
WHERE state = 'running'
  AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
  AND lost >= %(most_lost)s
  AND seen_at < clock_timestamp() - make_interval(secs => %(gone)s)
ORDER BY ledger_id, id
"""
_AWAIT_SIGNATURE = """
UPDATE compliance_report
SET state = 'signing', seen_at = clock_timestamp(), stage = 'waiting for the signature',
    signature_id = %s, snapshot_id = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_FINISH = """
UPDATE compliance_report
SET state = 'done', finished_at = clock_timestamp(), seen_at = clock_timestamp(), stage = '',
    done = 0, total = 0, snapshot_id = %s, report_id = %s, content_sha256 = %s, evidenced = %s,
    tested = %s, coverage = %s, cap = %s, band = %s, event_id = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_KEEP_FILE = """
INSERT INTO compliance_reportfile (ledger_id, report_id, name, format, size, sha256)
VALUES (%s, %s, %s, %s, %s, %s)
RETURNING name
"""
_FAIL = """
UPDATE compliance_report
SET state = 'failed', finished_at = clock_timestamp(), stage = '', note = %s, event_id = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_PUT_BACK = """
UPDATE compliance_report
SET state = 'queued', stage = '', note = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_LOST = (
    f"Its worker was lost {MOST_LOST + 1} times: see the log for why (memory, disk, a restart), "
    "then try again."
)


class NotSigned(Exception):
    """The archive got no signature; the message says why and what to do."""


_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_TOLD: Final = (
    NothingToReport,
    SnapshotDiffers,
    PrunedSince,
    UnknownFramework,
    NotSigned,
    AuditError,
)
"""Failures whose message is a sentence for people, with the way out."""


# --- Taking ---------------------------------------------------------------------------------------


def make_reports(ledger_id: int | None = None) -> int:
    """Make what waits, of one ledger or of all, one after the other; return how many were taken."""
    taken = 0
    while (job := take_report(ledger_id)) is not None:
        taken += 1
        work_on_report(job)
    return taken


def take_report(ledger_id: int | None = None) -> Job | None:
    """Take the oldest report that waits or has lost its worker; None when there is none."""
    limits = {"ledger": ledger_id, "gone": Report.LOST_AFTER, "most_lost": MOST_LOST}
    for place in rows(_LOST_ONES, limits):
        log.error("report.given_up", report=place[1])
        _fail(_job(*place), _LOST)
    found = rows(_TAKE, limits | {"pause": PAUSE, "signed_within": SIGNED_WITHIN})
    return _job(*found[0]) if found else None


def start_report(wanted: WantedReport, *, by: str) -> Job:
    """Begin a report here and now, for a command that makes it itself. Raises TooManyReports."""
    report = begin_report(wanted, by=by)
    return Job(report=report, attempt=report.attempt)


def _job(ledger_id: int, number: int, attempt: int, was: str = "running") -> Job:
    report = Report.objects.select_related("ledger", "snapshot").get(ledger_id=ledger_id, id=number)
    return Job(report=report, attempt=attempt, was=was)


# --- Working --------------------------------------------------------------------------------------


def work_on_report(job: Job, on_progress: Progress | None = None) -> None:
    """Make the files, or leave the report waiting for its signature.

    Ends early, and says so in the log, when the report was cancelled or given to another worker. A
    failure is kept in the row and in the ledger; what is no fact about the period, the ledger or
    the disk raises too. When the database is away the row stays as it is, and another attempt
    begins a while later. Call it outside of a transaction.
    """
    try:
        with Heart(job, on_progress) as heart:
            _make(job, heart)
    except ReportStopped as stopped:
        log.info("report.stopped", report=job.report.id, why=str(stopped))
        remove_parts(job.report, before=job.attempt + 1)
    except LensNotTallied as behind:
        log.info("report.waits", report=job.report.id, why=str(behind))
        remove_parts(job.report, before=job.attempt + 1)
        rows(_PUT_BACK, (f"It waits: {behind}.", *job.place))
    except (DatabaseError, psycopg.Error):
        raise
    except (*_TOLD, OSError) as error:
        _fail(job, _why(error))
    except (KeyboardInterrupt, SystemExit):
        # The process is asked to end: another one begins at once, and nobody counts a loss.
        rows(_PUT_BACK, ("", *job.place))
        raise
    except Exception as error:
        _fail(job, _why(error))
        raise


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """What one attempt has in its folder."""

    folder: Path
    content: ReportContent
    raw: bytes
    snapshot: UUID
    forms: Mapping[str, Path] = field(default_factory=dict)


def _make(job: Job, heart: Heart) -> None:
    made = _continued(job) or _begun(job, heart)
    if ARCHIVE in job.report.formats:
        heart.say("writing the archive")
        archive = made.folder / shown_name(job.report, ARCHIVE)
        files = archived(made.content, made.forms)
        manifest = manifest_of(made.content, files)
        number = ask_for_signature(job.report.ledger, manifest)
        signature = signature_of_text(job.report.ledger, number)
        if signature is None:
            _await_signature(job, number, made.snapshot)
            return
        if not isinstance(signature, Signed):
            raise NotSigned(f"The manifest of its archive was {signature.why}")
        put_archive(archive, files, manifest=manifest, note=signature.note)
        made = _with_archive(made, archive)
    heart.say("putting the files in place")
    _publish(job, made)


def _continued(job: Job) -> _Made | None:
    """Return what the attempt before has made, up to the signature; None when there is nothing."""
    if job.report.signature_id is None or job.was != "signing":
        return None
    folder = take_over_folder(job.report, attempt=job.attempt)
    if folder is None:
        return None
    raw = (folder / CONTENT).read_bytes()
    content = parse_content(raw)
    forms = forms_in(folder, formats=job.report.formats, stem=stem_of(job.report))
    return _Made(
        folder=folder, content=content, raw=raw, snapshot=UUID(content.cover.snapshot), forms=forms
    )


def _begun(job: Job, heart: Heart) -> _Made:
    """Build the content in a new folder and write every form but the archive."""
    report = job.report
    folder = make_part_folder(report, job.attempt)
    built = build_report(
        report.ledger,
        report.framework,
        start=report.start_day,
        end=report.end_day,
        environment=report.environment or None,
        by=report.asked_by if report.via == "admin" else "",
        folder=folder,
        snapshot=report.snapshot,
        stored=stored_content,
        on_progress=heart.say,
    )
    assert built.snapshot is not None, "a report of a ledger has a snapshot"
    forms = write_forms(
        built.content,
        folder,
        formats=report.formats,
        stem=stem_of(report),
        on_progress=heart.say,
    )
    return _Made(
        folder=folder,
        content=built.content,
        raw=built.raw,
        snapshot=built.snapshot.id,
        forms=forms,
    )


def _with_archive(made: _Made, archive: Path) -> _Made:
    return _Made(
        folder=made.folder,
        content=made.content,
        raw=made.raw,
        snapshot=made.snapshot,
        forms={**made.forms, ARCHIVE: archive},
    )


def _await_signature(job: Job, number: UUID, snapshot: UUID) -> None:
    if job.was == "signing" and job.report.signature_id == number:
        raise NotSigned(
            f"No signature came within {SIGNED_WITHIN / 60:,.0f} minutes. Is manage.py seal "
            "--follow running, and has the ledger a key (manage.py makesigningkey)? Then try "
            "again; without the ZIP a report needs no signature"
        )
    # The result is kept too: whoever ends the report, with the folder or without, ends this one.
    if not rows(_AWAIT_SIGNATURE, (number, snapshot, *job.place)):
        raise ReportStopped("cancelled, or another worker has it")


# --- Ending ---------------------------------------------------------------------------------------


def _publish(job: Job, made: _Made) -> None:
    """Keep the rows of the files, leave the entry and put the folder in place: all, or nothing."""
    report = job.report
    sums = {name: sum_up(made.forms[name]) for name in report.formats}
    _clear(made.folder, {made.forms[name].name for name in report.formats})
    with transaction.atomic():
        numbers = made.content.result["numbers"]
        event_id = _leave_entry(report, made, sums)
        finished = rows(
            _FINISH,
            (
                made.snapshot,
                made.content.cover.report_id,
                content_digest(made.raw),
                *(numbers[name] for name in ("evidenced", "tested", "coverage", "cap", "band")),
                event_id,
                *job.place,
            ),
        )
        if not finished:
            raise ReportStopped("cancelled at the last moment, or another worker has it")
        for name, (size, digest) in sums.items():
            file = (report.ledger_id, report.id, shown_name(report, name), name, size, digest)
            rows(_KEEP_FILE, file)
        report.refresh_from_db()
        _tell_slots(report)
        # Inside the transaction, whose row is locked: so no late worker can put its files here.
        make_whole(report, attempt=job.attempt)
    log.info("report.done", report=report.id, files=len(sums))


def _clear(folder: Path, kept: set[str]) -> None:
    """Remove what was made for the archive alone."""
    for path in folder.iterdir():
        if path.name not in {CONTENT, ITEMS, *kept}:
            path.unlink()


def _fail(job: Job, why: str) -> None:
    """Keep a failure in the row and leave its entry; nothing of the files stays."""
    report = job.report
    log.error("report.failed", report=report.id, why=why)
    remove_parts(report, before=job.attempt + 1)
    with transaction.atomic():
        event_id = _leave_failure(report, why)
        if not rows(_FAIL, (why, event_id, *job.place)):
            transaction.set_rollback(True)  # cancelled meanwhile, or another worker has it
            return
        report.refresh_from_db()
        _tell_slots(report)


def _why(error: Exception) -> str:
    """Return one line for a person, with the way out where we know one."""
    text = str(error).split("\n")[0].replace("\0", "\u2400")
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return (
            f"There is no room in OBS_REPORT_DIR ({error.strerror}); nothing of the report was "
            "kept. Make room, then try again."
        )
    if isinstance(error, _TOLD):
        return text[:1000]
    return f"{type(error).__name__}: {text}"[:1000]


def _tell_slots(report: Report) -> None:
    # Imported here: slots.py asks for reports, so it stands above this module.
    from compliance.slots import report_ended

    report_ended(report)


def _leave_entry(report: Report, made: _Made, sums: Mapping[str, tuple[int, str]]) -> UUID:
    files = {shown_name(report, name): digest for name, (_, digest) in sums.items()}
    details = _details(report) | {
        "report_id": made.content.cover.report_id,
        "snapshot": str(made.snapshot),
        "content_sha256": content_digest(made.raw),
        "files": files,
    }
    return _receive(report, "success", details)


def _leave_failure(report: Report, why: str) -> UUID:
    return _receive(report, "failure", _details(report), error={"message": why})


def _details(report: Report) -> dict[str, Any]:
    return {
        "report": str(report.uid),
        "framework": report.framework,
        "from": report.start_day.isoformat(),
        "to": report.end_day.isoformat(),
        "environment": report.environment or None,
        "formats": list(report.formats),
        "via": report.via,
    }


def _receive(report: Report, outcome: str, details: Mapping[str, Any], **blocks: Any) -> UUID:
    """Leave the entry; who asked is told by the platform, since it is done long after."""
    kinds = {"admin": "human", "api": "service", "command": "system", "schedule": "system"}
    target = {"type": "framework", "id": report.framework}
    receipt = receive_own(
        report.ledger,
        "audit.report_generated",
        outcome=outcome,
        target=target | ({"owner": report.owner} if report.owner else {}),
        details=details,
        actor={"type": kinds[report.via], "id": report.asked_by or report.via},
        **({"reason": report.reason} if report.reason else {}),
        **blocks,
    )
    assert receipt.id is not None, "a received event has an id"
    return UUID(receipt.id)
