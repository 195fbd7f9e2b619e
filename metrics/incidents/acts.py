"""What people do with an incident: acknowledge, resolve, reopen, review, note, link an entry.

Each act is one step of the timeline and one entry in the ledger, both in one transaction, under the
lock of the incident's row: of two people who resolve it, one does. Who may: whoever holds
`metrics.change_incident`, which the pages ask for (metrics.admin.incidents).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit.kept import pruned_entry
from audit.models import Entry, Ledger
from metrics.acting import ChangeRefused, check_characters, read_reason
from metrics.incidents import entries, opening, timeline
from metrics.models import Incident
from metrics.notifying import queue

SEVERITIES: Final = {"warning": "Warning", "critical": "Critical"}
MOST_TITLE: Final = 120


def open_by_person(*, title: str, severity: str, ledger: str, summary: str, by: str) -> int:
    """Open an incident that no alert has raised, and return its number. Raises ChangeRefused."""
    errors: dict[str, str] = {}
    title = title.strip()
    if not 0 < len(title) <= MOST_TITLE:
        errors["title"] = f"has 1 to {MOST_TITLE} characters"
    if severity not in SEVERITIES:
        errors["severity"] = f"is one of {', '.join(SEVERITIES)}"
    if ledger and not Ledger.objects.filter(name=ledger).exists():
        errors["ledger"] = "is none that this installation has"
    try:
        check_characters("title", title)
        summary = _words("summary", summary)
    except ChangeRefused as refused:
        errors |= refused.errors
    if errors:
        raise ChangeRefused(errors)
    return opening.open_incident(
        source="person",
        fingerprint=uuid.uuid4().hex,
        started_at=timezone.now(),
        name=title,
        severity=severity,
        labels={"ledger": ledger} if ledger else {},
        summary=summary,
        by=by,
    )


def acknowledge(incident_id: int, *, by: str) -> None:
    """Say that one looks after it. Raises ChangeRefused when somebody does, or it is resolved."""
    with _held(incident_id) as incident:
        if incident.word() != "open":
            raise ChangeRefused({"incident": f"is {incident.word()} already"})
        _acknowledge(incident, by)


def resolve(incident_id: int, *, cause: str, by: str) -> None:
    """Say that it is over and what caused it; who does so first has acknowledged it too.

    Receivers that heard of it hear of its end, unless they did. Raises ChangeRefused.
    """
    cause = _words("cause", cause)
    with _held(incident_id) as incident:
        if incident.word() == "resolved":
            raise ChangeRefused({"incident": "is resolved already"})
        if incident.word() == "open":
            _acknowledge(incident, by)
        _update(incident, resolved_at=timezone.now(), resolved_by=by)
        timeline.write(incident.id, "resolved", by=by, words=cause)
        entries.leave(incident, "incident.resolved", by=by, case={"root_cause": cause})
        queue.tell_of_end(incident)


def reopen(incident_id: int, *, reason: str, by: str) -> None:
    """Take it up again; whoever acknowledged it still has. Raises ChangeRefused."""
    reason = read_reason(reason)
    with _held(incident_id) as incident:
        _must_be_resolved(incident)
        _update(incident, resolved_at=None, resolved_by="")
        timeline.write(incident.id, "reopened", by=by, words=reason)
        entries.leave(incident, "incident.reopened", by=by, reason=reason)


def review(incident_id: int, *, words: str, by: str) -> None:
    """Say what was learnt of it once it is resolved. Raises ChangeRefused."""
    words = _words("words", words)
    with _held(incident_id) as incident:
        _must_be_resolved(incident)
        timeline.write(incident.id, "reviewed", by=by, words=words)
        entries.leave(incident, "incident.reviewed", by=by, reason=words)


def note(incident_id: int, *, words: str, by: str) -> None:
    """Write something down about it, at any time. Raises ChangeRefused."""
    words = _words("words", words)
    with _held(incident_id) as incident:
        timeline.write(incident.id, "noted", by=by, words=words)
        entries.leave(incident, "incident.noted", by=by, reason=words)


def link(incident_id: int, *, ledger: str, seq: str, by: str) -> None:
    """Name an entry that has to do with it, by ledger and seq. Raises ChangeRefused."""
    found = _entry(ledger, seq)
    with _held(incident_id) as incident:
        where = {"ledger": ledger, "seq": found.seq, "hash": found.hash}
        timeline.write(incident.id, "linked", by=by, ledger_id=found.ledger_id, seq=found.seq)
        about = {"subject_event": str(found.event_id)}
        entries.leave(incident, "incident.linked", by=by, case=about, details=where)


@contextmanager
def _held(incident_id: int) -> Iterator[Incident]:
    """Give the row as it stands, held until the act and its entry are written."""
    with transaction.atomic():
        rows = Incident.objects.select_for_update(of=("self",)).select_related("ledger")
        yield rows.get(id=incident_id)


def _acknowledge(incident: Incident, by: str) -> None:
    _update(incident, acknowledged_at=timezone.now(), acknowledged_by=by)
    timeline.write(incident.id, "acknowledged", by=by)
    entries.leave(incident, "incident.triaged", by=by)


def _update(incident: Incident, **values: object) -> None:
    Incident.objects.filter(id=incident.id).update(**values)


def _must_be_resolved(incident: Incident) -> None:
    if incident.word() != "resolved":
        raise ChangeRefused({"incident": "is not resolved"})


def _words(field: str, text: str) -> str:
    try:
        return read_reason(text)
    except ChangeRefused as refused:
        raise ChangeRefused({field: refused.errors["reason"]}) from None


def _entry(ledger: str, seq: str) -> Entry:
    """Return the entry that was named. Raises ChangeRefused."""
    held = Ledger.objects.filter(name=ledger).first()
    if held is None:
        raise ChangeRefused({"ledger": "is none that this installation has"})
    digits = seq.strip().removeprefix("#").replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise ChangeRefused({"seq": "is the number of an entry, such as 41"})
    if pruned_entry(held.id, int(digits)) is not None:
        raise ChangeRefused({"seq": "names an entry that was pruned"})
    found = Entry.objects.filter(ledger=held, seq=int(digits)).first()
    if found is None:
        raise ChangeRefused({"seq": "names no entry of this ledger; the first one is 0"})
    return found
