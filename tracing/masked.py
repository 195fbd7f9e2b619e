"""Take secrets out of what telemetry carries, and cut what is too long, before it is stored. Pure.

Redaction is audit.redact's, with the patterns of log lines besides: contents of spans and messages
of logs quote both. A text is cut at MOST_TEXT characters and says so with the digest of the whole,
so that it can be told from another; a span's attributes, events and links together hold MOST_SPAN
bytes of JSON, and what comes after is replaced by a mark. Counts of tokens are never touched.
"""

from __future__ import annotations

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

_MARGIN: Final = 4_096  # a secret that stands across the cut is whole within it
_SHORT: Final = 64
_MOST_REMEMBERED: Final = 20_000

_encode = msgspec.json.Encoder().encode


class Mask(Redactor):
    """The redactor of one installation for spans and lines."""

    def __init__(
        self, *, extra_keys: Iterable[str] = (), extra_patterns: Iterable[str] = ()
    ) -> None:
        super().__init__(extra_keys=extra_keys, extra_patterns=(*LOG_PATTERNS, *extra_patterns))
        # Names of models, tools and kinds come again with each span. Only clean ones are kept here.
        self._clean: set[str] = set()

    def text(self, text: str) -> str:
        """Return the text without secrets and cut; the same object when nothing changed."""
        if text in self._clean:
            return text
        if len(text) > MOST_TEXT:
            return self._cut(text)
        clean = super().text(text)
        if clean is text and len(text) <= _SHORT:
            if len(self._clean) >= _MOST_REMEMBERED:
                self._clean.clear()  # texts made up by a sender must not fill the memory
            self._clean.add(text)
        return clean

    def json(self, value: Any) -> str:
        """Return the value as JSON that Postgres takes, without secrets."""
        if not value:
            return "{}" if type(value) is dict else "[]"
        return _without_nul(_encode(self.tree(value)).decode())

    def event(self, event: dict[str, Any]) -> bytes:
        """Return an event made of telemetry as JSON, without secrets in any of its members.

        Who posts an event writes its fields on purpose; here names of tools, agents and users are
        whatever an instrumentation found, so each is looked at, not the free texts alone.
        """
        return _encode(self.tree(event))

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
        clean = super().text(text[: MOST_TEXT + _MARGIN])[:MOST_TEXT]
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{clean} … cut from {len(text):,} characters, sha256 {digest}"


def _fitted(value: Any, left: int) -> tuple[Any, int]:
    """Return the value if it fits what is left, else a mark; and what is left then."""
    size = len(_encode(value))
    if size <= left:
        return value, left - size
    return f"… left out: {size:,} bytes", left


def _without_nul(encoded: str) -> str:
    """Return JSON without the one character that Postgres does not store."""
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
