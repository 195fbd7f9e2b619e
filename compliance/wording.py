"""Put the definition of a check into words: what is looked at, what passes, within what. Pure.

Made from the definition alone, so that words and behaviour cannot part. Pages, API, the command
`catalog show` and docs/controls.md use it. Field names stay as they are, since whoever reads on
looks for them in an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from compliance.definitions import Catalogue, Check
from compliance.language.durations import parse_duration
from compliance.language.errors import DefinitionError
from compliance.language.filling import is_leaf

MOST_VALUES: Final = 12
"""Values of a list that are named; of more, the first and how many more there are."""

_OPS: Final[Mapping[str, str]] = {
    "eq": "is", "ne": "is not", "in": "is one of", "not_in": "is none of",
    "gt": "is more than", "gte": "is at least", "lt": "is less than", "lte": "is at most",
    "prefix": "begins with", "glob": "looks like", "has": "holds", "overlaps": "holds any of",
    "subset_of": "holds nothing but", "superset_of": "holds all of", "same": "is the same as",
}  # fmt: skip


_UNITS: Final = {
    (True, "H"): "hour",
    (True, "M"): "minute",
    (True, "S"): "second",
    (False, "D"): "day",
    (False, "M"): "month",
    (False, "Y"): "year",
}
"""By whether a time of day is counted, and the letter."""


def in_words(check: Check, catalogue: Catalogue | None = None) -> str:
    """Return the definition of a check as sentences.

    With a catalogue, its lists are spelled out; without, they are named.
    """
    words = _Words(check.params, catalogue.lists if catalogue is not None else {})
    definition = check.definition
    sentences = [_KINDS[check.kind](words, definition), *_more(words, definition)]
    if check.nil_return:
        sentences.append("That there was none needs a signed statement.")
    return " ".join(sentences)


def population_in_words(check: Check, catalogue: Catalogue | None = None) -> str:
    """Return which entries, values or days a check looks at, one item each."""
    words = _Words(check.params, catalogue.lists if catalogue is not None else {})
    definition = check.definition
    if "population" not in definition:
        return "each day of the period"
    if check.kind in ("each", "prior", "followup", "forbid", "fact"):
        return words.population(definition["population"])
    which = words.condition(definition["population"])
    if check.kind == "rate":
        return (
            f"each day of each {' and '.join(_listed(definition['key']))}, of entries where {which}"
        )
    return f"entries where {which}"


def value_in_words(value: Any) -> str:
    """Return a limit as a person reads it: 72 hours, 0.01, a list of names."""
    words = _Words({}, {})
    return words.duration(value) if isinstance(value, str) else words.value(value)


class _Words:
    """Words for the parts of one check."""

    def __init__(self, params: Mapping[str, Any], lists: Mapping[str, Sequence[Any]]) -> None:
        self._params = params
        self._lists = lists

    def condition(self, node: Any, *, inner: bool = False) -> str:
        """Return a condition in words; `inner`: in brackets where it joins several."""
        if is_leaf(node):
            return self._leaf(node)
        ((name, part),) = node.items()
        if name == "not":
            return f"not ({self.condition(part)})"
        if not part:
            return "anything holds"
        joined = (" and " if name == "all" else " or ").join(
            self.condition(one, inner=True) for one in part
        )
        return f"({joined})" if inner and len(part) > 1 else joined

    def population(self, node: Mapping[str, Any]) -> str:
        """Return which entries, or which values, are looked at."""
        if "derive" not in node:
            return f"each entry where {self.condition(node)}"
        fields = " or ".join(_listed(node["of"]))
        over = self.condition(node["over"])
        if node["derive"] == "distinct":
            return f"each value of {fields}, once a day, in entries where {over}"
        return f"each value of {fields} that is new to its series, in entries where {over}"

    def value(self, value: Any) -> str:
        """Return what a value, a parameter, a list or a field of the other entry is called."""
        if isinstance(value, str) and value.startswith("@derived."):
            return "the " + value.removeprefix("@derived.")
        if isinstance(value, str) and value.startswith("@"):
            return f"the event's {value[1:]}"
        if isinstance(value, str) and value.startswith("$"):
            name = value[1:]
            if name in self._params:
                return self.value(self._params[name])
            return self._list(self._lists[name]) if name in self._lists else f"the list {name}"
        if isinstance(value, list | tuple):
            return self._list(value)
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)

    def duration(self, value: Any) -> str:
        """Return a duration in words: 24 hours, 7 days, 1 month."""
        text = self.value(value)
        try:
            parse_duration(text)
        except DefinitionError:
            return text
        many = "".join(character for character in text if character.isdigit())
        unit = _UNITS[text[:2] == "PT", text[-1]]
        return f"{many} {unit}" if many == "1" else f"{many} {unit}s"

    def limit(self, part: Mapping[str, Any]) -> str:
        """Return the deadline of a followup or of a variant of it."""
        if "within_by" in part:
            rule = part["within_by"]
            limits = ", ".join(f"{v}: {self.duration(d)}" for v, d in rule["map"].items())
            return f"in time for its {rule['field']} ({limits})"
        if "deadline" in part:
            rule = part["deadline"]
            plus = self.duration(rule["plus"])
            return f"within {plus} of the end of the year of {rule['end_of_year_of']}"
        return f"within {self.duration(part['within'])}"

    def _list(self, values: Sequence[Any]) -> str:
        named = [self.value(value) for value in values[:MOST_VALUES]]
        more = len(values) - len(named)
        return ", ".join(named) + (f" and {more} more" if more > 0 else "")

    def _leaf(self, leaf: Sequence[Any]) -> str:
        path, op, value = leaf
        if op in ("exists", "missing"):
            return f"{path} is {'given' if op == 'exists' else 'not given'}"
        return f"{path} {_OPS[op]} {self.value(value)}"


def _listed(value: Any) -> Sequence[str]:
    return value if isinstance(value, list | tuple) else (value,)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _and_passes(words: _Words, definition: Mapping[str, Any]) -> str:
    return (
        f", and only when {words.condition(definition['pass_when'])}"
        if "pass_when" in definition
        else ""
    )


def _each(words: _Words, definition: Mapping[str, Any]) -> str:
    passes = words.condition(definition["pass_when"])
    return f"{_upper(words.population(definition['population']))} passes when {passes}."


def _prior(words: _Words, definition: Mapping[str, Any]) -> str:
    said = [f"{_upper(words.population(definition['population']))}"]
    before = (
        f", at most {words.duration(definition['within'])} before" if "within" in definition else ""
    )
    if "latest" in definition:
        newest = words.condition(definition["latest"])
        said.append(
            f" passes when the newest entry before it where {newest}{before} says that "
            f"{words.condition(definition['match'])}"
        )
    else:
        matches = definition.get("match_each") or [definition["match"]]
        needed = ", and one where ".join(words.condition(match) for match in matches)
        said.append(f" passes when there is an earlier entry{before}, where {needed}")
    if "bind" in definition:
        said.append(f", of the same {' and '.join(_listed(definition['bind']))}")
    said.append(_and_passes(words, definition))
    if definition.get("single_use"):
        said.append("; an earlier entry serves once")
    return "".join(said) + "."


def _followup(words: _Words, definition: Mapping[str, Any]) -> str:
    population = _upper(words.population(definition["population"]))
    if "key" in definition:
        population += f", the first of each {' and '.join(_listed(definition['key']))},"
    order = "before or after it" if definition.get("order") == "any" else "after it"
    start = ""
    if "anchor" in definition:
        start = f" of {' or '.join(_listed(definition['anchor']))}"
    parts = []
    for variant in definition.get("variants") or [definition]:
        limits = variant if variant.keys() & {"within", "within_by", "deadline"} else definition
        match = words.condition({**definition, **variant}["match"])
        from_ = "" if "deadline" in limits else start
        when = f"where {words.condition(variant['when'])}, " if "when" in variant else ""
        parts.append(f"{when}{words.limit(limits)}{from_} and {order} an entry where {match}")
    needs = "; ".join(parts)
    return f"{population} passes when there is, {needs}{_and_passes(words, definition)}."


def _cadence(words: _Words, definition: Mapping[str, Any]) -> str:
    match = words.condition(definition["match"])
    every = words.duration(definition["every"])
    return f"Each day passes when an entry where {match} lies in the {every} up to its end."


def _gap(words: _Words, definition: Mapping[str, Any]) -> str:
    series = " and ".join(_listed(definition["key"]))
    which = words.condition(definition["population"])
    measure = definition["measure"]
    if definition.get("count_missing"):
        return (
            f"Of entries where {which}, each {measure} of a {series} must be there, none missing."
        )
    limit = words.duration(definition["max_gap"])
    return (
        f"From one entry to the next of the same {series}, where {which}, {measure} moves on by "
        f"at most {limit}."
    )


def _burst(words: _Words, definition: Mapping[str, Any]) -> str:
    which = words.condition(definition["population"])
    series = " and ".join(_listed(definition["key"]))
    if "alt_key" in definition:
        series += f", or of the same {' and '.join(_listed(definition['alt_key']))}"
    return (
        f"{words.value(definition['count'])} entries of the same {series} within "
        f"{words.duration(definition['window'])}, where {which}, pass when within "
        f"{words.duration(definition['within'])} there is an entry where "
        f"{words.condition(definition['match'])}."
    )


def _rate(words: _Words, definition: Mapping[str, Any]) -> str:
    return (
        f"Of the entries of each {' and '.join(_listed(definition['key']))} and day where "
        f"{words.condition(definition['population'])}, at most a share of "
        f"{words.value(definition['threshold'])} may be such that "
        f"{words.condition(definition['numerator'])}; days with fewer than "
        f"{words.value(definition['min_denominator'])} are not judged."
    )


def _forbid(words: _Words, definition: Mapping[str, Any]) -> str:
    said = []
    for variant in definition.get("variants") or [definition]:
        rule = variant["violates"]
        after = f" more than {words.duration(rule['after'])}" if "after" in rule else ""
        until = f", until one where {words.condition(rule['until'])}" if "until" in rule else ""
        when = f"where {words.condition(variant['when'])}, " if "when" in variant else ""
        said.append(
            f"{when}there is{after} later an entry where {words.condition(rule['later'])}{until}"
        )
    return f"{_upper(words.population(definition['population']))} fails if {'; or '.join(said)}."


def _fact(words: _Words, definition: Mapping[str, Any]) -> str:
    key = ""
    if "key" in definition:
        key = f" The last one of each {' and '.join(_listed(definition['key']))} stays in force."
    return _each(words, definition) + key


def _more(words: _Words, definition: Mapping[str, Any]) -> list[str]:
    """Return the sentences on what lifts, voids, prolongs or bears."""
    found = []
    for name in ("pass_now_when", "match_waived_when"):
        if name in definition:
            found.append(f"No such entry is needed when {words.condition(definition[name])}.")
    if "unless_between" in definition:
        voids = words.condition(definition["unless_between"])
        found.append(f"An entry in between where {voids} voids it.")
    if "extend" in definition:
        found.append(_extended(words, definition["extend"]))
    if "active" in definition:
        begins, ends = definition["active"]["from"], definition["active"]["to"]
        found.append(
            f"It counts from {' or '.join(_listed(begins))} to {' or '.join(_listed(ends))}."
        )
    if definition.get("tail"):
        found.append("What ends in silence fails as well.")
    if "also_fail_when" in definition:
        also = words.condition(definition["also_fail_when"])
        found.append(f"Any entry where {also} fails it until a finding about it is closed.")
    if "treat_denied_as" in definition:
        verdict = {"pass": "passes", "fail": "fails"}[definition["treat_denied_as"]]
        found.append(f"What was denied {verdict}.")
    tolerance = definition.get("tolerance") or {}
    if "max_fail_rate" in tolerance:
        rate = words.value(tolerance["max_fail_rate"])
        found.append(f"A share of failures of at most {rate} is borne, over all and by agent.")
    if "max_fail_count" in tolerance:
        found.append(f"At most {words.value(tolerance['max_fail_count'])} failures are borne.")
    if definition.get("clock") == "received_at":
        found.append("Days go by arrival.")
    return found


def _extended(words: _Words, rule: Mapping[str, Any]) -> str:
    by = f"by {words.duration(rule['by'])}" if "by" in rule else f"by {rule['by_field']} days"
    only = (
        f", when it came within {words.duration(rule['only_if_within'])}"
        if "only_if_within" in rule
        else ""
    )
    return f"An entry where {words.condition(rule['when'])} prolongs it {by}{only}."


_KINDS: Final[Mapping[str, Callable[[_Words, Mapping[str, Any]], str]]] = {
    "each": _each, "prior": _prior, "followup": _followup, "cadence": _cadence, "gap": _gap,
    "burst": _burst, "rate": _rate, "forbid": _forbid, "fact": _fact,
}  # fmt: skip
