"""The projection `metrics`: rows that say what entries add, each once, whatever dies when."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from audit.database import raw_connection, rows
from audit.models import Ledger
from audit.project import catch_up, cursor_of
from metrics.fold import FoldState, Names, fold
from metrics.reading import read_record
from metrics.rollup import Rollups
from tests.conftest import chain, make_event

TABLES = Rollups.tables


class Stumbling(Rollups):
    """The rollups, failing after they have written their rows."""

    def apply(
        self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Sequence[tuple[int, bytes]]
    ) -> None:
        super().apply(cursor, ledger_id, batch)
        raise ZeroDivisionError


def table(name: str, ledger: Ledger) -> list[Any]:
    return sorted(rows(f"SELECT * FROM {name} WHERE ledger_id = {ledger.id}"), key=repr)


def everything(ledger: Ledger) -> dict[str, list[Any]]:
    return {name: table(name, ledger) for name in TABLES}


def counter(ledger: Ledger, family: str) -> dict[str, int]:
    found = rows(
        "SELECT labels, n FROM metrics_total WHERE ledger_id = %s AND family = %s",
        (ledger.id, family),
    )
    return {labels: int(number) for labels, number in found}


def now() -> str:
    return datetime.now(UTC).isoformat()


def events(number: int, *, seed: int = 1) -> list[dict[str, Any]]:
    """Return acts of a few agents with tools and models, one in five gone wrong."""
    chance = random.Random(seed)
    made = []
    for _ in range(number):
        agent = {"id": f"agent-{chance.randrange(5)}"}
        outcome = chance.choice(("success", "success", "success", "failure", "denied"))
        if chance.random() < 0.5:
            said = {
                "action": "tool.invoke",
                "category": "tool_call",
                "tool": {"name": f"tool-{chance.randrange(7)}"},
            }
        else:
            said = {
                "action": "llm.call",
                "category": "llm_call",
                "model": {"provider": "acme", "name": f"m{chance.randrange(3)}"},
                "usage": {"input_tokens": chance.randrange(900), "output_tokens": 7},
            }
        made.append(
            make_event(
                occurred_at=now(),
                agent=agent,
                outcome=outcome,
                duration_ms=chance.randrange(1, 9_000),
                **said,
            )
        )
    return made


def test_rows_say_what_sql_says_of_the_entries(ledger: Ledger) -> None:
    chain(ledger, events(300))
    catch_up(ledger.id, Rollups())

    by_tool: Counter[str] = Counter()
    for (record,) in rows("SELECT record FROM audit_entry WHERE ledger_id = %s", (ledger.id,)):
        event = read_record(0, record).event
        if event["action"] == "tool.invoke":
            status = {"success": "success", "failure": "error", "denied": "denied"}
            by_tool[f"{event['tool']['name']} {status[event['outcome']]} prod"] += 1
    assert counter(ledger, "obs_tool_calls_total") == by_tool
    assert sum(counter(ledger, "obs_events_total").values()) == 300


def test_minutes_add_up_to_the_totals(ledger: Ledger) -> None:
    chain(ledger, events(200))
    catch_up(ledger.id, Rollups())

    sums = rows(
        """
        SELECT family, labels, sum(n), sum(total)
        FROM metrics_minute WHERE ledger_id = %s GROUP BY family, labels
        """,
        (ledger.id,),
    )
    totals = rows(
        "SELECT family, labels, n, total FROM metrics_total WHERE ledger_id = %s", (ledger.id,)
    )
    assert sorted(sums) == sorted(totals)


def test_a_batch_that_fails_leaves_nothing_and_counts_once_later(ledger: Ledger) -> None:
    chain(ledger, events(60))
    stumbling = Stumbling()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            catch_up(ledger.id, stumbling)
    assert everything(ledger) == {name: [] for name in TABLES}
    assert rows("SELECT count(*) FROM metrics_name") == [(0,)]

    Rollups.apply(  # the same object goes on after its rollbacks, and must not trust what it knew
        stumbling, raw_connection().cursor(), ledger.id, read_all(ledger)
    )
    assert sum(counter(ledger, "obs_events_total").values()) == 60
    assert rows("SELECT count(*) > 0 FROM metrics_name") == [(True,)]


def read_all(ledger: Ledger) -> list[tuple[int, bytes]]:
    return rows(
        "SELECT seq, record FROM audit_entry WHERE ledger_id = %s ORDER BY seq", (ledger.id,)
    )


def test_two_processes_learn_one_list(ledger: Ledger) -> None:
    one, other = Rollups(), Rollups()
    for seed, projection in enumerate((one, other, one, other)):
        chain(ledger, events(40, seed=seed))
        catch_up(ledger.id, projection)

    learned = rows("SELECT list, value FROM metrics_name")
    assert len(learned) == len(set(learned))
    fresh = Names()
    fold((read_record(*each) for each in read_all(ledger)), FoldState(), names=fresh)
    assert sorted(learned) == fresh.learned()


def test_a_rebuild_gives_the_same_rows(ledger: Ledger) -> None:
    chain(ledger, events(250))
    catch_up(ledger.id, Rollups())
    before = everything(ledger)
    assert all(before[name] for name in ("metrics_total", "metrics_minute", "metrics_state"))

    call_command("rebuild", "metrics", "--ledger", ledger.name, verbosity=0)

    assert everything(ledger) == before
    assert cursor_of(ledger.id, Rollups()) == 250


def test_what_is_older_than_policy_has_no_minutes_and_stays_in_the_backfill_count(
    ledger: Ledger, settings: Any
) -> None:
    settings.METRICS_MINUTE_DAYS = 2
    chain(ledger, [make_event(occurred_at="2020-01-01T00:00:00Z"), make_event(occurred_at=now())])
    catch_up(ledger.id, Rollups())

    days = rows(
        """
        SELECT DISTINCT minute > now() - interval '3 days' FROM metrics_minute
        WHERE ledger_id = %s
        """,
        (ledger.id,),
    )
    assert days == [(True,)]
    assert sum(counter(ledger, "obs_events_backfilled_total").values()) == 1
    assert sum(counter(ledger, "obs_events_total").values()) == 1
