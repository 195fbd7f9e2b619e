"""The text that we write ourselves: the library's, byte for byte, on whatever families."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as LibraryExemplar
from prometheus_client.utils import floatToGoString

from metrics.text_format import EOF, Distribution, Exemplar, Exposed, number_text, render
from tests.sizes import size

LABELS = ("agent", "environment", "ledger", "operation", "status", "Zone", "_le")
VALUES = ("alice", "", "a b", 'say "hi"', "back\\slash", "two\nlines", "Grüße", "_other", "{}=,")


class Given(Collector):
    """A registry of families that were made before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._families


def by_library(families: list[Metric]) -> dict[str, str]:
    encode: dict[str, Callable[[Any], bytes]] = {
        "text": exposition.generate_latest,
        "openmetrics": openmetrics.generate_latest,
    }
    return {form: write(Given(families)).decode() for form, write in encode.items()}


def go_text(number: float) -> str:
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]


def some_labels(chance: random.Random) -> list[list[str]]:
    """Return names of labels, then some rows of values, no two alike."""
    names = sorted(chance.sample(LABELS, chance.randrange(4)))
    rows = {tuple(chance.choice(VALUES) for _ in names) for _ in range(chance.randrange(9))}
    return [names, *sorted(map(list, rows))]


def some_number(chance: random.Random) -> float:
    return chance.choice((
        chance.randrange(10), chance.randrange(10**17), chance.random(), chance.random() * 1e7,
        999_999.0, 1e6, 1234567.5, 1e16, 1.5e22, 1e-7, -3.25, -12345678.0,
        math.inf, -math.inf, math.nan,
    ))  # fmt: skip


def numbers(chance: random.Random, kind: str, name: str, text: str) -> tuple[Exposed, Metric]:
    names, *rows = some_labels(chance)
    made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    theirs = made(name, text, labels=names)
    ours = {}
    for values in rows:
        number = some_number(chance)
        ours[tuple(zip(names, values, strict=True))] = number
        theirs.add_metric(values, number)
    full = f"{name}_total" if kind == "counter" else name
    return Exposed(name=full, kind=kind, help=text, numbers=ours), theirs  # type: ignore[arg-type]


def distributions(chance: random.Random, name: str, text: str) -> tuple[Exposed, Metric]:
    names, *rows = some_labels(chance)
    edges = tuple(sorted({chance.choice((0.0001, 0.25, 1.0, 10.0, 3600.0, 1e6, 16_777_216.0))
                          for _ in range(5)}))  # fmt: skip
    theirs = HistogramMetricFamily(name, text, labels=names)
    ours = {}
    for values in rows:
        counts = [chance.randrange(10 ** chance.randrange(1, 9)) for _ in (*edges, None)]
        exemplars = {
            place: Exemplar(f"{chance.getrandbits(128):032x}", chance.random(), 1.79e9 + place / 7)
            for place in range(len(counts))
            if chance.random() < 0.3
        }
        total = chance.random() * 1e8
        ours[tuple(zip(names, values, strict=True))] = Distribution(
            edges=edges, counts=counts, total=total, exemplars=exemplars
        )
        buckets: list[Any] = []
        for place, edge in enumerate((*edges, math.inf)):
            exemplar = exemplars.get(place)
            shown = exemplar and LibraryExemplar(
                {"trace_id": exemplar.trace_id}, exemplar.value, exemplar.at
            )
            buckets.append((go_text(edge), sum(counts[: place + 1]), shown))
        theirs.add_metric(values, buckets=buckets, sum_value=total)
    return Exposed(name=name, kind="histogram", help=text, distributions=ours), theirs


# Each has some twenty rows, so that every kind of number and of text comes many times.
@settings(max_examples=size(30, 300))
@given(st.randoms(use_true_random=False))
def test_random_families_are_written_as_the_library_writes_them(chance: random.Random) -> None:
    pairs = []
    for place in range(chance.randrange(1, 6)):
        kind = chance.choice(("counter", "gauge", "histogram"))
        name, text = f"obs_{'abcdef'[place]}", chance.choice(("Plain.", 'A "b"\\c', "a\nb", ""))
        pairs.append(
            distributions(chance, name, text)
            if kind == "histogram"
            else numbers(chance, kind, name, text)
        )

    ours = render(exposed for exposed, _ in pairs)
    theirs = by_library([metric for _, metric in pairs])

    assert ours["text"] == theirs["text"]
    assert ours["openmetrics"] + EOF == theirs["openmetrics"]


@given(st.floats() | st.integers(min_value=-(10**20), max_value=10**20))
def test_a_number_is_written_as_the_library_writes_it(number: float) -> None:
    assert number_text(number) == go_text(number)


@pytest.mark.parametrize("number", [0, 999_999, 1_000_000, 2**53, 10**15])
def test_a_count_says_every_digit(number: int) -> None:
    row = Distribution(edges=(), counts=[number], total=0)

    page = render([Exposed(name="obs_a", kind="histogram", help="", distributions={(): row})])

    assert float(page["text"].split("\n")[2].split(" ")[1]) == number


def test_a_family_without_samples_has_its_help_and_type() -> None:
    pages = render([Exposed(name="obs_a_total", kind="counter", help="It counts.")])

    assert pages["text"] == "# HELP obs_a_total It counts.\n# TYPE obs_a_total counter\n"
    assert pages["openmetrics"] == "# HELP obs_a It counts.\n# TYPE obs_a counter\n"
