"""Take secrets out of free text before it leaves the process, by key name or by shape. Pure.

A value under a key like `password` is replaced whole; a secret that is known by its look (a bearer
token, a private key) is replaced where it stands. Counts like `max_tokens` and digests are left
alone. The rules are those of the platform, which looks again: a contract test holds them together.

Cheap where there is nothing to find: names are looked up in a memory of names seen, short texts in
one of texts that were clean, and a shape's pattern runs only on text that holds its mark and one of
its literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from obsagent.canonical import as_json

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
_HARMLESS_NAMES: Final = frozenset(
    {"session_id", "session-id", "session.id", "sessionId", "time_to_first_token"}
)

# Numbers under these are counts or times, never secrets.
_COUNTABLE_ENDING: Final = "token"

# Values in which no secret can be found by its look.
_PLAIN: Final = frozenset({int, float, bool, type(None)})

_MOST_NAMES_REMEMBERED: Final = 10_000
_SHORT: Final = 64
_MOST_TEXTS_REMEMBERED: Final = 2_000


class Shape(NamedTuple):
    """A kind of secret that is known by its look."""

    mark: str
    """A character that every such secret holds, the cheapest thing to look for; or empty."""

    literals: tuple[str, ...]
    """Text that holds none of these holds no such secret."""

    pattern: re.Pattern[str]
    """What is found; its group `keep`, if any, is put back before the replacement."""


def _shape(mark: str, *literals: str, pattern: str, flags: int = 0) -> Shape:
    return Shape(mark=mark, literals=literals, pattern=re.compile(pattern, flags | re.ASCII))


def _after(words: Iterable[str], *ends: str) -> str:
    """Return a pattern that holds behind one of these words and one of these ends.

    A search for the sign that follows, with a look back from there, is many times faster than a
    search for any of the words.
    """
    by_length: dict[int, list[str]] = {}
    for word in words:
        by_length.setdefault(len(re.sub(r"\[.*?\]", "x", word)), []).append(word)
    return "|".join(
        f"(?<=(?:{'|'.join(each)}){end})" for end in ends for each in by_length.values()
    )


_KEYS: Final = tuple(
    f"{kind}{between}key"
    for kind in ("api", "access", "private", "secret")
    for between in ("", "_", "-")
)
_ASSIGNED: Final = (
    *("password", "passwd", "pwd", "passphrase", "secret", "token", "accountkey", "account_key"),
    *_KEYS,
)
_SPELLED: Final = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "subscription-key",
    *_KEYS,
)
_QUOTED: Final = (
    *("password", "passwords", "password[0-9]", "passwd", "pwd", "passphrase", "secret", "secrets"),
    *("token", "cookie", "cookies", "sessionid", "sessid", "bearer", "credentials"),
    *("authorization", "connection_string", "signing_key", "encryption_key", "session_key"),
    *(f"{key}{more}" for key in _KEYS for more in ("", "s", "_id")),
)
# JSON within JSON has a backslash before each quote, within that three, then seven and fifteen; a
# text that is shown as a literal doubles them.
_QUOTE: Final = "[\"']"
_ESCAPED: Final = tuple("\\\\" * number + _QUOTE for number in (1, 2, 3, 6, 7, 14, 15))
# A token may hold a slash; behind one there may also stand the next, joined by it: agents' ids are.
_SAME: Final = r"(?!/(?:bearer|(?:proxy-)?authorization)\b)"
_SIGNED: Final = tuple(
    f"[?&]{name}" for name in ("sig", "signature", "x-amz-signature", "x-goog-signature")
)

SHAPES: Final = (
    # Authorization: Bearer …; prose goes on in letters, a token holds a digit.
    _shape(
        " ",
        "earer ",
        "EARER ",
        pattern=r"(?P<keep>\bbearer\s+)"
        rf"(?:(?=[a-z._~+/=-]*\d)(?:{_SAME}[\w.~+/=-]){{7,}}|(?:{_SAME}[\w.~+/=-]){{20,}})"
        rf"{_SAME}[\w~+/=-]",
        flags=re.IGNORECASE,
    ),
    _shape(
        " ",
        "uthorization",
        "UTHORIZATION",
        pattern=r"(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?"
        r"(?:basic|bearer|token|apikey|digest|negotiate)\s+)"
        rf"(?:{_SAME}[\w.~+/=-])*{_SAME}[\w~+/=-]",
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
    _shape("-", "xox", "xapp-", pattern=r"\bx(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,}"),
    _shape(
        "/",
        "hooks.slack.com/",
        pattern=r"(?P<keep>\bhooks\.slack\.com/[a-z]+/)[A-Za-z0-9/+-]{10,}",
    ),
    # More providers, hosts and registries, each with a prefix of its own.
    _shape(
        "_",
        *("gsk_", "npm_", "dckr_pat_", "glsa_", "shpat_", "dop_v1_", "lin_api_", "r8_"),
        pattern=r"\b(?:gsk|npm|dckr_pat|glsa|shpat|dop_v1|lin_api|r8)_(?=[A-Za-z]*\d)"
        r"[A-Za-z0-9]{16,}(?:_[0-9a-f]{8}\b)?",
    ),
    _shape(
        "-",
        *("pplx-", "xai-", "GOCSPX-", "pypi-AgEI"),
        pattern=r"\b(?:(?:pplx|xai|GOCSPX)-|pypi-AgEI)(?=[\w-]*\d)[\w-]{16,}",
    ),
    _shape(
        ".",
        *("hvs.", "ya29.", "SG."),
        pattern=r"\b(?:hvs|ya29|SG)\.(?=[\w.-]*\d)[\w.-]{15,}[\w-]",
    ),
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
        pattern=rf"(?P<keep>=(?:{_after(_ASSIGNED, '=')})[\"']?)(?!\*\*\*)[^\s\"'&;,]{{4,}}",
        flags=re.IGNORECASE,
    ),
    # The signature of an address that lets in whoever has it; others are no secret.
    _shape(
        "=",
        *("ignature=", "sig="),
        pattern=rf"(?P<keep>=(?:{_after(_SIGNED, '=')}))[\w%+/=-]{{16,}}",
        flags=re.IGNORECASE,
    ),
    # {"password": "…"} within a text, also where that is JSON in JSON.
    _shape(
        ":",
        *('":', "':"),
        pattern=rf"(?P<keep>[\"'](?=:)(?:(?<!\\[\"'])(?:{_after(_QUOTED, _QUOTE)})"
        rf"|(?<=\\[\"'])(?:{_after(_QUOTED, *_ESCAPED)}))"
        r":[\s\[]*\\*[\"'])(?!\*\*\*)[^\"'\\]{4,}",
        flags=re.IGNORECASE,
    ),
    # X-Api-Key: … and password: …; prose goes on in words, a secret holds a digit and a letter.
    _shape(
        ":",
        ": ",
        pattern=rf"(?P<keep>:(?:{_after(_SPELLED, ':')})\s+)(?!\*\*\*)"
        r"(?=[^\s\"',;]*[a-z])(?=[^\s\"',;]*\d)[^\s\"',;)}\]]{6,}",
        flags=re.IGNORECASE,
    ),
    # Cookie: a=b; c=d, to the end of the line.
    _shape(
        ":",
        *("ookie:", "OOKIE:"),
        pattern=r"(?P<keep>:(?<=cookie:)\s*)(?!\*\*\*)(?=[\w.-]+=)[^\r\n\"']+",
        flags=re.IGNORECASE,
    ),
)


_Look = tuple[str, re.Pattern[str]]
"""A literal, and the pattern to run on text that holds it."""


def _by_mark(shapes: Iterable[Shape]) -> tuple[tuple[str, tuple[_Look, ...]], ...]:
    looks: dict[str, list[_Look]] = {}
    for shape in shapes:
        looks.setdefault(shape.mark, []).extend(
            (literal, shape.pattern) for literal in shape.literals
        )
    return tuple((mark, tuple(found)) for mark, found in looks.items())


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
        # An agent's messages and names come again and again. Only clean texts stand here.
        self._clean: set[str] = set()

    def text(self, text: str) -> str:
        """Return the text without secrets; the same object when it holds none."""
        return text if text in self._clean else self._look(text)

    def _look(self, text: str) -> str:
        """Return a text that is not known to be clean without secrets."""
        clean = self._without_secrets(text)
        if clean is text and len(text) <= _SHORT:
            if len(self._clean) >= _MOST_TEXTS_REMEMBERED:
                self._clean.clear()  # texts that never come again must not fill the memory
            self._clean.add(text)
        return clean

    def _without_secrets(self, text: str) -> str:
        clean = text
        done = None
        for mark, shapes in _SHAPES_BY_MARK:
            if mark in text:
                for literal, pattern in shapes:
                    if literal in text and pattern is not done:
                        clean = pattern.sub(_replaced, clean)
                        done = pattern  # its literals stand together: once is enough
        for pattern in self._extra_patterns:
            clean = pattern.sub(_replaced, clean)
        return text if clean == text else clean

    def tree(self, value: Any) -> Any:
        """Return the JSON value without secrets; the same object when it holds none."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            return self.members(value)
        if kind is list:
            items = [self.tree(item) for item in value]
            return items if _changed(items, value) else value
        return value if kind in _PLAIN else self._odd(value)

    def _odd(self, value: Any) -> Any:
        """Return a value of a class that JSON has no word for, without secrets.

        A text or number of a class of its own stays what it is; the rest is looked at as it would
        be written: a tuple as a list, an exception as text.
        """
        if isinstance(value, str):
            plain = str.__str__(value)
            clean = self.text(plain)
            return value if clean is plain else clean
        return value if isinstance(value, (int, float)) else self.tree(as_json(value))

    def members(self, members: dict[str, Any]) -> dict[str, Any]:
        """Return the members of a JSON object without secrets; the same dict when it has none."""
        changed: dict[str, Any] = {}
        names, known = self._names, self._clean
        for name, value in members.items():
            secret = names.get(name)
            if secret is None:
                secret = self._remember(name)
            if secret and _can_be_secret(name, value):
                changed[name] = REPLACEMENT
                continue
            kind = type(value)
            if kind is str:
                if value in known:
                    continue
                clean = self._look(value)
            elif kind in _PLAIN:
                continue
            else:
                clean = self.tree(value)
            if clean is not value:
                changed[name] = clean
        return {**members, **changed} if changed else members

    def _remember(self, name: str) -> bool:
        if len(self._names) >= _MOST_NAMES_REMEMBERED:
            self._names.clear()  # names made up by a sender must not fill the memory
        secret = self._is_secret_name(str(name))  # what is no JSON has keys that are no text
        self._names[name] = secret
        return secret

    def _is_secret_name(self, name: str) -> bool:
        if name in _HARMLESS_NAMES:
            return False
        squashed, last = _squashed(name), _squashed(name.rpartition(".")[2])
        return (
            squashed in _SECRET_NAMES
            or last in _SECRET_NAMES  # http.request.header.authorization
            or squashed in self._extra_names
            or squashed.endswith(_SECRET_ENDINGS)
        )


def _can_be_secret(name: str, value: Any) -> bool:
    """Tell whether what stands under a secret's name is one: null, true and counts are not."""
    if value is None or value == REPLACEMENT or type(value) is bool:
        return False
    is_number = type(value) is int or type(value) is float
    return not (is_number and _squashed(str(name)).endswith(_COUNTABLE_ENDING))


def _squashed(name: str) -> str:
    """Return a name in lower case, without separators and without the digits at its end."""
    return "".join(filter(str.isalnum, name)).lower().rstrip("0123456789")


def _replaced(match: re.Match[str]) -> str:
    return (match.groupdict().get("keep") or "") + REPLACEMENT


def _changed(new: list[Any], old: list[Any]) -> bool:
    return any(left is not right for left, right in zip(new, old))
