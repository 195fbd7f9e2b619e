"""Projections: each entry counts exactly once, and what was built can be built again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.utils.dateparse import parse_datetime
from pytest_django import Settings

from audit import project
from audit.agents import AgentRegistry
from audit.database import raw_cursor, rows
from audit.models import Agent, AgentVersion, Ledger, Projection
from audit.project import Batch, catch_up, catch_up_all, projections, rebuild
from tests.conftest import GOVERNANCE, chain, make_event, post

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]


class Stumbling(AgentRegistry):
    """The agent registry, failing after it has written its rows."""

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        super().apply(cursor, ledger_id, batch)
        raise ZeroDivisionError


class Tally:
    """A projection of two columns, to see that nothing here knows of agents."""

    name: ClassVar[str] = "tally"
    tables: ClassVar[Sequence[str]] = ("audit_keyusage",)

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        cursor.execute(
            "INSERT INTO audit_keyusage AS u (ledger_id, key_id, day, events) "
            "VALUES (%s, 'tally', '2000-01-01', %s) ON CONFLICT (ledger_id, key_id, day) "
            "DO UPDATE SET events = u.events + excluded.events",
            (ledger_id, len(batch)),
        )


class Failing:
    """A projection that never gets anywhere."""

    name: ClassVar[str] = "failing"
    tables: ClassVar[Sequence[str]] = ()

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        raise ZeroDivisionError


@pytest.fixture
def with_a_failing_one(settings: Settings) -> Iterator[None]:
    """Run a projection that fails before all others."""
    settings.PROJECTIONS = [f"{__name__}.Failing", *settings.PROJECTIONS]
    projections.cache_clear()
    yield
    projections.cache_clear()


@pytest.fixture
def registry() -> AgentRegistry:
    return AgentRegistry()


def registry_rows(ledger: Ledger) -> list[Any]:
    """Return every row of the registry, every column."""
    statement = "SELECT to_jsonb(t)::text FROM {} AS t WHERE ledger_id = %s ORDER BY 1"
    return [rows(statement.format(table), (ledger.id,)) for table in AgentRegistry.tables]


def agents(*ids: str, **fields: Any) -> list[dict[str, Any]]:
    return [make_event(agent={"id": each, "version": "1"}, **fields) for each in ids]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read three entries a transaction, so that a few make several, in one turn however slow."""
    monkeypatch.setattr("audit.project.BATCH", 3)
    monkeypatch.setattr("audit.project._TURN_SECONDS", 600.0)


# --- The agent registry ---------------------------------------------------------------------------


def test_the_registry_says_what_the_entries_show(ledger: Ledger, registry: AgentRegistry) -> None:
    chain(
        ledger,
        [
            make_event(
                agent={"id": "alice", "name": "Alice", "version": "1.0", "environment": "staging"},
                occurred_at="2026-10-01T10:00:00Z",
            ),
            make_event(agent={"id": "bob"}, outcome="error", occurred_at="2026-10-01T09:00:00Z"),
            make_event(
                agent={"id": "alice", "version": "1.1"},
                outcome="failure",
                occurred_at="2026-10-01T08:00:00Z",
            ),
            make_event(
                category="agent_lifecycle",
                action="agent.registered",
                agent={"id": "alice", "name": "Alice II", "owner": "Carol", "version": "1.0"},
                occurred_at="2026-10-01T12:00:00Z",
            ),
        ],
        sender=GOVERNANCE,
    )

    assert catch_up(ledger.id, registry) == 4

    alice, bob = Agent.objects.filter(ledger=ledger).order_by("agent_id")
    assert (alice.agent_id, alice.name, alice.owner) == ("alice", "Alice II", "Carol")
    assert (alice.environments, alice.is_registered) == (["prod", "staging"], True)
    assert (alice.first_seq, alice.last_seq, alice.entries, alice.failures) == (0, 3, 3, 1)
    assert alice.first_seen == parse_datetime("2026-10-01T08:00:00Z")
    assert alice.last_seen == parse_datetime("2026-10-01T12:00:00Z")
    assert (bob.name, bob.owner, bob.is_registered) == ("", "", False)
    assert (bob.entries, bob.failures, bob.environments) == (1, 1, ["prod"])
    versions = AgentVersion.objects.filter(ledger=ledger).order_by("version")
    assert [(v.agent_id, v.version, v.first_seq, v.last_seq, v.entries) for v in versions] == [
        ("alice", "1.0", 0, 3, 2),
        ("alice", "1.1", 2, 2, 1),
    ]


def test_the_same_rows_come_out_however_the_entries_are_cut(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    for n in range(6):
        chain(
            ledger,
            [
                make_event(
                    agent={"id": f"agent {n % 2}", "name": f"n{n}", "version": f"v{n % 3}"},
                    outcome="error" if n == 4 else "success",
                    occurred_at=f"2026-10-0{6 - n}T00:00:00Z",
                )
            ],
        )
        catch_up(ledger.id, registry)  # one entry at a time
    one_by_one = registry_rows(ledger)

    assert rebuild(ledger, registry) == 6  # all at once

    assert one_by_one == registry_rows(ledger)


def test_the_platforms_own_entries_make_no_agent(ledger: Ledger, registry: AgentRegistry) -> None:
    chain(ledger, [make_event(agent={"id": "platform", "version": "1"})], sender=GOVERNANCE)

    assert catch_up(ledger.id, registry) == 1

    assert registry_rows(ledger) == [[], [], []]


# --- Exactly once ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_reading_again_counts_nothing_twice(ledger: Ledger, registry: AgentRegistry) -> None:
    chain(ledger, agents(*"ababababab"))

    assert catch_up(ledger.id, registry) == 10
    before = registry_rows(ledger)
    assert catch_up(ledger.id, registry) == 0

    assert before == registry_rows(ledger)
    assert [each.entries for each in Agent.objects.filter(ledger=ledger)] == [5, 5]
    assert Projection.objects.get(ledger=ledger, name="agents").next_seq == 10


@pytest.mark.usefixtures("small_batches")
def test_a_crash_between_rows_and_cursor_changes_neither(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    chain(ledger, agents(*"aabb"))
    catch_up(ledger.id, registry)
    before = registry_rows(ledger)
    chain(ledger, agents(*"abc"))

    with pytest.raises(ZeroDivisionError):
        catch_up(ledger.id, Stumbling())

    assert before == registry_rows(ledger)
    assert Projection.objects.get(ledger=ledger, name="agents").next_seq == 4
    assert catch_up(ledger.id, registry) == 3
    counts = Agent.objects.filter(ledger=ledger).order_by("agent_id").values_list("entries")
    assert list(counts) == [(3,), (3,), (1,)]


def test_readers_at_the_same_time_count_each_entry_once(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                catch_up(ledger.id, registry)
        except BaseException as error:  # told to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        for _ in range(15):
            chain(ledger, agents("a", "b"))
    finally:
        done.set()
        for each in threads:
            each.join(timeout=60)
    catch_up(ledger.id, registry)

    assert not failures, failures
    counts = Agent.objects.filter(ledger=ledger).values_list("entries", flat=True)
    assert list(counts) == [15, 15]


def test_a_cursor_that_another_process_holds_is_left_to_it(
    ledger: Ledger, registry: AgentRegistry, as_role: AsRole
) -> None:
    chain(ledger, agents("a"))
    catch_up(ledger.id, registry)
    chain(ledger, agents("a"))
    worker = as_role("worker")

    with worker.transaction():
        worker.execute("SELECT FROM audit_projection WHERE ledger_id = %s FOR UPDATE", (ledger.id,))
        assert catch_up(ledger.id, registry) == 0

    assert catch_up(ledger.id, registry) == 1


def test_one_call_brings_every_projection_of_a_ledger_up_to_date(ledger: Ledger) -> None:
    chain(ledger, agents("a", "b"))

    read = catch_up_all(ledger.id)

    assert read == 2 * len(projections())
    assert {each.next_seq for each in Projection.objects.filter(ledger=ledger)} == {2}


@pytest.mark.usefixtures("small_batches", "with_a_failing_one")
def test_one_that_fails_holds_up_no_other_and_its_error_is_raised(ledger: Ledger) -> None:
    chain(ledger, agents(*"abcabca"))

    with pytest.raises(ZeroDivisionError):
        catch_up_all(ledger.id)

    read = {each.name: each.next_seq for each in Projection.objects.filter(ledger=ledger)}
    assert read == dict.fromkeys(projections().keys() - {"failing"}, 7)


@pytest.mark.usefixtures("small_batches")
def test_projections_that_stand_apart_each_read_what_is_new_to_them(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    chain(ledger, agents(*"abcab"))
    catch_up(ledger.id, registry)
    chain(ledger, agents(*"abc"))

    read = catch_up_all(ledger.id)

    assert read == 8 * len(projections()) - 5
    assert {each.next_seq for each in Projection.objects.filter(ledger=ledger)} == {8}
    assert sum(Agent.objects.filter(ledger=ledger).values_list("entries", flat=True)) == 8


# --- Building again -------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_a_rebuild_mends_whatever_stands_in_the_rows(
    ledger: Ledger, registry: AgentRegistry, as_role: AsRole
) -> None:
    chain(ledger, agents(*"abcabcabca"))
    catch_up(ledger.id, registry)
    right = registry_rows(ledger)
    worker = as_role("worker")
    worker.execute("DELETE FROM audit_agent WHERE ledger_id = %s AND agent_id = 'a'", (ledger.id,))
    worker.execute("UPDATE audit_agent SET entries = 99 WHERE ledger_id = %s", (ledger.id,))
    worker.execute(
        "INSERT INTO audit_agentversion VALUES (%s, 'mallory', '1', 0, now(), 0, 1)", (ledger.id,)
    )
    assert right != registry_rows(ledger)

    call_command("rebuild", "agents", "--ledger", ledger.name)

    assert right == registry_rows(ledger)
    assert Projection.objects.get(ledger=ledger, name="agents").next_seq == 10
    assert catch_up(ledger.id, registry) == 0


def test_a_rebuild_of_one_ledger_leaves_the_others_alone(
    ledger: Ledger, registry: AgentRegistry, as_role: AsRole
) -> None:
    chain(ledger, agents("a"))
    catch_up(ledger.id, registry)
    everybody = "SELECT to_jsonb(a)::text FROM audit_agent AS a WHERE ledger_id <> %s ORDER BY 1"
    before = rows(everybody, (ledger.id,))

    rebuild(ledger, registry)

    assert before == rows(everybody, (ledger.id,))


@pytest.mark.usefixtures("small_batches")
def test_readers_see_the_old_rows_until_the_new_ones_stand(
    ledger: Ledger, registry: AgentRegistry, as_role: AsRole
) -> None:
    chain(ledger, agents(*"aaaaaaaaaa"))
    catch_up(ledger.id, registry)
    reader = as_role("read")
    seen = []

    def look(read: int) -> None:
        found = reader.execute(
            "SELECT entries FROM audit_agent WHERE ledger_id = %s", (ledger.id,)
        ).fetchall()
        seen.append((read, found))

    rebuild(ledger, registry, on_progress=look)

    assert seen == [(read, [(10,)]) for read in (3, 6, 9, 10)]


def test_a_rebuild_while_entries_come_in_and_are_read_loses_and_repeats_none(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    chain(ledger, agents("a", "b"))
    failures: list[BaseException] = []

    def go_on() -> None:
        try:
            for _ in range(20):
                chain(ledger, agents("a", "b"))
                catch_up(ledger.id, registry)
        except BaseException as error:  # told to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=go_on)
    thread.start()
    rebuilds = 0
    while thread.is_alive():
        rebuild(ledger, registry)
        rebuilds += 1
    thread.join()
    catch_up(ledger.id, registry)

    assert not failures, failures
    assert rebuilds > 0
    counts = Agent.objects.filter(ledger=ledger).values_list("entries", flat=True)
    assert list(counts) == [21, 21]


def test_a_rebuild_that_fails_leaves_the_live_rows_and_nothing_behind(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    chain(ledger, agents("a"))
    catch_up(ledger.id, registry)
    before = registry_rows(ledger)

    with pytest.raises(ZeroDivisionError):
        rebuild(ledger, Stumbling())

    assert before == registry_rows(ledger)
    with raw_cursor() as cursor:
        left = cursor.execute(
            "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r' "
            "AND pg_table_is_visible(oid)"
        ).fetchall()
    assert left == []
    assert rebuild(ledger, registry) == 1


def test_any_projection_with_tables_and_apply_can_be_run_and_rebuilt(ledger: Ledger) -> None:
    chain(ledger, agents(*"aaaaa"))
    of_tally = "SELECT events FROM audit_keyusage WHERE ledger_id = %s AND key_id = 'tally'"

    assert catch_up(ledger.id, Tally()) == 5
    assert rows(of_tally, (ledger.id,)) == [(5,)]
    assert rebuild(ledger, Tally()) == 5

    assert rows(of_tally, (ledger.id,)) == [(5,)]


def test_an_empty_ledger_has_nothing_to_read_or_rebuild(
    ledger: Ledger, registry: AgentRegistry
) -> None:
    post(ledger, [b"{"])

    assert catch_up(ledger.id, registry) == 0
    assert rebuild(ledger, registry) == 0
    assert registry_rows(ledger) == [[], [], []]


def test_a_row_beyond_the_head_does_not_carry_the_cursor_along(ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    with raw_cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_entry
            SELECT (jsonb_populate_record(e, '{"seq": 5}')).*
            FROM audit_entry AS e
            WHERE ledger_id = %s
            """,
            (ledger.id,),
        )

    catch_up_all(ledger.id)
    chain(ledger, [make_event() for _ in range(3)])
    catch_up_all(ledger.id)

    assert Agent.objects.get(ledger=ledger).entries == 4


def test_a_projection_stays_with_the_process_that_moved_it_last(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = project.Patience(seconds=600)
    chain(ledger, [make_event()])
    assert project.catch_up_all(ledger.id, patience=patient) > 0  # nobody has moved it yet
    chain(ledger, [make_event()])
    assert project.catch_up_all(ledger.id, patience=patient) > 0  # this process has
    chain(ledger, [make_event()])

    with monkeypatch.context() as another_process:
        another_process.setattr(project, "_left", {})
        assert project.catch_up_all(ledger.id, patience=patient) == 0
        assert project.catch_up_all(ledger.id, patience=project.Patience(seconds=0)) > 0


def test_a_last_resort_waits_after_its_own_turn_too(ledger: Ledger) -> None:
    last_resort = project.Patience(seconds=600, is_for_own=True)
    chain(ledger, [make_event()])
    assert project.catch_up_all(ledger.id, patience=last_resort) > 0
    chain(ledger, [make_event()])

    assert project.catch_up_all(ledger.id, patience=last_resort) == 0
    assert project.catch_up_all(ledger.id) > 0
