"""What dashboards read in Postgres: the views alone, and in them nobody's name and no record."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg import sql

from audit.agents import AgentRegistry
from audit.models import Ledger
from audit.project import catch_up
from metrics import budgets
from metrics.boards.grafana_views import BY_NAME, READ_ROLE, VIEWS
from metrics.budgets import Draft
from metrics.rollup import Rollups
from tests.audit.erasing import CAROL, about, erased
from tests.audit.pruning import old_entries, prune
from tests.conftest import GOVERNANCE, chain, make_event
from tests.documents import ROOT

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]

RELATIONS = """
SELECT n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname !~ '^pg_(toast_)?temp'
"""
NOT_ITS_OWN = """
SELECT p.oid::regprocedure::text
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND has_schema_privilege(n.oid, 'USAGE')
  AND has_function_privilege(p.oid, 'EXECUTE')
"""


@pytest.fixture
def grafana(as_role: AsRole) -> psycopg.Connection[Any]:
    return as_role("grafana")


def moment(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def shown(
    grafana: psycopg.Connection[Any], view: str, ledger: Ledger, *columns: str
) -> list[tuple[Any, ...]]:
    """Return these columns of a ledger's rows of a view, oldest first."""
    query = sql.SQL("SELECT {} FROM {} WHERE ledger = %s ORDER BY 1").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(view)
    )
    return grafana.execute(query, [ledger.name]).fetchall()


def text_of(grafana: psycopg.Connection[Any]) -> str:
    """Return all that the role can read, as text."""
    said = []
    for name in BY_NAME:
        query = sql.SQL("SELECT coalesce(string_agg(v::text, ' '), '') FROM {} AS v")
        said += [row[0] for row in grafana.execute(query.format(sql.Identifier(name)))]
    return " ".join(said)


def fold(ledger: Ledger, *events: Any) -> None:
    chain(ledger, events, sender=GOVERNANCE)
    catch_up(ledger.id, AgentRegistry())
    catch_up(ledger.id, Rollups())


# --- What the role may do ------------------------------------------------------------------------


def test_the_views_have_the_columns_that_boards_name(
    database: None, grafana: psycopg.Connection[Any]
) -> None:
    for view in VIEWS:
        query = sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(view.name))
        described = grafana.execute(query).description
        assert described is not None
        assert tuple(column.name for column in described) == view.columns


def test_the_role_reads_the_views_and_no_other_table_view_or_sequence(
    database: None, as_role: AsRole, grafana: psycopg.Connection[Any]
) -> None:
    relations = as_role("superuser").execute(RELATIONS).fetchall()
    assert len(relations) > 60, "the list is of the database of the tests"

    read = set()
    for schema, name in relations:
        try:
            grafana.execute(
                sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(schema, name))
            )
        except psycopg.errors.InsufficientPrivilege:
            continue
        read.add(name)

    assert read == BY_NAME.keys()


def test_the_role_is_a_member_of_no_other_and_calls_no_function_of_ours(
    database: None, grafana: psycopg.Connection[Any]
) -> None:
    members = grafana.execute(
        "SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", [READ_ROLE]
    ).fetchone()
    assert members == (0,)
    assert grafana.execute(NOT_ITS_OWN).fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO metrics_spend DEFAULT VALUES",
        "DELETE FROM audit_entry",
        "UPDATE audit_entry SET outcome = 'x'",
        "CREATE TABLE mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "SELECT key FROM metrics_grafanakey",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('/etc/hostname')",
    ],
)
def test_the_role_changes_nothing_even_where_it_asks_to_write(
    database: None, grafana: psycopg.Connection[Any], statement: str
) -> None:
    grafana.execute("SET default_transaction_read_only = off")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute(statement.encode())


def test_the_role_begins_read_only_in_utc_and_gives_up_in_time(
    database: None, grafana: psycopg.Connection[Any]
) -> None:
    found = {
        name: grafana.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()
        for name in ("default_transaction_read_only", "statement_timeout", "timezone")
    }

    assert found == {
        "default_transaction_read_only": ("on",),
        "statement_timeout": ("15s",),
        "timezone": ("UTC",),
    }


def test_the_role_is_given_the_views_also_when_it_is_made_after_them(
    alone: None, as_role: AsRole
) -> None:
    if "OBS_TEST_SUPERUSER_URL" not in os.environ:
        pytest.skip("needs the role superuser: unset DATABASE_URL")
    superuser = as_role("superuser")
    for name in BY_NAME:
        superuser.execute(sql.SQL("REVOKE ALL ON {} FROM obs_grafana").format(sql.Identifier(name)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        text_of(as_role("grafana"))

    superuser.execute(Path(ROOT / "docker" / "postgres" / "roles.sql").read_bytes())

    assert text_of(as_role("grafana")) == " " * (len(BY_NAME) - 1)


# --- What the views say --------------------------------------------------------------------------


def test_agents_are_named_as_labels_name_them(
    ledger: Ledger, grafana: psycopg.Connection[Any]
) -> None:
    fold(
        ledger,
        make_event(
            occurred_at=moment(),
            category="agent_lifecycle",
            action="agent.registered",
            agent={"id": "a-1", "name": "Alice Agent"},
        ),
        make_event(occurred_at=moment(), agent={"id": "a-1"}, tool={"name": "Web Search"}),
        make_event(occurred_at=moment(), agent={"id": "stranger"}, tool=None),
    )

    assert shown(grafana, "obs_grafana_entries", ledger, "seq", "agent", "agent_id") == [
        (0, "alice_agent", "a-1"),
        (1, "alice_agent", "a-1"),
        (2, "_other", "stranger"),
    ]
    assert shown(grafana, "obs_grafana_tool_calls", ledger, "seq", "agent", "tool") == [
        (1, "alice_agent", "web_search"),
        (2, "_other", "_none"),
    ]


def test_a_call_says_its_risk_and_how_long_it_took(
    ledger: Ledger, grafana: psycopg.Connection[Any]
) -> None:
    chain(
        ledger,
        [
            make_event(tool={"name": "pay", "risk": "high"}, duration_ms=1_500, outcome="error"),
            make_event(category="system", action="system.resource_sampled", tool=None),
        ],
    )

    found = shown(grafana, "obs_grafana_tool_calls", ledger, "seq", "risk", "seconds", "outcome")

    assert found == [(0, "high", 1.5, "error")]


def test_who_is_a_person_or_unknown_has_a_pseudonym_and_keeps_it(
    ledger: Ledger, grafana: psycopg.Connection[Any]
) -> None:
    name = f"mira.{uuid.uuid4().hex[:8]}"
    who = [
        {"type": "human", "id": name},
        {"type": "unauthenticated", "id": name},
        {"type": "human", "id": f"{name}.b"},
        {"type": "agent", "id": "another-agent"},
        {"type": "service", "id": "sso"},
    ]
    chain(ledger, [make_event(actor=each) for each in who])

    found = shown(grafana, "obs_grafana_entries", ledger, "seq", "actor", "actor_type")

    first, second, third, agent, service = (actor for _, actor, _ in found)
    assert [sort for *_, sort in found] == [each["type"] for each in who]
    assert first == second != third
    assert all(each.startswith("person-") for each in (first, third))
    assert (agent, service) == ("another-agent", "sso")
    assert name not in text_of(grafana)


def test_who_acted_is_read_whatever_else_an_actor_says(
    ledger: Ledger, grafana: psycopg.Connection[Any]
) -> None:
    cunning = '"},"agent":{"type":"human","id":"x"},"actor":{"type":"system"'
    chain(
        ledger,
        [
            make_event(
                category="system",
                action="x.acme-corp.Very_Long.verb",
                actor={
                    "type": "human",
                    "id": "u-é",
                    "roles": [cunning],
                    "org_unit": cunning,
                    "session_id": cunning,
                    "on_behalf_of": {"type": "agent", "id": "b"},
                    "delegation_chain": [{"type": "service", "id": cunning}],
                },
                target=None,
                tool=None,
                details={"actor": {"type": "agent"}, "session_id": "not it"},
            ),
            make_event(details={"session_id": "not it", "conversation_id": "nor that"}),
        ],
    )

    found = shown(grafana, "obs_grafana_entries", ledger, "seq", "actor_type")

    assert found == [(0, "human"), (1, "agent")]
    assert len(shown(grafana, "obs_grafana_sessions", ledger, "session")) == 1


def test_no_text_of_an_event_is_shown(ledger: Ledger, grafana: psycopg.Connection[Any]) -> None:
    secret = uuid.uuid4().hex
    chain(
        ledger,
        [
            make_event(
                reason=f"because {secret}",
                error={"type": "timeout", "message": f"at {secret}"},
                details={"said": secret},
                labels={"note": secret},
                target={"type": "tool", "id": secret},
                actor={"type": "agent", "id": "alice-agent", "session_id": secret, "ip": secret},
            )
        ],
    )

    assert len(shown(grafana, "obs_grafana_sessions", ledger, "session")) == 1
    assert secret not in text_of(grafana)


def test_an_erased_person_is_in_no_view(
    ledger: Ledger, grafana: psycopg.Connection[Any], settings: Any, tmp_path: Path
) -> None:
    settings.TOMBSTONES = tmp_path / "tombstones"
    chain(ledger, [about(actor={"type": "human", "id": CAROL}), about("dave")])
    erased(ledger)

    found = shown(grafana, "obs_grafana_entries", ledger, "seq", "actor")
    assert len(found[0][1]) == 64, "what stands there is a pseudonym that nobody can compute again"
    assert CAROL not in text_of(grafana)


def test_what_was_pruned_is_in_no_view(
    ledger: Ledger, grafana: psycopg.Connection[Any], as_role: AsRole
) -> None:
    session = {"type": "agent", "id": "alice-agent", "session_id": "s-1"}
    gone = make_event(actor=session)
    praise = make_event(
        category="communication",
        action="feedback.received",
        tool=None,
        actor={"type": "human", "id": "u-1"},
        feedback={"kind": "stars", "score": 1},
    )
    kept = make_event(
        id=str(uuid.uuid4()), category="agent_lifecycle", action="agent.heartbeat", tool=None
    )
    again = ({**each, "id": str(uuid.uuid4())} for each in [gone, praise] * 128)
    old_entries(ledger, [*again, kept])  # a purge ends where a tile does
    views = ("entries", "tool_calls", "feedback", "sessions")
    columns = ("ledger", "occurred_at")
    before = [len(shown(grafana, f"obs_grafana_{each}", ledger, *columns)) for each in views]

    prune(as_role("owner"), ledger, to_seq=256)

    after = [len(shown(grafana, f"obs_grafana_{each}", ledger, *columns)) for each in views]
    assert (before, after) == ([257, 128, 128, 128], [1, 0, 0, 0])


def test_feedback_has_its_kind_and_score(ledger: Ledger, grafana: psycopg.Connection[Any]) -> None:
    def said(**feedback: Any) -> Any:
        return make_event(
            category="communication",
            action="feedback.received",
            tool=None,
            actor={"type": "human", "id": "u-1"},
            feedback=feedback,
        )

    chain(ledger, [said(kind="Five Stars", score=0.75), said(kind="words")])

    found = shown(grafana, "obs_grafana_feedback", ledger, "seq", "kind", "score")
    assert found == [(0, "five_stars", 0.75), (1, "words", None)]


def test_entries_of_a_session_are_told_from_those_of_another(
    ledger: Ledger, grafana: psycopg.Connection[Any]
) -> None:
    def at_work(session: str | None, outcome: str, **fields: Any) -> Any:
        actor = {"type": "agent", "id": "alice-agent"}
        return make_event(
            actor=actor | ({"session_id": session} if session else {}), outcome=outcome, **fields
        )

    talk = {"trace_id": uuid.uuid4().hex, "span_id": "00f067aa0ba902b7", "conversation_id": "s-2"}
    chain(
        ledger,
        [
            at_work("s-1", "success"),
            at_work("s-1", "error"),
            at_work(None, "denied", trace=talk),
            at_work("s-2", "success"),
            at_work(None, "success"),
        ],
    )

    found = shown(grafana, "obs_grafana_sessions", ledger, "session", "is_failed")

    sessions = sorted({session for session, _ in found})
    assert len(sessions) == 2
    assert sorted(failed for _, failed in found) == [False, False, False, True]
    assert {sum(each == one for each, _ in found) for one in sessions} == {2}


@pytest.fixture
def two_teams(ledger: Ledger, undecided: None) -> Ledger:
    def registered(agent: str, name: str, owner: str) -> Any:
        return make_event(
            occurred_at=moment(),
            category="agent_lifecycle",
            action="agent.registered",
            agent={"id": agent, "name": name, "owner": owner},
        )

    def spent(agent: str, usd: float, model: str, **ago: float) -> Any:
        return make_event(
            occurred_at=moment(**ago),
            category="llm_call",
            action="llm.call",
            agent={"id": agent},
            model={"provider": "acme", "name": model},
            usage={"input_tokens": 1, "output_tokens": 1, "cost_usd": usd},
            tool=None,
        )

    fold(
        ledger,
        registered("a-1", "Alice", "support"),
        registered("b-1", "Bob", "research"),
        spent("a-1", 1, "m1"),
        spent("b-1", 2.5, "m2"),
        spent("stranger", 8, "m1"),
        spent("a-1", 16, "m1", days=1),
        spent("a-1", 32, "m1", days=40),
    )
    return ledger


def test_spending_is_of_days_in_dollars(
    two_teams: Ledger, grafana: psycopg.Connection[Any]
) -> None:
    found = shown(grafana, "obs_grafana_spend", two_teams, "usd", "agent", "provider", "model")

    assert [(float(usd), *rest) for usd, *rest in found] == [
        (1.0, "alice", "acme", "m1"),
        (2.5, "bob", "acme", "m2"),
        (8.0, "_other", "acme", "m1"),
        (16.0, "alice", "acme", "m1"),
        (32.0, "alice", "acme", "m1"),
    ]


@pytest.mark.parametrize("period", ["day", "week", "month"])
@pytest.mark.parametrize(
    ("covers", "value"),
    [("all", ""), ("agent", "alice"), ("team", "support"), ("model", "acme/m2")],
)
@pytest.mark.parametrize("is_of_all_ledgers", [False, True])
def test_a_budget_stands_as_the_desk_reckons_it(
    two_teams: Ledger,
    grafana: psycopg.Connection[Any],
    period: str,
    covers: str,
    value: str,
    is_of_all_ledgers: bool,
) -> None:
    ledger = "" if is_of_all_ledgers else two_teams.name
    made = budgets.make(
        Draft(name="b", covers=covers, value=value, ledger=ledger, period=period, usd="100"),
        by="alice",
    )
    budgets.end(budgets.make(Draft(name="gone", covers="all", usd="1"), by="alice"), by="alice")

    found = grafana.execute("SELECT * FROM obs_grafana_budgets").fetchall()
    stands = budgets.spendings([made], datetime.now(UTC))[made.id]

    ((name, said, starts, ends, usd, spent, forecast),) = found
    assert (name, said, usd, spent) == ("b", period, 100, stands.used)
    assert (starts.date(), ends.date()) == (stands.first, stands.last + timedelta(days=1))
    assert (starts.hour, ends.hour) == (0, 0)
    # Both look at the clock, one a little later.
    assert float(forecast) == pytest.approx(float(stands.forecast), rel=0.01)
