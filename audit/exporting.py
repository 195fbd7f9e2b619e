"""Make the exports that wait: take one, write its file chunk by chunk, put the file in place.

A Celery task takes an export, and with Redis down the append loop does. One worker has it at a
time and says at most each second how far it is. It reads in short transactions and flat memory,
and begins again when its worker was lost; what has an export's name is always a whole file. A
bundle is made in two steps, since whoever makes it does not hold the signing key: it is left in
state `signing` until manifests.py has had its manifest signed, then any worker ends the file. What
is made is an entry, `audit.exported`.

Asking: export.py. What an attempt has done: export_attempt.py. Bytes of a bundle:
audit.ledger.bundle. Renderings: renderings.py. Files: exportfile.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, transaction

from audit.database import rows
from audit.errors import AuditError, ExportOvertaken, ExportStopped, NotExported
from audit.export import Wanted, begin_export
from audit.export_attempt import Going, Job, Reach
from audit.exportfile import make_whole, open_part, parts, remove_parts, sum_up, take_over_part
from audit.kept import pruned_entry
from audit.ledger.bundle import BundleSpec, BundleWriter, finish_bundle
from audit.ledger.errors import BundleUnfinished
from audit.ledger.note import parse_note
from audit.models import CheckpointNote, Entry, Export, Ledger, SigningKey
from audit.pruned import minimum_index
from audit.query import EntryFilter, chunks
from audit.receive import receive_own
from audit.renderings import RENDERINGS, Rendering, parse_record, render
from audit.tree import tree_of

log = structlog.get_logger(__name__)

GRACE: Final = 2.0
"""Seconds that an export waits for a Celery worker before the append loop takes it."""

MOST_LOST: Final = 3
"""Workers that an export may lose before it is given up."""
_COPIED = 1 << 20  # bytes of a rendering that are in memory while it goes into the bundle

# What waits, what lost its worker, and what was signed meanwhile.
_TAKE = """
UPDATE audit_export AS export
SET state = 'running',
    attempt = export.attempt + 1,
    attempt_at = clock_timestamp(),
    seen_at = clock_timestamp(),
    lost = export.lost + CASE WHEN export.state = 'running' THEN 1 ELSE 0 END,
    finished_at = NULL,
    note = ''
FROM (
    SELECT ledger_id, id
    FROM audit_export
    WHERE state IN ('queued', 'running', 'signing')
      AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
      AND (
          (state = 'queued' AND asked_at <= clock_timestamp() - make_interval(secs => %(waited)s))
          OR (state = 'running' AND seen_at < clock_timestamp() - make_interval(secs => %(gone)s)
              AND lost < %(most_lost)s)
          OR (state = 'signing' AND signed_manifest IS NOT NULL
              AND signed_at <= clock_timestamp() - make_interval(secs => %(waited)s))
      )
    ORDER BY ledger_id, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS next
WHERE export.ledger_id = next.ledger_id
  AND export.id = next.id
RETURNING export.ledger_id, export.id, export.attempt
"""
_GIVE_UP = """
UPDATE audit_export
SET state = 'failed', finished_at = clock_timestamp(), note = %s
WHERE state = 'running'
  AND (%s::int IS NULL OR ledger_id = %s)
  AND lost >= %s
  AND seen_at < clock_timestamp() - make_interval(secs => %s)
RETURNING id
"""
_AWAIT_SIGNATURE = """
UPDATE audit_export
SET state = 'signing', seen_at = clock_timestamp(), manifest = %s, signed_manifest = NULL,
    signed_at = NULL, warning = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_FINISH = """
UPDATE audit_export
SET state = 'done', finished_at = clock_timestamp(), seen_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(days => %s), file_size = %s, sha256 = %s,
    warning = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_FAIL = """
UPDATE audit_export
SET state = 'failed', finished_at = clock_timestamp(), note = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_PUT_BACK = """
UPDATE audit_export
SET state = 'queued'
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""


# --- Taking ---------------------------------------------------------------------------------------


def start_export(wanted: Wanted, *, requested_by: str) -> Job:
    """Begin an export here and now, for a command that makes it itself. Raises TooManyExports."""
    return _job(wanted.ledger.id, begin_export(wanted, requested_by=requested_by), 1)


def work_through_exports(ledger: Ledger) -> int:
    """Make what waits for this ledger, one after the other; return how many exports were taken."""
    taken = 0
    while (job := take_export(ledger_id=ledger.id, waited=0.0)) is not None:
        taken += 1
        for _ in work_on_export(job):
            pass
    return taken


def work_on_an_export(going: Iterator[object] | None) -> Iterator[object] | None:
    """Do one chunk of an export that no Celery worker took; return what goes on, if anything.

    For the append loop, which must not stand still for a whole export.
    """
    if going is None:
        job = take_export(ledger_id=None, waited=GRACE)
        if job is None:
            return None
        going = work_on_export(job)
    return going if next(going, None) is not None else None


def take_export(*, ledger_id: int | None, waited: float) -> Job | None:
    """Take the oldest export that has waited so many seconds; None when there is none."""
    gone = Export.LOST_AFTER
    given_up = rows(_GIVE_UP, (_LOST, ledger_id, ledger_id, MOST_LOST, gone))
    for (export_id,) in given_up:
        log.error("export.given_up", export=export_id)
        remove_parts(export_id)
    found = rows(
        _TAKE, {"ledger": ledger_id, "waited": waited, "gone": gone, "most_lost": MOST_LOST}
    )
    return _job(*found[0]) if found else None


_LOST = (
    f"Its worker was lost {MOST_LOST + 1} times: see the log for why (memory, disk, a restart), "
    "then resume it."
)


def _job(ledger_id: int, export_id: int, attempt: int) -> Job:
    export = Export.objects.select_related("ledger").get(ledger_id=ledger_id, id=export_id)
    return Job(export=export, attempt=attempt)


# --- Working --------------------------------------------------------------------------------------


def work_on_export(job: Job) -> Iterator[Reach]:
    """Make the file; yield how far it is after each chunk.

    Ends early, and says so in the log, when the export was cancelled or given to another worker. A
    failure is kept in the row; what is no fact about the ledger or the disk raises too. When the
    database is away the row stays as it is, and another attempt begins a while later.
    """
    try:
        yield from _make(Going(job))
    except ExportOvertaken as overtaken:
        log.info("export.begins_again", export=job.export.id, why=str(overtaken))
        remove_parts(job.export.id, before=job.attempt + 1)
        rows(_PUT_BACK, job.place)
    except ExportStopped as stopped:
        log.info("export.stopped", export=job.export.id, why=str(stopped))
        remove_parts(job.export.id, before=job.attempt + 1)
    except (DatabaseError, psycopg.Error):
        raise
    except (AuditError, OSError) as error:
        _fail(job, error)
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        # The process is asked to end: another one begins at once, and nobody counts a loss.
        rows(_PUT_BACK, job.place)
        raise
    except Exception as error:
        _fail(job, error)
        raise


def _fail(job: Job, error: Exception) -> None:
    log.error("export.failed", export=job.export.id, error=_why(error))
    rows(_FAIL, (_why(error), *job.place))
    remove_parts(job.export.id, before=job.attempt + 1)


def _why(error: Exception) -> str:
    """Return one line for a person; a sentence of ours as it is, others behind their type."""
    text = str(error).split("\n")[0]
    said = text if isinstance(error, AuditError) else f"{type(error).__name__}: {text}"
    return said[:500].replace("\0", "\u2400")


def _make(going: Going) -> Iterator[Reach]:
    export, attempt = going.job.export, going.job.attempt
    if export.signed_manifest is not None:
        part = take_over_part(export.id, attempt=attempt)
        if part is not None:
            with part:
                try:
                    finish_bundle(part, bytes(export.signed_manifest))
                except BundleUnfinished as unfinished:
                    # Signed, and then the disk lost it: the same bytes are made again.
                    log.warning("export.begun_again", export=export.id, why=str(unfinished))
                else:
                    yield from _publish(_continued(going.job), part, warning=export.warning)
                    return
    remove_parts(export.id, before=attempt)
    going.minimum = minimum_index(export.ledger_id)
    with open_part(export.id, attempt) as out:
        if export.format == "bundle":
            yield from _write_bundle(going, out)
        else:
            yield from _write_plain(going, out)


def _continued(job: Job) -> Going:
    """Return an attempt that ends what another one has written."""
    export = job.export
    return Going(
        job,
        next_seq=export.next_seq,
        entries=export.entries,
        first_seq=export.first_seq,
        last_seq=export.last_seq,
    )


def _entries(going: Going) -> Iterator[tuple[int, list[tuple[int, str, bytes]]]]:
    """Yield what is kept and matches. Raises ExportOvertaken at the end, when it is not all there.

    A purge that began meanwhile may have taken entries before they were read.
    """
    export = going.job.export
    asked = EntryFilter.parse(export.parsed_query())
    assert not asked.errors, "only filters that can be read are stored"
    if export.size <= going.minimum:
        raise NotExported(
            f"every entry below tree size {export.size:,} was pruned; export at a newer one"
        )
    rows_kept = asked.apply(Entry.objects.all())
    yield from chunks(rows_kept, size=export.size, start=going.minimum)
    if minimum_index(export.ledger_id) != going.minimum:
        raise ExportOvertaken("a purge began meanwhile; it begins again with what is kept")


def _write_plain(going: Going, out: BinaryIO) -> Iterator[Reach]:
    """Write one rendering, or the raw records, and nothing else."""
    export = going.job.export
    rendering = RENDERINGS.get(export.format)
    if rendering is not None:
        out.write(rendering.head)
    for next_seq, found in _entries(going):
        going.take(next_seq, found)
        if rendering is None:
            out.write(b"".join([record + b"\n" for _, _, record in found]))
        else:
            out.write(b"".join(_rendered([rendering], found)[rendering.name]))
        going.say()
        yield going.reach()
    yield from _publish(going, out, warning=going.warning())


def _write_bundle(going: Going, out: BinaryIO) -> Iterator[Reach]:
    """Write all of a bundle but its end; end it too when its manifest was signed before."""
    export, attempt = going.job.export, going.job.attempt
    renderings = [RENDERINGS[name] for name in RENDERINGS if name in export.renderings]
    with ExitStack() as stack:
        spool = stack.enter_context(open_part(export.id, attempt, "proofs"))
        spools = {
            each.name: stack.enter_context(open_part(export.id, attempt, each.name))
            for each in renderings
        }
        writer = BundleWriter(out, _spec(going), tree_of(export.ledger_id, size=export.size), spool)
        for each in renderings:
            spools[each.name].write(each.head)
        for next_seq, found in _entries(going):
            going.take(next_seq, found)
            for seq, _, record in found:
                writer.add(seq, record)
            for name, lines in _rendered(renderings, found).items():
                spools[name].write(b"".join(lines))
            going.say()
            yield going.reach()
        for each in renderings:
            writer.add_file(each.file_name, _copied(spools[each.name], going))
            yield going.reach()
        text = writer.manifest_text()
    os.fsync(out.fileno())
    going.say(at_once=True)
    if _is_signed(export, text):
        finish_bundle(out, bytes(export.signed_manifest or b""))
        yield from _publish(going, out, warning=going.warning())
    elif not rows(_AWAIT_SIGNATURE, (text, going.warning(), *going.job.place)):
        raise ExportStopped("cancelled, or another worker has it")
    else:
        _remove_spools(export.id, attempt)


def _is_signed(export: Export, text: str) -> bool:
    """Tell whether an attempt before had this very manifest signed."""
    if export.signed_manifest is None:
        return False
    return parse_note(bytes(export.signed_manifest)).text == text


def _spec(going: Going) -> BundleSpec:
    export = going.job.export
    note = CheckpointNote.objects.get(ledger_id=export.ledger_id, size=export.size)
    keys = SigningKey.objects.filter(ledger_id=export.ledger_id)
    return BundleSpec(
        ledger=export.ledger.name,
        origin=export.ledger.origin,
        checkpoint=bytes(note.note),
        query=export.parsed_query(),
        verifier_keys=tuple(keys.order_by("-first_used_at", "vkey").values_list("vkey", flat=True)),
        left_out=left_out(export, minimum=going.minimum),
    )


def left_out(export: Export, *, minimum: int) -> str:
    """Return what an export leaves out, in one sentence without a line end.

    `minimum` is the ledger's minimum index when it was made.
    """
    beyond = f"every entry of the ledger from seq {export.size} on"
    is_all = export.parsed_query().keys() == {"ledger"}
    gone = pruned_entry(export.ledger_id, minimum - 1) if minimum else None
    if gone is not None:
        pruned = (
            f"Entries 0 to {gone.seq}, which were pruned, last on {gone.pruned_at:%Y-%m-%d} with "
            f"the approval of {gone.approvers[0]} and {gone.approvers[1]}"
        )
        if is_all:
            return f"{pruned}; nothing from there to seq {export.size}; {beyond}."
        other = f"every entry from there to seq {export.size} that does not match the query"
        return f"{pruned}; {other}, and {beyond}."
    if is_all:
        return f"Nothing below seq {export.size}; {beyond}."
    return f"Every entry below seq {export.size} that does not match the query, and {beyond}."


def _rendered(
    renderings: Iterable[Rendering], found: list[tuple[int, str, bytes]]
) -> dict[str, list[bytes]]:
    """Return the lines of a chunk in each form; each record is parsed once."""
    lines: dict[str, list[bytes]] = {each.name: [] for each in renderings}
    if not lines:
        return lines
    for seq, digest, raw in found:
        record = parse_record(raw, seq=seq)
        for name, written in lines.items():
            written.append(render(RENDERINGS[name], record, seq=seq, entry_hash=digest))
    return lines


def _copied(spool: BinaryIO, going: Going) -> Iterator[bytes]:
    spool.seek(0)
    while chunk := spool.read(_COPIED):
        going.say()
        yield chunk


def _remove_spools(export_id: int, attempt: int) -> None:
    """Remove what went into the bundle and is needed no more; the bundle itself stays."""
    for path in parts().get(export_id, []):
        if not path.name.startswith(f"{export_id}.{attempt}.file"):
            path.unlink(missing_ok=True)


def _publish(going: Going, out: BinaryIO, *, warning: str) -> Iterator[Reach]:
    """Sum up a finished file, put it under its name, keep the row and leave the entry."""
    export = going.job.export
    out.flush()
    os.fsync(out.fileno())
    length, digest = 0, ""
    for length, digest in sum_up(out):  # noqa: B007  # the last is of all of it
        going.say()
    with transaction.atomic():
        written = rows(
            _FINISH,
            (settings.EXPORT_DAYS, length, bytes.fromhex(digest), warning, *going.job.place),
        )
        if not written:
            raise ExportStopped("cancelled at the last moment, or another worker has it")
        export.refresh_from_db()
        _leave_entry(export)
        # Inside the transaction, whose row is locked: so no late worker can put its file here.
        make_whole(out, export, attempt=going.job.attempt)
    remove_parts(export.id)
    log.info("export.done", export=export.id, entries=export.entries, bytes=length)
    yield going.reach()


def _leave_entry(export: Export) -> None:
    # What was looked through; a purge since then does not make it less.
    minimum = minimum_index(export.ledger_id)
    first = minimum if export.first_seq is None else min(minimum, export.first_seq)
    blocks: dict[str, Any] = {"integrity": {"from_seq": first, "to_seq": export.size}}
    if export.reason:
        blocks["reason"] = export.reason
    receive_own(
        export.ledger,
        "audit.exported",
        target=_target(export),
        details={
            "export": export.id,
            "format": export.format,
            "renderings": list(export.renderings),
            "query": export.parsed_query(),
            "size": export.size,
            "entries": export.entries,
            "first_seq": export.first_seq,
            "last_seq": export.last_seq,
            "bytes": export.file_size,
            "sha256": export.sha256,
            "via": export.via,
        },
        actor=_actor(export),
        **blocks,
    )


def _target(export: Export) -> dict[str, str]:
    """Return the ledger, and who answers for what a machine asked for."""
    target = {"type": "ledger", "id": export.ledger.name}
    return target | ({"owner": export.owner} if export.owner else {})


def _actor(export: Export) -> dict[str, str]:
    """Return who asked; the platform tells it, since it is done long after it was asked for."""
    kinds = {"admin": "human", "api": "service", "command": "system"}
    return {"type": kinds[export.via], "id": export.requested_by}
