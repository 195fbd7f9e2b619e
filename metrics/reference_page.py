"""Write docs/metrics.md: every family with what it means, costs and comes from, and a query. Pure.

Made of the list of families, of chapters.py, other_names.py and the examples, and of nothing else,
so that a test can hold the page to them. `manage.py metricsreference` prints the page, `make
metrics` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from audit.actions import ACTIONS
from metrics import agent_examples, platform_examples
from metrics.chapters import CHAPTERS, Chapter, sentences
from metrics.example import MAY_BE_EMPTY, Example
from metrics.families import BUDGET, FAMILIES, MOST_SERIES
from metrics.family import CLOSED, Family, Source
from metrics.other_names import OTHER_NAMES

EXAMPLES: Final[Mapping[str, Example]] = agent_examples.EXAMPLES | platform_examples.EXAMPLES

HEADER: Final = ("row", "type", "labels", "unit", "most", "shown from", "counted from")
EVERY_ACTION: Final = "every action"

_SOURCES: Final[Mapping[Source, str]] = {
    "entries": "chained entries, each once",
    "facts": "rows, asked by SQL on a timer or when the page is rendered",
    "process": "what web, workers, beat and loops count of themselves, or the page itself",
    "http": "django-prometheus in each web process, renamed when Prometheus scrapes",
    "later": "nothing yet",
}

_HEAD: Final = """# Metrics

This page is written by `make metrics` from the list of families; a test fails when it is stale.
How to scrape, who may, what else the web process shows:
[observability.md](observability.md#metrics). What people decide over metrics:
[metrics-settings.md](metrics-settings.md).

## How to read them

**Exact.** What comes from entries is folded from the ledger, each entry once, and kept as whole
numbers in rows that commit together with the cursor. So a counter survives restarts, falls never,
and equals a count of the entries themselves; deliveries that came twice are one entry. A page is
rendered at most every five seconds and is the same from every process.

**Late entries and history.** An entry that was loaded as history, or that was over an hour old
when it was received, is no event of now. It is counted in `obs_events_backfilled_total`, in the
history by the minute at its own minute and in budgets, and in no other counter of `/metrics`.

**Caps and `_other`.** Names that others choose are learned as they come, put into small letters,
and cut to 64 characters; each list of names and each family has a most. What comes beyond it
becomes `_other`, so sums stay whole; labels whose values are ours keep them also there.
`obs_metrics_label_overflow_total` says which list or family ran over. Ids of people, runs,
sessions, traces and events are never labels.

**Refused values.** A value that is missing, negative or absurd is left out of its family and
counted in `obs_metrics_refused_total`; the entry counts everywhere else.

**Levels.** A family is shown from `minimal`, `standard` or `full` on: see
[levels](observability.md#levels). All are counted at each level.

**Rebuilding.** `manage.py rebuild metrics` folds all entries again beside the live rows and swaps
them in one transaction, so no counter falls meanwhile. It is needed when a rule of counting has
changed, never to mend a loss.

**History by the minute.** Beside the totals there are rows by the minute of the act, for pages
and rules of the platform's own. They are kept for `OBS_METRICS_MINUTE_DAYS` days, dropped by the
day, and a rebuild does not bring back what was dropped.

**Units.** Seconds, bytes, dollars, and ratios from 0 to 1. A histogram has `_bucket`, `_sum` and
`_count`; use `histogram_quantile` over `rate(…_bucket[5m])`, summed `by (le)`.
"""


def reference_page() -> str:
    """Return the whole page, as it stands in docs/metrics.md."""
    parts = [
        _head(),
        _labels_section(),
        _sources_section(),
        _overview(),
        *(part for chapter in CHAPTERS for part in _chapter(chapter)),
    ]
    return "\n".join(parts)


def example_text(example: Example) -> str:
    """Return an example as the page shows it: the question, the query, whether it may be empty."""
    lines = [f"# {example.asks}", example.query]
    return "\n".join([*lines, MAY_BE_EMPTY] if example.is_quiet else lines)


def buckets_text(family: Family) -> str:
    """Return the upper edges of a histogram as the label `le` has them, without infinity."""
    return " ".join(f"{edge:g}" if edge < 1_000_000 else f"{edge:.0f}" for edge in family.edges)


def fed_by_text(family: Family) -> str:
    """Return the actions whose entries feed a family."""
    if len(family.fed_by) == len(ACTIONS):
        return EVERY_ACTION
    return ", ".join(f"`{action}`" for action in family.fed_by)


def _head() -> str:
    return "\n\n".join("\n".join(sentences(each)) for each in _HEAD.split("\n\n")) + "\n"


def _labels_section() -> str:
    rows = "".join(
        f"| `{label}` | {', '.join(f'`{value}`' for value in values)} |\n"
        for label, values in sorted(CLOSED.items())
    )
    return (
        "## Labels whose values are ours\n\n"
        "All other values come from events and from names that people give.\n\n"
        f"| label | values |\n| --- | --- |\n{rows}"
    )


def _sources_section() -> str:
    rows = "".join(f"| {source} | {said} |\n" for source, said in _SOURCES.items())
    return f"## Where they are counted from\n\n| source | is |\n| --- | --- |\n{rows}"


def _overview() -> str:
    rows = "".join(
        f"| [{chapter.title}](#{_anchor(chapter.title)}) | {len(chapter.families())} |\n"
        for chapter in CHAPTERS
    )
    return (
        f"## Chapters\n\n{len(FAMILIES)} families, which cost {BUDGET:,} series when all are at "
        f"their most, of {MOST_SERIES:,} that they may; a histogram's series are its buckets, "
        f"infinity, sum and count.\n\n| chapter | families |\n| --- | --- |\n{rows}"
    )


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield f"## {chapter.title}\n\n" + "".join(f"{line}\n" for line in chapter.introduction)
    for family in chapter.families():
        yield _section(family)


def _section(family: Family) -> str:
    cells = (
        str(family.row) if family.row else "",
        family.kind,
        ", ".join(f"`{label}`" for label in family.labels),
        family.unit,
        f"{family.cap:,}",
        family.detail,
        ", ".join(family.sources),
    )
    lines = [
        f"### {family.name}",
        "",
        family.help,
        "",
        f"| {' | '.join(HEADER)} |",
        f"|{' --- |' * len(HEADER)}",
        f"| {' | '.join(cells)} |",
        "",
        *_notes(family),
        "```promql",
        example_text(EXAMPLES[family.name]),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _notes(family: Family) -> Iterator[str]:
    notes = []
    if family.edges:
        notes.append(f"- Buckets: {buckets_text(family)}")
    if family.fed_by:
        notes.append(f"- Fed by: {fed_by_text(family)}")
    if family.name in OTHER_NAMES:
        notes.append(f"- Elsewhere: {OTHER_NAMES[family.name]}")
    yield from notes
    if notes:
        yield ""


def _anchor(title: str) -> str:
    """Return the anchor that a heading makes."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in "_- ")
    return kept.replace(" ", "-")
