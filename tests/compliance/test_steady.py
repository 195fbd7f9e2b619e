"""A verdict that is kept is the one that asking again would give."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from compliance import memory, shapes, steady
from compliance.kinds import sightings
from compliance.kinds.joins import Join
from compliance.language.reading import EntryView
from compliance.lenses import all_lenses
from compliance.memory import Memory, Rows
from tests.compliance.building import counts, entry, lens, record, shipped, us
from tests.compliance.streams import Record

REGISTERED = {
    "kind": "prior",
    "population": {"all": [["category", "eq", "tool_call"]]},
    "match": {"all": [["action", "eq", "tool.registered"], ["tool.name", "eq", "@tool.name"]]},
    "unless_between": {
        "all": [["action", "eq", "tool.removed"], ["tool.name", "eq", "@tool.name"]]
    },
}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each time that something looks for what serves an event of a known shape."""
    found: list[str] = []
    looking = Join.looking

    def noting(self: Join, known: Any) -> Any:
        look_under = looking(self, known)

        def looked(event: EntryView) -> Any:
            found.append(event.action)
            return look_under(event)

        return looked

    monkeypatch.setattr(Join, "looking", noting)
    return found


def _called(seq: int, tool: str, *, hour: int) -> EntryView:
    return entry(seq, "tool.invoke", {"tool.name": tool}, at=f"2026-10-04T{hour:02}:00:00Z")


def _known(memory: Memory) -> Memory:
    """Have the shape of a call known: it is asked of its action until it comes again."""
    for seq in range(3):
        memory.see(_called(seq, "sql", hour=1))
    return memory


def test_who_says_the_same_is_asked_once(looks: list[str]) -> None:
    told = _known(Memory([lens(REGISTERED)]))
    looks.clear()

    for seq in range(3, 9):
        told.see(_called(seq, "sql", hour=seq))

    assert not looks
    assert counts(told) == (9, 9, 0)
    told.see(_called(9, "mail", hour=9))
    assert looks


@pytest.mark.parametrize(("action", "passes"), [("tool.registered", 1), ("tool.removed", 0)])
def test_what_is_filed_changes_what_rests_on_it_and_nothing_else(
    action: str, passes: int, looks: list[str]
) -> None:
    told = _known(Memory([lens(REGISTERED)]))
    told.see(entry(3, "tool.registered", {"tool.name": "sql"}, at="2026-10-04T02:00:00Z"))
    told.see(_called(4, "mail", hour=3))
    told.see(_called(5, "sql", hour=3))
    told.see(entry(6, action, {"tool.name": "mail"}, at="2026-10-04T04:00:00Z"))
    looks.clear()

    told.see(_called(7, "sql", hour=5))
    assert not looks

    told.see(_called(8, "mail", hour=5))
    assert looks
    assert counts(told) == (7, 5 - passes, 0)


def test_an_act_that_occurred_before_what_serves_is_judged_by_itself() -> None:
    told = _known(Memory([lens(REGISTERED)]))
    told.see(entry(3, "tool.registered", {"tool.name": "sql"}, at="2026-10-04T04:00:00Z"))

    told.see(_called(4, "sql", hour=5))
    told.see(_called(5, "sql", hour=3))
    told.see(_called(6, "sql", hour=4))

    failed = {item.seq for book in told.books.values() for item in book.items.values()}
    assert failed == {0, 1, 2, 5}


def test_what_may_serve_later_is_asked_about_each_time() -> None:
    told = _known(Memory([lens(REGISTERED)]))
    told.see(entry(3, "tool.registered", {"tool.name": "sql"}, at="2026-10-04T04:00:00Z"))

    told.see(_called(4, "sql", hour=3))
    told.see(_called(5, "sql", hour=5))

    failed = {item.seq for book in told.books.values() for item in book.items.values()}
    assert failed == {0, 1, 2, 4}


def test_ids_that_no_other_entry_has_are_not_kept(
    monkeypatch: pytest.MonkeyPatch, looks: list[str]
) -> None:
    monkeypatch.setattr(steady, "_MOST", 8)
    told = _known(Memory([lens(REGISTERED)]))
    for seq in range(3, 40):
        told.see(_called(seq, f"tool-{seq}", hour=2))
    looks.clear()

    told.see(_called(40, "sql", hour=3))
    told.see(_called(41, "sql", hour=3))

    assert looks, "a lens that rests on them is asked with each entry from then on"
    assert counts(told) == (42, 42, 0)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_and_held_back_changes_no_row(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _rows(seed)

    # No shape comes so often: every lens sees every entry as if it were the only one.
    monkeypatch.setattr(shapes, "_OFTEN", 1_000_000)
    monkeypatch.setattr(sightings.Sightings, "_wait", lambda *_: None)

    assert kept == _rows(seed)


@pytest.mark.parametrize("seed", range(2))
def test_forgetting_at_any_time_changes_no_row(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _rows(seed)

    monkeypatch.setattr(steady, "_MOST", 3)
    monkeypatch.setattr(memory, "MOST_WATCHED", 4)
    monkeypatch.setattr(sightings, "_MOST_WAITING", 2)

    assert _rows(seed) == plain


def _rows(seed: int) -> Rows:
    bounded: dict[str, Any] = {**REGISTERED, "within": "PT2H"}
    used_up: dict[str, Any] = {**REGISTERED, "single_use": True}
    ours = [lens(each) for each in (REGISTERED, bounded, used_up)]
    told = Memory([*all_lenses(shipped()).values(), *ours], ledger="main")
    for each in _acts(seed):
        told.read(*each)
    return told.dump()


def _acts(seed: int) -> Iterator[Record]:
    """Yield what a few agents do over and over, and what is filed of them in between.

    Shapes and values are few, so that nearly all is repeated; it occurs in another order than it
    arrives in, over a few days.
    """
    chance = random.Random(seed)
    received = us("2026-10-04T12:00:00Z")
    for seq in range(900):
        received += chance.choice((0, 1, 30_000_000, 600_000_000))
        late = chance.choice((0, 0, 0, 1, 2_000_000_000, 9_000_000_000, 100_000_000_000))
        agent = chance.choice(("a", "b"))
        yield record(
            seq,
            *_act(chance, agent),
            at=received - late,
            received=received,
            agent=agent,
            source={"scope": "governance", "key": chance.choice(("k1", "k2"))},
        )


def _act(chance: random.Random, agent: str) -> tuple[str, dict[str, Any]]:
    """Return an action and its fields: four calls to one thing that is filed."""
    tool = {"tool.name": chance.choice(("sql", "mail"))}
    model = {"model.provider": "acme", "model.name": chance.choice(("m1", "m2"))}
    activity = {"data.processing_activity_id": chance.choice(("p1", "p2"))}
    target = {"target.id": chance.choice(("a", "b", "agent", "k1", "k2", "acme"))}
    if chance.random() < 0.8:
        key = {"auth.credential_id": chance.choice(("k1", "k2"))}
        called = {**model, **activity, "data.classes": ["pii"], "data.purpose": "support"}
        calls = ("tool.invoke", {**tool, "tool.risk": "low"}), ("llm.call", called)
        action, fields = chance.choice(calls)
        return action, {**fields, **key}
    until = {"vendor.valid_until": chance.choice(("2026-10-05T00:00:00Z", "2027-10-01T00:00:00Z"))}
    return chance.choice(
        (
            ("tool.registered", tool),
            ("tool.removed", tool),
            ("processing.activity_registered", {**activity, "processing.purposes": ["support"]}),
            ("processing.activity_changed", {**activity, "processing.purposes": ["sales"]}),
            ("model.registered", model),
            ("model.removed", model),
            ("agent.registered", {"agent.owner": "dan", **target}),
            ("agent.retired", target),
            ("identity.account_disabled", target),
            ("identity.account_enabled", target),
            ("credential.revoked", target),
            ("change.deployed", {"change.object_id": agent, "change.to": "m1"}),
            ("vendor.approved", {**target, "vendor.agreement": "dpa", **until}),
            ("vendor.ended", target),
        )
    )
