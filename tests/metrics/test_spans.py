"""Spans say what their minutes say, whatever comes late, and pages read the same from both."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from audit.database import raw_connection, raw_cursor, rows
from audit.models import Ledger
from metrics import agent_families as f
from metrics import platform_families as p
from metrics import spans
from metrics.operations.answer import answer
from metrics.operations.chart import count, gauge, quantile_of, share
from metrics.operations.pieces import pieces_of
from metrics.operations.series_read import Scope, Sums, read, read_each
from metrics.operations.window import Window, span_window
from metrics.rollup import Rollups

NOW = datetime.now(UTC).replace(second=30, microsecond=0)
RUNS, SECONDS = f.AGENT_EXECUTIONS.name, f.AGENT_EXECUTION_SECONDS.name
CPU = p.PROCESS_CPU.name
QUERIES = [
    count(f.AGENT_EXECUTIONS, "agent"),
    quantile_of(0.95, f.AGENT_EXECUTION_SECONDS, "agent"),
    count(p.PROCESS_CPU, "role"),
]


@pytest.fixture
def history(ledger: Ledger) -> Iterator[Ledger]:
    """Two days of a few runs by Alice and Bob, and of processor time."""
    forget()
    chance = random.Random(7)
    connection = raw_connection()
    # Other tests tell of days long past; all quarters since the first day would be added up.
    connection.execute("SELECT metrics_drop_days(%s)", ((NOW - timedelta(days=3)).date(),))
    connection.execute(
        "SELECT metrics_make_days(%s, %s)", ((NOW - timedelta(days=3)).date(), NOW.date())
    )
    for agent in ("alice", "bob"):
        connection.execute(
            "INSERT INTO metrics_total (ledger_id, family, labels)"
            " VALUES (%s, %s, %s), (%s, %s, %s) ON CONFLICT DO NOTHING",
            (ledger.id, RUNS, f"{agent} success prod", ledger.id, SECONDS, f"{agent} prod"),
        )
    connection.execute(
        "INSERT INTO metrics_process (family, labels) VALUES (%s, 'web') ON CONFLICT DO NOTHING",
        (CPU,),
    )
    for back in sorted(chance.sample(range(2 * 24 * 60), 300)):
        minute = NOW.replace(second=0) - timedelta(minutes=back)
        agent = chance.choice(("alice", "bob"))
        run(ledger, agent, minute, n=chance.randrange(1, 5))
        connection.execute(
            "INSERT INTO metrics_processminute (family, labels, minute, n)"
            " VALUES (%s, 'web', %s, %s) ON CONFLICT DO NOTHING",
            (CPU, minute, chance.randrange(1, 60_000_000)),
        )
    yield ledger
    forget()


def forget() -> None:
    for table in ("minute", "processminute", "span", "spandone", "gaugeminute"):
        raw_connection().execute(f"DELETE FROM metrics_{table}")


def run(ledger: Ledger, agent: str, minute: datetime, *, n: int) -> None:
    buckets = [0] * (len(f.AGENT_EXECUTION_SECONDS.edges) + 1)
    buckets[n] = n
    raw_connection().execute(
        "INSERT INTO metrics_minute AS t (ledger_id, family, labels, minute, n, buckets, total)"
        " VALUES (%(l)s, %(r)s, %(a)s || ' success prod', %(m)s, %(n)s, NULL, 0),"
        " (%(l)s, %(s)s, %(a)s || ' prod', %(m)s, 0, %(b)s, %(n)s)"
        " ON CONFLICT (ledger_id, family, labels, minute) DO UPDATE SET n = t.n + excluded.n,"
        " buckets = metrics_add(t.buckets, excluded.buckets), total = t.total + excluded.total",
        {"l": ledger.id, "r": RUNS, "s": SECONDS, "a": agent, "m": minute, "n": n, "b": buckets},
    )


def looked(ledger: Ledger, span: str) -> Sums:
    return read(QUERIES, span_window(span, NOW), Scope(ledgers={ledger.id: ledger.name}))


def add_all_up() -> int:
    made = 0
    while some := spans.add_up(NOW):
        made += some
    return made


@pytest.mark.parametrize("span", ["24h", "7d", "30d"])
def test_pages_read_the_same_from_spans_as_from_minutes(history: Ledger, span: str) -> None:
    from_minutes = looked(history, span)

    assert add_all_up() > 0
    window = span_window(span, NOW)
    assert {piece.minutes for piece in pieces_of("entries", window)} >= {
        {"24h": 15, "7d": 180, "30d": 360}[span]
    }
    assert looked(history, span) == from_minutes
    assert sum(map(sum, from_minutes.counts[RUNS].values())) > 0
    assert sum(map(sum, from_minutes.counts[CPU].values())) > 0


def test_nothing_is_added_up_twice(history: Ledger) -> None:
    add_all_up()
    before = rows("SELECT * FROM metrics_span ORDER BY 1, 2, 3, 4, 5, 6")

    assert add_all_up() == 0
    assert rows("SELECT * FROM metrics_span ORDER BY 1, 2, 3, 4, 5, 6") == before


def test_what_comes_late_is_seen_at_once_and_added_up_again(history: Ledger) -> None:
    add_all_up()
    late = NOW.replace(second=0) - timedelta(hours=20)
    before = sum(map(sum, looked(history, "7d").counts[RUNS].values()))
    with raw_cursor() as cursor:
        run(history, "alice", late, n=3)
        spans.take_out(cursor, "entries", [late])

    assert sum(map(sum, looked(history, "7d").counts[RUNS].values())) == before + 3
    assert add_all_up() == 1
    assert sum(map(sum, looked(history, "7d").counts[RUNS].values())) == before + 3
    assert {piece.minutes for piece in pieces_of("entries", span_window("7d", NOW))} == {
        1, 15, 180,
    }  # fmt: skip


def test_the_projection_takes_out_the_spans_that_it_adds_to(
    history: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.project import catch_up
    from tests.conftest import chain, make_event

    add_all_up()
    act = NOW - timedelta(minutes=40)
    start = spans.span_start(act, spans.QUARTER)
    is_done = "SELECT 1 FROM metrics_spandone WHERE source = 'entries' AND starts_at = %s"
    assert rows(is_done, (start,))

    chain(history, [make_event(occurred_at=act.isoformat())])
    catch_up(history.id, Rollups())
    assert not rows(is_done, (start,))


def test_who_adds_up_waits_for_who_writes_minutes(history: Ledger) -> None:
    """Otherwise a minute that is being written would be in no span that is read."""
    add_all_up()
    late = NOW.replace(second=0) - timedelta(hours=20)
    with (
        psycopg.connect(
            raw_connection().info.dsn, password=raw_connection().info.password
        ) as other,
        other.cursor() as cursor,
    ):
        other.execute("SET statement_timeout = 10000")
        spans.take_out(cursor, "entries", [late])
        raw_connection().execute("SET lock_timeout = 200")
        try:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                spans.add_up(NOW)
        finally:
            raw_connection().execute("RESET lock_timeout")


def test_taking_minutes_away_forgets_what_is_done(history: Ledger) -> None:
    add_all_up()
    raw_connection().execute("DELETE FROM metrics_minute WHERE ledger_id = %s", (history.id,))

    assert not rows("SELECT 1 FROM metrics_spandone WHERE source = 'entries'")
    assert rows("SELECT 1 FROM metrics_spandone WHERE source = 'processes'")
    assert looked(history, "7d").counts[RUNS]["alice",] == [0.0] * span_window("7d", NOW).places


def test_old_spans_go_with_their_days(history: Ledger) -> None:
    add_all_up()
    before = NOW - timedelta(days=1)
    spans.drop(before)

    for table in ("span", "spandone"):
        assert not rows(f"SELECT 1 FROM metrics_{table} WHERE starts_at < %s", (before,))
        assert rows(f"SELECT 1 FROM metrics_{table}")


def test_a_filter_narrows_what_has_its_label(history: Ledger) -> None:
    scope = Scope(ledgers={history.id: history.name}, filters={"agent": "alice"})
    sums = read(QUERIES, span_window("7d", NOW), scope)

    assert set(sums.counts[RUNS]) == {("alice",)}
    assert set(sums.counts[CPU]) == {("web",)}
    assert set(read([share(f.AGENT_EXECUTIONS, {"status": ("success",)})],
                    span_window("1h", NOW), Scope(ledgers={})).counts) == {RUNS}  # fmt: skip


def test_two_values_of_a_label_read_at_once_say_what_each_says_alone(history: Ledger) -> None:
    add_all_up()
    for agent, open_runs in (("alice", 2.0), ("bob", 5.0)):
        raw_connection().execute(
            "INSERT INTO metrics_gaugeminute VALUES (%s, %s, %s, %s)",
            (f.AGENT_ACTIVE_EXECUTIONS.name, agent, NOW.replace(second=0), open_runs),
        )
    # The first does not tell agents apart; what processes count has no agents.
    queries = [quantile_of(0.95, f.AGENT_EXECUTION_SECONDS), *QUERIES[::2],
               gauge(f.AGENT_ACTIVE_EXECUTIONS)]  # fmt: skip
    ledgers, window = {history.id: history.name}, span_window("7d", NOW)

    both = read_each(
        queries, window, Scope(ledgers=ledgers), label="agent", values=["alice", "bob"]
    )

    for name, sums in zip(("alice", "bob"), both, strict=True):
        alone = read(queries, window, Scope(ledgers=ledgers, filters={"agent": name}))
        for query in queries:
            values = [[one.name, one.whole, one.values] for one in answer(query, alone, window)]
            assert values
            assert values == [
                [one.name, one.whole, one.values] for one in answer(query, sums, window)
            ]


def test_a_gauge_says_what_it_said_last_in_each_step(history: Ledger) -> None:
    window = Window(start=NOW.replace(second=0, minute=0), step=900, places=2, now=NOW)
    window = Window(start=window.start - timedelta(hours=1), step=900, places=2, now=window.start)
    for minutes, value in ((12, 1.0), (14, 7.0), (20, 3.0)):
        raw_connection().execute(
            "INSERT INTO metrics_gaugeminute VALUES (%s, '', %s, %s)",
            (f.AGENTS_ACTIVE.name, window.start + timedelta(minutes=minutes), value),
        )

    sums = read([gauge(f.AGENTS_ACTIVE)], window, Scope(ledgers={}))
    assert sums.gauges[f.AGENTS_ACTIVE.name] == {(): [7.0, None]}  # 20 is long before the step ends
