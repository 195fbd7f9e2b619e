"""Measure how often findings are wrong on the demo fleet, and what they miss.

Histories of several seeds are folded in memory, then read as the platform would: what is usual is
learned from the days before, then the next day is looked at, for 14 days. Three questions:

1. Clean: the fleet without its planted stories. Every finding there is false.
2. Planted: with them. A finding is right when it overlaps a planted story, of its agent where it is
   of one. Most stories (an approval that lacks) are no matter of numbers and stay unfound.
3. Faults put in: a burst of errors, a spike of cost, a silent agent, a slow tool, in office hours
   of a working day of each clean fleet. How many are found, and after how long?

Seeds 101 to 105 were used to choose thresholds; figures are of others. Needs no server.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

from metrics.anomalies import multivariate
from metrics.anomalies.found import TOGETHER, Finding
from metrics.anomalies.multivariate import FEATURES, Work
from metrics.anomalies.seasonal import BEGINS, QUARTER, baseline, spells
from metrics.anomalies.steps import Quarter, length_of, steps_of
from metrics.anomalies.watched import BY_MEASURE, SERIES_WATCHED, Watched
from metrics.anomalies.words import of_quarters, of_spell
from metrics.fold import FoldState, Increments, Names, Seen, fold
from metrics.labels import Key, normalise
from obsplatform.fleet import plants
from obsplatform.fleet.chronicle import Chronicle
from obsplatform.fleet.history import DAYS as FLEET_DAYS
from obsplatform.fleet.history import EVENTS, history
from obsplatform.fleet.world import World

NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
END: Final = NOW - timedelta(hours=2)
"""The fleet's ordinary work ends two hours before now."""
DAYS: Final = 14
SEEDS: Final = (201, 202, 203, 204)
FAULTY_DAY: Final = 3
"""Days ago: a Tuesday."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_OF_STORY: Final = timedelta(hours=12)
_SLACK: Final = timedelta(minutes=15)

ALL_MEASURES: Final = frozenset({TOGETHER, *BY_MEASURE})

Event = dict[str, Any]
Series = Mapping[tuple[str, str], Mapping[datetime, Quarter]]
"""By measure and labels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """When a planted story happened, and whose it is."""

    title: str
    agents: frozenset[str]
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that goes wrong between two moments."""

    name: str
    start: datetime
    end: datetime
    change: Callable[[Event], Event | None]
    """Returns what becomes of an event in that time; None: it never came."""
    shows_in: frozenset[str]
    """Measures in which a finding counts."""
    labels: str


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--events", type=int, default=EVENTS, help="of a fleet, in 30 days")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not multivariate.is_installed():
        print("scikit-learn is not installed: pip install '.[anomalies]'", file=sys.stderr)
        return 3
    figures = [measured(seed, asked.events) for seed in asked.seeds]
    if asked.json:
        print(json.dumps(figures, indent=1))
    else:
        show(figures)
    return 0


def measured(seed: int, events: int) -> dict[str, Any]:
    """Return the figures of one seed."""
    began = time.perf_counter()
    planted = history(now=NOW, seed=seed, events=events)
    clean = history(now=NOW, seed=seed, events=events, is_planted=False)
    stories = stories_of(seed)
    false = look_back(folded(clean))
    found = look_back(folded(planted))
    right = [one for one in found if any(_is_of(one, story) for story in stories)]
    titles = sorted({story.title for story in stories for one in right if _is_of(one, story)})
    faults = {fault.name: _found_after(clean, fault) for fault in faults_of(clean)}
    return {
        "seed": seed,
        "events": len(planted),
        "days": DAYS,
        "clean_findings": len(false),
        "false_a_day": round(len(false) / DAYS, 2),
        "planted_findings": len(found),
        "right": len(right),
        "stories_found": titles,
        "by_detector": {
            name: [sum(one.detector == name for one in each) for each in (false, found, right)]
            for name in ("seasonal", "together")
        },
        "wrong": [f"{one.measure} {one.labels}" for one in found if one not in right],
        "false": [f"{one.measure} {one.labels} {one.severity}" for one in false],
        "faults_minutes": faults,
        "seconds": round(time.perf_counter() - began, 1),
    }


def show(figures: Sequence[Mapping[str, Any]]) -> None:
    """Print the figures of all seeds."""
    for one in figures:
        print(
            f"seed {one['seed']}: clean {one['clean_findings']} in {one['days']} days; planted "
            f"{one['planted_findings']}, right {one['right']}; faults "
            + ", ".join(f"{name} {said}" for name, said in one["faults_minutes"].items())
        )
    days = sum(one["days"] for one in figures)
    found, right = (sum(one[name] for one in figures) for name in ("planted_findings", "right"))
    print(f"false findings a day, clean: {sum(o['clean_findings'] for o in figures) / days:.2f}")
    print(f"precision, planted: {right / found if found else 0:.2f} ({right} of {found})")
    for name in figures[0]["faults_minutes"]:
        said = [one["faults_minutes"][name] for one in figures]
        got = [each for each in said if each is not None]
        after = f", after {median(got):.0f} min (median)" if got else ""
        print(f"recall, {name}: {len(got)} of {len(said)}{after}")


# --- The fleet ------------------------------------------------------------------------------------


def stories_of(seed: int) -> list[Story]:
    """Return when each planted story of a fleet happened, told on its own."""
    world = World(now=NOW, seed=seed, days=FLEET_DAYS)
    chronicle = Chronicle(world, part="history")
    plants.plant(chronicle)
    return [
        Story(
            title=_run(story.acts[0].event),
            agents=frozenset(_agent(act.event["agent"]["id"]) for act in story.acts),
            start=story.acts[0].at,
            # Cases go on for weeks and explain nothing then.
            end=max(act.at for act in story.acts if act.at - story.acts[0].at < MOST_OF_STORY),
        )
        for story in chronicle.stories
        if story.acts
    ]


def _run(event: Event) -> str:
    return str(event.get("run", {}).get("id") or event.get("case", {}).get("id", ""))


def _agent(name: str) -> str:
    """Return an agent by one spelling of its id and its label."""
    return normalise(name).replace("-", "_")


def _is_of(finding: Finding, story: Story) -> bool:
    ended = finding.ended_at or END
    if ended < story.start - _SLACK or finding.started_at > story.end + _SLACK:
        return False
    if finding.measure.startswith("agent_"):
        return _agent(finding.labels.split(" ")[-1]) in story.agents
    return True


# --- Reading it as the platform would -------------------------------------------------------------


def folded(events: Iterable[Event]) -> Increments:
    """Count the events."""
    entries = []
    for seq, event in enumerate(events):
        at = round(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1e6)
        entries.append(
            Seen(seq=seq, occurred_us=at, received_us=at + 80_000, is_backfill=False,
                 ledger="main", event=event)
        )  # fmt: skip
    return fold(entries, FoldState(), names=Names())


def series(made: Increments) -> Series:
    """Return the quarters of each series that is watched."""
    measures: dict[str, list[Watched]] = defaultdict(list)
    for measure in SERIES_WATCHED:
        measures[measure.family].append(measure)
    found: dict[tuple[str, str], dict[datetime, Quarter]] = defaultdict(dict)
    for minute, cell in made.minutes.items():
        at = _EPOCH + timedelta(minutes=minute // 15 * 15)
        rows: list[tuple[Key, tuple[int, tuple[int, ...]]]]
        rows = [(key, (n, ())) for key, n in cell.counts.items()]
        rows += [(key, (0, tuple(row[:-1]))) for key, row in cell.histograms.items()]
        for (family, values), (number, buckets) in rows:
            for measure in measures.get(family, ()):
                _add(found, measure, values, at, number, buckets)
    return found


def _add(
    found: dict[tuple[str, str], dict[datetime, Quarter]],
    measure: Watched,
    values: tuple[str, ...],
    at: datetime,
    number: int,
    buckets: tuple[int, ...],
) -> None:
    said = dict(zip(measure.of.labels, values, strict=False))
    if any(said[name] not in wanted for name, wanted in measure.only.items()):
        return
    key = (measure.name, " ".join(said[name] for name in measure.by))
    before = found[key].get(at, Quarter(0.0))
    name, parts = measure.part
    part = number if name and said[name] in parts else 0
    added = buckets
    if before.buckets:
        added = tuple(a + b for a, b in zip(before.buckets, buckets, strict=True))
    found[key][at] = Quarter(before.whole + number, before.part + part, added)


def works(made: Increments) -> dict[str, list[Work]]:
    """Return what agents did."""
    sums: dict[tuple[str, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (quarter, agent, what), number in made.work.items():
        if agent != "_other":
            name, add = ("tools", 1) if what.startswith("tool ") else (what, number)
            sums[f"main {agent}", quarter][name] += add
    found: dict[str, list[Work]] = defaultdict(list)
    for agent, quarter in sorted(sums):
        numbers = sums[agent, quarter]
        values = tuple(numbers[name] / unit for name, (_, unit) in FEATURES.items())
        found[agent].append(Work(_EPOCH + quarter * QUARTER, values))
    return found


def look_back(
    made: Increments,
    *,
    days: int = DAYS,
    upto: datetime = END,
    only: Container[str] = ALL_MEASURES,
) -> list[Finding]:
    """Return the findings of the last days, each day held against those before it."""
    first = upto.replace(hour=0) - timedelta(days=days - 1)
    mornings = [first + timedelta(days=day) for day in range(days)]
    found = [
        finding
        for (name, labels), quarters in series(made).items()
        if name in only
        for finding in _of_series(name, labels, quarters, mornings, upto)
    ]
    for agent, quarters_of in works(made).items() if TOGETHER in only else ():
        found += _of_agent(agent, quarters_of, mornings, upto)
    return found


def _of_series(
    name: str,
    labels: str,
    quarters: Mapping[datetime, Quarter],
    mornings: Sequence[datetime],
    upto: datetime,
) -> list[Finding]:
    measure = next(each for each in SERIES_WATCHED if each.name == name)
    length = length_of(measure, quarters)
    steps = steps_of(measure, quarters, length=length, start=NOW - timedelta(days=31), end=upto)
    found: dict[datetime, Finding] = {}
    since = None
    for morning in mornings:
        evening = min(morning + timedelta(days=1), upto)
        before = [step for step in steps if step.at + length * QUARTER <= morning]
        usual = baseline(measure, before, quarters=length)
        first = min(morning, since or morning)
        today = [step for step in steps if first <= step.at < evening]
        if usual is None:
            continue
        going_on = None
        for spell in spells(usual, today, now=evening, open_since=since):
            known = found.get(spell.started_at)
            finding = of_spell(measure, labels, spell, usual)
            if known is not None and abs(known.score) > abs(finding.score):
                finding = replace(known, ended_at=finding.ended_at)
            found[spell.started_at] = finding
            going_on = spell.started_at if spell.ended_at is None else None
        since = going_on
    return list(found.values())


def _of_agent(
    agent: str, quarters: Sequence[Work], mornings: Sequence[datetime], upto: datetime
) -> list[Finding]:
    found = []
    for morning in mornings:
        evening = min(morning + timedelta(days=1), upto)
        learned = multivariate.learn([one for one in quarters if one.at < morning])
        if learned is None:
            continue
        today = [one for one in quarters if morning <= one.at < evening]
        for group in multivariate.grouped(multivariate.look(learned, today)):
            last = group[-1].work.at + QUARTER
            found.append(of_quarters(agent, group, started_at=group[0].work.at, over=last))
    return found


# --- Faults ---------------------------------------------------------------------------------------


def faults_of(events: Sequence[Event]) -> list[Fault]:
    """Return faults of the agent, tool and model that a working day has most of."""
    morning = (NOW - timedelta(days=FAULTY_DAY)).replace(hour=9)
    day = [one for one in events if morning <= _at(one) < morning + timedelta(hours=8)]
    agent = "support-concierge"
    tool = _most(one["tool"]["name"] for one in day if one["action"] == "tool.invoke")
    model = _most(_model(one) for one in day if one["action"] == "llm.call")
    label = agent.replace("-", "_")

    def failing(event: Event) -> Event:
        if event["agent"]["id"] == agent and event["category"] in {"tool_call", "llm_call"}:
            return {**event, "outcome": "error", "error": {"type": "upstream"}}
        return event

    def costly(event: Event) -> Event:
        if event["action"] == "llm.call" and _model(event) == model:
            said = event["usage"]
            return {**event, "usage": {name: _times(value, 30) for name, value in said.items()}}
        return event

    def silent(event: Event) -> Event | None:
        return None if event["agent"]["id"] == agent else event

    def slow(event: Event) -> Event:
        if event.get("tool", {}).get("name") == tool and "duration_ms" in event:
            return {**event, "duration_ms": event["duration_ms"] * 20}
        return event

    def lasting(name: str, hours: int, change: Callable[[Event], Event | None], shows_in: str,
                labels: str) -> Fault:  # fmt: skip
        return Fault(
            name=name, start=morning, end=morning + timedelta(hours=hours), change=change,
            shows_in=frozenset(shows_in.split()), labels=labels,
        )  # fmt: skip

    return [
        lasting("error burst, 2 h", 2, failing,
                "agent_errors agent_failures agent_work tool_errors model_errors", label),
        lasting("cost spike, 30 times, 2 h", 2, costly, "cost tokens agent_work", ""),
        lasting("silent agent, 8 h", 8, silent, "agent_runs agent_acts events", label),
        lasting("slow tool, 20 times, 4 h", 4, slow, "tool_seconds", ""),
    ]  # fmt: skip


def _times(value: Any, number: int) -> Any:
    return value * number if isinstance(value, int | float) else value


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def _model(event: Event) -> str:
    return f"{event['model']['provider']}/{event['model']['name']}"


def _most(values: Iterable[str]) -> str:
    ordered = sorted(values)
    return max(sorted(set(ordered)), key=ordered.count)


def _found_after(events: Sequence[Event], fault: Fault) -> float | None:
    """Return the minutes from its beginning to the first finding of it; None: it was not found."""
    changed = []
    for event in events:
        after: Event | None = event
        if fault.start <= _at(event) < fault.end:
            after = fault.change(deepcopy(event))
        if after is not None:
            changed.append(after)
    upto = fault.end + timedelta(hours=4)
    made = folded(one for one in changed if _at(one) < upto)
    known = [
        _known_at(one)
        for one in look_back(made, days=1, upto=upto, only=fault.shows_in)
        if (one.ended_at or upto) > fault.start
        and (not one.measure.startswith("agent_") or fault.labels in one.labels)
    ]
    later = [at for at in known if at > fault.start]
    return (min(later) - fault.start) / timedelta(minutes=1) if later else None


def _known_at(finding: Finding) -> datetime:
    """Return when enough steps had ended for a finding to be told."""
    if finding.detector == "together":
        return finding.started_at + QUARTER
    quarters: int = finding.evidence["quarters"]
    far = [
        datetime.fromisoformat(at)
        for at, value, _, low, high in finding.evidence["chart"][finding.evidence["began"] :]
        if not low <= value <= high
    ]
    some, _ = BEGINS[quarters]
    return (far[some - 1] if len(far) >= some else finding.started_at) + quarters * QUARTER


if __name__ == "__main__":
    sys.exit(main())
