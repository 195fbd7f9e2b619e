"""Ask for entries: the filters that lists, export and API share, and paging by key.

A filter has one name everywhere, and the query string is the filter. A name or a value that cannot
be read is an error that says what to do, and then nothing matches: a filter left out in silence
would show more than was asked for. Every page is found by the seq it follows, never by OFFSET, and
nothing here counts. Writes nothing. Used by audit.api and audit.admin.

    ledger agent actor action outcome category severity run trace data_class environment key
    backfill from to

A name may be repeated, and then any of its values matches; different names must all match.
`action` matches exactly, or by prefix when it ends in `.` or `*`. `from` is the first moment that
counts and `to` the first that does not, both of `occurred_at`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, Self, TypeAlias, get_args

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from psycopg.errors import QueryCanceled

from audit.errors import AuditError
from audit.events import Category, DataClass
from audit.kept import minimum_indexes
from audit.models import Entry, Ledger

Asked: TypeAlias = QueryDict | Mapping[str, str | Sequence[str]]
"""A query string, taken apart."""

PAGE_LIMIT = 50
MOST_LIMIT = 500
MOST_VALUES = 100
"""Values one name may have."""

CHUNK = 1_000
"""Rows that a stream reads in one short transaction."""
MOST_SEQS = 128_000
"""Seqs that one statement of a stream may look through for its rows."""
LIST_SECONDS = 5.0
"""How long the statement of a list may run."""

Environment = Literal["prod", "staging", "test", "dev"]
Outcome = Literal["success", "failure", "denied", "error", "pending", "unknown"]
Severity = Literal["info", "low", "medium", "high", "critical"]

_LEDGER = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9]{8}", re.ASCII)
_TRACE = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_ACTION = re.compile(r"[A-Za-z0-9_.-]{1,100}\*?", re.ASCII)
_CURSOR = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,9}))?", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3])(:[0-5]\d:[0-5]\d)(?:\.(\d{1,18}))?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PLUS_LOST = re.compile(r".+T.+ \d\d:\d\d", re.ASCII)


class Unreadable(AuditError):
    """A value of the query string cannot be read; the text says what stands there instead."""


class QueryTooSlow(AuditError):
    """Postgres stopped a list: no index serves the filter over so many entries."""


# --- Reading one value ---------------------------------------------------------------------------


def _text(value: str) -> str:
    if len(value) > 200:
        raise Unreadable("is longer than any id; 200 characters is the most")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Unreadable("holds a character that no record can hold")
    return value


def _shaped(pattern: re.Pattern[str], said: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise Unreadable(said)
        return value

    return read


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    allowed = tuple(words)

    def read(value: str) -> str:
        if value not in allowed:
            raise Unreadable(f"is one of {', '.join(allowed)}")
        return value

    return read


def read_time(value: str) -> datetime:
    """Return the moment in UTC that an RFC 3339 time names. Raises Unreadable.

    A time without offset is refused: whose midnight it means is not ours to guess.
    """
    found = _TIME.fullmatch(value)
    if found is None:
        if _DATE.fullmatch(value):
            raise Unreadable(f"needs a time of day and an offset, such as {value}T00:00:00Z")
        if _PLUS_LOST.fullmatch(value):
            raise Unreadable("lost its plus sign on the way; write + as %2B in an address")
        raise Unreadable("is an RFC 3339 time with its offset, such as 2026-11-20T22:00:00Z")
    day, hour, rest, fraction, offset = found.groups()
    if offset is None:
        raise Unreadable("has no offset; end it in Z for UTC, or in one such as +01:00")
    microseconds = (fraction or "0")[:6].ljust(6, "0")
    said = "+00:00" if offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{hour}{rest}.{microseconds}{said}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable("names a day that the calendar does not have") from None


def _show_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_READERS: Final[Mapping[str, Callable[[str], str]]] = {
    "ledger": _shaped(_LEDGER, "is a ledger's name, such as main or acme.prod"),
    "agent": _text,
    "actor": _text,
    "action": _shaped(
        _ACTION, "is an action such as data.read, or a prefix such as data. or data.*"
    ),
    "outcome": _one_of(get_args(Outcome)),
    "category": _one_of(get_args(Category)),
    "severity": _one_of(get_args(Severity)),
    "run": _text,
    "trace": _shaped(_TRACE, "is a trace id of 32 hexadecimal digits"),
    "data_class": _one_of(get_args(DataClass)),
    "environment": _one_of(get_args(Environment)),
    "key": _shaped(_KEY, "is the 8 characters after obs_live_ of an API key"),
    "backfill": _one_of(("true", "false")),
}
_TIMES: Final = ("from", "to")
NAMES: Final = (*_READERS, *_TIMES)
"""Every filter there is, in the order in which chips and addresses show them."""


def _values(params: Asked, name: str) -> list[str]:
    if isinstance(params, QueryDict):
        return [str(value) for value in params.getlist(name)]
    found = params[name]
    return [found] if isinstance(found, str) else list(found)


def _prefix_range(prefix: str) -> Q:
    """Match a prefix by its range, which the index on the C-collated column serves."""
    beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return Q(action__gte=prefix, action__lt=beyond)


def _action(value: str) -> Q:
    if value.endswith("*"):
        return _prefix_range(value[:-1])
    return _prefix_range(value) if value.endswith(".") else Q(action=value)


# --- The filter ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EntryFilter:
    """Which entries are asked for. Values are as they were given; empty means no restriction."""

    ledger: tuple[str, ...] = field(default_factory=lambda: (settings.LEDGER,))
    """Names; the platform's own ledger when none was given."""
    agent: tuple[str, ...] = ()
    actor: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    trace: tuple[str, ...] = ()
    data_class: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    backfill: tuple[str, ...] = ()
    """`true`, `false`, or both."""
    from_: datetime | None = None
    """UTC; entries that occurred at it or later."""
    to: datetime | None = None
    """UTC; entries that occurred before it."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What could not be read: the name, and what stands there instead."""

    @classmethod
    def parse(
        cls,
        params: Asked,
        *,
        default_ledger: str | None = None,
        beside: Collection[str] = (),
    ) -> Self:
        """Read a query string. Nothing in it is ignored: what cannot be read is in `errors`.

        `beside` names the parameters that the caller reads himself, such as those of paging.
        """
        found: dict[str, tuple[str, ...]] = {}
        times: dict[str, datetime] = {}
        errors: dict[str, str] = {}
        for name in params:
            if name in beside:
                continue
            try:
                if name in _TIMES:
                    times[name] = _read_one_time(_values(params, name))
                else:
                    found[name] = _read_words(name, _values(params, name))
            except Unreadable as problem:
                errors[name] = str(problem)
        start, end = times.get("from"), times.get("to")
        if start is not None and end is not None and end <= start:
            errors["to"] = "is not after from, so nothing can match; swap them or move one"
        found.setdefault("ledger", (default_ledger or settings.LEDGER,))
        return cls(**found, from_=start, to=end, errors=errors)

    def apply(self, rows: QuerySet[Entry]) -> QuerySet[Entry]:
        """Return the rows that match; none at all when something could not be read.

        None of them is pruned: below the minimum index of a ledger nobody finds anything.
        """
        if self.errors:
            return rows.none()
        rows = self._kept(rows.filter(self._of_ledger()))
        for column, values in (
            ("agent_id", self.agent),
            ("actor_id", self.actor),
            ("outcome", self.outcome),
            ("category", self.category),
            ("severity", self.severity),
            ("environment", self.environment),
            ("run_id", self.run),
            ("trace_id", self.trace),
            ("key_id", self.key),
        ):
            rows = _matching(rows, column, values)
        if self.action:
            wanted = Q()
            for action in self.action:
                wanted |= _action(action)
            rows = rows.filter(wanted)
        if self.data_class:
            rows = rows.filter(data_classes__overlap=list(self.data_class))
        if len(set(self.backfill)) == 1:
            rows = rows.filter(is_backfill=self.backfill[0] == "true")
        if self.from_ is not None:
            rows = rows.filter(occurred_at__gte=self.from_)
        if self.to is not None:
            rows = rows.filter(occurred_at__lt=self.to)
        return rows

    def _of_ledger(self) -> Q:
        """Match ledgers by id, which every index begins with; Postgres finds the id once."""
        ids = Ledger.objects.filter(name__in=self.ledger).values("id")
        return Q(ledger_id=ids[:1]) if len(self.ledger) == 1 else Q(ledger_id__in=ids)

    def _kept(self, rows: QuerySet[Entry]) -> QuerySet[Entry]:
        """Leave out what is pruned; a ledger of which nothing is has no condition for it."""
        minimums = minimum_indexes(self.ledger)
        if len(self.ledger) == 1:
            return rows.filter(seq__gte=max(minimums.values())) if minimums else rows
        for ledger_id, minimum in minimums.items():
            rows = rows.exclude(ledger_id=ledger_id, seq__lt=minimum)
        return rows

    def as_params(self) -> dict[str, list[str]]:
        """Return the filter as a query string's parameters: `parse()` of them gives it back.

        For `urllib.parse.urlencode(…, doseq=True)`.
        """
        params = {name: list(getattr(self, name)) for name in _READERS if getattr(self, name)}
        if self.from_ is not None:
            params["from"] = [_show_time(self.from_)]
        if self.to is not None:
            params["to"] = [_show_time(self.to)]
        return params

    def active(self) -> list[tuple[str, str]]:
        """Return each name and value, for chips; the ledger is always one of them."""
        return [(name, value) for name, values in self.as_params().items() for value in values]

    def within(self, ledger: str) -> Self:
        """Return the same filter for one ledger."""
        return dataclasses.replace(self, ledger=(ledger,))


def _read_words(name: str, values: list[str]) -> tuple[str, ...]:
    reader = _READERS.get(name)
    if reader is None:
        raise Unreadable(f"is no filter; the filters are {', '.join(NAMES)}")
    if len(values) > MOST_VALUES:
        raise Unreadable(f"is given more than {MOST_VALUES} times")
    if not all(values):
        raise Unreadable("is empty; give a value or leave it out")
    return tuple(dict.fromkeys(reader(value) for value in values))


def _read_one_time(values: list[str]) -> datetime:
    if len(values) != 1:
        raise Unreadable("is given more than once; a range has one beginning and one end")
    return read_time(values[0])


def _matching(rows: QuerySet[Entry], column: str, values: tuple[str, ...]) -> QuerySet[Entry]:
    if not values:
        return rows
    if len(values) == 1:
        return rows.filter(**{column: values[0]})
    return rows.filter(**{f"{column}__in": values})


# --- Pages and streams --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some entries, newest first, and where the next ones begin."""

    items: list[Entry]
    next: str | None
    """What to pass as `after` for the following page; None on the last."""


def read_limit(value: str | None) -> int:
    """Return how many entries a page shall have: 50 unless told, 1 to 500. Raises Unreadable."""
    if value is None:
        return PAGE_LIMIT
    if value.isascii() and value.isdigit() and len(value) <= 3 and 1 <= int(value) <= MOST_LIMIT:
        return int(value)
    raise Unreadable(f"is a whole number from 1 to {MOST_LIMIT}")


def page(rows: QuerySet[Entry], *, after: str | None, limit: int = PAGE_LIMIT) -> Page:
    """Return one page, newest first by seq. Raises Unreadable for a cursor that is none of ours.

    The cursor is the seq of the last entry shown; when entries of two ledgers share a seq and the
    page ends between them, the ledger's number follows. Entries that come later never shift a page.
    """
    assert 1 <= limit <= MOST_LIMIT, "callers read limits with read_limit()"
    if after is not None:
        rows = rows.filter(_older_than(after))
    # The ledger breaks ties between ledgers; of one ledger, Postgres leaves it out of the sort.
    found = list(rows.order_by("-seq", "-ledger_id")[: limit + 1])
    if len(found) <= limit:
        return Page(items=found, next=None)
    last, beyond = found[limit - 1], found[limit]
    tied = f"-{last.ledger_id}" if beyond.seq == last.seq else ""
    return Page(items=found[:limit], next=f"{last.seq}{tied}")


def _older_than(cursor: str) -> Q:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Unreadable("is the `next` of the page before; leave it out to begin at the newest")
    seq, ledger_id = found.groups()
    older = Q(seq__lt=int(seq))
    return older if ledger_id is None else older | Q(seq=int(seq), ledger_id__lt=int(ledger_id))


def stream(rows: QuerySet[Entry], *, size: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield `(seq, hash, record)` of one ledger's rows below seq `size`, seq ascending.

    As `chunks()` does, row by row.
    """
    for _, found in chunks(rows, size=size):
        yield from found


def chunks(
    rows: QuerySet[Entry], *, size: int, start: int = 0
) -> Iterator[tuple[int, list[tuple[int, str, bytes]]]]:
    """Yield how far one ledger was looked through, and the rows `(seq, hash, record)` found there.

    The first is the seq that the next statement begins at, up to `size`; a stretch without a match
    is yielded too. Memory stays flat however long the ledger is. Each statement looks through a
    bounded range of seqs in a transaction of its own, so that a rare match is slow but never too
    slow, and neither vacuum nor append waits for a reader. `size` is fixed by the caller: a ledger
    that grows ends. It begins at `start`, below which the caller knows that nothing is kept.
    """
    width = CHUNK
    while start < size:
        end = min(start + width, size)
        span = rows.filter(seq__gte=start, seq__lt=end).order_by("seq")
        with time_limit(LIST_SECONDS):
            found = list(span.values_list("seq", "hash", "record")[:CHUNK])
        # A full chunk may have left matches behind in its range; go on right after its last.
        start = found[-1][0] + 1 if len(found) == CHUNK else end
        yield start, [(seq, str(digest), bytes(record)) for seq, digest, record in found]
        if len(found) < CHUNK // 4:
            width = min(width * 2, MOST_SEQS)
        elif len(found) == CHUNK:
            width = max(width // 2, CHUNK)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Run what is inside in one transaction whose statements may take `seconds` each.

    Raises QueryTooSlow when Postgres stopped one. The limit ends with the transaction.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [f"{int(seconds * 1000)}ms"]
                )
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise QueryTooSlow(f"a statement ran longer than {seconds:g} s") from error
        raise
