"""Write families as Prometheus reads them: the text format 0.0.4, and OpenMetrics 1.0. Pure.

Byte for byte what prometheus_client writes of the same families (a test holds the two against each
other), and many times faster: labels are put together once a series and not once a line, and both
texts share their lines. They differ in the name of a counter's family, which OpenMetrics gives
without `_total`, and in exemplars, which the text format lacks. The `# EOF` that ends OpenMetrics
is the caller's: a page has parts.

Where the families come from: expose.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

Format: TypeAlias = Literal["text", "openmetrics"]
FORMATS: Final[tuple[Format, Format]] = ("text", "openmetrics")
EOF: Final = "# EOF\n"

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values of a series, in the order of the names."""

_LE: Final = "le"
_PLAIN: Final = 1_000_000
"""From here on a number is written with an exponent."""


class Exemplar(NamedTuple):
    """One observation of a bucket and the trace that it was made in."""

    trace_id: str
    value: float
    at: float
    """Unix time in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One series of a histogram."""

    edges: tuple[float, ...]
    """Upper edges, infinity left out."""
    counts: Sequence[int]
    """Observations of each bucket, not cumulative, infinity the last: one more than edges."""
    total: float
    """The sum of what was observed."""
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)
    """By place of the bucket."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposed:
    """One family with its series; a histogram has distributions, any other has numbers."""

    name: str
    """A counter's ends in `_total`."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    numbers: Mapping[Labels, float] = field(default_factory=dict)
    distributions: Mapping[Labels, Distribution] = field(default_factory=dict)


def render(families: Iterable[Exposed]) -> dict[Format, str]:
    """Return both texts of these families, series in the order of their labels, without `# EOF`."""
    text: list[str] = []
    openmetrics: list[str] = []
    for family in families:
        base = family.name.removesuffix("_total") if family.kind == "counter" else family.name
        help_text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        text.append(head(family.name, help_text, family.kind))
        openmetrics.append(head(base, help_text.replace('"', '\\"'), family.kind))
        lines, exemplified = _lines(family)
        text += lines
        openmetrics += exemplified
    return {"text": "".join(text), "openmetrics": "".join(openmetrics)}


def head(name: str, help_text: str, kind: str) -> str:
    """Return the two lines above a family's samples; `help_text` is escaped already."""
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


def _lines(family: Exposed) -> tuple[list[str], list[str]]:
    """Return the lines of all series, without exemplars and with them."""
    lines = [
        f"{family.name}{braces(labels)} {number_text(number)}\n"
        for labels, number in sorted(family.numbers.items())
    ]
    exemplified = lines.copy()
    for labels, row in sorted(family.distributions.items(), key=lambda item: item[0]):
        made = distribution_lines(family.name, labels, row)
        lines += made
        if row.exemplars:
            made = made.copy()
            for place, exemplar in row.exemplars.items():
                made[place] = made[place].removesuffix("\n") + _exemplar(exemplar)
        exemplified += made
    return lines, exemplified


def distribution_lines(name: str, labels: Labels, row: Distribution) -> list[str]:
    """Return the lines of one series of a histogram, buckets first; each ends in a newline."""
    before = "".join(f"{_pair(*each)}," for each in labels if each[0] < _LE)
    after = "".join(f",{_pair(*each)}" for each in labels if each[0] > _LE)
    start, end = f'{name}_bucket{{{before}le="', f'"{after}}} '
    lines = []
    seen = 0
    for edge, count in zip(_edges(row.edges), row.counts, strict=True):
        seen += count
        lines.append(f"{start}{edge}{end}{_whole(seen)}\n")
    all_labels = braces(labels)
    lines.append(f"{name}_count{all_labels} {_whole(seen)}\n")
    lines.append(f"{name}_sum{all_labels} {number_text(row.total)}\n")
    return lines


def _edges(edges: tuple[float, ...]) -> list[str]:
    return [*map(number_text, edges), "+Inf"]


def _exemplar(exemplar: Exemplar) -> str:
    return (
        f" # {{{_pair('trace_id', exemplar.trace_id)}}} {number_text(exemplar.value)}"
        f" {exemplar.at}\n"
    )


def braces(labels: Labels) -> str:
    """Return labels as they stand behind a name; nothing when there are none."""
    return f"{{{','.join(_pair(*each) for each in labels)}}}" if labels else ""


def _pair(name: str, value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        value = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'{name}="{value}"'


def _whole(number: int) -> str:
    return f"{number}.0" if number < _PLAIN else number_text(number)


def number_text(number: float) -> str:
    """Return a number with all its digits, as the client library of Go writes it."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("+Inf" if number > 0 else "-Inf")
    digits = repr(float(number))
    whole, _, fraction = digits.partition(".")
    if number < _PLAIN or not fraction or "e" in digits:
        return digits
    mantissa = f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0").rstrip(".")
    return f"{mantissa}e+{len(whole) - 1:02d}"
