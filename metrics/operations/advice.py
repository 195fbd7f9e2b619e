"""Recommend what to change, each with the figures that say so. Nothing is recommended without.

Rules over minute history of a range: a figure, what it is held against, and the thing to change.
Thresholds are constants here and said in each line, so that a reader can disagree. Page:
metrics.admin.operations.advised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from metrics import agent_families as f
from metrics import platform_families as p
from metrics.labels import OTHER
from metrics.operations.answer import Answered, answer
from metrics.operations.chart import (
    FAILED,
    WELL,
    Query,
    count,
    gauge,
    per,
    quantile_of,
    share,
)
from metrics.operations.series_read import Sums
from metrics.operations.units import said
from metrics.operations.window import Window

LEAST: Final = 50
"""Calls, requests or runs below which a share says too little."""
FAILING: Final = 0.1
REPEATED: Final = 0.05
LOW_CACHE: Final = 0.2
LONG_READS: Final = 20.0
"""Tokens read for each one written."""
CLOSE: Final = 0.02
"""Two success shares that differ by less are taken for the same."""
DEARER: Final = 1.5
SLOW: Final = 10.0
"""Seconds at p95."""
MANY_ACTS: Final = 3.0
"""Times the middle of all agents."""
HEAVY: Final = 0.02
_TOKENS: Final = 1_000.0
"""Tokens read by a model below which a cache would save nothing worth a change."""

_CACHED: Final = {"token_type": ("cache_read",)}
_READ: Final = {"token_type": ("input", "cache_read")}
_WRITTEN: Final = {"token_type": ("output",)}
_TIMEOUTS: Final = {"error_type": ("timeout", "timeouterror", "overloaded", "rate_limited")}

_TOOL_CALLS = count(f.TOOL_CALLS, "tool")
_TOOL_FAILED = share(f.TOOL_CALLS, FAILED, "tool")
_TOOL_REPEATED = count(f.TOOL_ERRORS, "tool", where=_TIMEOUTS)
_TOOL_SLOW = quantile_of(0.95, f.TOOL_SECONDS, "tool")
_MODEL_CALLS = count(f.LLM_REQUESTS, "provider model")
_MODEL_WELL = share(f.LLM_REQUESTS, WELL, "provider model")
_MODEL_PRICE = per(f.LLM_COST, f.LLM_REQUESTS, "provider model")
_MODEL_COST = count(f.LLM_COST, "provider model")
_CACHE = share(f.LLM_TOKENS, _CACHED, "provider model", where=_READ)
_READS = count(f.LLM_TOKENS, "provider model", where=_READ)
_WRITES = count(f.LLM_TOKENS, "provider model", where=_WRITTEN)
_RUNS = count(f.AGENT_EXECUTIONS, "agent")
_RUNS_FAILED = share(f.AGENT_EXECUTIONS, FAILED, "agent")
_ACTS = per(f.AGENT_OPERATIONS, f.AGENT_EXECUTIONS, "agent")
_ALL_ACTS = count(f.AGENT_OPERATIONS, "agent")
_OVERHEAD = gauge(p.OVERHEAD_RATIO, "component", how="max")

QUERIES: Final[tuple[Query, ...]] = (
    _TOOL_CALLS, _TOOL_FAILED, _TOOL_REPEATED, _TOOL_SLOW, _MODEL_CALLS, _MODEL_WELL, _MODEL_PRICE,
    _MODEL_COST, _CACHE, _READS, _WRITES, _RUNS, _RUNS_FAILED, _ACTS, _ALL_ACTS, _OVERHEAD,
)  # fmt: skip
"""What the rules ask of minute history."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """One thing to change."""

    about: str
    """What it is about, such as `tool crm.lookup`."""
    finding: str
    """What was seen, in figures."""
    change: str
    """What to change."""
    worth: float
    """Dollars that it may save in the range, where they can be told; else 0."""
    weight: float
    """By which they are ordered after their worth: how much there was."""
    page: str
    """The page under Operations that has more."""


Found: TypeAlias = Callable[[Query], Mapping[tuple[str, ...], Answered]]


def advise(sums: Sums, window: Window) -> list[Advice]:
    """Return what to change, what saves most first."""

    def found(query: Query) -> Mapping[tuple[str, ...], Answered]:
        return {
            tuple(one.labels.values()): one
            for one in answer(query, sums, window)
            if OTHER not in one.labels.values()
        }

    advice = [one for rule in RULES for one in rule(found)]
    return sorted(advice, key=lambda one: (-one.worth, -one.weight, one.about))


def _failing_tools(found: Found) -> Iterator[Advice]:
    calls, repeated = found(_TOOL_CALLS), found(_TOOL_REPEATED)
    for key, failed in found(_TOOL_FAILED).items():
        number = calls[key].weight
        if number < LEAST or (failed.whole or 0) < FAILING:
            continue
        again = repeated[key].weight if key in repeated else 0.0
        is_waiting = again / number >= REPEATED
        yield Advice(
            about=f"tool {key[0]}",
            finding=f"{said(failed.whole, 'ratio')} of {said(number, 'count')} calls failed or "
            f"were denied; {said(FAILING, 'ratio')} is the line"
            + (f"; {said(again, 'count')} ran out of time or were turned away" if again else ""),
            change="Wait longer between tries, and call it less often at a time."
            if is_waiting
            else "Look at its errors by type, and mend the arguments or the right that it lacks.",
            worth=0.0,
            weight=number * (failed.whole or 0),
            page="tools",
        )


def _slow_tools(found: Found) -> Iterator[Advice]:
    calls = found(_TOOL_CALLS)
    for key, slow in found(_TOOL_SLOW).items():
        if slow.weight < LEAST or (slow.whole or 0) < SLOW or key not in calls:
            continue
        yield Advice(
            about=f"tool {key[0]}",
            finding=f"5 of 100 of its {said(calls[key].weight, 'count')} calls take longer than "
            f"{said(slow.whole, 'seconds')}; {said(SLOW, 'seconds')} is the line",
            change="Give it a time limit, call it beside others instead of before them, or ask it "
            "for less.",
            worth=0.0,
            weight=slow.weight,
            page="tools",
        )


def _dear_models(found: Found) -> Iterator[Advice]:
    """Find a cheaper model that does as well; whether it does the same work nobody counts."""
    calls, well, cost = found(_MODEL_CALLS), found(_MODEL_WELL), found(_MODEL_COST)
    prices = {
        key: one.whole
        for key, one in found(_MODEL_PRICE).items()
        if one.whole and calls[key].weight >= LEAST and key in well
    }
    for key, price in prices.items():
        cheaper = [
            (other, each)
            for other, each in prices.items()
            if each * DEARER <= price and (well[other].whole or 0) >= (well[key].whole or 0) - CLOSE
        ]
        if not cheaper:
            continue
        other, least = min(cheaper, key=lambda pair: (pair[1], pair[0]))
        yield Advice(
            about=f"model {'/'.join(key)}",
            finding=f"{said(price, 'usd')} a request, {said(well[key].whole, 'ratio')} of "
            f"{said(calls[key].weight, 'count')} well; {'/'.join(other)} costs "
            f"{said(least, 'usd')} and does {said(well[other].whole, 'ratio')} well",
            change=f"Try {'/'.join(other)} where the task allows it; what kind of task each does "
            "is not counted.",
            worth=(cost[key].whole or 0) * (1 - least / price) if key in cost else 0.0,
            weight=calls[key].weight,
            page="models",
        )


def _caches(found: Found) -> Iterator[Advice]:
    reads = found(_READS)
    for key, cached in found(_CACHE).items():
        if reads[key].weight < LEAST * _TOKENS or (cached.whole or 0) >= LOW_CACHE:
            continue
        yield Advice(
            about=f"model {'/'.join(key)}",
            finding=f"{said(cached.whole, 'ratio')} of {said(reads[key].weight, 'count')} tokens "
            f"that it read came from the provider's cache; {said(LOW_CACHE, 'ratio')} is the line",
            change="Put what stays the same at the beginning of what it reads, and let the "
            "provider cache it.",
            worth=0.0,
            weight=reads[key].weight / _TOKENS,
            page="models",
        )


def _long_reads(found: Found) -> Iterator[Advice]:
    writes = found(_WRITES)
    for key, read in found(_READS).items():
        written = writes[key].weight if key in writes else 0.0
        if read.weight < LEAST * _TOKENS or not written or read.weight / written < LONG_READS:
            continue
        yield Advice(
            about=f"model {'/'.join(key)}",
            finding=f"it read {said(read.weight / written, 'count')} tokens for each that it "
            f"wrote; {said(LONG_READS, 'count')} is the line",
            change="Send less of the history and of documents: what the answer needs.",
            worth=0.0,
            weight=read.weight / _TOKENS,
            page="models",
        )


def _failing_agents(found: Found) -> Iterator[Advice]:
    runs = found(_RUNS)
    for key, failed in found(_RUNS_FAILED).items():
        number = runs[key].weight
        if number < LEAST or (failed.whole or 0) < FAILING:
            continue
        yield Advice(
            about=f"agent {key[0]}",
            finding=f"{said(failed.whole, 'ratio')} of its {said(number, 'count')} runs failed or "
            f"were denied; {said(FAILING, 'ratio')} is the line",
            change="Look at its errors by type; compare it before and since its newest version.",
            worth=0.0,
            weight=number * (failed.whole or 0),
            page="agents",
        )


def _busy_agents(found: Found) -> Iterator[Advice]:
    acts = {
        key: one
        for key, one in found(_ACTS).items()
        if one.whole and found(_RUNS)[key].weight >= LEAST
    }
    ordered = sorted(one.whole or 0 for one in acts.values())
    if len(ordered) < _FEW:
        return
    middle = ordered[len(ordered) // 2]
    for key, one in acts.items():
        if (one.whole or 0) < MANY_ACTS * middle:
            continue
        yield Advice(
            about=f"agent {key[0]}",
            finding=f"it needs {said(one.whole, 'count')} acts for a run, the middle of "
            f"{len(ordered)} agents is {said(middle, 'count')}",
            change="Look whether it does things again, and give it a limit of steps.",
            worth=0.0,
            weight=one.weight,
            page="agents",
        )


_FEW: Final = 3
"""Agents below which a middle says nothing."""


def _idle_agents(found: Found) -> Iterator[Advice]:
    runs = found(_RUNS)
    for key, acts in found(_ALL_ACTS).items():
        if key in runs or acts.weight < LEAST:
            continue
        yield Advice(
            about=f"agent {key[0]}",
            finding=f"{said(acts.weight, 'count')} acts and no run that ended",
            change="Let it say run.completed, so that success and duration can be told; or end "
            "its key if it is no longer needed.",
            worth=0.0,
            weight=acts.weight,
            page="agents",
        )


def _heavy_observing(found: Found) -> Iterator[Advice]:
    for (component,), one in found(_OVERHEAD).items():
        if component != "metrics" or (one.whole or 0) < HEAVY:
            continue
        yield Advice(
            about="the platform itself",
            finding=f"metrics take {said(one.whole, 'ratio')} of busy time; "
            f"{said(HEAVY, 'ratio')} is the target",
            change="Turn the detail of metrics down under Switches; all is counted at each.",
            worth=0.0,
            weight=1.0,
            page="resources",
        )


RULES: Final[tuple[Callable[[Found], Iterator[Advice]], ...]] = (
    _failing_tools, _slow_tools, _dear_models, _caches, _long_reads, _failing_agents, _busy_agents,
    _idle_agents, _heavy_observing,
)  # fmt: skip
