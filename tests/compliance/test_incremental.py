"""The tables hold what the entries say, row for row, however the entries came in.

Random streams go through the projection in batches of random size, by one process or by several,
and through memory.py in one go. Every row of every table must be the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from audit.database import raw_connection, raw_cursor, rows
from audit.models import Ledger
from compliance import book, tally
from compliance.definitions import Lens
from compliance.kinds.base import Span
from compliance.memory import Memory, Rows
from compliance.scratch import memory_rows
from compliance.tallied import Tallied
from compliance.tally import Tallies
from tests.compliance.building import shipped
from tests.compliance.streams import DAYS, HOUR_US, START, Record, lenses, stream

SEEDS = range(10)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Lens]:
    """Let a ledger be looked at through a lens of every kind."""
    found = lenses()
    monkeypatch.setattr(tally, "lenses_in_force", lambda _ledger: {each.id: each for each in found})
    return found


def in_tables(ledger: Ledger) -> Rows:
    """Return all rows of a ledger as `Memory.dump` writes them."""
    statement = "SELECT to_jsonb(t) FROM {} AS t WHERE ledger_id = %s"
    return memory_rows(
        {
            table: [row for (row,) in rows(statement.format(table), (ledger.id,))]
            for table in Tallies.tables
        }
    )


def in_memory(found: Sequence[Lens], entries: Sequence[Record], ledger: str) -> Memory:
    memory = Memory(found, ledger=ledger)
    for seq, record, entry_hash in entries:
        memory.read(seq, record, entry_hash)
    return memory


def plain(found: Rows) -> dict[str, Any]:
    """Return rows as JSON brings them back."""
    read: dict[str, Any] = json.loads(json.dumps(found))
    return read


def apply(ledger: Ledger, projection: Tallies, batch: Sequence[Record]) -> None:
    with raw_connection().transaction(), raw_cursor() as cursor:
        projection.apply(cursor, ledger.id, [(seq, record) for seq, record, _ in batch])


def cut(entries: Sequence[Record], chance: random.Random) -> Iterator[Sequence[Record]]:
    """Yield the entries in batches of random size."""
    at = 0
    while at < len(entries):
        size = chance.choice([1, 2, 7, 40, 150])
        yield entries[at : at + size]
        at += size


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Return the first row of each table that one side has and the other has not."""
    found = []
    for table in sorted(ours):
        left, right = (
            {json.dumps(row, sort_keys=True) for row in side[table]} for side in (ours, theirs)
        )
        found += [f"{table} in tables only: {row}" for row in sorted(left - right)[:3]]
        found += [f"{table} in memory only: {row}" for row in sorted(right - left)[:3]]
    return "\n".join(found)


def test_the_streams_give_every_kind_something_to_decide() -> None:
    found = [in_memory(lenses(), stream(seed, entries=300), "t").dump() for seed in SEEDS]

    for lens in lenses():
        tables = {"fact": ["item"], "rate": ["bucket"]}.get(lens.kind, ["tally", "item"])
        for table in tables:
            assert any(row[0] == lens.id for one in found for row in one[table]), lens.definition
    assert all(any(one[table] for one in found) for table in ("act", "day", "clock", "state"))


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_of_any_size_end_with_the_same_rows_as_all_in_one_go(
    ledger: Ledger, looked_at: list[Lens], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(f"cut {seed}")
    monkeypatch.setattr(book, "MOST", chance.choice([0, 50, 100_000]))
    entries = stream(seed, entries=300)
    projection = Tallies()
    for batch in cut(entries, chance):
        apply(ledger, projection, batch)
        if chance.random() < 0.3:
            projection = Tallies()  # another process goes on

    found, expected = plain(in_tables(ledger)), plain(in_memory(looked_at, entries, "t").dump())

    assert found == expected, differences(found, expected)


@pytest.mark.parametrize("seed", [100, 101])
def test_every_check_that_is_shipped_counts_the_same_in_batches(ledger: Ledger, seed: int) -> None:
    chance = random.Random(f"cut {seed}")
    found = list(tally.lenses_in_force(ledger.id).values())
    assert len(found) >= len(shipped().checks)
    entries = stream(seed, entries=250)
    projection = Tallies()
    for batch in cut(entries, chance):
        apply(ledger, projection, batch)

    ours, expected = plain(in_tables(ledger)), plain(in_memory(found, entries, "t").dump())

    assert ours == expected, differences(ours, expected)


@pytest.mark.parametrize("environment", ["prod", "staging", None])
@pytest.mark.parametrize("agent", ["alice", None])
def test_views_of_the_tables_say_what_views_of_memory_say(
    ledger: Ledger, looked_at: list[Lens], environment: str | None, agent: str | None
) -> None:
    entries = stream(7, entries=300)
    apply(ledger, Tallies(), entries)
    memory, tables = in_memory(looked_at, entries, ledger.name), Tallied(ledger)
    first = START // (24 * HOUR_US)
    assert tables.span_facts() == memory.span_facts()
    assert list(tables.acts()) == list(memory.acts())
    for start, end in ((first - 5, first + DAYS), (first + 2, first + 5)):
        span = Span(
            start=start,
            end=end,
            as_of=memory.clock,
            observed_from=start,
            environment=environment,
            agent=agent,
        )
        assert tables.day_counts(start, end) == memory.day_counts(start, end)
        for lens in looked_at:
            ours, theirs = tables.view(lens, span), memory.view(lens, span)

            assert ours.counts() == theirs.counts()
            assert list(ours.marks()) == list(theirs.marks())
            assert list(ours.buckets()) == list(theirs.buckets())
            for state in ("fail", "pending", "fact"):
                assert plain_items(ours.items(state)) == plain_items(theirs.items(state))
            opened = {
                name: (counts.opened, counts.closed, counts.open_sum)
                for name, counts in theirs.before().items()
                if counts.opened or counts.closed
            }
            assert opened == {
                name: (counts.opened, counts.closed, counts.open_sum)
                for name, counts in ours.before().items()
            }


def plain_items(items: Sequence[Any]) -> list[str]:
    return [json.dumps([getattr(item, name) for name in item.__slots__]) for item in items]
