"""Ask for exports and keep their list: ask, cancel, resume, expire.

An export waits as a row, so that it is made whatever Redis does, and is answered at the tree size
of a checkpoint. Who works on it: exporting.py. Who has it signed: manifests.py. Its file:
exportfile.py. Rows: audit/sql/0008_exports.sql.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from django.db import transaction

from audit import bell
from audit.database import rows
from audit.errors import NoCheckpoint, NotExported, TooManyExports
from audit.exportfile import KINDS, parts, path_of, remove_parts
from audit.kept import pruned_entry
from audit.ledger.canonical import JSONValue, canonicalise
from audit.models import CheckpointNote, Export, Ledger
from audit.pruned import minimum_index
from audit.query import EntryFilter
from audit.renderings import RENDERINGS

Via: TypeAlias = Literal["admin", "api", "command"]

MOST_GOING: Final = 20
"""Exports of one ledger that may wait or be made at once; each costs disk and reads the ledger."""

MOST_REASON: Final = 500
"""Characters of a reason, as in events."""

MOST_QUERY: Final = 16_000
"""Bytes of a filter that an export takes: its entry in the ledger names the filter whole."""

_ASK = """
INSERT INTO audit_export
    (ledger_id, asked_at, size, format, renderings, query, reason, owner, via, requested_by)
VALUES (%s, clock_timestamp(), %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_START = """
INSERT INTO audit_export
    (ledger_id, asked_at, size, format, renderings, query, reason, owner, via, requested_by, state,
     attempt, attempt_at, seen_at)
SELECT %s, moment, %s, %s, %s, %s, %s, %s, %s, %s, 'running', 1, moment, moment
FROM clock_timestamp() AS moment
RETURNING id
"""
_GOING = """
SELECT count(*)
FROM audit_export
WHERE ledger_id = %s
  AND state IN ('queued', 'running', 'signing')
"""
_CANCEL = """
UPDATE audit_export
SET state = 'cancelled', cancelled_by = %s, finished_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('queued', 'running', 'signing')
RETURNING id
"""
_RESUME = """
UPDATE audit_export
SET state = 'queued'
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('cancelled', 'failed')
RETURNING id
"""
_EXPIRED = """
UPDATE audit_export
SET state = 'expired'
WHERE ledger_id = %s
  AND id = %s
  AND state = 'done'
RETURNING id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What somebody wants exported, checked and ready to be asked for."""

    ledger: Ledger
    format: str
    renderings: tuple[str, ...]
    query: str
    """The filter in canonical JSON: the same filter is the same text."""
    size: int
    """The tree size it is answered at; a checkpoint's."""
    reason: str = ""
    """Why; stands in the ledger for ever."""
    owner: str = ""
    """Who answers for it when a machine asks; empty for a person."""


def want(
    ledger: Ledger,
    asked: EntryFilter,
    *,
    format: str,
    renderings: Collection[str] = (),
    size: int | None = None,
    reason: str = "",
    owner: str = "",
) -> Wanted:
    """Return what can be asked for, at the newest checkpoint unless a tree size is named.

    Raises NoCheckpoint and NotExported with what to do instead.
    """
    if format not in KINDS:
        raise NotExported(f"there is no format {format!r}; the formats are {', '.join(KINDS)}")
    unknown = sorted(set(renderings) - RENDERINGS.keys())
    if unknown:
        raise NotExported(
            f"there is no rendering {unknown[0]!r}; there are {', '.join(RENDERINGS)}"
        )
    if len(reason) > MOST_REASON:
        raise NotExported(f"the reason is longer than {MOST_REASON} characters")
    if renderings and format != "bundle":
        raise NotExported("only a bundle holds renderings; ask for one format, or for a bundle")
    if asked.errors:
        raise NotExported("; ".join(f"{name} {said}" for name, said in asked.errors.items()))
    if set(asked.ledger) != {ledger.name}:
        raise NotExported("an export is of one ledger; ask for each by itself")
    if format == "bundle" and ledger.is_read_only:
        raise NotExported(
            f"{ledger.name} is read-only and signs nothing any more, so no bundle can be made of "
            "it; the raw records and the renderings can"
        )
    query = canonical_query(asked)
    if len(query.encode()) > MOST_QUERY:
        raise NotExported(f"the filter is longer than {MOST_QUERY:,} bytes; give fewer values")
    return Wanted(
        ledger=ledger,
        format=format,
        renderings=tuple(name for name in RENDERINGS if name in renderings),
        query=query,
        size=checkpoint_size(ledger, size),
        reason=reason.strip(),
        owner=owner,
    )


def canonical_query(asked: EntryFilter) -> str:
    """Return a filter as canonical JSON; the order in which its values were given is gone."""
    params: dict[str, JSONValue] = {
        name: [*sorted(set(values))] for name, values in asked.as_params().items()
    }
    return canonicalise(params).decode()


def checkpoint_size(ledger: Ledger, size: int | None) -> int:
    """Return the size to export at: the newest checkpoint's, or this one if it has a checkpoint.

    Raises NoCheckpoint, and NotExported when all that lies below the size was pruned.
    """
    sizes = CheckpointNote.objects.filter(ledger=ledger).values_list("size", flat=True)
    newest = sizes.order_by("-size").first()
    _check_kept(ledger, newest if size is None else size)
    if newest is None:
        raise NoCheckpoint(
            f"{ledger.name} has no checkpoint yet, so there is nothing to prove an export by. Make "
            "a key with manage.py makesigningkey and keep manage.py seal --follow running; the "
            "first checkpoint is signed as soon as the ledger has an entry"
        )
    if size is None or sizes.filter(size=size).exists():
        return newest if size is None else size
    below = sizes.filter(size__lt=size).order_by("-size").first()
    above = sizes.filter(size__gt=size).order_by("size").first()
    near = " and ".join(f"{each:,}" for each in (below, above) if each is not None)
    raise NoCheckpoint(
        f"{ledger.name} has no checkpoint of size {size:,}; the nearest are {near}. Name one of "
        "them, or none for the newest"
    )


def _check_kept(ledger: Ledger, size: int | None) -> None:
    """Refuse a tree size up to which no entry is kept. Raises NotExported."""
    minimum = minimum_index(ledger.id)
    if size is None or not 0 < size <= minimum:
        return
    gone = pruned_entry(ledger.id, size - 1)
    assert gone is not None, "what lies below the minimum index was pruned"
    raise NotExported(
        f"no entry of {ledger.name} below tree size {size:,} is kept: {gone} Name a size above "
        f"{minimum:,}, or none for the newest; a bundle made before the purge still verifies"
    )


def ask_for_export(wanted: Wanted, *, via: Via, requested_by: str) -> int:
    """Put an export into the queue and return its number.

    It is a row when this returns and will be made, whatever Redis does. Raises TooManyExports.
    """
    export_id = _insert(_ASK, wanted, via, requested_by)
    ledger_id = wanted.ledger.id
    transaction.on_commit(lambda: bell.ring(ledger_id, task="audit.export_run"))
    return export_id


def begin_export(wanted: Wanted, *, requested_by: str) -> int:
    """Put in an export that its first worker has already, and return its number.

    For a command that makes it itself. Raises TooManyExports.
    """
    return _insert(_START, wanted, "command", requested_by)


def _insert(statement: str, wanted: Wanted, via: Via, requested_by: str) -> int:
    ((going,),) = rows(_GOING, (wanted.ledger.id,))
    if going >= MOST_GOING:
        raise TooManyExports(
            f"{going} exports of {wanted.ledger.name} are not finished; wait for one or cancel one"
        )
    ((export_id,),) = rows(
        statement,
        (
            wanted.ledger.id,
            wanted.size,
            wanted.format,
            list(wanted.renderings),
            wanted.query,
            wanted.reason,
            wanted.owner,
            via,
            requested_by,
        ),
    )
    return int(export_id)


def cancel_export(export: Export, *, by: str) -> bool:
    """Stop an export; its worker notices at its next sign. False when it had ended before."""
    return bool(rows(_CANCEL, (by, export.ledger_id, export.id)))


def resume_export(export: Export) -> bool:
    """Put an export that was cancelled or failed back into the queue; it begins again.

    False when there is nothing to resume.
    """
    found = rows(_RESUME, (export.ledger_id, export.id))
    if found:
        ledger_id = export.ledger_id
        transaction.on_commit(lambda: bell.ring(ledger_id, task="audit.export_run"))
    return bool(found)


def expire_exports(now: datetime) -> int:
    """Delete the files whose time is over and what dead attempts left; return how many files went.

    The rows stay: who exported what, and the SHA-256 of it.
    """
    over = Export.objects.select_related("ledger").filter(state="done", expires_at__lte=now)
    count = 0
    for export in over.order_by("ledger_id", "id").iterator():
        path_of(export).unlink(missing_ok=True)
        count += len(rows(_EXPIRED, (export.ledger_id, export.id)))
    unfinished = parts()
    going = Export.objects.filter(id__in=list(unfinished), state__in=Export.GOING)
    for export_id in unfinished.keys() - set(going.values_list("id", flat=True)):
        remove_parts(export_id)
    return count


def is_any_waiting(ledger: Ledger) -> bool:
    """Tell whether an export waits for a worker: the bell may have been lost."""
    waits = Export.objects.filter(ledger=ledger, state="queued")
    signed = Export.objects.filter(ledger=ledger, state="signing", signed_manifest__isnull=False)
    return waits.exists() or signed.exists()
