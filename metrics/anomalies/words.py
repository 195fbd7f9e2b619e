"""Say a finding in a sentence, with its figures as a table and the points of its chart. Pure.

Evidence is kept with the row, so that a page shows what was seen when it was found, also when
minute history is gone: `title`, `sentence`, `facts` (a list of `what`, `seen`, `usual`), and of
series `chart`, a list of [moment, value, usual, low, high] with `began`, the place where it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from metrics.anomalies.found import TOGETHER, Finding, severity_of
from metrics.anomalies.multivariate import FEATURES, UNLIKE, Unlike
from metrics.anomalies.seasonal import FAR, LEVELS, QUARTER, Baseline, Spell, Verdict
from metrics.anomalies.watched import Watched

MOST_POINTS: Final = 96
"""Of a chart: the newest."""
_LENGTHS: Final = {1: "15 minutes", 4: "an hour", 16: "four hours"}
_SIZES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def figure(number: float, unit: str) -> str:
    """Return a number with its unit, as people read it."""
    if unit == "ratio":
        return f"{number * 100:.1f} %"
    if unit == "usd":
        return f"${number:,.2f}"
    if unit == "seconds":
        return f"{number:,.2f} s" if number < 120 else f"{number / 60:,.1f} min"
    if unit == "bytes":
        size, word = next((one for one in _SIZES if abs(number) >= one[0]), (1, "bytes"))
        return f"{number / size:,.1f} {word}"
    return f"{number:,.0f}" if number == round(number) or number >= 100 else f"{number:,.1f}"


def unit_of(measure: Watched) -> str:
    """Return the unit of what is shown of a measure."""
    return "ratio" if measure.sort == "share" else measure.of.unit


def called(title: str, labels: str) -> str:
    """Return what a series is called in a sentence."""
    return f"{title[0].upper()}{title[1:]}{f' ({labels})' if labels else ''}"


def of_spell(measure: Watched, labels: str, spell: Spell, usual: Baseline) -> Finding:
    """Return the finding of a stretch in which a series was not as usual."""
    worst, unit = spell.worst, unit_of(measure)
    seen, expected = figure(worst.step.value, unit), figure(worst.expected, unit)
    band = (
        f"up to {figure(worst.high, unit)}" if measure.side == "high"
        else f"{figure(worst.low, unit)} to {figure(worst.high, unit)}"
    )  # fmt: skip
    way = "more" if worst.score > 0 else "less"
    points = (*spell.before, *spell.verdicts)[-MOST_POINTS:]
    return Finding(
        detector="seasonal",
        measure=measure.name,
        family=measure.family,
        labels=labels,
        started_at=spell.started_at,
        ended_at=spell.ended_at,
        severity=severity_of(abs(worst.score) / FAR, is_grave=measure.is_grave),
        score=round(worst.score, 2),
        seen=worst.step.value,
        expected=worst.expected,
        evidence={
            "title": called(measure.title, labels),
            "sentence": f"{called(measure.title, labels)}: {seen} in {_LENGTHS[usual.quarters]} "
            f"from {_moment(worst.step.at)}, {way} than the {band} that are usual then.",
            "facts": _facts(worst, measure, spell, usual, seen, expected, band),
            "unit": unit,
            "level": worst.level,
            "quarters": usual.quarters,
            "worst_at": worst.step.at.isoformat(),
            "chart": [
                [one.step.at.isoformat(), one.step.value, one.expected, one.low, one.high]
                for one in points
            ],
            "began": max(0, len(points) - len(spell.verdicts)),
        },
    )


def _facts(
    worst: Verdict, measure: Watched, spell: Spell, usual: Baseline,
    seen: str, expected: str, band: str,
) -> list[dict[str, str]]:  # fmt: skip
    found = [
        {"what": f"Farthest, from {_moment(worst.step.at)}", "seen": seen, "usual": expected},
        {"what": "Not far", "seen": "", "usual": band},
        {"what": "Deviations from the usual", "seen": f"{worst.score:+.1f}",
         "usual": f"less than {FAR:g}"},
        {"what": f"Held against {LEVELS[worst.level]}", "seen": "",
         "usual": f"{worst.number} steps of {_LENGTHS[usual.quarters]}, {usual.days:.1f} days"},
        {"what": "Steps that are far", "seen": str(
            sum(abs(one.score) >= FAR for one in spell.verdicts)), "usual": "0"},
    ]  # fmt: skip
    if measure.sort in {"share", "p95"}:
        found.insert(1, {"what": "Made of", "seen": f"{worst.step.weight:,.0f}", "usual": ""})
    return found


def of_quarters(
    labels: str, found: Sequence[Unlike], *, started_at: datetime, over: datetime | None
) -> Finding:
    """Return the finding of an agent's quarters that are unlike those before."""
    worst = max(found, key=lambda one: one.score)
    said = " and ".join(
        f"{_of_feature(one.feature, one.seen)} where the nearest had "
        f"{_number(one.feature, one.nearest)}"
        for one in worst.outstanding[:3]
    )
    title = called("what an agent did in 15 minutes", labels)
    return Finding(
        detector="together",
        measure=TOGETHER,
        family="",
        labels=labels,
        started_at=started_at,
        ended_at=over,
        severity=severity_of(worst.score / UNLIKE, is_grave=False),
        score=round(worst.score, 2),
        seen=None,
        expected=None,
        evidence={
            "title": title,
            "sentence": f"{title}: from {_moment(worst.work.at)} it is unlike each of "
            f"{worst.number:,} quarters before: {said}.",
            "facts": _facts_of_quarter(worst, len(found)),
            "worst_at": worst.work.at.isoformat(),
            "last_at": (found[-1].work.at + QUARTER).isoformat(),
        },
    )


def _facts_of_quarter(worst: Unlike, number: int) -> list[dict[str, str]]:
    nearest = {one.feature: one for one in worst.outstanding}
    found = [
        {
            "what": FEATURES[name][0].capitalize(),
            "seen": _number(name, seen),
            "usual": f"{_number(name, nearest[name].nearest)}, {nearest[name].share:.0%} of the "
            "distance" if name in nearest else "",
        }
        for name, seen in zip(FEATURES, worst.work.numbers, strict=True)
    ]  # fmt: skip
    return [
        *found,
        {"what": "Distance, in bars", "seen": f"{worst.score:.1f}",
         "usual": f"less than {UNLIKE:g}"},
        {"what": "Quarters that are unlike", "seen": str(number), "usual": "0"},
    ]  # fmt: skip


def _number(feature: str, number: float) -> str:
    return figure(number, "usd" if feature == "nano" else "")


def _of_feature(feature: str, number: float) -> str:
    said = _number(feature, number)
    return said if feature == "nano" else f"{said} {FEATURES[feature][0]}"


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def plain(evidence: dict[str, Any]) -> str:
    """Return the evidence as lines, for messages."""
    lines = [
        f"{fact['what']}: {fact['seen'] or '-'} (usual: {fact['usual'] or '-'})"
        for fact in evidence["facts"]
    ]
    return "\n".join((evidence["sentence"], *lines))
