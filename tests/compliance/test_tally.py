"""The projection `tallies`: the lenses of a ledger, when they are stale, what a rebuild gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from django.core.management import call_command

from audit.database import raw_connection, rows
from audit.models import Entry, Ledger
from audit.project import catch_up, cursor_of, projections, rebuild
from audit.prune import work_through_plans
from compliance import tally
from compliance.definitions import Lens
from compliance.kinds.base import Span
from compliance.scratch import from_ledger
from compliance.tallied import LensNotTallied, Tallied
from compliance.tally import Tallies, is_stale, lenses_in_force, rebuild_stale
from tests.audit.retaining import agreed, make_ready, proposed, seed
from tests.compliance.building import lens, shipped
from tests.compliance.test_incremental import in_tables, plain
from tests.conftest import GOVERNANCE, chain, make_event

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]

CALLS = lens({"kind": "each", "population": {"all": [["action", "eq", "tool.invoke"]]}})
MODELS = lens({"kind": "each", "population": {"all": [["category", "eq", "llm_call"]]}})
READS = lens(
    {
        "kind": "gap",
        "population": {"all": []},
        "key": ["ledger"],
        "measure": "seq",
        "max_gap": 1,
        "count_missing": True,
        "clock": "received_at",
    }
)


class Stumbling(Tallies):
    """The tallies, failing after they have written their rows."""

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Sequence[Any]) -> None:
        super().apply(cursor, ledger_id, batch)
        raise ZeroDivisionError


InForce: TypeAlias = Callable[..., None]


@pytest.fixture
def in_force(monkeypatch: pytest.MonkeyPatch) -> InForce:
    """Return a setter of the lenses in force."""

    def put(*lenses: Lens) -> None:
        found = {each.id: each for each in lenses}
        monkeypatch.setattr(tally, "lenses_in_force", lambda _ledger: found)

    put(CALLS, READS)
    return put


@pytest.fixture
def tallies() -> Tallies:
    return Tallies()


SPAN = Span(
    start=0, end=30_000, as_of=0, observed_from=0, environment=None, agent=None
)  # fmt: skip


def counted(ledger: Ledger, one: Lens) -> int:
    """Return how many items of a lens are counted."""
    found = [row for row in in_tables(ledger)["tally"] if row[0] == one.id]
    return sum(row[4] + row[5] for row in found)


def calls(count: int) -> list[dict[str, Any]]:
    return [make_event() for _ in range(count)]


# --- Which lenses ---------------------------------------------------------------------------------


def test_a_ledger_begins_with_every_lens_of_the_catalogue_in_force(
    ledger: Ledger, tallies: Tallies
) -> None:
    chain(ledger, calls(1))

    assert catch_up(ledger.id, tallies) == 1

    held: dict[str, int] = dict(
        rows("SELECT lens_id, first_seq FROM compliance_lens WHERE ledger_id = %s", (ledger.id,))
    )
    assert held == dict.fromkeys(lenses_in_force(ledger.id), 0)
    assert len(held) >= len(shipped().checks)


@pytest.mark.usefixtures("in_force")
def test_each_entry_counts_once(ledger: Ledger, tallies: Tallies) -> None:
    chain(ledger, calls(3))
    catch_up(ledger.id, tallies)
    chain(ledger, calls(2))

    assert catch_up(ledger.id, tallies) == 2
    assert catch_up(ledger.id, tallies) == 0

    assert counted(ledger, CALLS) == 5
    ((entries,),) = rows(
        "SELECT sum(entries)::bigint FROM compliance_day WHERE ledger_id = %s", (ledger.id,)
    )
    assert entries == 5


@pytest.mark.usefixtures("in_force")
def test_what_failed_leaves_nothing_behind_and_is_counted_when_it_is_tried_again(
    ledger: Ledger, tallies: Tallies
) -> None:
    chain(ledger, calls(2))
    catch_up(ledger.id, tallies)
    chain(ledger, calls(2))
    stumbling = Stumbling()
    stumbling._running = tallies._running  # as if one process had done both

    with pytest.raises(ZeroDivisionError):
        catch_up(ledger.id, stumbling)
    assert counted(ledger, CALLS) == 2
    assert catch_up(ledger.id, tallies) == 2

    assert counted(ledger, CALLS) == 4


def test_a_ledger_goes_on_with_its_lenses_when_the_catalogue_changes(
    ledger: Ledger, tallies: Tallies, in_force: InForce
) -> None:
    chain(ledger, calls(2))
    catch_up(ledger.id, tallies)
    in_force(MODELS)
    chain(ledger, [*calls(1), make_event(category="llm_call", action="llm.call")])

    catch_up(ledger.id, tallies)

    assert counted(ledger, CALLS) == 3
    assert counted(ledger, MODELS) == 0


# --- Stale ----------------------------------------------------------------------------------------


def test_tallies_are_stale_until_they_are_rebuilt(
    ledger: Ledger, in_force: InForce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger.objects, "order_by", lambda *_: [ledger])
    chain(ledger, [*calls(2), make_event(category="llm_call", action="llm.call")])
    assert not is_stale(ledger), "nothing was tallied yet"
    catch_up(ledger.id, projections()["tallies"])
    assert not is_stale(ledger)
    in_force(CALLS, MODELS)
    assert is_stale(ledger)
    with pytest.raises(LensNotTallied, match=r"manage\.py rebuild tallies"):
        Tallied(ledger).view(MODELS, SPAN)
    told: list[tuple[str, int]] = []

    assert rebuild_stale(lambda name, seq: told.append((name, seq))) == 1

    assert told == [(ledger.name, 3)]
    assert not is_stale(ledger)
    assert counted(ledger, MODELS) == 1
    Tallied(ledger).view(MODELS, SPAN)
    assert rebuild_stale() == 0


def test_a_ledger_that_another_process_rebuilds_is_left_to_it(
    ledger: Ledger, in_force: InForce, as_role: AsRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger.objects, "order_by", lambda *_: [ledger])
    chain(ledger, calls(1))
    catch_up(ledger.id, projections()["tallies"])
    in_force(MODELS)
    other = as_role("worker")
    other.execute("SELECT pg_advisory_lock(hashtext('compliance.rebuild'), %s)", (ledger.id,))

    assert rebuild_stale() == 0
    assert is_stale(ledger)

    other.execute("SELECT pg_advisory_unlock(hashtext('compliance.rebuild'), %s)", (ledger.id,))
    assert rebuild_stale() == 1


def test_a_rebuild_of_all_checks_gives_the_same_rows(ledger: Ledger) -> None:
    chain(
        ledger,
        [
            *calls(4),
            make_event(category="system", action="backup.completed"),
            make_event(category="agent_lifecycle", action="agent.registered", tool=None),
        ],
        sender=GOVERNANCE,
    )
    tallies = projections()["tallies"]
    for _ in range(2):
        catch_up(ledger.id, tallies)
        chain(ledger, calls(3))
    catch_up(ledger.id, tallies)
    before = plain(in_tables(ledger))

    call_command("rebuild", "tallies", ledger=ledger.name)

    assert plain(in_tables(ledger)) == before
    assert cursor_of(ledger.id, tallies) == 12
    chain(ledger, calls(1))
    assert catch_up(ledger.id, tallies) == 1, "it goes on after a rebuild"


# --- After a purge --------------------------------------------------------------------------------


@pytest.fixture
def pruned(ledger: Ledger, settings: Any, tmp_path: Path) -> tuple[Ledger, dict[str, Any]]:
    """Return a ledger whose first 512 entries are gone, and the rows from before."""
    settings.EXPORT_DIR = str(tmp_path / "exports")
    settings.SIGNING_DIR = str(tmp_path / "signing")
    seed(ledger, 700)
    make_ready(ledger)
    plan = proposed(ledger)
    before = plain(in_tables(ledger))
    agreed(plan)
    work_through_plans(ledger.id)
    assert not Entry.objects.filter(ledger=ledger, seq__lt=512).exists()
    return ledger, before


def test_a_purge_takes_nothing_from_the_tallies_nor_from_what_is_rebuilt(
    pruned: tuple[Ledger, dict[str, Any]],
) -> None:
    ledger, before = pruned
    assert plain(in_tables(ledger)) == before

    rebuild(ledger, projections()["tallies"])

    after = plain(in_tables(ledger))
    head = before["clock"][0][2]
    assert [row for row in after["item"] if row[6] < head] == before["item"]
    assert after == plain(from_ledger(ledger, shipped()).dump()), "from the carry and the rest"


def test_a_lens_that_a_purge_did_not_know_begins_where_the_entries_begin(
    pruned: tuple[Ledger, dict[str, Any]], in_force: InForce
) -> None:
    ledger, _ = pruned
    in_force(MODELS, READS)

    rebuild(ledger, projections()["tallies"])

    first: dict[str, int] = dict(
        rows("SELECT lens_id, first_seq FROM compliance_lens WHERE ledger_id = %s", (ledger.id,))
    )
    assert first[MODELS.id] == 512
    assert not is_stale(ledger)
    assert not raw_connection().info.transaction_status
