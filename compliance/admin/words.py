"""Put results into words for pages: one sentence, what caps, what changed. Pure.

Takes results as JSON (compliance.result.as_json), so that a sealed one of last year reads as it did
then. Never a judgement of its own: every word follows a state, a band or a number of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

VERBS: Final = {
    "pass": "passes",
    "fail": "fails",
    "pending": "waits for items that are not due yet",
    "no_data": "has no data",
    "not_occurred": "had nothing to look at, as it should be",
    "error": "could not be computed",
    "waived": "is waived",
    "not_applicable": "does not apply",
}
"""What a leg in each state does."""
BAND_STATES: Final = {
    "strong": "strong",
    "needs work": "needs_work",
    "weak": "weak",
    "not enough evidence": "not_enough",
}
"""The badge of each band (audit.templatetags.desk)."""
NO_SCORE: Final = "no_score"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A leg whose state is not what it was."""

    control: str
    leg: str
    before: str
    after: str
    """A state, or empty when the leg is new or gone."""


def short_name(name: str) -> str:
    """Return what people call a framework: its name without what stands in brackets."""
    return name.partition(" (")[0]


def headline(name: str, result: Mapping[str, Any]) -> str:
    """Return the sentence that opens a page about a framework."""
    numbers = result["numbers"]
    if result["not_in_force"]:
        return f"{name} does not apply: {result['not_in_force']}."
    if numbers["evidenced"] is None:
        return f"{name} has no score: {numbers['reason'] or 'nothing could be tested'}."
    said = f"{name}: {numbers['evidenced']} of 100 is evidenced, {numbers['band']}"
    count = len(numbers["capped_by"])
    if count:
        legs = "one leg keeps" if count == 1 else f"{count:,} legs keep"
        return f"{said}; {legs} it at {numbers['cap']} at most."
    return f"{said}; nothing caps it."


def band_badge(result: Mapping[str, Any]) -> str:
    """Return the state whose badge stands for the band; of no score, that there is none."""
    if result["not_in_force"]:
        return "not_applicable"
    band = result["numbers"]["band"]
    return NO_SCORE if band is None else BAND_STATES[band]


def control_line(control: Mapping[str, Any]) -> str:
    """Return the sentence that opens a page about a control."""
    legs = [leg for leg in control["legs"] if not leg["shown_only"]]
    bad = [leg for leg in legs if leg["state"] in {"fail", "error", "no_data"}]
    said = f"{control['id']}, {control['title']}"
    if not bad:
        return f"{said}: {VERBS[control['state']]}."
    which = "one of its" if len(bad) == 1 else f"{len(bad):,} of its"
    legs_word = "leg" if len(legs) == 1 else "legs"
    whole = "its only leg" if len(legs) == 1 else f"{which} {len(legs):,} {legs_word}"
    return f"{said}: {whole} {_together(bad)}."


def check_line(check: str, title: str, leg: Mapping[str, Any]) -> str:
    """Return the sentence that opens a page about a check."""
    said = f"{check}, {title}"
    if leg["state"] == "fail" and leg["n"]:
        return f"{said}: {leg['f']:,} of {leg['n']:,} items failed."
    if leg["state"] == "pass" and leg["n"]:
        failed = f"{leg['f']:,} failed, within the tolerance" if leg["f"] else "none failed"
        return f"{said}: {leg['n']:,} item{'s' if leg['n'] != 1 else ''}, {failed}."
    return f"{said} {VERBS[leg['state']]}."


def period(result: Mapping[str, Any]) -> str:
    """Return the period in words, its last day included."""
    last = date.fromisoformat(result["to"]) - timedelta(days=1)
    if result["from"] == last.isoformat():
        return str(result["from"])
    return f"{result['from']} to {last.isoformat()}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the legs whose state changed between two results, in the order of the later one."""
    old, new = _states(before), _states(after)
    changed = [
        Change(control=control, leg=leg, before=old.get((control, leg), ""), after=state)
        for (control, leg), state in new.items()
        if old.get((control, leg)) != state
    ]
    gone = [
        Change(control=control, leg=leg, before=state, after="")
        for (control, leg), state in old.items()
        if (control, leg) not in new
    ]
    return changed + gone


def command(result: Mapping[str, Any], *, from_scratch: bool = False) -> str:
    """Return the shell line that computes the same result again."""
    words = [
        "manage.py evaluate",
        result["framework"],
        f"--from {result['from']}",
        f"--to {result['to']}",
        f"--ledger {result['ledger']}",
    ]
    if result["environment"] != "prod":
        words.append(f"--environment {result['environment'] or 'all'}")
    if result["agent"]:
        words.append(f"--agent {_quoted(result['agent'])}")
    if from_scratch:
        words.append("--from-scratch")
    return " ".join(words)


def first_command(framework: str, ledger: str, start: date, end: date) -> str:
    """Return the shell line that computes a framework before its first posture."""
    return f"manage.py evaluate {framework} --from {start} --to {end} --ledger {ledger}"


def _together(legs: Sequence[Mapping[str, Any]]) -> str:
    states = {leg["state"] for leg in legs}
    plural = len(legs) > 1
    if states == {"fail"}:
        return "fail" if plural else "fails"
    if "fail" not in states:
        return "have no data" if plural else "has no data"
    return "fail or have no data"


def _states(result: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (control["id"], leg["id"]): leg["state"]
        for control in result["controls"]
        for leg in control["legs"]
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
