"""Structured logs: one JSON object a line, with the context it was written in. Never raises.

    {"timestamp", "level", "logger", "message", "service", …context, …fields, "trace_id", "span_id"}

Secrets are taken out by key name and by shape before a line is written. A field whose name the line
itself needs, such as `level`, is written as `field.level`. Lines go to standard error unless told
otherwise, and to the platform when an outlet is given; what cannot be written is counted in
`dropped`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from json.encoder import encode_basestring as _quoted
from typing import Any, NamedTuple, TextIO

from obsagent import context
from obsagent.canonical import as_json
from obsagent.event import as_text
from obsagent.redact import Redactor

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


class Line(NamedTuple):
    """What was written, as it goes to the platform."""

    at: int
    """Nanoseconds since 1970."""
    level: str
    logger: str
    message: str
    fields: dict[str, Any]
    """Of the context, of the call, and of the trace; without secrets."""


_INFO = LEVELS["INFO"]

Take = Callable[[int, str, str, str, dict[str, Any]], None]
"""Takes what a Line is made of; one is made when it is sent, not while the agent waits."""

_fields: ContextVar[dict[str, Any]] = ContextVar("obsagent_log", default={})  # noqa: B039

_RESERVED = frozenset({"timestamp", "level", "logger", "message", "service"})

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


_all: weakref.WeakSet[Logs] = weakref.WeakSet()


class Logs:
    """The loggers of one service."""

    def __init__(
        self, service: str, *, level: str = "INFO", stream: TextIO | None = None,
        redactor: Redactor | None = None, take: Take | None = None,
    ) -> None:  # fmt: skip
        self.service = service
        self._quoted_service = _quoted(service)
        self.dropped = 0
        """Lines that could not be written."""
        self.written = 0
        self.level = LEVELS[level.upper()]
        self._stream = stream
        self._redactor = redactor or Redactor()
        self._take = take
        self._loggers: dict[str, Logger] = {}
        # Reentrant, since a signal handler may write while its thread writes.
        self._turn = threading.RLock()
        _all.add(self)

    def get_logger(self, name: str) -> Logger:
        """Return the logger of this name, the same one each time."""
        found = self._loggers.get(name)
        if found is None:
            found = self._loggers.setdefault(name, Logger(self, name))
        return found

    def get_all_loggers(self) -> dict[str, Logger]:
        """Return every logger by its name."""
        return dict(self._loggers)

    def set_log_level(self, level: str, name: str | None = None) -> None:
        """Let lines of this level and above through, of one logger or of all without their own."""
        if name is None:
            self.level = LEVELS[level.upper()]
        else:
            self.get_logger(name).level = LEVELS[level.upper()]

    def add_context(self, **fields: Any) -> None:
        """Add fields to every line that this task or thread writes from now on."""
        _fields.set({**_fields.get(), **self._redactor.tree(fields)})

    def get_context(self) -> dict[str, Any]:
        """Return the fields that were added."""
        return dict(_fields.get())

    def clear_context(self) -> None:
        """Forget the fields that were added."""
        _fields.set({})

    clear_all_context = clear_context

    def write(self, logger: str, level: str, message: str, fields: dict[str, Any]) -> None:
        """Write one line; count it when it cannot be."""
        try:
            at = time.time_ns()
            said = self._redactor.text(message)
            found = self._found(fields)
            text = (
                f'{{"timestamp":"{as_text(at)}","level":"{level}","logger":{_quoted(logger)},'
                f'"message":{_quoted(said)},"service":{self._quoted_service}{_written(found)}}}\n'
            )
            with self._turn:
                (self._stream or sys.stderr).write(text)
            self.written += 1
            if self._take is not None:
                self._take(at, level, logger, said, found)
        except Exception:  # a closed stream, none at all, a value that cannot be shown
            self.dropped += 1

    def _found(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a line: of its context, its own, and its trace."""
        around = context.current()
        added = _fields.get()
        found = self._redactor.members(fields)
        if around or added:
            found = {**_ids(around), **added, **found}
        if not _RESERVED.isdisjoint(found):
            found = {f"field.{name}" if name in _RESERVED else name: found[name] for name in found}
        trace = (around and around.get("trace")) or context.trace_of_span()
        return {**found, **trace} if trace else found


class Logger:
    """Writes the lines of one name."""

    __slots__ = ("_logs", "level", "name")

    def __init__(self, logs: Logs, name: str) -> None:
        self._logs = logs
        self.name = name
        self.level: int | None = None
        """Its own level, else that of all."""

    def is_enabled_for(self, level: str) -> bool:
        """Tell whether a line of this level would be written."""
        least = self._logs.level if self.level is None else self.level
        return LEVELS[level] >= least

    def debug(self, message: str, /, **fields: Any) -> None:
        """Write a line of level DEBUG."""
        if self.is_enabled_for("DEBUG"):
            self._logs.write(self.name, "DEBUG", message, fields)

    def info(self, message: str, /, **fields: Any) -> None:
        """Write a line of level INFO."""
        logs = self._logs
        if (logs.level if self.level is None else self.level) <= _INFO:  # most lines
            logs.write(self.name, "INFO", message, fields)

    def warning(self, message: str, /, **fields: Any) -> None:
        """Write a line of level WARNING."""
        if self.is_enabled_for("WARNING"):
            self._logs.write(self.name, "WARNING", message, fields)

    def error(self, message: str, /, **fields: Any) -> None:
        """Write a line of level ERROR."""
        if self.is_enabled_for("ERROR"):
            self._logs.write(self.name, "ERROR", message, fields)

    def critical(self, message: str, /, **fields: Any) -> None:
        """Write a line of level CRITICAL."""
        if self.is_enabled_for("CRITICAL"):
            self._logs.write(self.name, "CRITICAL", message, fields)

    def exception(self, message: str, /, **fields: Any) -> None:
        """Write a line of level ERROR with the exception that is being handled."""
        error = sys.exc_info()[1]
        if error is not None:
            fields = {"error_type": type(error).__name__, "error_message": str(error), **fields}
        self.error(message, **fields)

    def decision(self, message: str, /, *, chosen: str, **fields: Any) -> None:
        """Write what the agent decided, and between what: `options`, `why`, `confidence`."""
        self.info(message, decision={"chosen": chosen, **fields})

    def timed(self, message: str, /, **fields: Any) -> _Timed:
        """Write a line at the end of a block, with `duration_ms` and how it went."""
        return _Timed(self, message, fields)


class _Timed:
    """A block whose end is written."""

    def __init__(self, logger: Logger, message: str, fields: dict[str, Any]) -> None:
        self._logger, self._message, self._fields = logger, message, fields
        self._started = 0.0

    def __enter__(self) -> _Timed:
        self._started = time.perf_counter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        took = round((time.perf_counter() - self._started) * 1_000, 3)
        fields = {**self._fields, "duration_ms": took}
        if error is None:
            self._logger.info(self._message, **{**fields, "status": "success"})
        else:
            fields |= {"status": "error", "error_type": type(error).__name__}
            self._logger.error(self._message, **fields)


def _ids(around: context.Fields) -> dict[str, Any]:
    """Return what a line says of the blocks that it was written in."""
    ids = {}
    for block, field, name in (
        ("run", "id", "run_id"),
        ("run", "task_id", "task_id"),
        ("workflow", "id", "workflow_id"),
        ("actor", "id", "user_id"),
    ):
        value = around.get(block, {}).get(field)
        if value is not None:
            ids[name] = value
    return ids


def _written(fields: dict[str, Any]) -> str:
    """Return the fields as they stand in an object that has some already.

    A dict or a list among them becomes its text: who made it may change it before it is sent.
    """
    text = ""
    texts: dict[str, Any] | None = None
    try:
        # They are mostly short texts and numbers: to set up an encoder for them costs more.
        for name, value in fields.items():
            kind = value.__class__
            if kind is str:
                text += f",{_quoted(name)}:{_quoted(value)}"
            elif kind is int or (kind is float and value - value == 0):
                # What is no finite number differs from itself, and has a spelling of its own.
                text += f",{_quoted(name)}:{value!r}"
            else:
                said = _encode(value)
                text += f",{_quoted(name)}:{said}"
                if kind is dict or kind is list:
                    texts = {**(texts or {}), name: said}
    except TypeError:  # a key that is none in JSON: as text
        fields.update(as_json(fields))
        return "," + _encode(fields)[1:-1]
    if texts is not None:
        fields.update(texts)
    return text


def _after_fork_in_child() -> None:
    """Free what a thread held when its process forked: the thread is not in the child."""
    for logs in list(_all):
        logs._turn = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
