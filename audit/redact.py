"""Take secrets out of free text, by the name of their key or by their shape. Pure.

Owns the rules: a value under a key like `password` is replaced whole; a secret that is known by its
look (a bearer token, a private key) is replaced where it stands. Counts like `max_tokens` and
digests are left alone. What is redacted, and what never, is the caller's to say: `audit.stored` for
events, the log set-up and span content for theirs.

Cheap where there is nothing to find: names are looked up in a memory of names seen, and a shape's
pattern runs only on text that holds its mark and one of its literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

REPLACEMENT: Final = "***REDACTED***"

# Names are compared in lower case without separators, so Set-Cookie, set_cookie and setCookie are
# one; a name that ends in one of these counts too (db_password, openai_api_key).
_SECRET_ENDINGS: Final = (
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "apikey",
    "apikeys",
    "cookie",
    "cookies",
    "privatekey",
    "accesskey",
    "secretkey",
    "signingkey",
    "encryptionkey",
    "connectionstring",
)
_SECRET_NAMES: Final = frozenset(
    {
        "pwd",
        "authorization",
        "proxyauthorization",
        "xauthorization",
        "authorizationheader",
        "bearer",
        "credentials",
        "accesskeyid",
        "awsaccesskeyid",
        "sessionkey",
        "sessionid",
        "phpsessid",
        "jsessionid",
    }
)
# `session_id` in these words names a run of an agent, as `actor.session_id` does; without the
# separator it is the name of Django's cookie. And a "first token" is a moment, not a secret.
_HARMLESS_NAMES: Final = frozenset({"session_id", "session-id", "sessionId", "time_to_first_token"})

# Numbers under these are counts or times, never secrets.
_COUNTABLE_ENDING: Final = "token"

_MOST_NAMES_REMEMBERED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A kind of secret that is known by its look."""

    mark: str
    """A character that every such secret holds, the cheapest thing to look for; or empty."""

    literals: tuple[str, ...]
    """Text that holds none of these holds no such secret."""

    pattern: re.Pattern[str]
    """What is found; its group `keep`, if any, is put back before the replacement."""


def _shape(mark: str, *literals: str, pattern: str, flags: int = 0) -> Shape:
    return Shape(mark=mark, literals=literals, pattern=re.compile(pattern, flags | re.ASCII))


SHAPES: Final = (
    # Authorization: Bearer …; prose goes on in letters, a token holds a digit.
    _shape(
        " ",
        "earer ",
        "EARER ",
        pattern=r"(?P<keep>\bbearer\s+)"
        r"(?:(?=[a-z._~+/=-]*\d)[\w.~+/=-]{7,}|[\w.~+/=-]{20,})[\w~+/=-]",
        flags=re.IGNORECASE,
    ),
    _shape(
        " ",
        "uthorization",
        "UTHORIZATION",
        pattern=r"(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token)\s+)"
        r"[\w.~+/=-]*[\w~+/=-]",
        flags=re.IGNORECASE,
    ),
    # Keys of model providers and of payment services.
    _shape(
        "-",
        "sk-",
        pattern=r"(?<![A-Za-z0-9_-])sk-"
        r"(?:[A-Za-z0-9_]{16,}[A-Za-z0-9_-]*|(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,})",
    ),
    _shape("_", "k_live_", "k_test_", pattern=r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    _shape("", "AIza", pattern=r"\bAIza[\w-]{35}"),
    _shape("_", "hf_", pattern=r"\bhf_[A-Za-z0-9]{30,}"),
    # Code hosts and chat.
    _shape("_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", pattern=r"\bgh[opsur]_[A-Za-z0-9]{20,}"),
    _shape("_", "github_pat_", pattern=r"\bgithub_pat_\w{20,}"),
    _shape("-", "glpat-", pattern=r"\bglpat-[\w-]{20,}"),
    _shape("-", "xox", pattern=r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    # Clouds.
    _shape("", "AKIA", "ASIA", pattern=r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    # Private keys, also when the text was cut before their end.
    _shape(
        "-",
        "PRIVATE KEY",
        pattern=r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?!-----BEGIN ).)*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?=-----BEGIN )|\Z)",
        flags=re.DOTALL,
    ),
    _shape(".", "eyJ", pattern=r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
    # Our own keys: the eight characters after the kind name a key and stay.
    _shape("_", "obs_", pattern=r"(?P<keep>\bobs_[a-z]+_[A-Za-z0-9]{8}_)[\w-]{20,}"),
    # scheme://user:PASSWORD@host; up to the last @ before a slash, since passwords hold them too.
    _shape(":", "://", pattern=r"(?P<keep>://[^\s/:@\"']*:)[^\s/\"']+(?=@)"),
    # password=… in a command line, a query string or a log line.
    _shape(
        "=",
        "=",
        pattern=r"(?P<keep>(?:password|passwd|pwd|passphrase|secret|token"
        r"|api[_-]?key|access[_-]?key|private[_-]?key)=[\"']?)(?!\*\*\*)[^\s\"'&;,]{4,}",
        flags=re.IGNORECASE,
    ),
)


def _by_mark(shapes: Iterable[Shape]) -> tuple[tuple[str, tuple[_Look, ...]], ...]:
    looks: dict[str, list[_Look]] = {}
    for shape in shapes:
        looks.setdefault(shape.mark, []).extend(
            (literal, shape.pattern) for literal in shape.literals
        )
    return tuple((mark, tuple(found)) for mark, found in looks.items())


_Look: TypeAlias = tuple[str, re.Pattern[str]]
"""A literal, and the pattern to run on text that holds it."""

_SHAPES_BY_MARK: Final = _by_mark(SHAPES)


class Redactor:
    """The rules of one installation: ours, and the key names and patterns it adds.

    Safe to share between threads. Redacting twice gives what redacting once gave.
    """

    def __init__(
        self, *, extra_keys: Iterable[str] = (), extra_patterns: Iterable[str] = ()
    ) -> None:
        self._extra_names = frozenset(_squashed(name) for name in extra_keys)
        self._extra_patterns = tuple(re.compile(pattern) for pattern in extra_patterns)
        self._names: dict[str, bool] = {}

    def text(self, text: str) -> str:
        """Return the text without secrets; the same object when it holds none."""
        clean = text
        for mark, shapes in _SHAPES_BY_MARK:
            if mark in text:
                for literal, pattern in shapes:
                    if literal in text:
                        clean = pattern.sub(_replaced, clean)
        for pattern in self._extra_patterns:
            clean = pattern.sub(_replaced, clean)
        return text if clean == text else clean

    def tree(self, value: Any) -> Any:
        """Return the JSON value without secrets; the same object when it holds none."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            return self._object(value)
        if kind is list:
            items = [self.tree(item) for item in value]
            return items if _changed(items, value) else value
        return value

    def _object(self, members: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        names = self._names
        for name, value in members.items():
            secret = names.get(name)
            if secret is None:
                secret = self._remember(name)
            if secret and _can_be_secret(name, value):
                changed[name] = REPLACEMENT
                continue
            kind = type(value)
            if kind is str or kind is dict or kind is list:
                clean = self.text(value) if kind is str else self.tree(value)
                if clean is not value:
                    changed[name] = clean
        return {**members, **changed} if changed else members

    def _remember(self, name: str) -> bool:
        if len(self._names) >= _MOST_NAMES_REMEMBERED:
            self._names.clear()  # names made up by a sender must not fill the memory
        secret = self._is_secret_name(name)
        self._names[name] = secret
        return secret

    def _is_secret_name(self, name: str) -> bool:
        if name in _HARMLESS_NAMES:
            return False
        squashed = _squashed(name)
        return (
            squashed in _SECRET_NAMES
            or squashed in self._extra_names
            or squashed.endswith(_SECRET_ENDINGS)
        )


def _can_be_secret(name: str, value: Any) -> bool:
    """Tell whether what stands under a secret's name is one: null, true and counts are not."""
    if value is None or value == REPLACEMENT or type(value) is bool:
        return False
    is_number = type(value) is int or type(value) is float
    return not (is_number and _squashed(name).endswith(_COUNTABLE_ENDING))


def _squashed(name: str) -> str:
    """Return a name in lower case, without separators and without the digits at its end."""
    return "".join(filter(str.isalnum, name)).lower().rstrip("0123456789")


def _replaced(match: re.Match[str]) -> str:
    return (match.groupdict().get("keep") or "") + REPLACEMENT


def _changed(new: list[Any], old: list[Any]) -> bool:
    return any(left is not right for left, right in zip(new, old, strict=True))
