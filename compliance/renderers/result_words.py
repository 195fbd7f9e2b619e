"""Say the result of a test as an auditor reads it. Pure.

The one place that turns the state and counts of a leg into the wording of the tests-and-results
table. Every word follows a state, a count or a flag of the sealed result; never a judgement of its
own, and never that anything conforms to a framework. What a state of a leg is: compliance/judge.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from compliance.renderers.written import NONE, many, number, short_name

STATEMENT: Final = "statement"
"""The id of a leg that rests on management's word."""
NO_EXCEPTIONS: Final = "No exceptions noted"
NOT_OCCURRED: Final = "No occurrence in the period; not tested"
INSUFFICIENT: Final = "Insufficient evidence"
DESIGN_ONLY: Final = "Operated outside the period; design only"

STATE_MEANS: Final = {
    "fail": "More failed than the test's limits bear.",
    "error": "The test could not be computed; it counts like a failure.",
    "no_data": "Nothing that could be judged was recorded; it earns nothing and caps like a "
    "failure.",
    "pending": "Nothing is decided yet; it is out of the sums and always listed.",
    "waived": "It failed, and two people accept the failures until a date; it earns nothing.",
    "not_occurred": "Nothing of the kind happened, and the tests that guard that claim hold.",
    "not_applicable": "Out of scope by a decision on record, or the framework does not apply.",
    "pass": "Tested, and within the test's limits.",
}
"""Each state of a leg, the worst first."""
_STATES_SAID: Final = {
    "fail": "fails",
    "error": "could not be computed",
    "no_data": "has no data",
    "not_occurred": "saw nothing of the kind",
    "not_applicable": "is out of scope",
}
_STATE_SAID: Final = re.compile(rf"\bis ({'|'.join(_STATES_SAID)})\b")
MODE_WORDS: Final = {
    "automated": "automated",
    "partial": "automated and statement",
    "manual": "statement",
}
TYPE_OF_STATEMENT: Final = "Inspection of a signed statement"
TYPES: Final = {
    "full population": "Full population",
    "reperformed": "Reperformed, full population",
    "inspected": "Inspected, full population",
}


def leg_result(leg: Mapping[str, Any], *, design_only: bool = False) -> str:
    """Return the result of a leg in words, with what is waived or open beside it.

    `leg` is one of the sealed result's; `design_only` is that of its lens. Raises KeyError for a
    state that is none of result.STATES.
    """
    words = _OF_STATEMENT if leg["id"] == STATEMENT else _OF_CHECK
    said = words[leg["state"]](leg)
    if leg["state"] == "pass" and design_only and not leg["f"]:
        said = DESIGN_ONLY
    if leg["waived"] and leg["state"] != "waived":
        said += f"; {number(leg['waived'])} more failed and {_is(leg['waived'])} waived"
    if leg["pending"] and leg["state"] != "pending":
        said += f"; {many(leg['pending'], 'item')} pending"
    if leg["shown_only"]:
        said += " (shown only: a signed reasoning stands in its place)"
    return said


def counts(leg: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return population N, tested n and deviations F of a leg; NONE where nothing is counted.

    Every item of a population is tested, so N and n are one number; an item that is not decided
    yet belongs to no population yet.
    """
    if leg["id"] == STATEMENT or leg["state"] == "not_applicable":
        return NONE, NONE, NONE
    return number(leg["n"]), number(leg["n"]), number(leg["f"])


def capping_words(cap: Mapping[str, Any], severity: str) -> str:
    """Return how a leg caps the score: `a critical test failed`."""
    what = "statement" if cap["leg"] == STATEMENT else "test"
    verbs = {
        "fail": "failed",
        "no_data": "has no data",
        "error": "could not be computed",
    }
    return f"a {severity} {what} {verbs[cap['state']]}"


def band(numbers: Mapping[str, Any]) -> str:
    """Return the band with a capital letter; NONE without a score."""
    found: str | None = numbers["band"]
    return NONE if found is None else found.capitalize()


def headline(name: str, result: Mapping[str, Any]) -> str:
    """Return the sentence that says the result of a framework first."""
    numbers, name = result["numbers"], short_name(name)
    if result["not_in_force"]:
        return f"{name} is {_plain_end(result['not_in_force'])}"
    if numbers["evidenced"] is None:
        return f"{name} has no score: {_plain_end(reason(numbers['reason']))}"
    said = f"{name}: {numbers['evidenced']} of 100 is evidenced. Band: {numbers['band']}."
    count = len(numbers["capped_by"])
    if not count:
        return f"{said} Nothing caps it."
    legs = "One leg caps" if count == 1 else f"{count:,} legs cap"
    return f"{said} {legs} it at {numbers['cap']}."


def reason(said: str) -> str:
    """Return why something is as it is, states of other tests in words: `MON-01 has no data`."""
    return _STATE_SAID.sub(lambda found: _STATES_SAID[found[1]], said)


def _exceptions(leg: Mapping[str, Any]) -> str:
    if not leg["n"]:
        return "Exception noted: nothing was recorded, and its absence breaks the control"
    return f"Exceptions noted: {number(leg['f'])} of {number(leg['n'])}"


def _passed(leg: Mapping[str, Any]) -> str:
    return f"{_exceptions(leg)}, within the test's limits" if leg["f"] else NO_EXCEPTIONS


def _waived(leg: Mapping[str, Any]) -> str:
    taken = leg["waived"] or leg["f"]
    if not leg["n"] or not taken:
        return f"{INSUFFICIENT}; the whole test is waived"
    failed = leg["waived"] + leg["f"]
    said = f"Exceptions noted: {number(failed)} of {number(leg['n'])}"
    return f"{said}; {number(taken)} waived" if taken != failed else f"{said}, all waived"


def _pending(leg: Mapping[str, Any]) -> str:
    return f"Not decided: {many(leg['pending'], 'item')} pending; not tested"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _plain_end(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


_OF_CHECK: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "pass": _passed,
    "fail": _exceptions,
    "waived": _waived,
    "pending": _pending,
    "not_occurred": lambda _: NOT_OCCURRED,
    "no_data": lambda _: INSUFFICIENT,
    "error": lambda _: f"{INSUFFICIENT}: the test could not be computed",
    "not_applicable": lambda _: "Out of scope; not tested",
}
_OF_STATEMENT: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "pass": lambda _: "Signed statement in force; its substance is not tested here",
    "fail": lambda _: "Exception noted on the statement",
    "waived": lambda _: f"{INSUFFICIENT}; the statement is waived",
    "pending": _pending,
    "not_occurred": lambda _: NOT_OCCURRED,
    "no_data": lambda _: INSUFFICIENT,
    "error": lambda _: f"{INSUFFICIENT}: the statement could not be read",
    "not_applicable": lambda _: "Out of scope; nothing stated",
}
