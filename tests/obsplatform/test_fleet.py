"""The demo fleet: everything it sends is valid, what was planted is there, and nothing else is."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from audit.actions import ACTIONS, missing_fields, scope_needed
from audit.parse import parse_event
from audit.query import EntryFilter
from audit.redact import Redactor
from obsplatform.fleet import history as past
from obsplatform.fleet.agents import WORKERS
from obsplatform.fleet.deliver import POST_SIZE, deliveries, needs_governance
from obsplatform.fleet.live import MINUTES, live
from obsplatform.fleet.planted import PLANTED, Plant, table
from obsplatform.fleet.teller import Event

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)  # a Friday
SUBJECT = re.compile(r"(?:cust|mbr|payee|panel)-\d")
IN_TEXT = re.compile(r"[^-](?:cust|mbr|payee|panel)-\d")  # run-panel-12 names nobody
SENDABLE = {
    action
    for action in ACTIONS
    if scope_needed(action) != "server" or action == "audit.review_completed"
}


@pytest.fixture(scope="module")
def history() -> list[Event]:
    return past.history(now=NOW)


@pytest.fixture(scope="module")
def recent() -> list[Event]:
    return live(now=NOW)


@pytest.fixture(scope="module")
def everything(history: list[Event], recent: list[Event]) -> list[Event]:
    return history + recent


def at(event: Event) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def days_ago(event: Event) -> int:
    return (NOW.date() - at(event).date()).days


def of_action(events: Iterable[Event], action: str) -> list[Event]:
    return [each for each in events if each["action"] == action]


def of_run(events: Iterable[Event], run: str) -> list[Event]:
    return [each for each in events if each["run"]["id"] == run]


def matches(event: Event, look: str, *, is_backfill: bool) -> bool:
    """Tell whether the filter finds the event, by the rules of docs/api.md."""
    data = event.get("data", {})
    found: dict[str, Any] = {
        "agent": [event["agent"]["id"]],
        "actor": [event["actor"]["id"]],
        "outcome": [event["outcome"]],
        "run": [event["run"]["id"]],
        "data_class": data.get("classes", []),
        "backfill": [str(is_backfill).lower()],
    }
    for name, (wanted,) in parse_qs(look, strict_parsing=True).items():
        if name == "action":
            is_prefix = wanted.endswith(".") and event["action"].startswith(wanted)
            if not is_prefix and wanted != event["action"]:
                return False
        elif wanted not in found[name]:
            return False
    return True


def test_same_seed_and_moment_give_the_same_events(history: list[Event]) -> None:
    assert history == past.history(now=NOW)
    assert live(now=NOW) == live(now=NOW)


def test_another_seed_gives_other_events(history: list[Event]) -> None:
    other = past.history(now=NOW, seed=7)

    assert not {each["id"] for each in history} & {each["id"] for each in other}


def test_the_default_is_thirty_days_of_at_least_twenty_thousand_events(
    history: list[Event],
) -> None:
    busy = {days_ago(each) for each in history if each["agent"]["id"] == "support-concierge"}

    assert len(history) >= 20_000
    assert busy >= set(range(1, 31))
    assert len({each["agent"]["id"] for each in history}) >= 5


def test_size_and_days_can_be_chosen() -> None:
    large = past.history(now=NOW, events=30_000, days=60)

    assert 30_000 <= len(large) < 31_000
    assert {days_ago(each) for each in large} >= set(range(1, 61))


def test_every_event_is_accepted(everything: list[Event]) -> None:
    for event in everything:
        parse_event(json.dumps(event).encode(), default_id=None)


def test_no_event_lacks_a_field_that_it_should_have(everything: list[Event]) -> None:
    for event in everything:
        scope = "governance" if needs_governance(event["action"]) else "events"
        assert missing_fields(event, scope) == [], event["action"]


def test_ids_are_used_once(everything: list[Event]) -> None:
    assert len({each["id"] for each in everything}) == len(everything)


def test_every_action_that_may_be_sent_is_in_the_past_and_in_the_live_part(
    history: list[Event], recent: list[Event]
) -> None:
    assert {each["action"] for each in history} == SENDABLE
    assert {each["action"] for each in recent} == SENDABLE


def test_events_come_in_the_order_of_time(history: list[Event], recent: list[Event]) -> None:
    for events in (history, recent):
        times = [at(each) for each in events]
        assert times == sorted(times)


def test_history_ends_before_now_and_the_live_part_is_young(
    history: list[Event], recent: list[Event]
) -> None:
    assert at(history[-1]) < NOW
    assert at(recent[0]) >= NOW - MINUTES
    assert at(recent[-1]) <= NOW


def test_the_live_part_goes_on_for_as_long_as_asked() -> None:
    longer = live(now=NOW, seconds=60)

    after = [each for each in longer if at(each) > NOW]
    assert len(after) > 100
    assert at(longer[-1]) <= NOW + timedelta(seconds=60)


def test_posts_keep_the_order_and_the_scope(history: list[Event]) -> None:
    posts = list(deliveries(history))

    assert [event for post in posts for event in post.events] == history
    assert all(1 <= len(post.events) <= POST_SIZE for post in posts)
    for post in posts:
        scopes = {scope_needed(event["action"]) != "events:write" for event in post.events}
        assert scopes == {post.needs_governance}


def test_weekends_are_quiet(history: list[Event]) -> None:
    by_day = Counter(at(each).date() for each in history if days_ago(each) in range(1, 31))
    weekend = [count for day, count in by_day.items() if day.weekday() >= 5]
    working = [count for day, count in by_day.items() if day.weekday() < 5]

    assert max(weekend) < min(working)


# --- What was planted ----------------------------------------------------------------------------


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.what)
def test_a_plant_is_found_by_its_filter_on_its_day(
    plant: Plant, history: list[Event], recent: list[Event]
) -> None:
    found = [each for each in history if matches(each, plant.look, is_backfill=True)]
    found += [each for each in recent if matches(each, plant.look, is_backfill=False)]

    on_its_day = [each for each in found if days_ago(each) == plant.days_ago]
    assert on_its_day
    assert plant.agent in {each["agent"]["id"] for each in on_its_day}


def test_every_filter_can_be_read_by_the_platform() -> None:
    for plant in PLANTED:
        assert EntryFilter.parse(parse_qs(plant.look)).errors == {}


def test_the_document_has_the_table_of_what_was_planted() -> None:
    text = (Path(__file__).parents[2] / "docs" / "demo.md").read_text()
    heading = "| day | agent | what | kind | look |\n|---|---|---|---|---|\n"

    assert heading + "\n".join(table()) + "\n\n" in text


def test_dangerous_calls_are_approved_but_for_the_planted_ones(history: list[Event]) -> None:
    granted = {
        (each["decision"]["approval_id"], each.get("tool", {}).get("arguments_hash")): each
        for each in of_action(history, "approval.granted")
    }
    unapproved = set()
    dangerous = 0
    for call in of_action(history, "tool.invoke"):
        if call["tool"]["risk"] not in {"high", "critical"}:
            continue
        dangerous += 1
        approval = call["decision"].get("approval_id")
        answer = granted.get((approval, call["tool"]["arguments_hash"]))
        if answer is None or not at(answer) <= at(call) <= datetime.fromisoformat(
            answer["decision"]["expires_at"]
        ):
            unapproved.add(call["run"]["id"])

    assert unapproved == {"run-refund-2210", "run-migrate-4471", "run-pay-7741"}
    assert dangerous > 100


def test_only_the_planted_person_approves_what_they_asked_for(history: list[Event]) -> None:
    own = [
        each["run"]["id"]
        for each in of_action(history, "approval.granted")
        if each["actor"]["id"] == each["decision"]["requested_by"]
    ]

    assert own == ["run-pay-7702"]


def test_authority_and_people_are_told_late_where_planted(history: list[Event]) -> None:
    def hours(run: str, action: str) -> float:
        (told,) = of_action(of_run(history, run), action)
        aware = datetime.fromisoformat(told["case"]["aware_at"])
        return (at(told) - aware) / timedelta(hours=1)

    assert 72 < hours("BR-31", "breach.authority_notified") < 110
    assert hours("BR-29", "breach.authority_notified") < 72
    assert 60 < hours("BR-22", "breach.subjects_notified") / 24 < 65


def test_one_erasure_is_done_in_time_and_one_is_overdue(history: list[Event]) -> None:
    done = of_run(history, "DSR-118")
    (overdue,) = of_action(of_run(history, "DSR-104"), "dsr.received")

    assert at(of_action(done, "dsr.completed")[0]) - at(done[0]) < timedelta(days=30)
    assert {"data.delete", "memory.delete"} <= {each["action"] for each in done}
    assert NOW - at(overdue) > timedelta(days=31)
    assert not of_action(of_run(history, "DSR-104"), "dsr.completed")


def test_new_versions_and_models_were_deployed_before_but_for_the_planted(
    history: list[Event],
) -> None:
    deployed: dict[str, set[str]] = defaultdict(set)
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    unrecorded = set()
    for event in history:
        agent = event["agent"]["id"]
        if event["action"] == "change.deployed":
            deployed[event["change"]["object_id"]].add(event["change"]["to"])
        if event["category"] not in {"llm_call", "tool_call", "agent_lifecycle"}:
            continue
        values = {"version": event["agent"]["version"], **event.get("model", {})}
        for name in ("version", "provider", "name", "system_prompt_hash"):
            value = values.get(name)
            if value is None or value in known[agent, name]:
                continue
            if known[agent, name] and value not in deployed[agent]:
                unrecorded.add((agent, value))
            known[agent, name].add(value)

    assert unrecorded == {
        ("market-lens", "2026-10"),
        ("claims-adjudicator", "helio"),
        ("claims-adjudicator", "helio-turbo"),
        ("claims-adjudicator", "2"),
    }


def test_the_silent_agents_heart_stops_and_the_others_beat(history: list[Event]) -> None:
    longest = {}
    for agent in WORKERS:
        beats = [
            at(each)
            for each in of_action(history, "agent.heartbeat")
            if each["agent"]["id"] == agent.id
        ]
        longest[agent.id] = max(later - earlier for earlier, later in pairwise(beats))

    silent = longest.pop("market-lens")
    assert silent > timedelta(hours=36)
    assert max(longest.values()) < timedelta(hours=5)


def test_all_live_instances_stop_but_the_silent_one(recent: list[Event]) -> None:
    def instances(action: str) -> set[str]:
        return {each["agent"]["instance_id"] for each in of_action(recent, action)}

    silent = instances("agent.started") - instances("agent.stopped")
    assert {name.rpartition("-")[0] for name in silent} == {"night-shift"}


def test_client_seq_has_no_hole_but_the_planted_one(everything: list[Event]) -> None:
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in everything:
        if "client_seq" in event:
            agent = event["agent"]
            numbers[agent["id"], agent["instance_id"]].append(event["client_seq"])

    lost = {
        instance: found[-1] - len(found)
        for instance, found in numbers.items()
        if found[-1] != len(found)
    }
    assert lost == {("claims-adjudicator", "claims-adjudicator-1"): 14}
    assert all(found == sorted(set(found)) for found in numbers.values())


def test_failures_at_the_door_are_answered_by_a_lockout(history: list[Event]) -> None:
    tries = of_run(history, "signin-dario")

    assert [each["outcome"] for each in tries] == ["failure"] * 6 + ["success"]
    assert at(tries[-1]) - at(tries[0]) < timedelta(minutes=10)
    assert tries[-1]["target"]["id"] == tries[0]["actor"]["id"]


def test_secrets_are_in_what_is_sent_and_not_in_what_is_stored(history: list[Event]) -> None:
    (call,) = of_action(of_run(history, "run-debug-0107"), "tool.invoke")
    stored = json.dumps(Redactor().tree(call["details"]))

    token = re.search(r"Bearer (\w+)", call["details"]["command"])
    assert token is not None
    assert token[1] not in stored
    assert "s3cr3t" not in stored
    assert stored.count("***REDACTED***") == 4


def test_people_are_named_only_where_a_pseudonym_will_stand(everything: list[Event]) -> None:
    personal = 0
    for event in everything:
        named = set(event.get("data", {}).get("subject_ids", ()))
        actor, target = event["actor"], event.get("target", {})
        replaced = {actor["id"], target.get("id"), actor.get("on_behalf_of", {}).get("id")}
        assert {each for each in replaced if each and SUBJECT.match(each)} <= named
        rest = {name: value for name, value in event.items() if name not in {"actor", "target"}}
        rest["data"] = {**event.get("data", {}), "subject_ids": None}
        assert not IN_TEXT.search(json.dumps(rest)), event["action"]
        personal += "personal" in event
        assert "personal" not in event or len(named) == 1
    assert personal > 20


def test_what_is_sent_again_is_the_same_and_one_event_contradicts(history: list[Event]) -> None:
    by_id = {each["id"]: each for each in history}
    *twice, contradiction = past.repeats(history)

    assert len(twice) > 5
    assert all(by_id[each["id"]] == each for each in twice)
    assert by_id[contradiction["id"]] != contradiction
    assert not any(needs_governance(each["action"]) for each in [*twice, contradiction])
