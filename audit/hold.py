"""Keep entries for a legal matter: apply a hold, release it, and say which holds keep a subject.

A hold names a whole ledger, an agent, a data subject or a case. Until somebody releases it, no
purge takes an entry that it covers and no erasure destroys a key that those entries need. Both acts
are entries, kept or lost together with the act; a hold's row is never changed but for its release.

Who comes first wins. apply_hold() waits for an erasure or a purge that is about to begin, and they
wait for it: a hold that returns binds every purge and erasure that had not begun, and nothing
brings back what one took before. What blocks a purge: `audit_kept` in audit/sql/0012_retention.sql.
What an erasure asks: holds_over_subject(). The subject's id is in memory for one call and is
written nowhere; what is held is its pseudonym.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from django.db import transaction

from audit.database import rows
from audit.errors import HoldRefused, NoSuchSubject
from audit.models import Head, Hold, Ledger
from audit.pruned import minimum_index
from audit.receive import receive_own
from audit.subjects import read_subject

Kind: TypeAlias = Literal["ledger", "agent", "subject", "case"]
Via: TypeAlias = Literal["admin", "command"]

KINDS: Final[tuple[str, ...]] = get_args(Kind)

MOST_VALUE: Final = 200
"""Characters of an id, as in events."""
MOST_MATTER: Final = 200
"""Characters of a matter, which is the `case.id` of its entries."""
MOST_REASON: Final = 500
"""Characters of a reason, as in events."""
MOST_COUNTED: Final = 10_000
"""Entries that are counted, or of a case looked through, to say what a hold covers."""

_ERASURES: Final = 13013
"""First half of the lock that parts holds from erasures; the other half is the ledger."""

# Before the subject's key is read, since whoever erases it locks in this order.
_WAIT_FOR_ERASURE = "SELECT pg_advisory_xact_lock_shared(%s, %s)::text"
# Held while a hold is looked for and made, so that the same one is not applied twice.
_LOCK_LEDGER = "SELECT id FROM audit_ledger WHERE id = %s FOR NO KEY UPDATE"
# Held until the hold is committed: audit_prune() locks its plan before it looks for holds.
_WAIT_FOR_PURGE = """
SELECT id
FROM audit_purgeplan
WHERE ledger_id = %s
  AND state IN ('asked', 'proposed', 'approved')
FOR SHARE
"""
_STANDING = """
SELECT id
FROM audit_hold
WHERE ledger_id = %s
  AND kind = %s
  AND value = %s
  AND matter = %s
  AND released_at IS NULL
"""
_APPLY = """
INSERT INTO audit_hold (ledger_id, kind, value, key_id, matter, reason, applied_by)
VALUES (%s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_RELEASE = """
UPDATE audit_hold
SET released_at = clock_timestamp(), released_by = %s, release_reason = %s
WHERE ledger_id = %s
  AND id = %s
  AND released_at IS NULL
RETURNING id
"""
_COVERED_LEDGER = """
SELECT h.size - coalesce(m.minimum, 0), coalesce(m.minimum, 0), h.size - 1
FROM audit_head AS h
LEFT JOIN audit_minimum AS m ON m.ledger_id = h.ledger_id
WHERE h.ledger_id = %(ledger)s
"""
_COVERED_AGENT = """
SELECT count(*), min(seq), max(seq)
FROM (
    SELECT seq
    FROM audit_entry
    WHERE ledger_id = %(ledger)s
      AND agent_id = %(value)s
      AND seq >= %(minimum)s
    ORDER BY seq DESC
    LIMIT %(most)s
) AS newest
"""
_COVERED_SUBJECT = """
SELECT count(*), min(seq), max(seq)
FROM (
    SELECT seq
    FROM audit_subjectentry
    WHERE ledger_id = %(ledger)s
      AND pseudonym = %(value)s
      AND seq >= %(minimum)s
    ORDER BY seq DESC
    LIMIT %(most)s
) AS newest
"""
# No index knows cases, so only the newest entries are looked through.
_COVERED_CASE = """
SELECT count(*), min(seq), max(seq)
FROM (
    SELECT seq, record
    FROM audit_entry
    WHERE ledger_id = %(ledger)s
      AND seq >= %(minimum)s
    ORDER BY seq DESC
    LIMIT %(most)s
) AS newest
WHERE position(convert_to('"case":{', 'UTF8') IN record) > 0
  AND convert_from(record, 'UTF8')::jsonb #>> '{event,case,id}' = %(value)s
"""
# Where a subject is named: by the index of subjects as far as it has read, by the records beyond,
# and by what waits to be chained, of which an erasure would seal the content as well.
_OVER_SUBJECT = """
WITH indexed AS (
    SELECT coalesce(max(next_seq), 0) AS size
    FROM audit_projection
    WHERE ledger_id = %(ledger)s
      AND name = 'subjects'
), record AS (
    SELECT e.agent_id, convert_from(e.record, 'UTF8') AS text, '{event,case,id}'::text[] AS case_at
    FROM audit_subjectentry AS s
    JOIN audit_entry AS e ON e.ledger_id = s.ledger_id AND e.seq = s.seq
    WHERE s.ledger_id = %(ledger)s
      AND s.pseudonym = %(pseudonym)s
    UNION ALL
    SELECT e.agent_id, convert_from(e.record, 'UTF8'), '{event,case,id}'
    FROM audit_entry AS e, indexed
    WHERE e.ledger_id = %(ledger)s
      AND e.seq >= indexed.size
      AND position(convert_to(%(pseudonym)s, 'UTF8') IN e.record) > 0
    UNION ALL
    SELECT line.text::jsonb #>> '{agent,id}', line.text, '{case,id}'
    FROM audit_inbox AS i
    CROSS JOIN LATERAL string_to_table(convert_from(i.events, 'UTF8'), E'\n') AS line(text)
    WHERE i.ledger_id = %(ledger)s
      AND position(convert_to(%(pseudonym)s, 'UTF8') IN i.events) > 0
      AND position(%(pseudonym)s IN line.text) > 0
), named AS (
    SELECT agent_id,
           CASE WHEN position('"case":{' IN text) > 0 THEN text::jsonb #>> case_at END AS case_id
    FROM record
)
SELECT h.id
FROM audit_hold AS h
WHERE h.ledger_id = %(ledger)s
  AND h.released_at IS NULL
  AND CASE h.kind
      WHEN 'ledger' THEN true
      WHEN 'subject' THEN h.value = %(pseudonym)s
      WHEN 'agent' THEN EXISTS (SELECT FROM named WHERE agent_id = h.value)
      WHEN 'case' THEN EXISTS (SELECT FROM named WHERE case_id = h.value)
  END
ORDER BY h.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """What a hold is to keep, in the words that may be stored."""

    kind: str
    value: str = ""
    key_id: UUID | None = None

    def target(self, ledger: Ledger) -> dict[str, str]:
        return {"type": self.kind, "id": self.value or ledger.name}


# --- Applying and releasing -----------------------------------------------------------------------


def apply_hold(
    ledger: Ledger,
    *,
    kind: str,
    value: str,
    matter: str,
    reason: str,
    by: str,
    via: Via = "admin",
) -> Hold:
    """Hold what `kind` and `value` name until it is released; leaves `legal_hold.applied`.

    `value` is empty for a ledger, else the id of an agent, a case or, in clear, a data subject,
    of which only its pseudonym is kept. `by` is a user name, or with `via` command whoever ran it.
    Waits for a purge or erasure that begins this moment. Raises HoldRefused with the field, and
    NoSuchSubject when the subject has no living key in this ledger.
    """
    matter, reason = matter.strip(), reason.strip()
    _check(kind, value, ledger)
    _check_text("matter", matter, MOST_MATTER, "Name the matter: a case, a file, a court's number")
    _check_text("reason", reason, MOST_REASON, "Say why; it stands in the ledger for ever")
    with transaction.atomic():
        rows(_WAIT_FOR_ERASURE, (_ERASURES, ledger.id))
        rows(_LOCK_LEDGER, (ledger.id,))
        rows(_WAIT_FOR_PURGE, (ledger.id,))
        held = _found_subject(ledger, value) if kind == "subject" else _Held(kind=kind, value=value)
        _check_is_first(ledger, held, matter)
        ((hold_id,),) = rows(
            _APPLY, (ledger.id, held.kind, held.value, held.key_id, matter, reason, by)
        )
        hold = get_hold(ledger.id, hold_id)
        _leave(hold, "legal_hold.applied", reason=reason, by=by, via=via)
    return hold


def release_hold(hold: Hold, *, reason: str, by: str, via: Via = "admin") -> Hold:
    """Let what a hold kept be pruned and erased again; leaves `legal_hold.released`.

    Raises HoldRefused without a reason, or when it was released before.
    """
    reason = reason.strip()
    _check_text("reason", reason, MOST_REASON, "Say why it is released; it stands in the ledger")
    with transaction.atomic():
        if not rows(_RELEASE, (by, reason, hold.ledger_id, hold.id)):
            before = get_hold(hold.ledger_id, hold.id)
            raise HoldRefused(
                field="hold",
                message=f"hold {hold.id:,} was released by {before.released_by} before",
            )
        released = get_hold(hold.ledger_id, hold.id)
        _leave(released, "legal_hold.released", reason=reason, by=by, via=via)
    return released


def get_hold(ledger_id: int, hold_id: int) -> Hold:
    """Return one hold with its ledger. Raises Hold.DoesNotExist."""
    return Hold.objects.select_related("ledger").get(ledger_id=ledger_id, id=hold_id)


def _check(kind: str, value: str, ledger: Ledger) -> None:
    if kind not in KINDS:
        raise HoldRefused(field="kind", message=f"one of {', '.join(KINDS)}")
    if kind == "ledger":
        if value:
            raise HoldRefused(
                field="value", message=f"leave it empty: this holds all of {ledger.name}"
            )
        return
    _check_text("value", value, MOST_VALUE, f"Give the id of the {kind}, as events name it")


def _check_text(field: str, text: str, most: int, missing: str) -> None:
    if not text:
        raise HoldRefused(field=field, message=missing)
    if len(text) > most:
        raise HoldRefused(
            field=field, message=f"at most {most:,} characters; this has {len(text):,}"
        )
    # Neither Postgres nor an event takes them, so no entry can name what they spell.
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise HoldRefused(field=field, message="it holds a character that no entry can hold")


def _found_subject(ledger: Ledger, subject_id: str) -> _Held:
    subject = read_subject(ledger.id, ledger.name, subject_id)
    if subject is None:
        raise NoSuchSubject(
            field="value",
            message=f"nobody of this id has a living key in {ledger.name}: no event has named it "
            "there in data.subject_ids, or it was erased before",
        )
    return _Held(kind="subject", value=subject.pseudonym(), key_id=subject.key_id)


def _check_is_first(ledger: Ledger, held: _Held, matter: str) -> None:
    found = rows(_STANDING, (ledger.id, held.kind, held.value, matter))
    if found:
        raise HoldRefused(
            field="matter",
            message=f"hold {found[0][0]:,} stands on the same under this matter already; "
            "give another matter, or release that one first",
        )


def _leave(hold: Hold, action: str, *, reason: str, by: str, via: Via) -> None:
    details: dict[str, Any] = {"hold": hold.id, "via": via}
    if hold.key_id is not None:
        details["subject_key"] = str(hold.key_id)
    if via == "command":
        details["by"] = by
    held = _Held(kind=hold.kind, value=hold.value, key_id=hold.key_id)
    receive_own(
        hold.ledger,
        action,
        by=by if via == "admin" else "",
        reason=reason,
        case={"id": hold.matter},
        target=held.target(hold.ledger),
        details=details,
    )


# --- What holds keep ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """What a hold covers now; entries to come are covered, too."""

    entries: int
    is_exact: bool
    """False when there may be more: only the newest were counted or looked through."""
    first_seq: int | None
    """The oldest of those that were counted; None when there is none."""
    last_seq: int | None


def covered(hold: Hold) -> Coverage:
    """Return what a hold covers of the entries that are kept; counts MOST_COUNTED at most.

    Of a case, those among the newest MOST_COUNTED entries of its ledger.
    """
    minimum = minimum_index(hold.ledger_id)
    statement = {
        "ledger": _COVERED_LEDGER,
        "agent": _COVERED_AGENT,
        "subject": _COVERED_SUBJECT,
        "case": _COVERED_CASE,
    }[hold.kind]
    asked = {
        "ledger": hold.ledger_id,
        "value": hold.value,
        "minimum": minimum,
        "most": MOST_COUNTED + (hold.kind != "case"),
    }
    ((entries, first, last),) = rows(statement, asked)
    if hold.kind == "ledger":
        is_exact = True
    elif hold.kind == "case":
        size = Head.objects.values_list("size", flat=True).get(ledger_id=hold.ledger_id)
        is_exact = size - minimum <= MOST_COUNTED
    else:
        is_exact = entries <= MOST_COUNTED
    return Coverage(
        entries=entries if hold.kind == "ledger" else min(entries, MOST_COUNTED),
        is_exact=is_exact,
        first_seq=first if entries else None,
        last_seq=last if entries else None,
    )


def holds_over_subject(ledger: Ledger, *, pseudonym: str) -> list[Hold]:
    """Return the standing holds that keep a subject from erasure, the oldest first.

    Those on the ledger, on the subject, and on every agent and case in whose entries it is named.
    """
    found = [each for (each,) in rows(_OVER_SUBJECT, {"ledger": ledger.id, "pseudonym": pseudonym})]
    return list(
        Hold.objects.select_related("ledger").filter(ledger=ledger, id__in=found).order_by("id")
    )
