"""Render what /metrics shows: the platform's families, and those of this web process.

The platform's are the list of families.py, each with HELP and TYPE also where it has no sample:
rows (series.py) and what the apps' collectors read (collected.py). What they say is the same
whichever process renders them, so page.py renders once for all. The process's own are
django-prometheus' and the client library's. How both are written: text_format.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import prometheus_client
from django.conf import settings
from prometheus_client import CollectorRegistry, multiprocess
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from metrics import switches
from metrics.collected import add_collected
from metrics.families import FAMILIES
from metrics.family import Detail, Family
from metrics.platform_families import (
    BUILD_INFO,
    COMPONENT_ENABLED,
    SCRAPE_SECONDS,
    SNAPSHOT_AGE,
)
from metrics.series import Series, read_series
from metrics.text_format import EOF, Exposed, Format, render

# A creation time per series doubles the page and no rule of ours reads it.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

_LEVELS: Final[dict[Detail, int]] = {"minimal": 0, "standard": 1, "full": 2}
_SERVED: Final = frozenset({SCRAPE_SECONDS.name, SNAPSHOT_AGE.name})
"""Families that say how a page was served: added to it then, and not rendered."""


def families_of(*, detail: Detail, ledger: str | None = None) -> list[Family]:
    """Return the families of a page: those of its level, and for a ledger those that are its own.

    A ledger's own are counted from its entries, or say `ledger`.
    """
    return [
        family
        for family in FAMILIES
        if _LEVELS[family.detail] <= _LEVELS[detail]
        and family.name not in _SERVED
        and (ledger is None or "entries" in family.sources or "ledger" in family.labels)
    ]


def level() -> Detail | None:
    """Return how much is shown; None while metrics are switched off."""
    return switches.detail() if switches.metrics_on() else None


def platform(*, detail: Detail | None, ledger: str | None = None) -> dict[Format, str]:
    """Return the platform's families in both formats, without an `# EOF`.

    With `ledger`, only what was counted of it. With no detail, which is switched off, only which
    parts of observing are on. Raises what the database raises.
    """
    if detail is None:
        families = [] if ledger else [COMPONENT_ENABLED]
        return _written(families, read_series(families))
    families = families_of(detail=detail, ledger=ledger)
    series = read_series(families, ledger=ledger)
    add_collected(series, families, ledger=ledger)
    if ledger is None:
        build = (("commit", settings.COMMIT), ("version", settings.VERSION))
        series.put(BUILD_INFO.name, build, 1)
    return _written(families, series)


def served(*, age: float, seconds: float | None) -> dict[Format, str]:
    """Return what is said of a page itself: its age, and how long it took to render (in seconds).

    `seconds` is None where metrics are switched off.
    """
    series = Series()
    series.put(SNAPSHOT_AGE.name, (), age)
    families = [SNAPSHOT_AGE]
    if seconds is not None:
        series.put(SCRAPE_SECONDS.name, (), seconds)
        families.append(SCRAPE_SECONDS)
    return _written(families, series)


def process(accept: str) -> str:
    """Return this web process' own families as `accept` asks, without an `# EOF`.

    With PROMETHEUS_MULTIPROC_DIR they are those of all web processes of this instance.
    """
    registry = CollectorRegistry(auto_describe=False)
    if settings.METRICS_MULTIPROC_DIR:
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            registry, settings.METRICS_MULTIPROC_DIR
        )
        prometheus_client.ProcessCollector(registry=registry)
    else:
        registry.register(_Process())
    encode, _ = choose_encoder(accept)
    return encode(registry).decode().removesuffix(EOF)


def content_type(accept: str) -> tuple[str, Format]:
    """Return the content type of an answer, and which of our formats it is."""
    _, chosen = choose_encoder(accept)
    return chosen, "openmetrics" if chosen.startswith("application/openmetrics-text") else "text"


def _written(families: Iterable[Family], series: Series) -> dict[Format, str]:
    return render(
        Exposed(
            name=family.name,
            kind=family.kind,
            help=family.help,
            numbers=series.numbers.get(family.name, {}),
            distributions=series.distributions.get(family.name, {}),
        )
        for family in families
    )


class _Process(Collector):
    """What django-prometheus and the client library count in this process."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        return prometheus_client.REGISTRY.collect()
