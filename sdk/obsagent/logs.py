"""Structured logs: one JSON object a line, with the context it was written in. Never raises.

    {"timestamp", "level", "logger", "message", "service", …context, …fields, "trace_id", "span_id"}

Secrets are taken out by key name and by shape before a line is written. Lines go to standard error
unless told otherwise, and to the platform when an outlet is given; what cannot be written is
counted in `dropped`.
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
from typing import Any, TextIO

from obsagent import context
from obsagent.canonical import as_json
from obsagent.event import now
from obsagent.redact import Redactor

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}

Line = dict[str, Any]
Take = Callable[[Line], None]

_fields: ContextVar[dict[str, Any]] = ContextVar("obsagent_log", default={})  # noqa: B039

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


_all: weakref.WeakSet[Logs] = weakref.WeakSet()


class Logs:
    """The loggers of one service."""

    def __init__(
        self, service: str, *, level: str = "INFO", stream: TextIO | None = None,
        redactor: Redactor | None = None, take: Take | None = None,
    ) -> None:  # fmt: skip
        self.service = service
        self.dropped = 0
        """Lines that could not be written."""
        self.written = 0
        self.level = LEVELS[level.upper()]
        self._stream = stream
        self._redactor = redactor or Redactor()
        self._take = take
        self._loggers: dict[str, Logger] = {}
        self._turn = threading.Lock()
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
            line: Line = {
                "timestamp": now(),
                "level": level,
                "logger": logger,
                "message": self._redactor.text(message),
                "service": self.service,
            }
            around = context.current()
            if around:
                _add_ids(line, around)
            added = _fields.get()
            if added:
                line.update(added)
            if fields:
                line.update(self._redactor.tree(fields))
            span = around.get("trace") or context.trace_of_span()
            if span:
                line.update(span)
            text = _written(line) + "\n"
            with self._turn:
                (self._stream or sys.stderr).write(text)
            self.written += 1
            if self._take is not None:
                self._take(line)
        except (
            OSError,
            TypeError,
            ValueError,
            RecursionError,
        ):  # a closed stream, half a character
            self.dropped += 1


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

    def debug(self, message: str, **fields: Any) -> None:
        """Write a line of level DEBUG."""
        if self.is_enabled_for("DEBUG"):
            self._logs.write(self.name, "DEBUG", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Write a line of level INFO."""
        if self.is_enabled_for("INFO"):
            self._logs.write(self.name, "INFO", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Write a line of level WARNING."""
        if self.is_enabled_for("WARNING"):
            self._logs.write(self.name, "WARNING", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Write a line of level ERROR."""
        if self.is_enabled_for("ERROR"):
            self._logs.write(self.name, "ERROR", message, fields)

    def critical(self, message: str, **fields: Any) -> None:
        """Write a line of level CRITICAL."""
        if self.is_enabled_for("CRITICAL"):
            self._logs.write(self.name, "CRITICAL", message, fields)

    def exception(self, message: str, **fields: Any) -> None:
        """Write a line of level ERROR with the exception that is being handled."""
        error = sys.exc_info()[1]
        if error is not None:
            fields = {"error_type": type(error).__name__, "error_message": str(error), **fields}
        self.error(message, **fields)

    def decision(self, message: str, *, chosen: str, **fields: Any) -> None:
        """Write what the agent decided, and between what: `options`, `why`, `confidence`."""
        self.info(message, decision={"chosen": chosen, **fields})

    def timed(self, message: str, **fields: Any) -> _Timed:
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
        if error is None:
            self._logger.info(self._message, **self._fields, duration_ms=took, status="success")
        else:
            self._logger.error(
                self._message,
                **self._fields,
                duration_ms=took,
                status="error",
                error_type=type(error).__name__,
            )


def _add_ids(line: Line, around: context.Fields) -> None:
    for block, field, name in (
        ("run", "id", "run_id"),
        ("run", "task_id", "task_id"),
        ("workflow", "id", "workflow_id"),
        ("actor", "id", "user_id"),
    ):
        value = around.get(block, {}).get(field)
        if value is not None:
            line[name] = value


def _written(line: Line) -> str:
    try:
        return _encode(line)
    except TypeError:  # a date, an object: as text
        return _encode(as_json(line))


def _after_fork_in_child() -> None:
    """Free what a thread held when its process forked: the thread is not in the child."""
    for logs in list(_all):
        logs._turn = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
