"""From the bytes of one event to a ParsedEvent, or to EventRejected. Pure; the hot path of ingest.

    raw ─ typed decode ─ rules over fields ─ times to UTC ─ encode ─ what JSON hides ─▶ canonical

The canonical bytes are the event as it was sent, with times in UTC microseconds, the id in lower
case and keys in order: what the digest is taken of. Never redacts, encrypts or replaces: that is
`audit.stored`. The schema is `audit.events`; the slow look for where a body breaks JSON's limits
is `audit.limits`, which this module calls only when a quick sign says that it must.

How duplicate keys are found. msgspec keeps the last one, so the second is lost. What is written
back can be shorter than what was sent (a lost key, white space, an escape, a digit too many) and
longer only by known amounts (times, the id) or by a number with an exponent (1e-4 becomes 0.0001).
So equal lengths, without exponents, prove that nothing was lost; else the raw bytes are read again.
(An id sent without hyphens grows by four, and the shortest member that can be lost, `"":1,`, is
five bytes long: the lengths differ.)
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET

from audit import limits
from audit.actions import ACTIONS, fits, is_vendor_action
from audit.errors import EventRejected, NotCanonical
from audit.events import Event
from audit.ledger import canonical
from audit.refusals import explain

_decode = msgspec.json.Decoder(Event).decode
_encode = msgspec.json.Encoder(order="deterministic").encode

# `"id":"<36 characters>",`
_LENGTH_OF_ID: Final = 44

_NEEDS_NO_TARGET = frozenset({"system", "audit", "action"})
_NEEDS_WITHDRAWN_FROM = frozenset({"consent.withdrawn", "objection.upheld"})

# Fields that may hold a float, as (block, fields); and those that hold a time.
_FLOATS: Final = (
    ("backup", ("rto_seconds",)),
    ("evaluation", ("score",)),
    ("feedback", ("score",)),
    ("measure", ("value",)),
    ("memory", ("ttl_seconds",)),
    ("model", ("temperature",)),
    ("plan", ("quality",)),
    (
        "resource",
        (
            "context_switches",
            "cpu_ratio",
            "disk_bytes",
            "disk_io_bytes",
            "gc_pause_ms",
            "memory_bytes",
            "net_io_bytes",
        ),
    ),
    ("system", ("max_lag_seconds",)),
    ("test", ("seconds_to_stop",)),
    ("usage", ("cost_usd",)),
)
_TIMES: Final = (
    ("data", ("retention_until",)),
    ("decision", ("expires_at",)),
    ("case", ("aware_at", "discovered_at")),
    ("vendor", ("valid_until",)),
)

_MAJOR_VERSION_1 = re.compile(r"1(?:\.[0-9]+){0,2}", re.ASCII)
_UTC_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d+))?Z", re.ASCII
)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+-](?:[01]\d|2[0-3]):[0-5]\d))",
    re.ASCII,
)
_LONGEST_TIME = 64

# A number with an exponent follows a colon, or in a list a comma or bracket; a hex digest, which
# would look like one ("…1e3…"), follows a quote. Only read where the bytes sent are compact.
_EXPONENT_OF_FIELD = re.compile(rb":-?[\d.]+[eE]")
_EXPONENT = re.compile(rb"[:,\[]-?[\d.]+[eE]")

# How the numbers of an event stand to the encoder: none is a float; all are written alike by
# msgspec and RFC 8785; some are not.
_NO_FLOAT, _PLAIN_FLOAT, _OTHER_FLOAT = 0, 1, 2


class _LooksWrong(Exception):
    """A quick look met something that the slow look must find and name."""


class ParsedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event that may be received; all that `receive` must know of it."""

    id: uuid.UUID | None
    """The idempotency key: the sender's, else the default; None when there was neither."""

    canonical: bytes
    """The event as sent, in normal form (RFC 8785). In clear: for the digest, never stored."""

    action: str
    category: str
    agent_id: str

    subject_ids: tuple[str, ...]
    """`data.subject_ids` as sent, each once, in the order of first use."""

    personal: dict[str, Any] | None
    """`personal` as sent, in clear; `canonicalise()` it to encrypt it."""

    event: Event
    """The fields themselves, times already in normal form. Not to be changed: make a copy."""

    rewrites_numbers: bool
    """Whether a float needs another form than msgspec gives it."""

    def with_id(self, event_id: uuid.UUID) -> ParsedEvent:
        """Return the event under this id; for one that came without."""
        assert self.id is None, "an event keeps the id it was sent with"
        event = with_fields(self.event, id=event_id)
        return msgspec.structs.replace(
            self,
            id=event_id,
            event=event,
            canonical=encode(event, rewrites_numbers=self.rewrites_numbers),
        )


def parse_event(
    raw: bytes,
    *,
    default_id: uuid.UUID | Callable[[], uuid.UUID] | None,
    at: str = "$",
    by_server: bool = False,
) -> ParsedEvent:
    """Return the event these bytes hold, or raise EventRejected with its place and rule.

    An event without an id gets `default_id` (called when it can be). `at` is where the event stands
    in what the client sent (`$.data` of a CloudEvent) and leads every path. `by_server` admits
    what only the platform may say: the block `integrity`.
    Limits of the stored form (60,000 bytes and the like) are `audit.stored`'s to check.
    """
    limits.check_sent_size(raw, at=at)
    try:
        event = _decode(raw)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError
        raise explain(error, raw, at=at) from error
    try:
        return _parsed(event, raw, default_id=default_id, at=at, by_server=by_server)
    except (_LooksWrong, NotCanonical, UnicodeEncodeError) as sign:
        limits.refuse(raw, at=at)
        raise AssertionError("a quick look refused what the slow one accepts") from sign


def _parsed(
    event: Event,
    raw: bytes,
    *,
    default_id: uuid.UUID | Callable[[], uuid.UUID] | None,
    at: str,
    by_server: bool,
) -> ParsedEvent:
    _check_action(event, at)
    _check_blocks(event, at=at, by_server=by_server)
    subject_ids = _subject_ids(event, at)
    typed, free = _typed_floats(event), _free_floats(event)
    growth = _normalise_times(event, at)
    if event.id is UNSET and default_id is not None:
        event.id = default_id() if callable(default_id) else default_id
        growth += _LENGTH_OF_ID

    rewrites = typed == _OTHER_FLOAT or free == _OTHER_FLOAT
    encoded = encode(event, rewrites_numbers=rewrites)
    _check_nothing_lost(raw, len(encoded) - growth, typed=typed, free=free)
    # The backslash first: looking for one byte costs a tenth of looking for six.
    if (b"\\" in encoded and b"\\u0000" in encoded) or len(encoded) > limits.MAX_STRING:
        # The slow look decides: it may be the text \u0000, or many short strings.
        limits.refuse(raw, at=at)
    return ParsedEvent(
        id=None if event.id is UNSET else event.id,
        canonical=encoded,
        action=event.action,
        category=event.category,
        agent_id=event.agent.id,
        subject_ids=subject_ids,
        personal=None if event.personal is UNSET else event.personal,
        event=event,
        rewrites_numbers=rewrites,
    )


def encode(event: Event, *, rewrites_numbers: bool) -> bytes:
    """Return the canonical bytes of an event; raises NotCanonical as `canonicalise` does."""
    encoded = _encode(_with_writable_numbers(event) if rewrites_numbers else event)
    if canonical.order_may_differ(encoded):
        return canonical.reference(msgspec.json.decode(encoded))
    return encoded


def with_fields(event: Event, **fields: Any) -> Event:
    """Return a copy of the event with these fields set; msgspec's `replace` would check nothing."""
    return msgspec.structs.replace(event, **fields)


# Rules over several fields


def _check_action(event: Event, at: str) -> None:
    action = event.action
    if ACTIONS.get(action) == event.category:
        return
    if action not in ACTIONS and not is_vendor_action(action):
        raise EventRejected(
            code="unknown-action",
            path=f"{at}.action",
            message="no action of docs/events.md, and not of the form x.<vendor>.<verb>",
        )
    if not fits(action, event.category):
        raise EventRejected(
            code="wrong-category",
            path=f"{at}.category",
            message="the action stands under another category; docs/events.md lists them",
        )


def _check_blocks(event: Event, *, at: str, by_server: bool) -> None:
    if event.category not in _NEEDS_NO_TARGET:
        _check_target(event, at)
    if event.integrity is not UNSET and not by_server:
        raise EventRejected(
            code="server-field", path=f"{at}.integrity", message="only the server says this"
        )
    version = event.schema_version
    if version is not UNSET and version != "1.0" and _MAJOR_VERSION_1.fullmatch(version) is None:
        raise EventRejected(
            code="schema-version",
            path=f"{at}.schema_version",
            message="only 1.x is known",
        )
    if event.action in _NEEDS_WITHDRAWN_FROM:
        _check_withdrawal(event, at)


def _check_target(event: Event, at: str) -> None:
    target = event.target
    if target is UNSET:
        path = f"{at}.target"
    elif target.type is UNSET:
        path = f"{at}.target.type"
    elif target.id is UNSET:
        path = f"{at}.target.id"
    else:
        return
    raise EventRejected(
        code="missing-field",
        path=path,
        message="required in every category but system, audit and action",
    )


def _check_withdrawal(event: Event, at: str) -> None:
    data = event.data
    if data is UNSET or data.subject_ids is UNSET or not data.subject_ids:
        missing = "subject_ids"
    elif not data.consent_id and not data.purpose:
        missing = "consent_id"
    else:
        return
    raise EventRejected(
        code="missing-subject",
        path=f"{at}.data.{missing}",
        message="this action needs data.subject_ids, and data.consent_id or data.purpose",
    )


def _subject_ids(event: Event, at: str) -> tuple[str, ...]:
    data = event.data
    given = () if data is UNSET or data.subject_ids is UNSET else data.subject_ids
    subject_ids = tuple(dict.fromkeys(given)) if given else ()
    if event.personal is not UNSET and len(subject_ids) != 1:
        raise EventRejected(
            code="personal-subject",
            path=f"{at}.personal",
            message="an event with personal data names exactly one subject in data.subject_ids",
        )
    return subject_ids


# Times


def _normalise_times(event: Event, at: str) -> int:
    """Put every time in normal form; return by how many bytes the event grew."""
    sent = event.occurred_at
    event.occurred_at = normal_time(sent, at=f"{at}.occurred_at")
    growth = len(event.occurred_at) - len(sent)
    for block_name, fields in _TIMES:
        block = getattr(event, block_name)
        if block is UNSET:
            continue
        for field in fields:
            sent = getattr(block, field)
            if sent is not UNSET:
                normal = normal_time(sent, at=f"{at}.{block_name}.{field}")
                setattr(block, field, normal)
                growth += len(normal) - len(sent)
    return growth


def normal_time(sent: str, *, at: str) -> str:
    """Return an RFC 3339 time in UTC with exactly six digits, cut, not rounded."""
    match = _UTC_TIME.fullmatch(sent)
    try:
        if match is None:
            return _time_with_offset(sent, at=at)
        # The pattern says what the time looks like, this whether there is such a day.
        datetime.fromisoformat(match[1])
    except (ValueError, OverflowError) as error:
        raise EventRejected(
            code="bad-time", path=at, message="no such time in the years 1 to 9999"
        ) from error
    if len(sent) > _LONGEST_TIME:
        raise _no_time(at)
    return f"{match[1]}.{_six_digits(match[2])}Z"


def _time_with_offset(sent: str, *, at: str) -> str:
    match = _TIME.fullmatch(sent) if len(sent) <= _LONGEST_TIME else None
    if match is None:
        raise _no_time(at)
    local = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4] or '+00:00'}")
    utc = local.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat()}.{_six_digits(match[3])}Z"


def _six_digits(fraction: str | None) -> str:
    return "000000" if fraction is None else fraction[:6].ljust(6, "0")


def _no_time(at: str) -> EventRejected:
    return EventRejected(
        code="bad-time",
        path=at,
        message="an RFC 3339 time with an offset or Z is needed; second 60 is not accepted",
    )


# Numbers, and the free parts


def _typed_floats(event: Event) -> int:
    found = _float_kind(event.duration_ms) if type(event.duration_ms) is float else _NO_FLOAT
    for block_name, fields in _FLOATS:
        block = getattr(event, block_name)
        if block is not UNSET:
            for field in fields:
                value = getattr(block, field)
                if type(value) is float:
                    found = max(found, _float_kind(value))
    return found


def _float_kind(value: float) -> int:
    return _PLAIN_FLOAT if canonical.number(value) is value else _OTHER_FLOAT


def _free_floats(event: Event) -> int:
    """Walk the parts whose fields are the sender's own; raises _LooksWrong beyond a limit."""
    found = _NO_FLOAT
    if event.details is not UNSET:
        found = _walk(event.details, 2)
    if event.personal is not UNSET:
        found = max(found, _walk(event.personal, 2))
    if event.case is not UNSET and event.case.factors is not UNSET:
        found = max(found, _walk(event.case.factors, 3))
    return found


def _walk(container: dict[str, Any] | list[Any], depth: int) -> int:
    """Return how its floats are written; `depth` is its own, the event being 1."""
    if depth > limits.MAX_DEPTH:
        raise _LooksWrong
    if type(container) is dict:
        if len(container) > limits.MAX_KEYS:
            raise _LooksWrong
        members: Any = container.values()
    else:
        members = container
    found = _NO_FLOAT
    for member in members:
        kind = type(member)
        if kind is str:
            continue
        if kind is int:
            if not -canonical.SAFE_INTEGER <= member <= canonical.SAFE_INTEGER:
                raise _LooksWrong
        elif kind is float:
            found = max(found, _float_kind(member))
        elif kind is dict or kind is list:
            found = max(found, _walk(member, depth + 1))
    return found


def _with_writable_numbers(event: Event) -> Event:
    fields: dict[str, Any] = {}
    for name in ("duration_ms", "details", "personal"):
        if (value := getattr(event, name)) is not UNSET:
            fields[name] = canonical.writable(value)
    for name, block_fields in (*_FLOATS, ("case", ("factors",))):
        block = getattr(event, name)
        if block is not UNSET:
            fields[name] = msgspec.structs.replace(
                block,
                **{
                    field: canonical.writable(value)
                    for field in block_fields
                    if (value := getattr(block, field)) is not UNSET
                },
            )
    return with_fields(event, **fields)


def _check_nothing_lost(raw: bytes, length: int, *, typed: int, free: int) -> None:
    """Raise _LooksWrong when a duplicate key was lost; see the module's docstring."""
    compact = raw if len(raw) == length else msgspec.json.format(raw, indent=-1)
    if len(compact) == length and not _has_exponent(compact, typed=typed, free=free):
        return
    if limits.has_duplicate_keys(raw):
        raise _LooksWrong


def _has_exponent(compact: bytes, *, typed: int, free: int) -> bool:
    if free != _NO_FLOAT:
        return _EXPONENT.search(compact) is not None
    return typed != _NO_FLOAT and _EXPONENT_OF_FIELD.search(compact) is not None
