from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit import query
from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from audit.query import EntryFilter, QueryTooSlow, Unreadable, page, read_limit, stream, time_limit
from audit.receive import Sender
from tests.conftest import EVENTS, chain, make_event
from tests.sizes import size as times

BACKFILL = Sender(
    via="api",
    scope="events",
    scopes=frozenset({"events:write"}),
    key="testkey3",
    backfill=True,
)
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
AGENTS = ("alice-agent", "bob-agent", "Z", "ä-agent")
ACTIONS = {
    "data.read": "data_access",
    "data.export": "data_access",
    "llm.call": "llm_call",
    "tool.invoke": "tool_call",
    "x.acme.data": "tool_call",
    "x.acme.date": "tool_call",
    "x.acme_2.data": "tool_call",
}
OUTCOMES = ("success", "failure", "denied")
SEVERITIES = ("info", "high")
ENVIRONMENTS = ("prod", "test")
CLASSES = ("pii", "phi", "public")
TRACES = ("0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c")


def varied(number: int) -> dict[str, Any]:
    """Return the event of a number; the primes make every pair of values meet."""
    action = list(ACTIONS)[number % 7]
    agent = {"id": AGENTS[number % 4]}
    if number % 3:
        agent["environment"] = ENVIRONMENTS[number % 2]
    classes = [one for place, one in enumerate(CLASSES) if number >> place & 1]
    return make_event(
        action=action,
        category=ACTIONS[action],
        outcome=OUTCOMES[number % 3],
        severity=SEVERITIES[number % 2] if number % 5 else None,
        agent=agent,
        actor={"type": "human", "id": f"person-{number % 5}"},
        occurred_at=(BEGIN + timedelta(minutes=number)).isoformat(),
        data={"classes": classes, "purpose": "care"} if number % 4 else None,
        run={"id": f"run-{number % 6}"} if number % 2 else None,
        trace={"trace_id": TRACES[number % 2]} if number % 3 else None,
    )


def chain_varied(ledger: Ledger, count: int) -> list[Entry]:
    half = count // 2
    chain(ledger, [varied(number) for number in range(half)], sender=EVENTS)
    return chain(ledger, [varied(number) for number in range(half, count)], sender=BACKFILL)


def action_matches(entry: Entry, wanted: str) -> bool:
    if wanted.endswith("*"):
        return entry.action.startswith(wanted[:-1])
    return entry.action.startswith(wanted) if wanted.endswith(".") else entry.action == wanted


def matches(entry: Entry, params: dict[str, list[str]]) -> bool:
    """Say by the record alone whether an entry matches, knowing nothing of columns or SQL."""
    event = entry.parsed()["event"]
    source = entry.parsed()["source"]
    occurred = datetime.fromisoformat(event["occurred_at"])
    said = {
        "ledger": entry.parsed()["ledger"],
        "agent": event["agent"]["id"],
        "actor": event["actor"]["id"],
        "outcome": event["outcome"],
        "category": event["category"],
        "severity": event.get("severity", "info"),
        "run": event.get("run", {}).get("id"),
        "trace": event.get("trace", {}).get("trace_id"),
        "environment": event["agent"].get("environment", "prod"),
        "key": source["key"],
        "backfill": "true" if source.get("backfill") else "false",
    }
    for name, values in params.items():
        if name == "from":
            holds = occurred >= datetime.fromisoformat(values[0])
        elif name == "to":
            holds = occurred < datetime.fromisoformat(values[0])
        elif name == "action":
            holds = any(action_matches(entry, wanted) for wanted in values)
        elif name == "data_class":
            holds = not set(values).isdisjoint(event.get("data", {}).get("classes", []))
        else:
            holds = said[name] in values
        if not holds:
            return False
    return True


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


OFFSETS = st.sampled_from(["Z", "+00:00", "+05:30", "-11:00"])


@st.composite
def moments(draw: st.DrawFn, least: int, most: int) -> list[str]:
    moment = BEGIN + timedelta(minutes=draw(st.integers(least, most)))
    offset = draw(OFFSETS)
    there = (
        timedelta(0)
        if offset == "Z"
        else datetime.fromisoformat(f"{BEGIN:%F}T00:00{offset}").utcoffset()
    )
    assert there is not None
    return [(moment + there).replace(tzinfo=None).isoformat() + offset]


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "agent": some(*AGENTS, "nobody"),
        "actor": some("person-0", "person-1", "person-4"),
        "action": some(
            *ACTIONS, "data.", "data.*", "x.acme.*", "x.acme*", "x.", "x.acme.dat*", "d*"
        ),
        "outcome": some(*OUTCOMES, "pending"),
        "category": some("data_access", "llm_call", "tool_call", "case"),
        "severity": some(*SEVERITIES, "low"),
        "run": some("run-1", "run-3", "run-5", "run-nowhere"),
        "trace": some(*TRACES),
        "data_class": some(*CLASSES, "pci"),
        "environment": some(*ENVIRONMENTS, "dev"),
        "key": some("testkey1", "testkey3", "nokeyhas"),
        "backfill": some("true", "false"),
        "from": moments(-5, 60),
        "to": moments(61, 130),
    },
)


def test_a_filter_finds_what_reading_every_record_finds(ledger: Ledger) -> None:
    everything = chain_varied(ledger, 120)

    @hypothesis_settings(
        max_examples=times(60, 150), deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(params=FILTERS)
    def holds(params: dict[str, list[str]]) -> None:
        asked = EntryFilter.parse({"ledger": ledger.name, **params})

        found = asked.apply(Entry.objects.all()).order_by("seq")

        assert asked.errors == {}
        assert [entry.seq for entry in found] == [
            entry.seq for entry in everything if matches(entry, params)
        ]

    holds()


@hypothesis_settings(max_examples=times(40, 100), deadline=None)
@given(params=FILTERS)
def test_a_filter_survives_its_own_query_string(params: dict[str, list[str]]) -> None:
    asked = EntryFilter.parse(params)

    again = EntryFilter.parse(QueryDict(urlencode(asked.as_params(), doseq=True)))

    assert again == asked


def test_without_a_ledger_the_platforms_own_is_meant() -> None:
    assert EntryFilter.parse({}).active() == [("ledger", "main")]
    assert EntryFilter.parse({}, default_ledger="acme.prod").ledger == ("acme.prod",)


def test_chips_show_every_value() -> None:
    asked = EntryFilter.parse(QueryDict("agent=alice&agent=bob&from=2026-01-01T01:00:00%2B01:00"))

    assert asked.active() == [
        ("ledger", "main"),
        ("agent", "alice"),
        ("agent", "bob"),
        ("from", "2026-01-01T00:00:00.000000Z"),
    ]


@pytest.mark.parametrize(
    ("asked", "name", "said"),
    [
        ("agnet=alice", "agnet", "is no filter; the filters are ledger, agent"),
        ("agent=", "agent", "is empty"),
        ("agent=%00", "agent", "no record can hold"),
        ("agent=" + "a" * 201, "agent", "200 characters"),
        ("ledger=Main", "ledger", "a ledger's name"),
        ("outcome=succes", "outcome", "is one of success, failure"),
        ("outcome=success&outcome=x", "outcome", "is one of success, failure"),
        ("category=tool", "category", "is one of agent_lifecycle"),
        ("severity=severe", "severity", "is one of info"),
        ("environment=production", "environment", "is one of prod"),
        ("data_class=secret", "data_class", "is one of public"),
        ("trace=123", "trace", "32 hexadecimal digits"),
        ("key=obs_live_7Q2mX9aB", "key", "8 characters"),
        ("backfill=yes", "backfill", "is one of true, false"),
        ("action=*", "action", "is an action such as"),
        ("action=data.*.x", "action", "is an action such as"),
        ("action=data%20read", "action", "is an action such as"),
        ("from=2026-11-20T22:00:00", "from", "has no offset"),
        ("from=2026-11-20", "from", "such as 2026-11-20T00:00:00Z"),
        ("from=2026-11-20T22:00:00+01:00", "from", "write + as %2B"),
        ("from=yesterday", "from", "RFC 3339"),
        ("from=2026-02-30T00:00:00Z", "from", "calendar"),
        ("from=0001-01-01T00:00:00%2B01:00", "from", "calendar"),
        ("to=2026-11-20T23:59:60Z", "to", "RFC 3339"),
        ("to=2026-11-20T22:00:00Z&to=2026-11-21T22:00:00Z", "to", "more than once"),
        ("from=2026-11-21T00:00:00Z&to=2026-11-20T00:00:00Z", "to", "not after from"),
        ("&".join(f"agent=a{n}" for n in range(101)), "agent", "more than 100 times"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_way_out(asked: str, name: str, said: str) -> None:
    errors = EntryFilter.parse(QueryDict(asked)).errors

    assert list(errors) == [name]
    assert said in errors[name]


def test_an_error_shows_nothing_rather_than_everything(ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    asked = EntryFilter.parse({"ledger": ledger.name, "agnet": "alice"})

    assert list(asked.apply(Entry.objects.all())) == []


def test_a_parameter_the_caller_reads_himself_is_no_filter() -> None:
    assert EntryFilter.parse({"after": "7"}, beside=("after",)).errors == {}


def test_the_first_microsecond_counts_and_the_last_does_not(ledger: Ledger) -> None:
    times = ("2026-10-01T10:00:00.000001Z", "2026-10-01T10:00:00.000002Z")
    chain(ledger, [make_event(occurred_at=moment) for moment in times])
    asked = EntryFilter.parse({"ledger": ledger.name, "from": times[0], "to": times[1]})

    assert [entry.seq for entry in asked.apply(Entry.objects.all())] == [0]


def test_a_prefix_is_a_range_that_the_index_on_action_serves(ledger: Ledger) -> None:
    rows = EntryFilter.parse({"ledger": ledger.name, "action": "data."}).apply(Entry.objects.all())

    with time_limit(5), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        statement, parameters = rows.values("seq").query.sql_with_params()
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "(action >= 'data.'::text) AND (action < 'data/'::text)" in plan
    assert "Index Cond" in plan


def test_newest_first_needs_no_sort(ledger: Ledger) -> None:
    rows = EntryFilter.parse({"ledger": ledger.name}).apply(Entry.objects.all())

    with time_limit(5), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        statement, parameters = (
            rows.order_by("-seq", "-ledger_id").values("seq")[:51].query.sql_with_params()
        )
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Merge Append" in plan
    assert "Sort Key: audit_entry.seq DESC\n" in plan
    assert "->  Sort" not in plan


def pages(ledgers: list[Ledger], limit: int) -> Iterator[list[Entry]]:
    asked = EntryFilter.parse({"ledger": [ledger.name for ledger in ledgers]})
    after: str | None = None
    while True:
        found = page(asked.apply(Entry.objects.all()), after=after, limit=limit)
        yield found.items
        after = found.next
        if after is None:
            return


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
def test_pages_show_every_entry_once_newest_first(ledger: Ledger, limit: int) -> None:
    chain(ledger, [make_event() for _ in range(7)])

    shown = [entry.seq for items in pages([ledger], limit) for entry in items]

    assert shown == [6, 5, 4, 3, 2, 1, 0]


def test_entries_that_come_later_do_not_shift_a_page(ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(4)])
    rows = EntryFilter.parse({"ledger": ledger.name}).apply(Entry.objects.all())
    first = page(rows, after=None, limit=2)

    chain(ledger, [make_event()])

    assert [entry.seq for entry in page(rows, after=first.next, limit=2).items] == [1, 0]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_pages_over_two_ledgers_lose_none_of_equal_seq(ledger: Ledger, limit: int) -> None:
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    for one in (ledger, other):
        chain(one, [make_event() for _ in range(4)])

    shown = [(e.ledger_id, e.seq) for items in pages([ledger, other], limit) for e in items]

    assert len(shown) == len(set(shown)) == 8
    assert [seq for _, seq in shown] == [3, 3, 2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1e3", "9" * 19, "1-", "1-2-3", "٣"])
def test_a_cursor_that_is_none_of_ours_is_refused(database: None, cursor: str) -> None:
    with pytest.raises(Unreadable, match="leave it out"):
        page(Entry.objects.all(), after=cursor, limit=1)


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "", "x", "٣"])
def test_a_limit_outside_1_to_500_is_refused(limit: str) -> None:
    with pytest.raises(Unreadable, match="from 1 to 500"):
        read_limit(limit)


def test_a_limit_is_50_unless_told() -> None:
    assert (read_limit(None), read_limit("500")) == (50, 500)


@pytest.mark.parametrize("chunk", [1, 3, 10, 1000])
def test_a_stream_gives_every_match_in_order(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    everything = chain_varied(ledger, 60)
    monkeypatch.setattr(query, "CHUNK", chunk)
    rows = EntryFilter.parse({"ledger": ledger.name, "agent": "bob-agent"}).apply(
        Entry.objects.all()
    )

    streamed = list(stream(rows, size=len(everything)))

    assert streamed == [
        (entry.seq, entry.hash, bytes(entry.record))
        for entry in everything
        if entry.agent_id == "bob-agent"
    ]


def test_a_stream_ends_at_the_size_it_began_with(ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    running = stream(Entry.objects.filter(ledger=ledger), size=2)

    assert [seq for seq, _, _ in running] == [0, 1]


def test_a_statement_over_its_time_is_told_from_other_errors(database: None) -> None:
    with pytest.raises(QueryTooSlow), time_limit(0.05), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(10)")
