"""Catch slow work for a time: where a request or a task spent it, and which statements were slow.

Somebody starts a capture of one sort, for so many minutes, of what is slower than so many
milliseconds. While none is in force nothing is measured and nothing wrapped. A thread of each
process asks every few seconds which are in force (obsplatform.following). What is caught stands in
tracing_profile, of each capture MOST_PROFILES at most. Who calls this: slow_requests.py and
slow_tasks.py.

A statement is kept without its values, with the plan that Postgres would make for any values:
EXPLAIN (GENERIC_PLAN), never ANALYZE, which would run it again; of what only reads.
Starting and ending leave an entry `audit.config_changed`, as a switch does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import psycopg
import structlog
from django.conf import settings
from django.db import Error, connection, transaction
from django.utils import timezone
from opentelemetry import trace
from psycopg import sql
from psycopg_pool import PoolTimeout
from pyinstrument import Profiler
from pyinstrument.frame import Frame

from audit import database
from audit.database import raw_connection, raw_cursor, rows
from audit.models import Ledger
from audit.receive import receive_own
from tracing.models import Capture

log = structlog.get_logger(__name__)

Sort = Literal["request", "task", "query"]
SORTS: Final[tuple[Sort, ...]] = ("request", "task", "query")

MOST_MINUTES: Final = 24 * 60
MOST_MS: Final = 3_600_000
MOST_PROFILES: Final = 200
"""Profiles of one sort within one capture."""
MOST_REASON: Final = 500

INTERVAL_SECONDS: Final = 0.001
"""Between two looks at the stack."""
MOST_FRAMES: Final = 500
LEAST_SHARE: Final = 0.005
"""A frame below this share of the whole is left out."""
MOST_STATEMENT: Final = 8_000
"""Characters; what a library writes may be longer."""
MOST_STATEMENTS: Final = 20
"""Different slow statements of one request or task."""

_IN_FORCE = """
SELECT sort, min(slower_ms), min(starts_at)
FROM tracing_capture
WHERE ends_at > clock_timestamp()
GROUP BY sort
"""
_KEEP = """
INSERT INTO tracing_profile (sort, name, at, duration_ms, process, request_id, trace_id, report)
SELECT %(sort)s::text, %(name)s::text, %(at)s::timestamptz, %(ms)s::float8, %(process)s::text,
       %(request_id)s::text, %(trace_id)s::text, %(report)s::jsonb
WHERE (
    SELECT count(*)
    FROM tracing_profile
    WHERE sort = %(sort)s::text
      AND at >= %(since)s::timestamptz
) < %(most)s::bigint
RETURNING id
"""


class NotCaptured(ValueError):
    """A capture cannot be started or ended so; says which field is wrong, and how."""

    def __init__(self, name: str, said: str) -> None:
        """Name the field and what it must be."""
        super().__init__(f"{name} {said}")
        self.errors = {name: said}


# --- Starting and ending -------------------------------------------------------------------------


def start_capture(sort: str, slower_ms: int, minutes: int, by: str, *, reason: str = "") -> Capture:
    """Catch what is slower, for so many minutes from now, with the entry about it.

    Raises NotCaptured: an unknown sort, a number out of its bounds, a reason that is too long, or
    a sort that is being caught already.
    """
    if sort not in SORTS:
        raise NotCaptured("sort", f"is one of {', '.join(SORTS)}")
    if not 0 <= slower_ms <= MOST_MS:
        raise NotCaptured("slower_ms", f"is between 0 and {MOST_MS:,} milliseconds")
    if not 1 <= minutes <= MOST_MINUTES:
        raise NotCaptured("minutes", f"is between 1 and {MOST_MINUTES:,}")
    if len(reason) > MOST_REASON:
        raise NotCaptured("reason", f"has at most {MOST_REASON} characters")
    with transaction.atomic():
        if Capture.objects.filter(sort=sort, ends_at__gt=timezone.now()).exists():
            raise NotCaptured("sort", "is being caught already; end that capture first")
        ((capture_id,),) = rows(
            "INSERT INTO tracing_capture (sort, slower_ms, ends_at, made_by) "
            "VALUES (%s, %s, clock_timestamp() + make_interval(mins => %s::integer), %s) "
            "RETURNING id",
            (sort, slower_ms, minutes, by),
        )
        said = {"sort": sort, "slower_ms": slower_ms, "minutes": minutes}
        _leave(capture_id, by=by, change="started", details=said, reason=reason)
    ask()
    return Capture.objects.get(id=capture_id)


def end_capture(capture_id: int, by: str) -> Capture:
    """End a capture before its time, with the entry about it; what was caught stays.

    Raises Capture.DoesNotExist; NotCaptured when it has ended.
    """
    with transaction.atomic():
        capture = Capture.objects.get(id=capture_id)
        ended = rows(
            "UPDATE tracing_capture SET ends_at = clock_timestamp(), ended_by = %s "
            "WHERE id = %s AND ends_at > clock_timestamp() RETURNING id",
            (by, capture_id),
        )
        if not ended:
            raise NotCaptured("capture", "has ended already")
        _leave(capture_id, by=by, change="ended", details={"sort": capture.sort})
    ask()
    capture.refresh_from_db()
    return capture


def _leave(
    capture_id: int, *, by: str, change: str, details: Mapping[str, object], reason: str = ""
) -> None:
    more: dict[str, Any] = {"reason": reason} if reason else {}
    receive_own(
        Ledger.objects.get(name=settings.LEDGER),
        "audit.config_changed",
        by=by,
        target={"type": "capture", "id": str(capture_id)},
        details={"change": change, **details},
        **more,
    )


# --- What is in force ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Force:
    """One sort that is caught now."""

    slower_ms: int
    """The least of all captures of the sort."""
    since: datetime


_forces: dict[str, Force] = {}
"""What this process has been told last."""


def ask() -> None:
    """Ask what is caught now; a thread of each process does, every few seconds.

    Where the database does not answer nothing is caught: slow work is no reason for more trouble.
    """
    global _forces
    try:
        found = rows(_IN_FORCE)
    except (Error, psycopg.Error, PoolTimeout) as error:
        log.warning("capture.not_asked", error=str(error).split("\n")[0])
        found = []
    _forces = {sort: Force(slower_ms=slower_ms, since=since) for sort, slower_ms, since in found}
    _watch_raw_cursors(on="query" in _forces)


# --- Catching ------------------------------------------------------------------------------------


@contextmanager
def caught(sort: Literal["request", "task"], *, process: str) -> Iterator[_Work]:
    """Do a request or a task, and keep what of it was slow where that is in force.

    Set `name` on what is yielded: it may be known only at the end.
    """
    forces = _forces
    work = _Work(sort=sort, process=process)
    if not forces:
        yield work
        return
    statements = _Statements(forces.get("query"))
    began = time.perf_counter()
    # Wall clock and this thread alone: where a request waited is what is asked for.
    profiler = Profiler(INTERVAL_SECONDS, async_mode="disabled") if sort in forces else None
    try:
        with profiler or nullcontext(), statements.watched():
            yield work
    finally:
        ms = (time.perf_counter() - began) * 1000
        try:
            if profiler is not None and ms >= forces[sort].slower_ms:
                _keep(work, sort, work.name, ms, forces[sort], frames_of(profiler, ms))
            statements.keep(work)
        except (Error, psycopg.Error) as error:
            log.warning("capture.not_kept", sort=sort, error=str(error).split("\n")[0])


@dataclass(slots=True, kw_only=True)
class _Work:
    """A request or a task while it is done."""

    sort: str
    process: str
    name: str = ""
    """Its route, or the task's name."""


def _keep(
    work: _Work, sort: str, name: str, ms: float, force: Force, report: Mapping[str, Any]
) -> None:
    bound = structlog.contextvars.get_contextvars()
    span = trace.get_current_span().get_span_context()
    rows(
        _KEEP,
        {
            "sort": sort,
            "name": name[:MOST_STATEMENT] or "unknown",
            "at": datetime.now(UTC),
            "ms": ms,
            "process": work.process,
            "request_id": str(bound.get("request_id", "")),
            "trace_id": f"{span.trace_id:032x}" if span.is_valid else "",
            "report": msgspec.json.encode(report).decode(),
            "since": force.since - timedelta(seconds=1),
            "most": MOST_PROFILES,
        },
    )


# --- Frames --------------------------------------------------------------------------------------


def frames_of(profiler: Profiler, ms: float) -> dict[str, Any]:
    """Return the stack as a tree: name, file, line, milliseconds and children of each frame."""
    session = profiler.last_session
    root = None if session is None else session.root_frame()
    if root is None:
        return {"frames": []}
    left = [MOST_FRAMES]
    return {"frames": [_frame(root, ms * LEAST_SHARE, left)]}


def _frame(frame: Frame, least_ms: float, left: list[int]) -> dict[str, Any]:
    left[0] -= 1
    children = []
    for child in sorted(frame.children, key=lambda each: each.time, reverse=True):
        if left[0] <= 0 or child.time * 1000 < least_ms:
            break
        children.append(_frame(child, least_ms, left))
    return {
        "name": frame.function,
        "file": frame.file_path_short or "",
        "line": frame.line_no or 0,
        "ms": round(frame.time * 1000, 3),
        "children": children,
    }


# --- Statements ----------------------------------------------------------------------------------


class _Statements:
    """The slow statements of one request or task, through Django's cursors and past them."""

    def __init__(self, force: Force | None) -> None:
        self._force = force
        self._found: dict[str, tuple[float, int]] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Time the statements of this thread, where that is in force."""
        if self._force is None:
            yield
            return
        token = _watcher.set(self)
        try:
            with connection.execute_wrapper(self._time):
                yield
        finally:
            _watcher.reset(token)

    def _time(
        self, execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: Any
    ) -> Any:
        with self.timed(statement):
            return execute(statement, params, many, context)

    @contextmanager
    def timed(self, statement: Any) -> Iterator[None]:
        """Run a statement, and note it when it was slow."""
        began = time.perf_counter()
        try:
            yield
        finally:
            ms = (time.perf_counter() - began) * 1000
            if self._force is not None and ms >= self._force.slower_ms:
                self._note(without_literals(_text_of(statement)), ms)

    def _note(self, statement: str, ms: float) -> None:
        longest, count = self._found.get(statement, (0.0, 0))
        if count or len(self._found) < MOST_STATEMENTS:
            self._found[statement] = max(longest, ms), count + 1

    def keep(self, work: _Work) -> None:
        """Keep what was slow, with its plan; called when no transaction is open."""
        for statement, (ms, count) in self._found.items():
            assert self._force is not None, "only what is in force is noted"
            report = {"statement": statement, "plan": plan_of(statement), "count": count}
            _keep(work, "query", statement, ms, self._force, report)


_watcher: Final[ContextVar[_Statements | None]] = ContextVar("_watcher", default=None)
_usual: type[psycopg.Cursor[Any]] | None = None


def _watch_raw_cursors(*, on: bool) -> None:
    """Have our own statements timed while anybody asks for slow ones, and not otherwise."""
    global _usual
    if on and _usual is None:
        _usual = database.cursor_kind()
        database.make_cursors_with(_watched_kind(_usual))
    elif not on and _usual is not None:
        database.make_cursors_with(_usual)
        _usual = None


def _watched_kind(usual: type[psycopg.Cursor[Any]]) -> type[psycopg.Cursor[Any]]:
    class Watched(usual):  # type: ignore[misc,valid-type]
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            watcher = _watcher.get()
            with nullcontext() if watcher is None else watcher.timed(query):
                return super().execute(query, *arguments, **options)

    return Watched


def _text_of(statement: Any) -> str:
    if isinstance(statement, bytes):
        return statement.decode(errors="replace")
    if isinstance(statement, sql.Composable):
        return statement.as_string(None)
    return str(statement)


_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_READS: Final = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_WRITES: Final = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO|FOR)\b", re.IGNORECASE)
_PLACE: Final = re.compile(r"%s|%\(\w+\)s")


def without_literals(statement: str) -> str:
    """Return a statement without the texts that stand in it; its values are placeholders."""
    return _LITERAL.sub("'…'", statement)[:MOST_STATEMENT]


def plan_of(statement: str) -> Sequence[Any]:
    """Return the plan for any values as EXPLAIN's JSON; empty where there is none to be had.

    None is made of what could write, of what was cut, and by a Postgres before 16.
    """
    is_whole = len(statement) < MOST_STATEMENT and "…" not in statement
    if not is_whole or not _READS.match(statement) or _WRITES.search(statement):
        return []
    if raw_connection().info.server_version < 160_000:
        return []
    numbers = iter(range(1, statement.count("%") + 1))
    asked = _PLACE.sub(lambda _: f"${next(numbers)}", statement).replace("%%", "%")
    try:
        with transaction.atomic(), raw_cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 500")  # ms
            # Without parameters, so that it is one plain query: only so may $1 have no value.
            explained = cursor.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {asked}".encode())
            ((plan,),) = explained.fetchall()
    except (Error, psycopg.Error) as error:
        log.info("capture.no_plan", error=str(error).split("\n")[0])
        return []
    found: list[Any] = plan
    return found
