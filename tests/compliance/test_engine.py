"""The engine: who sees an entry, when time is up, and that stopping anywhere changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compliance.definitions import Lens
from compliance.engine import Engine, Timer
from compliance.kinds.base import DAY_US
from compliance.language.errors import DefinitionError
from compliance.language.reading import EntryView
from compliance.memory import Memory, MemoryBook
from tests.compliance.building import (
    counts,
    day,
    entry,
    event_id,
    lens,
    person,
    record,
    run,
    shipped,
    us,
)

AT = "2026-10-04T10:00:00Z"
T0 = us(AT)
HOUR = 3_600_000_000
ALERT: dict[str, Any] = {
    "kind": "followup",
    "population": {"all": [["action", "eq", "alert.raised"]]},
    "match": {
        "all": [["action", "eq", "alert.dismissed"], ["case.alert_id", "eq", "@case.alert_id"]]
    },
    "within": "PT24H",
}


def _alert(seq: int, at: int = T0, name: str = "1") -> EntryView:
    return entry(seq, "alert.raised", {"case.alert_id": name}, at=at)


def _tick(seq: int, at: int) -> EntryView:
    return entry(seq, "system.queue_reported", at=at)


def test_time_is_up_once_the_clock_has_passed_the_deadline_and_not_at_it() -> None:
    at_it = run(ALERT, [_alert(0), _tick(1, T0 + DAY_US)])
    past_it = run(ALERT, [_alert(0), _tick(1, T0 + DAY_US + 1)])

    assert counts(at_it) == (0, 0, 1)
    assert counts(past_it) == (1, 1, 0)


def test_time_is_up_before_the_entry_that_moved_the_clock_is_seen() -> None:
    late = entry(1, "alert.dismissed", {"case.alert_id": "1"}, at=T0 + DAY_US + 1, **person("p"))

    assert counts(run(ALERT, [_alert(0), late])) == (1, 1, 0)


def test_the_clock_never_goes_back() -> None:
    memory = run(ALERT, [_tick(0, T0), _tick(1, T0 - HOUR)])

    assert memory.clock == T0


def test_a_ledger_that_was_silent_for_a_week_ends_like_one_that_was_not() -> None:
    silent = run(ALERT, [_alert(0), _tick(1, T0 + 7 * DAY_US)])
    spoken = run(ALERT, [_alert(0), *(_tick(n, T0 + n * DAY_US) for n in range(1, 8))])

    assert silent.dump()["tally"] == spoken.dump()["tally"]
    assert silent.dump()["item"] == spoken.dump()["item"]


def test_deadlines_run_out_in_their_order() -> None:
    timer = Timer()
    timer.set("b", "x", 5)
    timer.set("a", "y", 5)
    timer.set("a", "x", 7)
    timer.set("a", "x", 4)
    timer.set("c", "z", 3)
    timer.set("c", "z", None)

    assert [timer.take(6) for _ in range(3)] == [(4, "a", "x"), (5, "a", "y"), (5, "b", "x")]
    assert timer.take(6) is None


def test_a_slot_that_is_due_at_a_moment_waits_for_the_next() -> None:
    timer = Timer()
    timer.set("a", "x", 5)

    assert timer.take(5) is None
    assert timer.take(6) == (5, "a", "x")


def test_slots_that_are_put_again_and_again_do_not_pile_up() -> None:
    timer = Timer()
    for due in range(10_000):
        timer.set("a", "x", due + 1_000_000)
        timer.take(0)

    assert len(timer._heap) <= 1025
    assert timer.take(2_000_000) == (1_009_999, "a", "x")


def test_an_action_of_a_vendor_is_seen_by_those_that_may_care() -> None:
    everything = {"kind": "each", "population": {"all": [["category", "eq", "action"]]}}
    own = entry(0, "x.acme.did", at=AT, category="action")

    assert counts(run(everything, [own])) == (1, 0, 0)
    assert counts(run("TOOL-02", [own])) == (0, 0, 0)


def test_a_definition_that_is_not_sound_names_its_check() -> None:
    with pytest.raises(DefinitionError, match="T-01"):
        run({"kind": "each", "population": {"all": [["a"]]}}, [])


def test_entries_go_up_by_seq() -> None:
    with pytest.raises(ValueError, match="entry 3 comes after 3"):
        run(ALERT, [_tick(3, T0), _tick(3, T0)])


def test_what_a_registry_knows_of_a_tool_stands_in_place_of_its_claims() -> None:
    risky = {
        "kind": "each",
        "population": {"all": [["tool.risk", "eq", "critical"]]},
        "pass_when": {"all": [["tool.arguments_hash", "exists", True]]},
    }
    memory = Memory([lens(risky)])
    claims = {"tool.name": "wire", "tool.risk": "low"}
    memory.read(*record(0, "tool.invoke", claims, at=AT))
    memory.read(
        *record(
            1,
            "tool.registered",
            {"tool.name": "wire", "tool.risk": "critical"},
            at=AT,
            **person("alice"),
        )
    )
    memory = _resumed(memory)
    memory.read(*record(2, "tool.invoke", claims, at=AT))

    # The registration itself names the risk as well, and has no arguments.
    (lens_id,) = memory.lenses
    assert sorted(memory.books[lens_id].items) == ["1", "2"]


def test_a_memory_knows_its_ledger() -> None:
    seq, text, entry_hash = record(7, "llm.call", at=AT, received=T0 + HOUR)
    memory = Memory([lens(ALERT)], ledger="main")
    memory.read(seq, text, entry_hash)
    memory.see(entry(8, "llm.call", at=T0 - DAY_US, source={"backfill": True}))
    facts = memory.span_facts()

    assert (facts.ledger, facts.born, facts.clock) == ("main", T0 + HOUR, T0 + HOUR)
    assert facts.head_seq == 8
    assert memory.day_counts(day("2026-10-03"), day("2026-10-05")) == (2, 1)
    assert memory.day_counts(day("2026-10-04"), day("2026-10-05")) == (1, 0)


def test_acts_of_people_are_kept_as_the_ledger_says_them() -> None:
    signed = entry(
        0, "audit.nil_return_signed", {"details": {"check": "DSR-01"}}, at=AT, **person("alice")
    )
    memory = run(ALERT, [signed, _tick(1, T0)])

    (act,) = memory.acts()
    assert (act.seq, act.actor, act.details) == (0, "alice", {"check": "DSR-01"})


# ---------------------------------------------------------------------------- stopping


def _story() -> list[EntryView]:
    """A little of everything, with a late entry, a second agent and two deadlines."""
    approve = {"decision.approval_id": "A", "tool.name": "wire", "tool.arguments_hash": "1" * 64}
    wire = {**approve, "tool.risk": "high", "trace.operation_id": "op"}
    until = {"decision.expires_at": "2026-10-30T00:00:00.000000Z", "decision.requested_by": "b"}
    owner = {"agent.owner": "ops"}
    dated = {"data.classes": ["pii"], "data.purpose": "billing", "data.legal_basis": "consent"}
    consent = {"data.consent_id": "k", "data.purpose": "billing", "data.subject_ids": ["s1", "s2"]}
    lines: list[tuple[str, dict[str, Any], int, dict[str, Any]]] = [
        ("agent.registered", owner, 0, person("ops")),
        ("agent.started", {"agent.instance_id": "i", "client_seq": 1, "agent.version": "1"}, 1, {}),
        ("approval.granted", {**approve, **until}, 2, person("alice")),
        ("tool.invoke", {**wire, "client_seq": 2, "agent.instance_id": "i"}, 3, {}),
        ("tool.invoke", {**wire, "client_seq": 5, "agent.instance_id": "i"}, 4, {}),
        ("consent.given", consent, 5, person("clerk")),
        ("data.read", {**dated, **consent}, 6, {}),
        ("alert.raised", {"case.alert_id": "1", "severity": "high"}, 7, {}),
        ("consent.withdrawn", consent, 8, person("clerk")),
        ("data.read", {**dated, **consent}, 40, {}),
        ("llm.call", {"model.name": "m1", "model.provider": "p"}, 41, {"agent": "b"}),
        ("llm.call", {"model.name": "m2", "model.provider": "p"}, 42, {"agent": "b"}),
        ("tool.invoke", {"tool.name": "sql", "client_seq": 3, "agent.instance_id": "i"}, 2,
         {"received": T0 + 43 * HOUR}),
        ("audit.chain_verified", {}, 44, {"agent": "platform"}),
        ("x.acme.did", {}, 45, {"category": "action", "environment": "staging"}),
        ("system.queue_reported", {"system.max_lag_seconds": 61}, 24 * 9, {"agent": "platform"}),
        ("agent.retired", {"target": {"type": "agent", "id": "a"}}, 24 * 9 + 1, person("ops")),
        ("data.read", {**dated, **consent}, 24 * 9 + 2, {}),
        ("audit.retention_reported", {"integrity.retention_days": 30}, 24 * 10,
         {"agent": "platform"}),
    ]  # fmt: skip
    return [
        entry(seq, action, fields, **{"at": T0 + hours * HOUR, **rest})
        for seq, (action, fields, hours, rest) in enumerate(lines)
    ]


def _every_check() -> list[Lens]:
    return [lens(check) for check in shipped().checks]


def _resumed(memory: Memory) -> Memory:
    """Return a memory that goes on from the other's rows, as JSON text keeps them."""
    resumed = Memory(memory.lenses.values(), ledger=memory.ledger)
    resumed.load(json.loads(_text(memory)))
    return resumed


def _text(memory: Memory) -> str:
    return json.dumps(memory.dump(), sort_keys=True)


def test_stopping_after_every_entry_changes_nothing() -> None:
    lenses = _every_check()
    at_once, in_pieces = Memory(lenses), Memory(lenses)
    for each in _story():
        at_once.see(each)
        in_pieces.see(each)
        in_pieces = _resumed(in_pieces)

    assert _text(at_once) == _text(in_pieces)
    assert at_once.dump()["item"]


def test_every_slot_that_a_prior_asks_for_was_named_before() -> None:
    books: dict[str, _Watched] = {}
    timer = Timer()

    def book_of(lens_id: str) -> _Watched:
        return books.setdefault(lens_id, _Watched(lens_id, timer))

    lenses = _every_check()
    engine = Engine(lenses, book_of, timer)
    prior = {one.id for one in lenses if one.kind == "prior"}
    for each in _story():
        named = engine.slots([each])
        for book in books.values():
            book.asked.clear()
        engine.see(each)
        for lens_id in prior:
            assert books[lens_id].asked <= set(named.get(lens_id, ()))


class _Watched(MemoryBook):
    """A book that notes what it is asked for."""

    def __init__(self, lens_id: str, timer: Timer) -> None:
        super().__init__(lens_id, timer)
        self.asked: set[str] = set()

    def get(self, slot: str) -> Any | None:
        """Return what is remembered there."""
        self.asked.add(slot)
        return super().get(slot)


def test_event_ids_of_entries_are_their_own() -> None:
    assert entry(3, "llm.call", at=AT).read("id") == event_id(3)
