"""Read one framework: its controls, and what it sets for the checks it uses. Pure.

Called by catalogue.py when all checks are known. Reports everything that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from compliance.definitions import SEVERITIES, Check, Control, Framework, Mode, Severity, Source
from compliance.language.filling import is_leaf
from compliance.language.grammar import CheckGrammar
from compliance.language.leaves import Leaves
from compliance.language.problems import Problems, line_of, none_of, shown
from compliance.language.yaml_lines import LinedList, LinedMap, plain

CADENCE_DAYS: Final = 365
"""How long a statement holds where neither framework nor control says otherwise."""

SPECS: Final = ("S", "R", "A", "N")
_NEEDED: Final = ("id", "name", "authority", "version", "controls")
_KEYS: Final = frozenset({
    *_NEEDED, "schema", "text_policy", "params", "scope_flags", "always_flags", "gate",
    "cadence_days", "lists", "checks",
})  # fmt: skip
_CONTROL_NEEDED: Final = ("id", "title", "mode", "weight")
_CONTROL_KEYS: Final = frozenset({
    *_CONTROL_NEEDED, "area", "checks", "check_params", "check_filter", "attest", "spec", "flag",
    "note", "cadence_days",
})  # fmt: skip


class FrameworkReader:
    """Reads frameworks over one set of checks."""

    def __init__(
        self,
        problems: Problems,
        *,
        checks: Mapping[str, Check],
        raw: Mapping[str, LinedMap],
        lists: Mapping[str, Any],
    ) -> None:
        """Take the checks as they are and as they stand in their files."""
        self._problems = problems
        self._checks = checks
        self._raw = raw
        self._lists = lists
        self._file = ""
        self._id = ""

    def read(self, file: str, node: LinedMap, *, is_custom: bool) -> Framework | None:
        """Return the framework of a file; None when it has no id or no controls."""
        self._file = file
        self._id = str(node.get("id") or "")
        for key in node:
            if key not in _KEYS:
                self._say(line_of(node, key), key, none_of(key, sorted(_KEYS)))
        for key in _NEEDED:
            if node.get(key) in (None, "", []):
                self._say(line_of(node), key, "missing; a framework needs it")
        controls = node.get("controls")
        if not self._id or not isinstance(controls, LinedList):
            return None
        flags = self._words(node, "scope_flags")
        always = self._words(node, "always_flags")
        for flag in always:
            if flag not in flags:
                self._say(line_of(node, "always_flags"), "always_flags", none_of(flag, flags))
        params = self._params("params", node.get("params"), line_of(node, "params"), {})
        days = self._days(node, CADENCE_DAYS)
        return Framework(
            id=self._id,
            name=str(node.get("name")),
            authority=str(node.get("authority")),
            version=str(node.get("version")),
            params=params,
            scope_flags=flags,
            always_flags=always,
            gate=str(node.get("gate") or ""),
            controls=self._controls(controls, flags, params, days),
            is_custom=is_custom,
            source=Source(file=file, line=line_of(node, "id")),
        )

    def _say(self, line: int, *words: str) -> None:
        self._problems.add(self._file, line, self._id, *words)

    def _words(self, node: LinedMap, key: str) -> tuple[str, ...]:
        value = node.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._say(line_of(node, key), key, "takes a list of names")
            return ()
        return tuple(value)

    def _days(self, node: LinedMap, default: int) -> int:
        value = node.get("cadence_days", default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1096:
            line = line_of(node, "cadence_days")
            self._say(line, "cadence_days", f"{shown(value)} is no number of days from 1 to 1096")
            return default
        return value

    # ------------------------------------------------------------------ controls

    def _controls(
        self, nodes: LinedList, flags: tuple[str, ...], params: Mapping[str, Any], days: int
    ) -> tuple[Control, ...]:
        found: dict[str, Control] = {}
        for index, node in enumerate(nodes):
            line = line_of(nodes, index)
            if not isinstance(node, LinedMap) or not isinstance(node.get("id"), str):
                self._say(line, "controls", "each control is a mapping with an id in quotes")
                continue
            control = self._control(node, flags, params, days)
            if control is None:
                continue
            if control.id in found:
                words = f"the control stands already in {found[control.id].source}"
                self._say(line, control.id, "id", words)
            found[control.id] = control
        return tuple(found.values())

    def _control(
        self, node: LinedMap, flags: tuple[str, ...], params: Mapping[str, Any], days: int
    ) -> Control | None:
        id_: str = node["id"]
        for key in node:
            if key not in _CONTROL_KEYS:
                self._say(line_of(node, key), id_, key, none_of(key, sorted(_CONTROL_KEYS)))
        for key in _CONTROL_NEEDED:
            if node.get(key) in (None, ""):
                self._say(line_of(node), id_, key, "missing; a control needs it")
        is_sound = True
        for key, names in (
            ("mode", get_args(Mode)), ("weight", SEVERITIES), ("spec", SPECS), ("flag", flags),
        ):  # fmt: skip
            value = node.get(key)
            if value is not None and value not in names:
                self._say(line_of(node, key), id_, key, none_of(value, names))
                is_sound = is_sound and key in ("spec", "flag")
        if not is_sound or node.get("mode") is None or node.get("weight") is None:
            return None
        checks = self._checks_of(node, id_)
        self._judge_mode(node, id_, checks)
        return Control(
            id=id_,
            title=str(node.get("title")),
            area=str(node.get("area") or ""),
            mode=cast("Mode", node["mode"]),
            weight=cast("Severity", node["weight"]),
            checks=checks,
            check_params=self._check_params(node, id_, checks, params),
            check_filter=self._filter(node, id_, checks),
            attest=str(node.get("attest") or ""),
            spec=str(node.get("spec") or ""),
            flag=str(node.get("flag") or ""),
            note=str(node.get("note") or ""),
            cadence_days=self._days(node, days),
            source=Source(file=self._file, line=line_of(node, "id")),
        )

    def _checks_of(self, node: LinedMap, id_: str) -> tuple[str, ...]:
        checks = node.get("checks")
        if checks is None:
            return ()
        if not isinstance(checks, list):
            self._say(line_of(node, "checks"), id_, "checks", "takes a list of checks")
            return ()
        for index, check in enumerate(checks):
            if check not in self._raw:
                words = none_of(check, sorted(self._raw))
                self._say(line_of(checks, index), id_, "checks", words)
            elif check in checks[:index]:
                self._say(line_of(checks, index), id_, "checks", f"{check} stands twice")
        return tuple(check for check in dict.fromkeys(checks) if check in self._checks)

    def _judge_mode(self, node: LinedMap, id_: str, checks: tuple[str, ...]) -> None:
        mode, has_statement = node["mode"], bool(node.get("attest"))
        line = line_of(node, "mode")
        if mode == "manual" and node.get("checks"):
            self._say(line, id_, "mode", "manual has no checks; write partial, or leave them out")
        if mode != "manual" and not node.get("checks"):
            self._say(line, id_, "mode", f"{mode} needs checks; write manual when there are none")
        if mode == "automated" and has_statement:
            self._say(line, id_, "mode", "automated has no attest; write partial, or leave it out")
        if mode != "automated" and not has_statement:
            self._say(line, id_, "mode", f"{mode} needs attest: what management states for it")

    # ------------------------------------------------------------------ parameters and filter

    def _check_params(
        self, node: LinedMap, id_: str, checks: tuple[str, ...], params: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any]]:
        given = node.get("check_params")
        if isinstance(given, LinedMap):
            for check in given:
                if check in self._checks and check not in checks:
                    words = f"{check}: the control does not use this check"
                    self._say(line_of(given, check), id_, "check_params", words)
        return self._params("check_params", given, line_of(node, "check_params"), params, id_)

    def _params(
        self, key: str, given: Any, line: int, outer: Mapping[str, Any], about: str = ""
    ) -> Mapping[str, Mapping[str, Any]]:
        if given is None:
            return {}
        if not isinstance(given, LinedMap):
            self._say(line, about, key, "takes checks and their parameters")
            return {}
        found: dict[str, Mapping[str, Any]] = {}
        for check, values in given.items():
            where = line_of(given, check)
            if check not in self._raw:
                self._say(where, about, key, none_of(check, sorted(self._raw)))
            elif not isinstance(values, LinedMap):
                self._say(where, about, key, f"{check}: takes names and their values")
            elif check in self._checks:
                self._judge_params(key, check, values, outer.get(check, {}), about)
                found[check] = plain(values)
        return found

    def _judge_params(
        self, key: str, check: str, values: LinedMap, outer: Mapping[str, Any], about: str
    ) -> None:
        """Judge the check once more, as it is with these values."""
        defaults = self._checks[check].params
        for name, value in values.items():
            line = line_of(values, name)
            if name not in defaults:
                words = none_of(name, sorted(defaults)) if defaults else "it has no params"
                self._say(line, about, key, check, words)
            elif isinstance(value, list) != isinstance(defaults[name], list):
                form = "values in [ ]" if isinstance(defaults[name], list) else "one value"
                self._say(line, about, key, check, f"{name}: takes {form}")
        if not values.keys() <= defaults.keys():
            return
        first = line_of(values, next(iter(values), None))
        grammar = CheckGrammar(
            lambda _line, part, words: self._say(first, about, key, check, part, words),
            params={**defaults, **outer, **values},
            lists=self._lists,
        )
        grammar.judge(self._raw[check])

    def _filter(self, node: LinedMap, id_: str, checks: tuple[str, ...]) -> Any | None:
        condition = node.get("check_filter")
        if condition is None:
            return None
        line = line_of(node, "check_filter")
        leaves = Leaves(
            lambda where, words: self._say(where or line, id_, "check_filter", words),
            lambda value, where: self._listed(value, where or line, id_),
        )
        leaves.judge(condition, line, refs=False, derived=False)
        for check in checks:
            if "population" not in self._raw[check]:
                words = f"{check} has no population to filter"
                self._say(line, id_, "check_filter", words)
        found = plain(condition)
        return {"all": [found]} if is_leaf(found) else found

    def _listed(self, value: Any, line: int, id_: str) -> Any:
        if not (isinstance(value, str) and value.startswith("$")):
            return value
        if value[1:] in self._lists:
            return list(self._lists[value[1:]])
        known = [f"${name}" for name in self._lists]
        self._say(line, id_, "check_filter", none_of(value, known))
        return None
