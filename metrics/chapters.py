"""The chapters of the reference of metrics: which rows stand together, and what they are about.

Pure. Every family stands in the chapter that has its row; one without a row stands with the guards.
The page: reference_page.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metrics.families import FAMILIES
from metrics.family import Family

_OF_GUARDS: Final = 82


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """Families that are about one thing."""

    title: str
    rows: frozenset[int]
    introduction: tuple[str, ...]
    """Sentences, one a line."""

    def families(self) -> list[Family]:
        """Return its families, by row."""
        return [each for each in FAMILIES if (each.row or _OF_GUARDS) in self.rows]


def _chapter(title: str, *spans: tuple[int, int], introduction: str) -> Chapter:
    rows = frozenset(row for first, last in spans for row in range(first, last + 1))
    return Chapter(title=title, rows=rows, introduction=sentences(introduction))


def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a paragraph, however its lines are broken."""
    return tuple(" ".join(text.split()).replace(". ", ".\n").splitlines())


CHAPTERS: Final[tuple[Chapter, ...]] = (
    _chapter("Agents", (1, 8), introduction="""
        What agents did, how long it took and how it ended. `agent` is the name of a registered
        agent; all others together are `_other`. What a single agent did stands in its entries,
        which the desk shows.
    """),
    _chapter("Goals, plans and tasks", (9, 19), introduction="""
        What agents set out to do. Gauges of what is open follow pairs of events, a start and an end
        with the same id; what never ends is forgotten after the time that its text says. `mode` is
        what the event's run says of how the agent works, such as `autonomous`.
    """),
    _chapter("Tools", (20, 23), introduction="""
        Calls of tools, by the name that events give them.
    """),
    _chapter("Models and their cost", (24, 28), introduction="""
        Requests to models, for text, embeddings and passages. Cost is what the event says; where it
        says none, tokens by the [price table](metrics-settings.md#prices) of the moment of the act.
        There is no `token_type` for all tokens together, so a sum over types counts each token
        once.
    """),
    _chapter("Memory and caches", (29, 32), introduction="""
        What agents remember and look up.
    """),
    _chapter("Workflows and orchestration", (33, 36), introduction="""
        Workflows, their steps, and cycles of orchestrators. A step is told by its type: ids of
        steps and of runs are no labels.
    """),
    _chapter("Acts in the ledger", (37, 47), introduction="""
        All entries, by category and act, and those that auditors ask for first. `status` is
        success, error (failure and error), denied, or other (pending and unknown): each entry has
        exactly one.
    """),
    _chapter("Custom metrics and services outside", (48, 49), introduction="""
        Measures of agents' own, each [allowed](metrics-settings.md#custom-metrics) by an
        administrator with its type and labels; its labels stand beside `name`. What is not allowed
        is refused and counted in `obs_custom_metric_refused_total`.
    """),
    _chapter("Requests and sign-ins", (50, 52), introduction="""
        What the platform itself is asked. Rows 50 and 51 are django-prometheus' own counters of
        each web process, which Prometheus [renames](observability.md#requests-under-our-names) when
        it scrapes `scope=process`.
    """),
    _chapter("Ingest", (53, 55), (84, 85), (93, 93), introduction="""
        The way of an event from its act to a sealed entry, and what does not get through.
    """),
    _chapter("The ledger", (56, 59), (86, 88), introduction="""
        Whether the chain holds, how fast it grows, how far behind those are that read it or keep
        its checkpoints.
    """),
    _chapter("Scores, retention, reports, destinations", (60, 61), (89, 92), introduction="""
        What the checks found, as the newest posture of each framework has it, and what people have
        to do. A number that was not issued is absent and not 0.
    """),
    _chapter("What observing costs, and health", (62, 67), introduction="""
        Observing measures itself, and checks of `/ready` are numbers here. Which targets there are:
        [observability.md](observability.md#facts-asked-on-a-timer).
    """),
    _chapter("Database, processes, machine", (68, 76), introduction="""
        What the platform's processes take of the machine, and what agents say of theirs. Numbers of
        processes are added to rows every five seconds, so they outlive the process.
    """),
    _chapter("Alerts, messages, anomalies, logs, spans", (77, 81), introduction="""
        Lines of logs are counted; the others have their names and types and no samples until what
        feeds them is built.
    """),
    _chapter("Metrics about metrics", (82, 83), introduction="""
        How full the lists are, what found no place, what was refused, how old the page is.
    """),
)  # fmt: skip
"""In the order of the page."""
