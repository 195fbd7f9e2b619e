"""Which keys a check of each kind has, and what may stand under each. Pure.

Reports everything that is wrong, each with its line. docs/catalogue.md tells people the same.
Conditions themselves: leaves.py. What a sound check does: compliance/kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from compliance.definitions import SEVERITIES, Kind, OnEmpty
from compliance.language.durations import decimal, parse_duration
from compliance.language.errors import DefinitionError
from compliance.language.fields import ACTIONS, FIELDS, VALUES
from compliance.language.leaves import DERIVED, Leaves
from compliance.language.problems import line_of, none_of, shown
from compliance.language.yaml_lines import Exact

KINDS: Final[tuple[str, ...]] = get_args(Kind)
_NEEDED: Final = frozenset({"id", "title", "kind", "severity", "on_empty"})
_COMMON: Final = _NEEDED | {
    "params", "guards", "nil_return", "integrity_gate", "evidence", "clock", "exposure",
    "tolerance", "law", "cannot",
}  # fmt: skip
_OF_KIND: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    kind: (frozenset(needed.split()), frozenset(allowed.split()))
    for kind, needed, allowed in (
        ("each", "population pass_when", "treat_denied_as"),
        (
            "prior",
            "population",
            "match match_each key pass_when pass_now_when match_waived_when within latest "
            "unless_between bind single_use",
        ),
        (
            "followup",
            "population",
            "match variants parts within within_by deadline extend anchor order key pass_when "
            "pass_now_when match_waived_when",
        ),
        ("cadence", "match every", "also_fail_when"),
        ("gap", "population key measure max_gap", "active tail count_missing settle"),
        ("burst", "population key window count match within", "alt_key"),
        ("rate", "population numerator key min_denominator threshold", ""),
        ("forbid", "population", "violates variants"),
        ("fact", "population pass_when", "key"),
    )
}
"""Kind to the keys it needs and those it may have beside."""

DESCRIPTIVE: Final = frozenset({
    "id", "title", "severity", "on_empty", "guards", "nil_return", "integrity_gate", "law",
    "cannot",
})  # fmt: skip
"""Keys that say nothing about which items are found or how they count."""

_LIMITS: Final = ("within", "within_by", "deadline")
_PREFIXES: Final = ("matched.", "violating.")


class CheckGrammar:
    """Judges one check with one set of parameters."""

    def __init__(
        self,
        report: Callable[[int, str, str], None],
        *,
        params: Mapping[str, Any],
        lists: Mapping[str, Any],
    ) -> None:
        """Take where to say what is wrong (line, key, words), and what `$names` stand for."""
        self._say = report
        self._params = params
        self._lists = lists
        self.used: set[str] = set()
        """The parameters that were asked for."""
        self._derived = False

    def judge(self, check: Mapping[str, Any]) -> None:
        """Judge a whole check; `kind` is one of the nine."""
        kind: str = check["kind"]
        needed, allowed = _OF_KIND[kind]
        for key in check:
            if key not in _COMMON | needed | allowed:
                known = sorted(_COMMON | needed | allowed)
                self._say(line_of(check, key), key, f"no key of a {kind}; {none_of(key, known)}")
        for key in sorted((needed | _NEEDED) - check.keys()):
            self._say(line_of(check), key, f"missing; a {kind} needs it")
        population = check.get("population")
        self._derived = isinstance(population, Mapping) and "derive" in population
        for key, value in check.items():
            if key in _SHAPES and key in _COMMON | needed | allowed:
                _SHAPES[key](self, key, value, line_of(check, key), kind)
        if kind in _WHOLES:
            _WHOLES[kind](self, check)

    # ------------------------------------------------------------------ shapes of values

    def _filled(self, key: str, value: Any, line: int) -> Any:
        """Return what a value stands for; None, said once, when its `$name` is not known."""
        if not (isinstance(value, str) and value.startswith("$")):
            return value
        name = value[1:]
        if name in self._params:
            self.used.add(name)
            return self._params[name]
        if name in self._lists:
            found = self._lists[name]
            return list(found) if isinstance(found, tuple) else found
        near = get_close_matches(name, [*self._params, *self._lists], n=1)
        hint = f"did you mean ${near[0]}?" if near else "give it under params or lists"
        self._say(line, key, f"{shown(value)} stands for nothing; {hint}")
        return None

    def _condition(self, key: str, value: Any, line: int, refs: bool) -> None:
        leaves = Leaves(
            lambda where, words: self._say(where or line, key, words),
            lambda one, where: self._filled(key, one, where),
        )
        leaves.judge(value, line, refs=refs, derived=self._derived and refs)

    def plain_condition(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a condition on one entry; in each and fact its `@path` is the entry itself."""
        self._condition(key, value, line, refs=key == "pass_when" and kind in ("each", "fact"))

    def paired_condition(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a condition that ties one entry to another."""
        self._condition(key, value, line, refs=kind != "cadence")

    def population(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a population: a condition, or what is derived from one."""
        if not (isinstance(value, Mapping) and "derive" in value):
            self._condition(key, value, line, refs=False)
            return
        if kind != "prior":
            self._say(line, key, f"derive belongs to prior, not to {kind}")
        self._keys(key, value, line, {"derive", "of", "over"}, set())
        if value["derive"] not in ("first_seen", "distinct"):
            words = none_of(value["derive"], ("first_seen", "distinct"))
            self._say(line_of(value, "derive"), key, f"derive: {words}")
        if "of" in value:
            self.fields(f"{key}: of", value["of"], line_of(value, "of"), kind)
        if "over" in value:
            self._condition(f"{key}: over", value["over"], line_of(value, "over"), refs=False)

    def conditions(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a list of paired conditions."""
        if not isinstance(value, list) or not value:
            self._say(line, key, "takes a list of conditions")
            return
        for index, one in enumerate(value):
            self.paired_condition(key, one, line_of(value, index) or line, kind)

    def duration(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a duration; where microseconds are counted, an exact one."""
        value = self._filled(key, value, line)
        if value is None:
            return
        try:
            found = parse_duration(value)
        except DefinitionError as error:
            self._say(line, key, str(error))
            return
        if found.exact_us is None and kind in ("burst", "gap"):
            self._say(line, key, f'"{value}" has no exact length; write it in days or hours')

    def max_gap(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a distance: a duration, or a whole number of steps."""
        filled = self._filled(key, value, line)
        if isinstance(filled, int) and not isinstance(filled, bool):
            if filled < 1:
                self._say(line, key, f"{filled} is less than 1")
        elif filled is not None:
            self.duration(key, filled, line, kind)

    def decimal(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge a share from 0 to 1."""
        value = self._filled(key, value, line)
        if value is None:
            return
        try:
            is_share = not isinstance(value, bool) and 0 <= decimal(value) <= 1
        except DefinitionError:
            is_share = False
        if not is_share:
            self._say(line, key, f"{shown(value)} is no share from 0 to 1, such as 0.005")

    def positive(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge a whole number from 1."""
        value = self._filled(key, value, line)
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._say(line, key, f"{shown(value)} is no whole number from 1")

    def boolean(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge true or false."""
        if not isinstance(value, bool):
            self._say(line, key, f"{shown(value)} is not true or false")

    def text(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge a line of text."""
        if not isinstance(value, str) or isinstance(value, Exact) or not value.strip():
            self._say(line, key, f"{shown(value)} is no text")

    def field(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge the name of a field."""
        if value not in FIELDS:
            self._say(line, key, f"field {none_of(value, FIELDS)}")

    def fields(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a field or a list of them."""
        if not isinstance(value, list):
            self.field(key, value, line, kind)
            return
        if not value:
            self._say(line, key, "takes at least one field")
        for index, one in enumerate(value):
            self.field(key, one, line_of(value, index) or line, kind)

    def evidence(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge the fields shown: of the entry, of the one that decided, or what was derived."""
        if not isinstance(value, list):
            self._say(line, key, "takes a list of fields")
            return
        derived = {f"derived.{name}" for name in DERIVED} if self._derived else set()
        for index, one in enumerate(value):
            bare = str(one)
            for prefix in _PREFIXES:
                bare = bare.removeprefix(prefix)
            if bare not in FIELDS and one not in derived:
                self._say(line_of(value, index) or line, key, f"field {none_of(one, FIELDS)}")

    def one_of(self, *names: str) -> Callable[[str, Any, int, str], None]:
        """Return what judges a word out of these."""

        def judge(key: str, value: Any, line: int, _kind: str) -> None:
            if value not in names:
                self._say(line, key, none_of(value, names))

        return judge

    def _keys(self, key: str, value: Any, line: int, needed: set[str], allowed: set[str]) -> bool:
        """Judge the keys of a mapping; tell whether it is one."""
        if not isinstance(value, Mapping):
            self._say(line, key, f"takes {', '.join(sorted(needed | allowed))}")
            return False
        for one in value:
            if one not in needed | allowed:
                self._say(line_of(value, one), key, none_of(one, sorted(needed | allowed)))
        for one in sorted(needed - value.keys()):
            self._say(line, key, f"{one} is missing")
        return True

    # ------------------------------------------------------------------ mappings of one key

    def within_by(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge deadlines by the value of a field."""
        if not self._keys(key, value, line, {"field", "map"}, set()):
            return
        self.field(key, value.get("field"), line_of(value, "field"), kind)
        limits = value.get("map")
        if not isinstance(limits, Mapping) or not limits:
            self._say(line_of(value, "map"), key, "map: takes values and their durations")
            return
        known = VALUES.get(str(value.get("field")), frozenset())
        for name, limit in limits.items():
            if known and name not in known:
                self._say(line_of(limits, name), key, none_of(name, sorted(known)))
            self.duration(key, limit, line_of(limits, name), kind)

    def deadline(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge a deadline that runs from the end of a year."""
        if self._keys(key, value, line, {"end_of_year_of", "plus"}, set()):
            self._time_field(key, value.get("end_of_year_of"), line_of(value, "end_of_year_of"))
            self.duration(key, value.get("plus"), line_of(value, "plus"), kind)

    def anchor(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge the field, or the fields in their order, from which a deadline runs."""
        for one in value if isinstance(value, list) and value else (value,):
            self._time_field(key, one, line)

    def _time_field(self, key: str, value: Any, line: int) -> None:
        if FIELDS.get(str(value)) != "time":
            times = [name for name, shape in FIELDS.items() if shape == "time"]
            self._say(line, key, f"field {none_of(value, times)} (a time is needed)")

    def extend(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge what prolongs a deadline."""
        if not self._keys(key, value, line, {"when"}, {"by", "by_field", "only_if_within"}):
            return
        if "when" in value:
            self.paired_condition(f"{key}: when", value["when"], line_of(value, "when"), kind)
        if ("by" in value) == ("by_field" in value):
            self._say(line, key, "takes one of by and by_field")
        for one in ("by", "only_if_within"):
            if one in value:
                self.duration(f"{key}: {one}", value[one], line_of(value, one), kind)
        if "by_field" in value and FIELDS.get(str(value["by_field"])) != "number":
            self._say(line, key, f"by_field: {shown(value['by_field'])} is no field with a number")

    def active(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge between which actions a series is active."""
        if not self._keys(key, value, line, {"from", "to"}, set()):
            return
        for end in ("from", "to"):
            named = value.get(end)
            for one in named if isinstance(named, list) else (named,):
                if one not in ACTIONS:
                    self._say(line_of(value, end), key, f"{end}: action {none_of(one, ACTIONS)}")

    def violates(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge what breaks a ban and what ends it."""
        if not self._keys(key, value, line, {"later"}, {"after", "until"}):
            return
        for one in ("later", "until"):
            if one in value:
                self.paired_condition(f"{key}: {one}", value[one], line_of(value, one), kind)
        if "after" in value:
            self.duration(f"{key}: after", value["after"], line_of(value, "after"), kind)

    def exposure(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge what proves that the guarded activity took place."""
        if not isinstance(value, Mapping) or not value.keys() & {"all", "any", "not"}:
            self._say(line, key, "takes a condition and min, such as {all: [...], min: 1}")
            return
        condition = {name: part for name, part in value.items() if name != "min"}
        self._condition(key, condition, line, refs=False)
        self.positive(f"{key}: min", value.get("min", 1), line_of(value, "min"), "")

    def tolerance(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge how many failing items a check bears."""
        if not self._keys(key, value, line, set(), {"max_fail_rate", "max_fail_count"}):
            return
        if "max_fail_rate" in value:
            self.decimal(key, value["max_fail_rate"], line_of(value, "max_fail_rate"), kind)
        if "max_fail_count" in value:
            self.positive(key, value["max_fail_count"], line_of(value, "max_fail_count"), kind)

    def law(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge which parameters the law sets, and where."""
        if not isinstance(value, Mapping) or not value:
            self._say(line, key, "takes names of parameters and the article of each")
            return
        for name, article in value.items():
            if name not in self._params:
                self._say(line_of(value, name), key, f'"{name}" is none of its params')
            self.text(f"{key}: {name}", article, line_of(value, name), "")

    def parts(self, key: str, value: Any, line: int, _kind: str) -> None:
        """Judge which variants are kept."""
        value = self._filled(key, value, line)
        if value is not None and (not isinstance(value, list | tuple) or not value):
            self._say(line, key, "takes a list of names of variants")

    def variants(self, key: str, value: Any, line: int, kind: str) -> None:
        """Judge the variants of a followup or a forbid."""
        if not isinstance(value, list) or not value:
            self._say(line, key, "takes a list of variants")
            return
        names: list[Any] = []
        for index, one in enumerate(value):
            where = line_of(value, index) or line
            needed = (
                {"name", "when", "match"} if kind == "followup" else {"name", "when", "violates"}
            )
            limits = set(_LIMITS) if kind == "followup" else set()
            if not self._keys(key, one, where, needed, limits):
                continue
            names.append(one.get("name"))
            if "when" in one:
                self._condition(f"{key}: when", one["when"], line_of(one, "when"), refs=False)
            for part in ("match", "violates", *_LIMITS):
                if part in one:
                    _SHAPES[part](self, f"{key}: {part}", one[part], line_of(one, part), kind)
            if kind == "followup" and sum(limit in one for limit in _LIMITS) > 1:
                self._say(where, key, f"takes one of {', '.join(_LIMITS)}")
        for name in sorted({str(name) for name in names if names.count(name) > 1}):
            self._say(line, key, f"the name {name} stands twice")

    # ------------------------------------------------------------------ keys that go together

    def whole_prior(self, check: Mapping[str, Any]) -> None:
        """Judge what a prior needs as a whole."""
        if ("match" in check) == ("match_each" in check):
            self._say(line_of(check), "match", "a prior takes one of match and match_each")
        derive = check.get("population")
        is_first = isinstance(derive, Mapping) and derive.get("derive") == "first_seen"
        if is_first != ("key" in check):
            self._say(
                line_of(check, "key"), "key", "goes with derive: first_seen, and only with it"
            )

    def whole_followup(self, check: Mapping[str, Any]) -> None:
        """Judge what a followup needs as a whole."""
        variants = check.get("variants")
        variants = variants if isinstance(variants, list) else []
        here = sum(limit in check for limit in _LIMITS)
        if here > 1:
            self._say(line_of(check), "within", f"takes one of {', '.join(_LIMITS)}")
        bare = [
            one for one in variants if isinstance(one, Mapping) and not one.keys() & set(_LIMITS)
        ]
        if not here and (not variants or bare):
            self._say(line_of(check), "within", f"missing; a followup needs {', '.join(_LIMITS)}")
        if not variants and "match" not in check:
            self._say(line_of(check), "match", "missing; a followup needs it, or variants")
        names = {one.get("name") for one in variants if isinstance(one, Mapping)}
        parts = check.get("parts")
        filled = self._filled("parts", parts, line_of(check, "parts")) or ()
        for part in filled if isinstance(filled, list | tuple) else ():
            if part not in names:
                words = none_of(part, sorted(str(name) for name in names))
                self._say(line_of(check, "parts"), "parts", words)

    def whole_forbid(self, check: Mapping[str, Any]) -> None:
        """Judge what a forbid needs as a whole."""
        if ("violates" in check) == ("variants" in check):
            self._say(line_of(check), "violates", "a forbid takes one of violates and variants")

    def whole_gap(self, check: Mapping[str, Any]) -> None:
        """Judge what a gap needs as a whole."""
        measure = check.get("measure")
        shape = FIELDS.get(str(measure))
        if shape not in ("number", "time"):
            self._say(line_of(check, "measure"), "measure", "takes a field with a number or a time")
            return
        limit = self._filled("max_gap", check.get("max_gap"), line_of(check, "max_gap"))
        if isinstance(limit, str) == (shape == "number") and limit is not None:
            needed = "a whole number" if shape == "number" else "a duration"
            self._say(
                line_of(check, "max_gap"), "max_gap", f"takes {needed}, as measure is a {shape}"
            )
        if check.get("count_missing") and (shape != "number" or limit != 1):
            self._say(
                line_of(check, "count_missing"), "count_missing", "needs a number and max_gap: 1"
            )
        if check.get("tail") and shape != "time":
            self._say(line_of(check, "tail"), "tail", "needs a measure that is a time")


def _word(*names: str) -> Callable[[CheckGrammar, str, Any, int, str], None]:
    return lambda grammar, key, value, line, kind: grammar.one_of(*names)(key, value, line, kind)


_SHAPES: Final[Mapping[str, Callable[[CheckGrammar, str, Any, int, str], None]]] = {
    **dict.fromkeys(
        ("pass_when", "pass_now_when", "match_waived_when", "also_fail_when", "numerator"),
        CheckGrammar.plain_condition,
    ),
    **dict.fromkeys(("match", "latest", "unless_between"), CheckGrammar.paired_condition),
    **dict.fromkeys(("within", "every", "window", "settle"), CheckGrammar.duration),
    **dict.fromkeys(("count", "min_denominator"), CheckGrammar.positive),
    **dict.fromkeys(
        ("nil_return", "integrity_gate", "tail", "count_missing", "single_use"),
        CheckGrammar.boolean,
    ),
    **dict.fromkeys(("key", "alt_key", "bind"), CheckGrammar.fields),
    **dict.fromkeys(("title", "cannot"), CheckGrammar.text),
    "population": CheckGrammar.population,
    "match_each": CheckGrammar.conditions,
    "max_gap": CheckGrammar.max_gap,
    "threshold": CheckGrammar.decimal,
    "measure": CheckGrammar.field,
    "evidence": CheckGrammar.evidence,
    "within_by": CheckGrammar.within_by,
    "deadline": CheckGrammar.deadline,
    "anchor": CheckGrammar.anchor,
    "extend": CheckGrammar.extend,
    "active": CheckGrammar.active,
    "violates": CheckGrammar.violates,
    "exposure": CheckGrammar.exposure,
    "tolerance": CheckGrammar.tolerance,
    "law": CheckGrammar.law,
    "parts": CheckGrammar.parts,
    "variants": CheckGrammar.variants,
    "severity": _word(*SEVERITIES),
    "on_empty": _word(*get_args(OnEmpty)),
    "clock": _word("received_at"),
    "order": _word("any"),
    "treat_denied_as": _word("pass", "fail"),
}
_WHOLES: Final[Mapping[str, Callable[[CheckGrammar, Mapping[str, Any]], None]]] = {
    "prior": CheckGrammar.whole_prior,
    "followup": CheckGrammar.whole_followup,
    "forbid": CheckGrammar.whole_forbid,
    "gap": CheckGrammar.whole_gap,
}
