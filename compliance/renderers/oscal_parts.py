"""Write the small pieces of OSCAL: ids, tokens, lines of text, properties. Pure.

    uuid        version 5 of the report's id and a path, such as observation/<lens>: the same
                report names the same thing the same way wherever it is made
    token       a control's id as OSCAL can write it: `164.308(a)(1)` of hipaa becomes
                hipaa_164.308_a_1; two that would meet get the first of their SHA-256 behind them
    line        text of one line that is not empty, since OSCAL refuses others
    property    a name and a value in the namespace below

Used by oscal_plan.py, oscal_results.py and oscal.py, which say what the pieces mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeAlias
from uuid import NAMESPACE_URL, uuid5

Json: TypeAlias = dict[str, Any]

NAMESPACE: Final = "urn:obsplatform:oscal:1"
"""Of the properties and parts that are ours; docs/reports.md says what each means."""

VERSION: Final = "1.2.1"
"""Of OSCAL."""

NOTHING: Final = "(empty)"
"""Stands where OSCAL wants text and the report has none."""

_NOT_IN_TOKEN: Final = re.compile(r"[^A-Za-z0-9.-]+")
_SPACES: Final = re.compile(r"\s+")


def uuid_of(report_id: str, path: str) -> str:
    """Return the UUID of a part of a report."""
    return str(uuid5(uuid5(NAMESPACE_URL, f"{NAMESPACE}:{report_id}"), path))


def tokens_of(framework: str, ids: Sequence[str]) -> dict[str, str]:
    """Return each id as an OSCAL token, no two the same; `ids` are all different."""
    plain = {each: _token(framework, each) for each in ids}
    taken = Counter(plain.values())
    return {
        each: token if taken[token] == 1 else f"{token}-{sha256(each.encode()).hexdigest()[:12]}"
        for each, token in plain.items()
    }


def _token(framework: str, text: str) -> str:
    parts = (_NOT_IN_TOKEN.sub("_", each).strip("_") for each in (framework, text))
    joined = "_".join(parts)
    return joined if joined[:1].isalpha() else f"_{joined}"


def line(text: str) -> str:
    """Return text on one line, without control characters, never empty."""
    shown = text
    if not text.isprintable():  # what is printable has none of them; nearly every text is
        shown = "".join(" " if unicodedata.category(each) in _BREAKS else each for each in text)
    return _SPACES.sub(" ", shown).strip() or NOTHING


_BREAKS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def prose(text: str) -> str:
    """Return text that may have several lines, never empty."""
    return "\n".join(map(line, text.splitlines())) or NOTHING


def prop(name: str, value: str | int) -> Json:
    """Return a property of ours."""
    return {"name": name, "ns": NAMESPACE, "value": line(str(value))}


def props(values: Mapping[str, str | int | None]) -> list[Json]:
    """Return a property for each value that there is."""
    return [prop(name, value) for name, value in values.items() if value not in (None, "")]


def filled(**fields: Any) -> Json:
    """Return an object without the fields that are empty, which OSCAL refuses.

    An underscore in a name becomes a hyphen, one at its end (`class_`) goes.
    """
    return {
        name.rstrip("_").replace("_", "-"): value
        for name, value in fields.items()
        if value not in (None, "", [], {})
    }


def end_of(day: str) -> str:
    """Return the last moment of a day as text: a deadline given as a day ends with it."""
    return f"{day}T23:59:59.999999Z"


def start_of(day: str) -> str:
    """Return the first moment of a day as text."""
    return f"{day}T00:00:00.000000Z"


def refer(name: str, uuids: Iterable[str]) -> list[Json]:
    """Return objects that refer to others, each once, such as observation-uuid."""
    return [{name: each} for each in dict.fromkeys(uuids)]
