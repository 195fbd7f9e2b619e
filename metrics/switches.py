"""Switch metrics, logging and tracing while the platform runs: on or off, from where, how much.

A switch has the value of its variable in the environment where one is set, else what an
administrator has switched, else its default. Each process remembers the rows for two seconds, so
that a change is seen everywhere within five, whoever asks every few seconds. When the database
does not answer, what was known last holds. A change leaves `audit.config_changed` with the values
before and after, who and why. Readers ask outside of transactions: a statement that fails would
take the transaction with it.

What follows a switch without asking, the loggers, stands in settings.SWITCH_FOLLOWERS.
Pages: metrics.admin.switches.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, cast

import psycopg
import structlog
from django.conf import settings
from django.db import Error, transaction
from django.utils.module_loading import import_string

from audit.database import rows
from metrics.acting import ChangeRefused, leave, read_reason
from metrics.family import Detail
from metrics.models import Switch
from metrics.platform_families import COMPONENT_ENABLED

log = structlog.get_logger(__name__)

REMEMBERED_SECONDS: Final = 2.0
"""How long a process trusts what it read: who asks every three seconds is never five behind."""

ON_OFF: Final = ("on", "off")
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
DETAILS: Final = ("minimal", "standard", "full")

Origin = Literal["environment", "admin", "default"]

_ROWS = "SELECT name, value FROM metrics_switch"
# Held to the end of a change: the value before must be the one that the entry says.
_LOCK = "SELECT 1 FROM pg_advisory_xact_lock(hashtext('metrics.switches'))"
_SWITCH = """
INSERT INTO metrics_switch (name, value, changed_at, changed_by)
VALUES (%s, %s, clock_timestamp(), %s)
ON CONFLICT (name) DO UPDATE
SET value = excluded.value, changed_at = excluded.changed_at, changed_by = excluded.changed_by
RETURNING name
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What can be switched."""

    name: str
    """As rows and entries call it."""
    word: str
    """As pages call it."""
    variable: str
    """What decides it in the environment."""
    values: tuple[str, ...]
    """What it may be; empty where it is typed."""
    said: str
    """What it does, in a sentence or two."""
    read: Callable[[str], str] | None = None
    """Of one that is typed: returns it as it is kept. Raises ValueError saying what it may be."""
    example: str = ""
    """Of one that is typed."""


def _read_levels(typed: str) -> str:
    """Return `audit=DEBUG,celery=ERROR` without blanks."""
    found = [pair.strip() for pair in typed.split(",") if pair.strip()]
    if not all(_LEVEL_OF_ONE.fullmatch(pair) for pair in found):
        raise ValueError(f"is a list like audit=DEBUG,celery=ERROR; levels are {', '.join(LEVELS)}")
    return ",".join(found)


def _read_share(typed: str) -> str:
    """Return a number from 0 to 1 in its shortest form."""
    try:
        share = float(typed)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError("is a number from 0 to 1, such as 0.01 for one trace in a hundred")
    return f"{share:g}"


_LEVEL_OF_ONE: Final = re.compile(rf"[A-Za-z_][A-Za-z0-9_.]{{0,99}}=({'|'.join(LEVELS)})")

KNOWN: Final = {
    each.name: each
    for each in (
        Known(
            name="metrics",
            word="Metrics",
            variable="OBS_METRICS_ENABLED",
            values=ON_OFF,
            said="Off: entries are chained as ever and counted later, when metrics are on again; "
            "processes count nothing of themselves, and /metrics says only what is switched off.",
        ),
        Known(
            name="logging",
            word="Logging",
            variable="OBS_LOGGING_ENABLED",
            values=ON_OFF,
            said="Off: lines about requests and of level info or below are not written; warnings "
            "and errors still are.",
        ),
        Known(
            name="log_level",
            word="Log level",
            variable="OBS_LOG_LEVEL",
            values=LEVELS,
            said="Lines of this level and above are written.",
        ),
        Known(
            name="log_levels",
            word="Levels of single loggers",
            variable="OBS_LOG_LEVELS",
            values=(),
            read=_read_levels,
            example="audit.append=DEBUG,celery=ERROR",
            said="Lines of these loggers, and of those below them, are written from this level on, "
            "whatever the level of the rest. Empty: all go by the log level.",
        ),
        Known(
            name="detail",
            word="Detail of metrics",
            variable="OBS_METRICS_DETAIL",
            values=DETAILS,
            said="How many families /metrics shows. All are counted at each level, so a total is "
            "whole when somebody turns the level up.",
        ),
        Known(
            name="tracing",
            word="Tracing",
            variable="OBS_TRACING_ENABLED",
            values=ON_OFF,
            said="Off: the platform makes no spans of its own work. What agents send is taken in "
            "as ever. Where nothing says where spans go, none are made either way.",
        ),
        Known(
            name="sampling",
            word="Share of traces",
            variable="OBS_TRACING_SAMPLE_RATIO",
            values=(),
            read=_read_share,
            example="0.01",
            said="Of the platform's own traces this share is made, 0 to 1. A trace that a sender "
            "began is made when the sender keeps it.",
        ),
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How a switch stands."""

    known: Known
    value: str
    origin: Origin
    """What decided it."""
    changed_at: datetime | None = None
    """When somebody last switched it in the admin, also where the environment wins."""
    changed_by: str = ""


# --- Asking --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Memory:
    """What this process read last."""

    switched: Mapping[str, str]
    read_at: float
    """On the monotonic clock; minus infinity: never."""
    is_away: bool = False
    """The database did not answer when it was asked last."""
    told: tuple[tuple[str, str], ...] = ()
    """What the followers were told last."""
    reading: threading.Lock = field(default_factory=threading.Lock)
    """Held while one thread reads; the others take what is known."""


_memory: Final = _Memory(switched={}, read_at=float("-inf"))


def _begin_in_child() -> None:
    """Have a lock of one's own: a thread of the parent may hold the one that was copied."""
    _memory.reading = threading.Lock()


os.register_at_fork(after_in_child=_begin_in_child)


def metrics_on() -> bool:
    """Return whether anything is counted."""
    return _value("metrics") == "on"


def logging_on() -> bool:
    """Return whether lines below a warning are written."""
    return _value("logging") == "on"


def log_level() -> str:
    """Return the level from which on lines are written: DEBUG, INFO, WARNING or ERROR."""
    return _value("log_level")


def detail() -> Detail:
    """Return how much `/metrics` shows."""
    return cast("Detail", _value("detail"))


def refresh() -> None:
    """Read the switches now, and tell those who follow them. Never raises for the database."""
    with _memory.reading:
        _read()


def _value(name: str) -> str:
    return _values()[name]


def _values() -> dict[str, str]:
    is_old = time.monotonic() - _memory.read_at > REMEMBERED_SECONDS
    if is_old and _memory.reading.acquire(blocking=False):
        try:
            _read()
        finally:
            _memory.reading.release()
    return _decided(_memory.switched)


def _read() -> None:
    try:
        _memory.switched = dict(rows(_ROWS))
    except (Error, psycopg.Error) as error:
        if not _memory.is_away:  # said once, not every two seconds
            log.warning("switches.unread", error=str(error))
        _memory.is_away = True
    else:
        _memory.is_away = False
    _memory.read_at = time.monotonic()
    _tell(_decided(_memory.switched))


def _decided(switched: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each switch: the environment's, else the row's, else the default."""
    return {
        name: switched.get(name, default) if not is_set else default
        for name, (default, is_set) in settings.SWITCHES.items()
    }


def _tell(values: Mapping[str, str]) -> None:
    told = tuple(values.items())
    if told != _memory.told:
        for path in settings.SWITCH_FOLLOWERS:
            follow: Callable[[Mapping[str, str]], None] = import_string(path)
            follow(values)
        _memory.told = told


# --- The page, and changing ----------------------------------------------------------------------


def states() -> list[State]:
    """Return how each switch stands now, as the database says, in the order of pages."""
    switched = {row.name: row for row in Switch.objects.all()}
    return [_state(known, switched.get(name)) for name, known in KNOWN.items()]


def _state(known: Known, row: Switch | None) -> State:
    default, is_set = settings.SWITCHES[known.name]
    origin: Origin = "environment" if is_set else "default"
    value = default
    if row is not None and not is_set:
        value, origin = row.value, "admin"
    return State(
        known=known,
        value=value,
        origin=origin,
        changed_at=row.changed_at if row else None,
        changed_by=row.changed_by if row else "",
    )


def switch(name: str, value: str, *, reason: str, by: str) -> State:
    """Switch, with the entry about it; this process sees it at once, all others within 5 s.

    Raises ChangeRefused: an unknown value, no reason, nothing to change, the environment decides.
    """
    known = KNOWN[name]
    value = _read_value(known, value)
    reason = read_reason(reason)
    with transaction.atomic():
        rows(_LOCK)
        row = Switch.objects.filter(name=name).first()
        before = _state(known, row)
        if before.origin == "environment":
            raise ChangeRefused({"value": f"is set by {known.variable}; change it there"})
        if before.value == value:
            raise ChangeRefused({"value": f"is {value or 'empty'} already"})
        rows(_SWITCH, (name, value, by))
        leave(
            "switch",
            name,
            by=by,
            change="switched",
            reason=reason,
            details={"before": before.value, "after": value},
        )
    refresh()
    return _state(known, Switch.objects.get(name=name))


def _read_value(known: Known, value: str) -> str:
    if known.read is None:
        if value not in known.values:
            raise ChangeRefused({"value": f"is one of {', '.join(known.values)}"})
        return value
    try:
        return known.read(value)
    except ValueError as problem:
        raise ChangeRefused({"value": str(problem)}) from None


# --- Facts for /metrics --------------------------------------------------------------------------


def component_facts() -> dict[tuple[str, tuple[str, ...]], float]:
    """Return which parts of observing are on: row 65. The audit cannot be switched off."""
    values = _values()
    switched = ("metrics", "logging", "tracing")
    on = {name: float(values[name] == "on") for name in switched} | {"audit": 1.0}
    return {(COMPONENT_ENABLED.name, (component,)): each for component, each in on.items()}
