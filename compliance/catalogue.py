"""Read checks, lists and frameworks from YAML, judge them whole, and say all that is wrong. Pure.

Files of two forms: `schema: obs-checks/1` (lists and checks) and `schema: obs-framework/1` (one
framework with its controls, and checks of its own if it needs any). docs/catalogue.md shows both.
Nothing is half in force: `load_catalogue` returns a sound catalogue or raises with every problem.

Reads the folders it is given and nothing else. What a check may say: language/grammar.py.
What becomes of it: lenses.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast, get_args

from compliance.definitions import Catalogue, Check, Framework, OnEmpty, Severity, Source
from compliance.frameworks import FrameworkReader
from compliance.language.grammar import KINDS, CheckGrammar
from compliance.language.problems import Problems, line_of, none_of, shown
from compliance.language.yaml_lines import LinedMap, Problem, plain, read_yaml

SHIPPED: Final = Path(__file__).parent / "catalog"
CHECKS: Final = "obs-checks/1"
FRAMEWORK: Final = "obs-framework/1"

_TOP: Final = frozenset({"schema", "version", "default_guards", "lists", "checks"})


class CatalogueError(ValueError):
    """The catalogue is not sound."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Take a line a problem, `file:line: key: what and the way out`."""
        super().__init__("\n".join(problems))
        self.problems = problems


def load_catalogue(
    folders: Sequence[Path] = (SHIPPED,), *, texts: Mapping[str, bytes] | None = None
) -> Catalogue:
    """Return the catalogue of all `*.yaml` of the folders and of the texts (name to content).

    Raises CatalogueError with everything that is wrong. OSError when a folder cannot be read.
    """
    problems = Problems()
    files = _files(folders, texts or {}, problems)
    reader = _Reader(problems)
    for name, text, is_shipped in files:
        reader.take(name, text, is_shipped=is_shipped)
    catalogue = reader.catalogue(_digest(files))
    if problems:
        raise CatalogueError(problems.lines())
    return catalogue


def _files(
    folders: Sequence[Path], texts: Mapping[str, bytes], problems: Problems
) -> list[tuple[str, bytes, bool]]:
    """Return name, content and whether it is ours, of each file; ours first."""
    found: list[tuple[str, bytes, bool]] = []
    for folder in folders:
        is_shipped = folder.resolve() == SHIPPED
        if not folder.is_dir():
            problems.add(str(folder), 0, "there is no such folder; make it, or leave it out")
            continue
        for path in sorted(folder.glob("*.yaml")):
            name = path.name if is_shipped else f"{folder.name}/{path.name}"
            found.append((name, path.read_bytes(), is_shipped))
    return found + [(name, text, False) for name, text in sorted(texts.items())]


def _digest(files: Sequence[tuple[str, bytes, bool]]) -> str:
    digest = sha256()
    for name, text, _ in files:
        digest.update(b"%d:%b%d:%b" % (len(name.encode()), name.encode(), len(text), text))
    return digest.hexdigest()


class _Reader:
    """Takes one file after the other, and in the end judges what only all of them show."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._version = ""
        self._default_guards: tuple[str, ...] = ()
        self._lists: dict[str, tuple[Any, ...]] = {}
        self._raw: dict[str, tuple[str, LinedMap]] = {}
        self._checks: dict[str, Check] = {}
        self._frameworks: list[tuple[str, LinedMap, bool]] = []

    def take(self, name: str, text: bytes, *, is_shipped: bool) -> None:
        """Take in a file."""
        try:
            node, found = read_yaml(text)
        except Problem as unreadable:
            self._problems.add(name, unreadable.line, str(unreadable))
            return
        for problem in found:
            self._problems.add(name, problem.line, str(problem))
        if not isinstance(node, LinedMap):
            self._problems.add(name, 1, f"the file must begin with schema: {CHECKS} or {FRAMEWORK}")
            return
        schema = node.get("schema")
        if schema not in (CHECKS, FRAMEWORK):
            words = none_of(schema, (CHECKS, FRAMEWORK))
            self._problems.add(name, line_of(node, "schema"), "schema", words)
            return
        if schema == FRAMEWORK:
            self._frameworks.append((name, node, is_shipped))
        else:
            self._take_checks_file(name, node)
        self._take_lists(name, node.get("lists"))
        self._take_checks(name, node.get("checks"))

    def _take_checks_file(self, name: str, node: LinedMap) -> None:
        for key in node:
            if key not in _TOP:
                self._problems.add(name, line_of(node, key), key, none_of(key, sorted(_TOP)))
        if not self._version:
            self._version = str(node.get("version") or "")
        guards = node.get("default_guards")
        if guards is not None:
            if self._default_guards or not isinstance(guards, list):
                line = line_of(node, "default_guards")
                self._problems.add(name, line, "default_guards", "takes one list, in one file")
                return
            self._default_guards = tuple(str(guard) for guard in guards)

    def _take_lists(self, name: str, lists: Any) -> None:
        if lists is None:
            return
        if not isinstance(lists, LinedMap):
            self._problems.add(name, 1, "lists", "takes names and their values")
            return
        for key, values in lists.items():
            line = line_of(lists, key)
            if key in self._lists:
                self._problems.add(name, line, f"lists: {key}", "another list has this name")
            elif not isinstance(values, list) or not values:
                self._problems.add(name, line, f"lists: {key}", "takes values in [ ]")
            elif (odd := _odd(values)) is not None:
                quoted = f'"{str(plain(odd)).lower()}"' if odd in (True, False) else shown(odd)
                self._problems.add(
                    name,
                    line,
                    f"lists: {key}",
                    f"{shown(odd)} is not like the rest; write {quoted}",
                )
            else:
                self._lists[key] = tuple(values)

    def _take_checks(self, name: str, checks: Any) -> None:
        if checks is None:
            return
        if not isinstance(checks, list):
            self._problems.add(name, 1, "checks", "takes a list of checks")
            return
        for index, check in enumerate(checks):
            line = line_of(checks, index)
            if not isinstance(check, LinedMap) or not isinstance(check.get("id"), str):
                self._problems.add(name, line, "checks", "each check is a mapping with an id")
            elif check["id"] in self._raw:
                other, first = self._raw[check["id"]]
                where = f"{other}:{line_of(first, 'id')}"
                self._problems.add(name, line, check["id"], f"id: the id stands already in {where}")
            else:
                self._raw[check["id"]] = (name, check)

    def catalogue(self, digest: str) -> Catalogue:
        """Judge all that was taken and return it; not sound when there are problems."""
        for name, check in self._raw.values():
            self._judge_check(name, check)
        self._judge_guards()
        for guard in self._default_guards:
            if guard not in self._raw:
                self._problems.add("checks.yaml", 1, "default_guards", f"there is no check {guard}")
        reader = FrameworkReader(
            self._problems,
            checks=self._checks,
            raw={check: raw for check, (_, raw) in self._raw.items()},
            lists=self._lists,
        )
        frameworks: dict[str, Framework] = {}
        for name, node, is_shipped in self._frameworks:
            framework = reader.read(name, node, is_custom=not is_shipped)
            if framework is None:
                continue
            if framework.id in frameworks:
                other = frameworks[framework.id].source
                words = f"the framework stands already in {other}"
                self._problems.add(name, line_of(node, "id"), framework.id, "id", words)
            frameworks[framework.id] = framework
        return Catalogue(
            version=self._version,
            checks=self._checks,
            lists=self._lists,
            frameworks=frameworks,
            default_guards=self._default_guards,
            digest=digest,
        )

    # ------------------------------------------------------------------ one check

    def _judge_check(self, name: str, check: LinedMap) -> None:
        id_ = check["id"]

        def report(line: int, key: str, words: str) -> None:
            self._problems.add(name, line, id_, key, words)

        if check.get("kind") not in KINDS:
            report(line_of(check, "kind"), "kind", none_of(check.get("kind"), KINDS))
            return
        params = self._params(check, report)
        grammar = CheckGrammar(report, params=params, lists=self._lists)
        grammar.judge(check)
        for param in sorted(params.keys() - grammar.used):
            words = f"{param}: nothing in the check says ${param}; leave it out"
            report(line_of(check.get("params"), param), "params", words)
        guards = self._guards(check, report)
        severity = check.get("severity")
        if not isinstance(check.get("title"), str) or severity not in get_args(Severity):
            return  # said by the grammar
        law = check.get("law")
        self._checks[id_] = Check(
            id=id_,
            title=check["title"],
            kind=check["kind"],
            severity=cast("Severity", severity),
            on_empty=cast("OnEmpty", check.get("on_empty")),
            definition=plain(check),
            params=plain(params),
            guards=guards,
            nil_return=check.get("nil_return") is True,
            integrity_gate=check.get("integrity_gate") is True,
            evidence=tuple(str(field) for field in check.get("evidence") or ()),
            law=plain(law) if isinstance(law, LinedMap) else {},
            source=Source(file=name, line=line_of(check, "id")),
        )

    def _params(self, check: LinedMap, report: Any) -> Mapping[str, Any]:
        params = check.get("params")
        if params is None:
            return {}
        if not isinstance(params, LinedMap):
            report(line_of(check, "params"), "params", "takes names and their values")
            return {}
        for key, value in params.items():
            line = line_of(params, key)
            if key in self._lists:
                report(line, "params", f"{key}: a list has this name; choose another")
            if value is None or value == [] or isinstance(value, LinedMap):
                report(line, "params", f"{key}: takes a value, or values in [ ]")
        return params

    def _guards(self, check: LinedMap, report: Any) -> tuple[str, ...]:
        """Return the guards of a check; only emptiness that may be accepted asks for any."""
        may_be_empty = check.get("on_empty") == "not_occurred"
        for key in ("guards", "exposure", "nil_return"):
            if key in check and not may_be_empty:
                report(line_of(check, key), key, "means something only with on_empty: not_occurred")
        guards = check.get("guards")
        if guards is None:
            return self._default_guards if may_be_empty else ()
        if not isinstance(guards, list) or not guards:
            report(line_of(check, "guards"), "guards", "takes a list of checks")
            return ()
        for guard in guards:
            if guard not in self._raw:
                report(line_of(check, "guards"), "guards", none_of(guard, sorted(self._raw)))
        return tuple(str(guard) for guard in guards)

    def _judge_guards(self) -> None:
        """Report each circle of guards once."""
        seen: set[str] = set()
        for check in self._checks:
            for circle in _circles(check, self._checks, [], seen):
                first = self._checks[circle[0]]
                words = f"{' → '.join(circle)} guard one another; take one out"
                file, line = first.source.file, first.source.line
                self._problems.add(file, line, first.id, "guards", words)


def _circles(
    check: str, checks: Mapping[str, Check], path: list[str], done: set[str]
) -> Iterator[list[str]]:
    if check in path:
        yield [*path[path.index(check) :], check]
        return
    if check in done or check not in checks:
        return
    for guard in checks[check].guards:
        yield from _circles(guard, checks, [*path, check], done)
    done.add(check)


def _odd(values: Sequence[Any]) -> Any | None:
    """Return a value that is of another type than the first, or is no plain value."""
    types = [type(value) for value in values]
    strings = types.count(str)
    kind = str if strings * 2 >= len(values) else types[0]
    return next((v for v in values if type(v) is not kind or v is None), None)
