"""What /metrics says and what SQL counts in the entries, in one form, so that they can be compared.

Both are `Counters`: every counter, and of every histogram its buckets, count and sum, in whole
numbers (a second is a million, a dollar a thousand million). SQL: counted.sql. Who scrapes again
and again: scrapes.py.
"""

from __future__ import annotations

import urllib.request
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final, TypeAlias

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from metrics.families import BY_NAME

Sample: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample and its labels, sorted."""

Counters: TypeAlias = dict[Sample, int]
"""What each sample says, in whole numbers."""

SECONDS: Final = 30  # of one request; a page is rendered at most every five
_COUNTED: Final = (Path(__file__).parent / "counted.sql").read_text()
_WORD: Final = """
CREATE OR REPLACE FUNCTION pg_temp.word(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        nullif(left(ltrim(regexp_replace(lower(said), '[^a-z0-9_.:/-]+', '_', 'g'), '_'), 64), ''),
        '_none'
    )
$$
"""
_OF_PROCESSES: Final = frozenset({("cache", "api_keys"), ("stage", "chained"), ("stage", "sealed")})
"""Labels of what processes count of themselves in families that entries feed too."""
_REFUSED: Final = "obs_metrics_refused_total"


def scrape(address: str) -> Counters:
    """Return what an address of the platform's metrics says."""
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:
        return counters_of(answer.read().decode())


def counters_of(page: str) -> Counters:
    """Return what a page says; of gauges nothing."""
    found: Counters = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if family.type == "counter" and sample.name.endswith("_total"):
                scale = _scale(sample.name)
            elif family.type == "histogram" and sample.name.endswith("_sum"):
                scale = _scale(family.name)
            elif family.type == "histogram" and sample.name.endswith(("_bucket", "_count")):
                scale = 1
            else:
                continue
            labels = tuple(sorted(sample.labels.items()))
            found[sample.name, labels] = round(sample.value * scale)
    return found


def _scale(name: str) -> int:
    return BY_NAME[name].scale if name in BY_NAME else 1


def count_by_sql(connection: psycopg.Connection[Any]) -> Counters:
    """Return what counters must say of all entries that are chained now."""
    connection.execute(_WORD)
    counted: Counters = {}
    for family, labels, number, observed in connection.execute(_COUNTED).fetchall():
        if observed is None:
            counted[family, tuple(sorted(labels.items()))] = int(number)
        else:
            counted.update(_distribution(family, labels, sorted(observed)))
    return counted


def _distribution(family: str, labels: dict[str, str], observed: list[int]) -> Counters:
    """Return what a histogram must say of what was observed, smallest first."""
    said: Counters = {}
    for edge in (*BY_NAME[family].edges, float("inf")):
        below = bisect_right(observed, edge * 1_000_000)
        bucket = {**labels, "le": "+Inf" if edge == float("inf") else str(float(edge))}
        said[f"{family}_bucket", tuple(sorted(bucket.items()))] = below
    plain = tuple(sorted(labels.items()))
    return said | {
        (f"{family}_count", plain): len(observed),
        (f"{family}_sum", plain): sum(observed),
    }


def compared(counters: Counters, counted: Counters) -> Counters:
    """Return what counters say of the families that SQL has counted, those of 0 left out.

    Labels that SQL leaves out are summed over: a family whose cap is reached keeps its sums.
    """
    labels_of = {name: frozenset(label for label, _ in labels) for name, labels in counted}
    refused = {dict(labels)["family"] for name, labels in counted if name == _REFUSED}
    said: Counters = {}
    for (name, labels), number in counters.items():
        if (
            number
            and name in labels_of
            and _OF_PROCESSES.isdisjoint(labels)
            and (name != _REFUSED or dict(labels)["family"] in refused)
        ):
            kept = tuple(pair for pair in labels if pair[0] in labels_of[name])
            said[name, kept] = said.get((name, kept), 0) + number
    return said


def differences(said: Counters, expected: Counters) -> list[str]:
    """Return where two differ, in words."""
    return [
        f"{sample[0]}{dict(sample[1])}: {said.get(sample, 0)}, not {expected.get(sample, 0)}"
        for sample in sorted(said.keys() | expected.keys())
        if said.get(sample, 0) != expected.get(sample, 0)
    ]
