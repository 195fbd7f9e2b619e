"""Who was there: fingerprints of a batch, and what is counted of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.database import raw_connection, rows
from audit.models import Ledger
from audit.project import catch_up
from metrics.fold import Seen
from metrics.presence import forget_old, presence
from metrics.rollup import Rollups
from metrics.seen import PLATFORM, Present
from metrics.states import fingerprint
from tests.conftest import chain, make_event
from tests.metrics.entries import HOUR, MINUTE, NOON, seen
from tests.metrics.made import folded_of


def present(entries: list[Seen]) -> Present:
    return folded_of(*entries).present


def print_of(name: str) -> bytes:
    return bytes.fromhex(fingerprint(name))


def human(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "human", "id": name, **fields}


def test_the_newest_act_of_each_agent_user_and_session_is_kept() -> None:
    there = present(
        [
            seen(agent="a", at=NOON, actor=human("alice", session_id="s-1")),
            seen(agent="a", at=NOON + MINUTE, actor=human("bob")),
            seen(agent="b", at=NOON - MINUTE, actor=human("alice")),
        ]
    )

    assert there == {
        ("agent", print_of("a")): NOON + MINUTE,
        ("agent", print_of("b")): NOON - MINUTE,
        ("user", print_of("alice")): NOON,
        ("user", print_of("bob")): NOON + MINUTE,
        ("session", print_of("s-1")): NOON,
    }


def test_a_human_for_whom_an_agent_acts_is_a_user_and_a_service_is_none() -> None:
    charlie = {"type": "agent", "id": "bot", "on_behalf_of": human("charlie")}
    service = {"type": "agent", "id": "bot", "on_behalf_of": {"type": "service", "id": "cron"}}

    there = present([seen(actor=charlie), seen(actor=service)])

    assert [key for key in there if key[0] == "user"] == [("user", print_of("charlie"))]


def test_a_conversation_is_a_session_where_the_actor_names_none() -> None:
    talk = {"conversation_id": "c-1"}

    there = present(
        [
            seen(actor={"type": "agent", "id": "a"}, trace=talk),
            seen(actor=human("alice", session_id="s-1"), trace=talk),
        ]
    )

    assert {key for key in there if key[0] == "session"} == {
        ("session", print_of("c-1")),
        ("session", print_of("s-1")),
    }


def test_late_entries_history_and_the_platform_itself_show_nobody() -> None:
    assert (
        present(
            [
                seen(at=NOON, received=NOON + HOUR + 1),
                seen(at=NOON, is_backfill=True),
                seen(agent=PLATFORM),
            ]
        )
        == {}
    )


def test_a_clock_that_runs_ahead_is_set_back_to_the_receipt() -> None:
    there = present([seen(agent="a", at=NOON + 5 * HOUR, received=NOON)])

    assert there == {("agent", print_of("a")): NOON}


def test_rows_are_sorted_so_that_no_two_writers_wait_for_each_other() -> None:
    there = present([seen(agent=f"agent-{number}") for number in range(200)])

    assert list(there) == sorted(there)


# --- Counted -------------------------------------------------------------------------------------


def at(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def acts() -> list[dict[str, Any]]:
    """Return acts of five agents, three of them of the last minutes, with users and sessions."""
    name = uuid.uuid4().hex
    return [
        make_event(
            occurred_at=at(minutes=minutes),
            agent={"id": f"{name}-{agent}"},
            actor={
                "type": "human",
                "id": f"{name}-{user}",
                "session_id": f"{name}-{session}",
            },
        )
        for agent, user, session, minutes in (
            (1, 1, 1, 1),
            (2, 1, 2, 2),
            (3, 2, 2, 3),
            (3, 2, 3, 10),
            (4, 3, 3, 12),
            (5, 4, 4, 50),
        )
    ]


def facts() -> dict[str, float]:
    return {" ".join((family, *labels)): value for (family, labels), value in presence().items()}


def test_counts_are_what_sql_says_of_the_entries(ledger: Ledger) -> None:
    before = facts()
    chain(ledger, acts())
    catch_up(ledger.id, Rollups())

    after = facts()

    ((agents, users, sessions),) = rows(
        """
        WITH said AS (
            SELECT occurred_at > now() - interval '5 minutes' AS is_new,
                occurred_at > now() - interval '15 minutes' AS is_lately,
                convert_from(record, 'UTF8')::jsonb -> 'event' AS event
            FROM audit_entry WHERE ledger_id = %s
        )
        SELECT count(DISTINCT event #>> '{agent,id}') FILTER (WHERE is_new),
            count(DISTINCT event #>> '{actor,id}'),
            count(DISTINCT event #>> '{actor,session_id}') FILTER (WHERE is_lately)
        FROM said
        """,
        (ledger.id,),
    )
    assert (agents, users, sessions) == (3, 4, 3)
    grown = {name: after[name] - before[name] for name in after}
    assert grown == {
        "obs_agents_active": agents,
        "obs_active_users 1h": users,
        "obs_active_users 24h": users,
        "obs_sessions_active": sessions,
    }


def test_one_user_of_two_ledgers_is_one(ledger: Ledger) -> None:
    alice = {"type": "human", "id": uuid.uuid4().hex}
    before = facts()
    for _ in range(2):
        chain(ledger, [make_event(occurred_at=at(minutes=1), actor=alice)])
        catch_up(ledger.id, Rollups())

    assert facts()["obs_active_users 1h"] - before["obs_active_users 1h"] == 1


def test_what_is_older_than_a_day_and_an_hour_goes(ledger: Ledger) -> None:
    chain(ledger, acts())
    catch_up(ledger.id, Rollups())
    raw_connection().execute(
        "UPDATE metrics_seen SET at = now() - interval '26 hours' "
        "WHERE ledger_id = %s AND sort = 'session'",
        (ledger.id,),
    )

    assert forget_old() >= 4

    left = rows("SELECT DISTINCT sort FROM metrics_seen WHERE ledger_id = %s", (ledger.id,))
    assert sorted(left) == [("agent",), ("user",)]


def test_beyond_the_bound_the_oldest_go(ledger: Ledger) -> None:
    chain(ledger, acts())
    catch_up(ledger.id, Rollups())
    newest = rows("SELECT ledger_id, sort, id FROM metrics_seen ORDER BY at DESC LIMIT 5")

    forget_old(most=5)

    assert sorted(rows("SELECT ledger_id, sort, id FROM metrics_seen")) == sorted(newest)


def test_what_a_rebuild_would_forget_at_once_is_not_written(ledger: Ledger) -> None:
    chain(ledger, acts())
    raw_connection().execute("SELECT 1")
    catch_up(ledger.id, Stale())

    assert rows("SELECT count(*) FROM metrics_seen WHERE ledger_id = %s", (ledger.id,)) == [(0,)]


class Stale(Rollups):
    """The rollups, reading entries as if they had been received long ago."""

    def apply(self, cursor: Any, ledger_id: int, batch: Any) -> None:
        year = str(datetime.now(UTC).year)
        old = str(datetime.now(UTC).year - 1)
        super().apply(
            cursor,
            ledger_id,
            [(seq, bytes(record).replace(f'"{year}-'.encode(), f'"{old}-'.encode()))
             for seq, record in batch],
        )  # fmt: skip
