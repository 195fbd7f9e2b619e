"""From the bytes of a YAML file to plain values that know the line they stand on. Pure.

A part of YAML, on purpose: mappings, lists and scalars. Aliases, anchors and tags are refused, as
are keys that stand twice and words that some readers of YAML take for true or false (`NO`, `off`).
A decimal keeps its digits (`Exact`), so that 0.005 is five thousandths and no double near it.

`LinedMap` and `LinedList` are a dict and a list; their `lines` say where each member stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import yaml

MAX_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 40
MAX_NODES: Final = 200_000

_INTEGER: Final = re.compile(r"-?(0|[1-9]\d{0,15})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9]\d{0,15})\.\d{1,18}", re.ASCII)
_UNCLEAR: Final = re.compile(
    r"[-+]?0[0-9bBoOxX][0-9a-fA-F_]*|[-+]?[0-9][0-9_]*_[0-9_]*|[-+]?\.(inf|nan)|[-+]?[0-9.]+[eE][-+]?[0-9]+",
    re.IGNORECASE,
)
_WORDS: Final = frozenset({"yes", "no", "on", "off", "true", "false", "null"})
_loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Problem(ValueError):
    """What makes a text unreadable, with the line it stands on. The message is one line."""

    def __init__(self, line: int, message: str) -> None:
        """Take the line (from 1) and what is wrong with the way out."""
        super().__init__(message)
        self.line = line


class Exact(str):
    """A decimal number, by the digits it was written with."""

    __slots__ = ()


class LinedMap(dict[str, Any]):
    """A mapping that knows the line of each key."""

    def __init__(self, line: int) -> None:
        """Begin empty, on a line."""
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class LinedList(list[Any]):
    """A list that knows the line of each member."""

    def __init__(self, line: int) -> None:
        """Begin empty, on a line."""
        super().__init__()
        self.line = line
        self.lines: list[int] = []


Node: TypeAlias = LinedMap | LinedList | str | int | bool | None


def read_yaml(text: bytes) -> tuple[Node, list[Problem]]:
    """Return the one document of a file, and what is wrong in it that leaves it readable.

    Raises Problem when it cannot be read at all. An empty file is None.
    """
    if len(text) > MAX_BYTES:
        raise Problem(1, f"the file has {len(text):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise Problem(line, "the file is not UTF-8; save it as UTF-8") from error
    try:
        return _Reader(yaml.parse(text, Loader=_loader)).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise Problem(mark.line + 1 if mark else 1, f"this is no YAML: {said}") from error


def plain(node: Any) -> Any:
    """Return the value without its lines: dict, list, str, int, bool and None."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return node


class _Reader:
    """Builds values from the parser's events, which nothing else sees."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._problems: list[Problem] = []
        self._nodes = 0

    def document(self) -> tuple[Node, list[Problem]]:
        found: Node = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Problem(_line(event), "a second document begins; write one file each")
            elif isinstance(event, yaml.NodeEvent):
                found = self._node(event, 1)
        return found, self._problems

    def _node(self, event: Any, depth: int) -> Node:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise Problem(_line(event), f"values stand in one another more than {MAX_DEPTH} deep")
        if self._nodes > MAX_NODES:
            raise Problem(_line(event), f"the file holds more than {MAX_NODES:,} values")
        if isinstance(event, yaml.AliasEvent):
            raise Problem(_line(event), f"*{event.anchor}: aliases are not read; write it out")
        if event.anchor is not None:
            raise Problem(_line(event), f"&{event.anchor}: anchors are not read; write it out")
        if event.tag is not None:
            raise Problem(_line(event), f"{event.tag}: tags are not read; leave it out")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(_line(event), depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(_line(event), depth)
        return self._scalar(event)

    def _mapping(self, line: int, depth: int) -> LinedMap:
        found = LinedMap(line)
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            where = _line(event)
            # A key is a name whatever it looks like: `on: 3` has the key "on".
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
            if key is None:
                raise Problem(where, "a key must be a plain name")
            if key in found:
                self._problems.append(Problem(where, f'the key "{key}" stands twice'))
            found[key] = self._node(next(self._events), depth + 1)
            found.lines[key] = where
        return found

    def _list(self, line: int, depth: int) -> LinedList:
        found = LinedList(line)
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._node(event, depth + 1))
            found.lines.append(_line(event))
        return found

    def _scalar(self, event: Any) -> Node:
        text: str = event.value
        if not event.implicit[0]:
            return text  # quoted
        if text in ("true", "false"):
            return text == "true"
        if text == "" or text in ("null", "~"):
            return None
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Exact(text)
        if text.lower() in _WORDS or _UNCLEAR.fullmatch(text):
            self._problems.append(
                Problem(_line(event), f'{text} may be read as another value; write "{text}"')
            )
        return text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
