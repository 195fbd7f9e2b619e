"""Read a query string as a filter over traces or log lines.

The address is the filter, as for entries: nothing in it is ignored, what cannot be read is an error
that says what to do, and then nothing matches. A name may be repeated where any of its values may
match. One ledger at a time. What matches: trace_query.py and line_query.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

from django.http import QueryDict

from audit.query import Unreadable, read_time
from tracing.durations import parse_duration

Asked: TypeAlias = QueryDict | Mapping[str, str | Sequence[str]]
Reader: TypeAlias = Callable[[str], str]
"""Takes what was typed, returns it as it is matched. Raises Unreadable."""

TIMES: Final = ("from", "to")
MOST_VALUES: Final = 20
"""Values one name may have."""
MOST_CHARACTERS: Final = 200
_LEDGER: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_USD: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which rows are asked for. Values are as they are matched; empty means no restriction."""

    ledger: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    from_: datetime | None = None
    """UTC; rows at it or later."""
    to: datetime | None = None
    """UTC; rows before it."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What could not be read: the name, and what stands there instead."""

    def of(self, name: str) -> tuple[str, ...]:
        """Return the values of one name."""
        return self.values.get(name, ())

    @property
    def is_narrow(self) -> bool:
        """Tell whether anything beside the ledger is asked for."""
        return bool(self.values or self.from_ or self.to)


def read_filter(
    params: Asked,
    readers: Mapping[str, Reader],
    *,
    ledger: str,
    single: Collection[str] = (),
    beside: Collection[str] = (),
) -> Filter:
    """Read a query string. `ledger` counts where none is named.

    `single` names filters that have one value; `beside` what the caller reads himself.
    """
    values: dict[str, tuple[str, ...]] = {}
    times: dict[str, datetime] = {}
    errors: dict[str, str] = {}
    known = {"ledger": read_ledger, **readers}
    for name in params:
        if name in beside:
            continue
        given = _given(params, name)
        try:
            if name in TIMES:
                times[name] = read_time(_only(given))
            elif name not in known:
                raise Unreadable(f"is no filter; the filters are {', '.join([*known, *TIMES])}")
            elif name == "ledger" or name in single:
                values[name] = (known[name](_only(given)),)
            else:
                values[name] = _read_all(known[name], given)
        except Unreadable as problem:
            errors[name] = str(problem)
    start, end = times.get("from"), times.get("to")
    if start is not None and end is not None and end <= start:
        errors["to"] = "is not after from, so nothing can match; swap them or move one"
    return Filter(
        ledger=values.pop("ledger", (ledger,))[0],
        values=values,
        from_=start,
        to=end,
        errors=errors,
    )


def _given(params: Asked, name: str) -> list[str]:
    if isinstance(params, QueryDict):
        return [str(value) for value in params.getlist(name)]
    found = params[name]
    return [found] if isinstance(found, str) else list(found)


def _only(given: Sequence[str]) -> str:
    if len(given) != 1:
        raise Unreadable("is given more than once; it has one value")
    if not given[0]:
        raise Unreadable("is empty; give a value or leave it out")
    return given[0]


def _read_all(reader: Reader, given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > MOST_VALUES:
        raise Unreadable(f"is given more than {MOST_VALUES} times")
    if not all(given):
        raise Unreadable("is empty; give a value or leave it out")
    return tuple(dict.fromkeys(reader(value) for value in given))


# --- Reading one value ---------------------------------------------------------------------------


def read_text(value: str) -> str:
    """Return an id or a piece of text. Raises Unreadable for what no row can hold."""
    if len(value) > MOST_CHARACTERS:
        raise Unreadable(f"is longer than {MOST_CHARACTERS} characters")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Unreadable("holds a character that no row can hold")
    return value


def read_ledger(value: str) -> str:
    """Return a ledger's name."""
    if _LEDGER.fullmatch(value) is None:
        raise Unreadable("is a ledger's name, such as main or acme.prod")
    return value


def read_trace_id(value: str) -> str:
    """Return a trace id in lower case, as they are stored."""
    if _HEX.fullmatch(value) is None:
        raise Unreadable("is a trace id of 32 hexadecimal digits")
    return value.lower()


def read_duration(value: str) -> str:
    """Return nanoseconds, as digits."""
    try:
        return str(parse_duration(value))
    except ValueError as problem:
        raise Unreadable(str(problem)) from None


def read_usd(value: str) -> str:
    """Return an amount in US dollars."""
    if _USD.fullmatch(value) is None:
        raise Unreadable("is an amount in US dollars such as 0.25")
    return str(Decimal(value))


def one_of(words: Iterable[str]) -> Reader:
    """Return what reads one of some words."""
    allowed = tuple(words)

    def read(value: str) -> str:
        if value not in allowed:
            raise Unreadable(f"is one of {', '.join(allowed)}")
        return value

    return read


# --- A place in a list ---------------------------------------------------------------------------

_PLACE: Final = re.compile(r"(\d{1,17})-([0-9a-f]{32})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def format_place(at: datetime, key: str) -> str:
    """Return the cursor of a row: its microseconds since 1970, and what tells it from others."""
    since = at - _EPOCH
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return f"{micros}-{key}"


def parse_place(text: str) -> tuple[datetime, str]:
    """Return what `format_place` wrote down. Raises Unreadable."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Unreadable("is no place of this list; leave it out to begin at the newest")
    seconds, micros = divmod(int(found[1]), 1_000_000)  # 17 digits end within the calendar
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros), found[2]
