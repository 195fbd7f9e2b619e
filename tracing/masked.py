"""Take secrets out of what telemetry carries, and cut what is too long, before it is stored. Pure.

Redaction is audit.redact's, with the patterns of log lines besides: contents of spans and messages
of logs quote both. A text is cut at MOST_TEXT characters and says so with the digest of the whole,
so that it can be told from another; a span's attributes, events and links together hold MOST_SPAN
bytes of JSON, and what comes after is replaced by a mark. Counts of tokens are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import msgspec

from audit.redact import Redactor
from tracing.logs import LOG_PATTERNS

MOST_TEXT: Final = 65_536
"""Characters of one text."""

MOST_SPAN: Final = 1_048_576
"""Bytes of a span's attributes, events and links as JSON, or of a log line's fields."""

# Ids, digests and times as we write them ourselves. No rule of ours finds a secret in one: each
# wants a letter, a sign or a space that none of them holds. They never come again either, so that
# remembering them would cost what is worth remembering.
_WRITTEN_BY_US: Final = re.compile(r"[0-9a-f]{16,64}|\d{4}-\d\d-\d\dT[\d:.]{15}Z", re.ASCII)

_encode = msgspec.json.Encoder().encode


class Mask(Redactor):
    """The redactor of one installation for spans and lines."""

    def __init__(
        self, *, extra_keys: Iterable[str] = (), extra_patterns: Iterable[str] = ()
    ) -> None:
        theirs = tuple(extra_patterns)
        super().__init__(extra_keys=extra_keys, extra_patterns=(*LOG_PATTERNS, *theirs))
        # A pattern of an installation may be meant for just these.
        self._is_ours = None if theirs else _WRITTEN_BY_US.fullmatch

    def _look(self, text: str) -> str:
        """Return the text without secrets and cut; the same object when nothing changed."""
        if len(text) > MOST_TEXT:
            return self._cut(text)
        if self._is_ours is not None and self._is_ours(text) is not None:
            return text
        return super()._look(text)

    def json(self, value: Any) -> str:
        """Return the value as JSON that Postgres takes, without secrets."""
        if not value:
            return "{}" if type(value) is dict else "[]"
        return _without_nul(_encode(self.tree(value)).decode())

    def event(self, event: dict[str, Any]) -> bytes:
        """Return an event made of telemetry as JSON, without secrets or NUL in its members.

        Who posts an event writes its fields on purpose; here names of tools, agents and users are
        whatever an instrumentation found, so each is looked at, not the free texts alone.
        """
        found = _encode(self.tree(event))
        return found if b"\\u0000" not in found else _without_nul(found.decode()).encode()

    def parts(
        self, attributes: dict[str, Any], events: list[Any], links: list[Any]
    ) -> tuple[str, str, str]:
        """Return a span's three parts as JSON that Postgres takes, within MOST_SPAN."""
        found = self.json(attributes), self.json(events), self.json(links)
        if sum(map(len, found)) <= MOST_SPAN // 4:  # a character is at most four bytes
            return found
        return self._within(attributes, events, links)

    def _within(
        self, attributes: dict[str, Any], events: list[Any], links: list[Any]
    ) -> tuple[str, str, str]:
        left = MOST_SPAN
        kept: dict[str, Any] = {}
        for name, value in self.tree(attributes).items():
            kept[name], left = _fitted(value, left - len(name))
        parts: list[list[Any]] = []
        for part in (events, links):
            kept_part = []
            for value in self.tree(part):
                fitted, left = _fitted(value, left)
                if fitted is not value:
                    break
                kept_part.append(value)
            parts.append(kept_part)
        return tuple(_without_nul(_encode(part).decode()) for part in (kept, *parts))  # type: ignore[return-value]

    def _cut(self, text: str) -> str:
        clean = self.start(text, MOST_TEXT)
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{clean} … cut from {len(text):,} characters, sha256 {digest}"


def cut(text: str, most: int) -> str:
    """Return at most so many characters of a text, and no half of a secret that is cut through.

    What is left of one is not known by its look any more, so a text is masked before it is cut, by
    the rules that all installations have.
    """
    return text if len(text) <= most else _BEFORE_A_CUT.start(text, most)


def _fitted(value: Any, left: int) -> tuple[Any, int]:
    """Return the value if it fits what is left, else a mark; and what is left then."""
    size = len(_encode(value))
    if size <= left:
        return value, left - size
    return f"… left out: {size:,} bytes", left


def _without_nul(encoded: str) -> str:
    """Return JSON without the one character that neither Postgres nor an event takes."""
    if "\\u0000" not in encoded:
        return encoded
    return _encode(_replaced(msgspec.json.decode(encoded))).decode()


def _replaced(value: Any) -> Any:
    if type(value) is str:
        return value.replace("\0", "\ufffd")
    if type(value) is dict:
        return {_replaced(name): _replaced(member) for name, member in value.items()}
    if type(value) is list:
        return [_replaced(member) for member in value]
    return value


_BEFORE_A_CUT: Final = Mask()
