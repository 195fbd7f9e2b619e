"""Settle what is in quarantine: a person resolves it with a note, or puts it back into the inbox.

Nothing leaves the quarantine: its row keeps the content and says who settled it, when and why. Each
act leaves an entry in the same transaction. A replayed event keeps its id, its digest and the time
when it was received, so a retry of its sender is still a duplicate; when it cannot be chained this
time either, its row is open again (quarantine.py). Chaining: append.py.
"""

from __future__ import annotations

import msgspec
from django.db import transaction
from django.utils import timezone

from audit.errors import NotCanonical, NotSettled
from audit.ledger.canonical import canonicalise
from audit.ledger.columns import columns_of_event, columns_of_source
from audit.models import Quarantine
from audit.receive import put_back, receive_own
from audit.whereis import whereis

MOST_NOTE = 1000
"""Characters of a note."""


def resolve(held: Quarantine, *, note: str, by: str) -> None:
    """Mark it as dealt with. Raises NotSettled without a note, or when it was settled before."""
    _settle(held, "resolved", note=note, by=by)


def replay(held: Quarantine, *, note: str, by: str) -> None:
    """Put the event back into the inbox under its id. Raises NotSettled where that cannot help."""
    why_not = why_no_replay(held)
    if why_not:
        raise NotSettled(why_not)
    with transaction.atomic():
        _settle(held, "replayed", note=note, by=by)
        put_back(ledger_id=held.ledger_id, quarantine_id=held.id)


def why_no_replay(held: Quarantine) -> str:
    """Say why putting it back would not chain it; empty when it may."""
    if held.state != "open":
        return f"It is {held.state} already."
    place = whereis(held.event_id, ledger_id=held.ledger_id)
    if place is not None and place.state in {"chained", "sealed"}:
        return (
            f"Its id is taken by entry #{place.seq:,}. An id is never usable twice: "
            "have the sender send it again under a new id, then resolve this."
        )
    if place is not None and place.state == "received":
        return "An event with its id waits in the inbox. Look again in a moment."
    return _unreadable(held)


def _unreadable(held: Quarantine) -> str:
    """Say what a writer could not read in it; empty when it could."""
    event = bytes(held.event)
    if b"\n" in event:
        count = event.count(b"\n") + 1
        return (
            f"It holds {count:,} events of one POST in one piece: have the sender send them again."
        )
    try:
        columns_of_source(bytes(held.source))
        is_itself = columns_of_event(event).event_id == str(held.event_id)
        is_canonical = canonicalise(msgspec.json.decode(event)) == event
    except (msgspec.DecodeError, NotCanonical, ValueError, RecursionError) as error:
        return f"Its content still cannot be read ({type(error).__name__})."
    if not is_itself:
        return "The id inside it is another one than it was received under."
    return "" if is_canonical else "Its content is not in canonical form."


def _settle(held: Quarantine, state: str, *, note: str, by: str) -> None:
    note = note.strip()
    if not note:
        raise NotSettled("Say in the note what was found and done.")
    if len(note) > MOST_NOTE:
        raise NotSettled(
            f"A note has at most {MOST_NOTE:,} characters; this one has {len(note):,}."
        )
    with transaction.atomic():
        updated = Quarantine.objects.filter(
            ledger_id=held.ledger_id, id=held.id, state="open"
        ).update(state=state, note=note, settled_at=timezone.now(), settled_by=by)
        if updated != 1:
            raise NotSettled("Somebody settled it a moment ago.")
        receive_own(
            held.ledger,
            "audit.quarantine_resolved",
            by=by,
            target={"type": "event", "id": str(held.event_id)},
            details={
                "act": state,
                "quarantine": held.id,
                "reason": held.reason,
                "digest": held.digest,
                "note": note,
            },
        )
    held.refresh_from_db()
