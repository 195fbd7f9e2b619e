"""PromQL made of families, so that a name or a label that there is not cannot be written. Pure.

Every query is narrowed by the board's variables where its family has the label, and by no other.
Counters are read through `rate` and `increase`, histograms through `_bucket`, `_sum` and `_count`,
quantiles over sums `by (le)`. A share is empty where nothing happened and 0 where nothing of the
part did. `by` is words; `where` is matchers as PromQL has them.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from metrics.boards.shape import VARIABLES
from metrics.family import Family

STEP: Final = "$__rate_interval"
"""The window of a line: what Grafana finds right for the step and the scrape interval."""

SHOWN: Final = "$__range"
"""The whole time that is shown."""

_FIRING: Final = 'ALERTS{alertstate="firing"}'
"""The one series that is no family of ours."""

_ALL: Final = frozenset(VARIABLES)


def rate(family: Family, by: str = "", where: str = "", *, over: str = STEP, ago: str = "") -> str:
    """Return how much a counter grows in a second; `ago`, such as `1d`, looks back."""
    return _summed("rate", family, by, where, over=over, ago=ago)


def grown(family: Family, by: str = "", where: str = "", *, over: str = SHOWN) -> str:
    """Return how much a counter has grown in a window."""
    return _summed("increase", family, by, where, over=over)


def a_minute(family: Family, by: str = "", where: str = "") -> str:
    """Return how much a counter grows in a minute."""
    return f"60 * {rate(family, by, where)}"


def share(family: Family, part: str, by: str = "", where: str = "", *, over: str = STEP) -> str:
    """Return which share of a counter's growth the part has that `part` matches."""
    of_part = rate(family, by, _joined(where, part), over=over)
    everything = rate(family, by, where, over=over)
    return f"({of_part} or 0 * {everything}) / ({everything} > 0)"


def per(counted: Family, each: Family, by: str = "", *, over: str = STEP) -> str:
    """Return how much of one counter there is for one of another.

    Both are narrowed by the variables alone whose label both have: a part of the one for all of
    the other would be no ratio.
    """
    common = frozenset(counted.labels) & frozenset(each.labels)
    part = _summed("rate", counted, by, "", over=over, narrowed_by=common)
    whole = _summed("rate", each, by, "", over=over, narrowed_by=common)
    return f"{part} / ({whole} > 0)"


def quantile(q: float, family: Family, by: str = "", where: str = "", *, over: str = STEP) -> str:
    """Return what a share of the observations of a histogram stays under."""
    inner = _summed("rate", family, f"{by} le", where, over=over, suffix="_bucket")
    return f"histogram_quantile({q:g}, {inner})"


def mean(family: Family, by: str = "", where: str = "", *, over: str = STEP) -> str:
    """Return the average of the observations of a histogram."""
    total = _summed("rate", family, by, where, over=over, suffix="_sum")
    count = _summed("rate", family, by, where, over=over, suffix="_count")
    return f"{total} / ({count} > 0)"


def spread(family: Family, where: str = "") -> str:
    """Return how many observations fell into each bucket, for a heat map."""
    return _summed("increase", family, "le", where, over=STEP, suffix="_bucket")


def now(
    family: Family,
    by: str = "",
    where: str = "",
    *,
    how: Literal["sum", "min", "max", "avg"] = "sum",
) -> str:
    """Return what a gauge says, put together over the labels that are not asked for."""
    assert family.kind == "gauge", f"{family.name} is no gauge"
    return f"{how}{_by(family, by)}({family.name}{_matchers(family, where)})"


def slope(family: Family, by: str = "", where: str = "", *, over: str) -> str:
    """Return how much a gauge changes in a second, by a straight line through a window."""
    assert family.kind == "gauge", f"{family.name} is no gauge"
    return f"sum{_by(family, by)}(deriv({family.name}{_matchers(family, where)}[{over}]))"


def ahead(family: Family, by: str = "", where: str = "", *, over: str, seconds: int) -> str:
    """Return what a gauge will say after so many seconds, by a straight line through a window.

    Never less than 0: a line through a minute of samples leads anywhere, and no gauge goes below.
    """
    assert family.kind == "gauge", f"{family.name} is no gauge"
    series = f"{family.name}{_matchers(family, where)}[{over}]"
    return f"clamp_min(sum{_by(family, by)}(predict_linear({series}, {seconds})), 0)"


def total(family: Family, by: str = "", where: str = "") -> str:
    """Return what a counter has come to since it began, which no restart of ours takes back."""
    assert family.kind == "counter", f"{family.name} is no counter"
    return f"sum{_by(family, by)}({family.name}{_matchers(family, where)})"


def firing(by: str = "") -> str:
    """Return how many alerts fire, as Prometheus itself keeps them; 0 in all when none does."""
    if not by:
        return f"count({_FIRING}) or vector(0)"
    assert set(by.split()) <= {"alertname", "severity"}, "every rule of ours has these two"
    return f"sum by ({', '.join(by.split())}) ({_FIRING})"


def _summed(
    function: str,
    family: Family,
    by: str,
    where: str,
    *,
    over: str,
    suffix: str = "",
    ago: str = "",
    narrowed_by: frozenset[str] = _ALL,
) -> str:
    kind = "histogram" if suffix else "counter"
    assert family.kind == kind, f"{family.name} is no {kind}"
    back = f" offset {ago}" if ago else ""
    series = f"{family.name}{suffix}{_matchers(family, where, narrowed_by)}[{over}]{back}"
    return f"sum{_by(family, by)}({function}({series}))"


def _by(family: Family, by: str) -> str:
    words = by.split()
    assert set(words) <= {*family.labels, "le"}, f"{family.name} has no label of {words}"
    return f" by ({', '.join(words)}) " if words else ""


def _matchers(family: Family, where: str, narrowed_by: frozenset[str] = _ALL) -> str:
    asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", where))
    assert asked <= set(family.labels), f"{family.name} has no label of {asked}"
    followed = (
        f'{label}=~"${label}"'
        for label in VARIABLES
        if label in narrowed_by and label in family.labels and label not in asked
    )
    both = _joined(where, ", ".join(followed))
    return f"{{{both}}}" if both else ""


def _joined(*matchers: str) -> str:
    return ", ".join(each for each in matchers if each)
