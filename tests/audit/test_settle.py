"""Quarantine is settled by a person: with a note, an entry, and nothing lost on the way."""

from __future__ import annotations

import json

import pytest

from audit.append import append_pending
from audit.errors import NotSettled
from audit.ledger.canonical import canonicalise
from audit.models import EventKey, Inbox, Ledger, Quarantine
from audit.settle import MOST_NOTE, replay, resolve, why_no_replay
from tests.audit.holding import conflict, hold
from tests.conftest import entries, make_event, post


def test_resolving_keeps_the_content_and_says_who_when_and_why(ledger: Ledger) -> None:
    held = conflict(ledger)
    content = bytes(held.event)

    resolve(held, note=" The client makes ids by hand. ", by="Alice")

    after = Quarantine.objects.get(id=held.id)
    assert (after.state, after.note, after.settled_by) == (
        *("resolved", "The client makes ids by hand.", "Alice"),
    )
    assert after.settled_at is not None
    assert bytes(after.event) == content


def test_each_act_leaves_an_entry_that_names_the_person(ledger: Ledger) -> None:
    held = hold(ledger, make_event())

    resolve(held, note="Sent again by the sender.", by="Alice")
    append_pending(ledger.id)

    event = entries(ledger)[-1].parsed()["event"]
    assert (event["action"], event["actor"]) == (
        *("audit.quarantine_resolved", {"type": "human", "id": "Alice"}),
    )
    assert event["target"] == {"type": "event", "id": str(held.event_id)}
    assert event["details"] == {
        "act": "resolved",
        "quarantine": held.id,
        "reason": "refused",
        "digest": held.digest,
        "note": "Sent again by the sender.",
    }


@pytest.mark.parametrize("note", ["", "  \n", "x" * (MOST_NOTE + 1)])
def test_without_a_note_of_fitting_length_nothing_is_done(ledger: Ledger, note: str) -> None:
    held = hold(ledger, make_event())

    with pytest.raises(NotSettled, match="note"):
        resolve(held, note=note, by="Alice")

    assert Quarantine.objects.get(id=held.id).state == "open"
    assert not Inbox.objects.filter(ledger=ledger).exists()


def test_what_is_settled_is_not_settled_again(ledger: Ledger) -> None:
    held = hold(ledger, make_event())
    stale = Quarantine.objects.get(id=held.id)
    resolve(held, note="done", by="Alice")

    for act in (resolve, replay):
        with pytest.raises(NotSettled):
            act(stale, note="again", by="Bob")

    append_pending(ledger.id)
    assert len(entries(ledger)) == 1
    assert Quarantine.objects.get(id=held.id).settled_by == "Alice"


def test_a_replayed_event_is_chained_with_its_id_its_digest_and_its_time(ledger: Ledger) -> None:
    event = make_event()
    held = hold(ledger, event, source_id="order-7")

    replay(held, note="The column is wider now.", by="Alice")
    append_pending(ledger.id)

    (chained,) = [each for each in entries(ledger) if str(each.event_id) == event["id"]]
    key = EventKey.objects.get(ledger=ledger, event_id=event["id"])
    assert (key.seq, bytes(key.digest).hex()) == (chained.seq, held.digest)
    assert chained.received_at == held.received_at
    assert chained.parsed()["event"] == event
    assert chained.parsed()["source"]["id"] == "order-7"
    assert Quarantine.objects.get(id=held.id).state == "replayed"


def test_an_event_that_cannot_be_chained_this_time_either_is_open_again(
    ledger: Ledger,
) -> None:
    held = hold(ledger, make_event(details={"said": "x" * 66_000}))
    assert why_no_replay(held) == ""

    replay(held, note="Perhaps now.", by="Alice")
    append_pending(ledger.id)

    after = Quarantine.objects.get(id=held.id)
    assert (after.state, after.note) == ("open", "Perhaps now.")
    assert [each.action for each in entries(ledger)] == ["audit.quarantine_resolved"]
    assert not Inbox.objects.filter(ledger=ledger).exists()


def test_a_conflict_is_not_replayed_while_its_id_is_taken(ledger: Ledger) -> None:
    held = conflict(ledger)

    with pytest.raises(NotSettled, match="entry #0"):
        replay(held, note="Try.", by="Alice")

    assert Quarantine.objects.get(id=held.id).state == "open"


def test_a_conflict_whose_id_is_free_may_be_replayed(ledger: Ledger) -> None:
    held = hold(ledger, make_event(), reason=Quarantine.CONFLICT)

    replay(held, note="The first one was never chained.", by="Alice")
    append_pending(ledger.id)

    assert EventKey.objects.filter(ledger=ledger, event_id=held.event_id).exists()


def test_an_event_whose_id_waits_in_the_inbox_is_not_put_beside_it(ledger: Ledger) -> None:
    event = make_event()
    held = hold(ledger, event)
    post(ledger, [event])

    assert "inbox" in why_no_replay(held)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"{}", "cannot be read"),
        (b'{"a":1}\n{"a":2}', "2 events"),
        (b"[" * 5000, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_not_replayed(ledger: Ledger, content: bytes, said: str) -> None:
    held = _hold_bytes(ledger, content)

    assert said in why_no_replay(held)
    with pytest.raises(NotSettled):
        replay(held, note="Try.", by="Alice")


def _hold_bytes(ledger: Ledger, content: bytes) -> Quarantine:
    hold_one = hold(ledger, make_event(), stored=content, reason=Quarantine.UNREADABLE)
    assert bytes(hold_one.event) == content
    return hold_one


def test_an_event_under_another_id_is_not_replayed(ledger: Ledger) -> None:
    other = canonicalise(make_event())

    held = _hold_bytes(ledger, other)

    assert "another one" in why_no_replay(held)


def test_an_event_in_another_form_is_not_replayed(ledger: Ledger) -> None:
    event = make_event()
    held = hold(ledger, event, stored=json.dumps(event).encode())

    assert "canonical" in why_no_replay(held)
