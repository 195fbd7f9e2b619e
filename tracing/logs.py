"""Set up logging: one JSON object a line, secrets masked, the request's id on every line.

Owns the processors, the LOGGING dictionary and the level at run time; never reads a setting or a
request itself, so that settings.py can call it. Every record takes this way, ours through structlog
and those of Django, Celery or any library through logging. Lines for requests: tracing.request_log.

A line holds `timestamp` (ISO 8601, UTC), `level`, `event`, `logger` and the fields of its event.
What is bound while a request is served, a task run or a row chained stands on each of its lines:
`request_id`, `task_id`, `agent_id`, `ledger`, `key` (the eight characters of an API key); and
`trace_id` and `span_id` of the span that is open. `bind`, `clear` and `bound` are for all who log.
Masking comes last, after exceptions became text: no way around it leads to the output. What
writes the lines counts them: counted_lines.py. The files: log_files.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec
import structlog
from opentelemetry import trace
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from audit.redact import Redactor
from tracing.log_files import LogFiles

Format: TypeAlias = Literal["json", "console"]
"""`json` for machines, `console` for eyes."""

Stream: TypeAlias = Literal["stdout", "stderr"]
"""Servers log to stdout; a command's stdout is its data, so it logs to stderr."""

# What a log line may hold and an event may not: a quoted or spelled-out pair in an error's text.
LOG_PATTERNS: Final = (
    r"(?i)(?P<keep>(?:password|passwd|secret|token|cookie|sessionid|csrftoken"
    r"|api[_-]?key|access[_-]?key|private[_-]?key)[\"']?\s*[:=]\s*[\"']?)"
    r"(?!\*\*\*|bearer |basic |digest )[^\s\"'&;,)}\]]{4,}",
    r"(?i)(?P<keep>authorization[\"']?\s*[:=]\s*[\"']?)"
    r"(?!\*\*\*|bearer |basic |digest )(?=\S*\d)[^\s\"'&;,)}\]]{4,}",
    r"(?i)(?P<keep>\b(?:basic|digest)\s+)(?=[a-z+/]*[0-9=])[a-z0-9+/=]{8,}",
)

MOST_TEXT: Final = 16_384
"""Characters of one string; a stack trace fits, a body quoted by an error does not."""

MOST_DEPTH: Final = 8

_FIRST: Final = ("timestamp", "level", "event", "logger")
_QUIET: Final = {
    # The same failures come as request_failed and request_finished, with their request id.
    "django.request": "CRITICAL",
    # Two lines a task would outnumber the work: append logs what it chained.
    "celery.app.trace": "WARNING",
    "celery.worker.strategy": "WARNING",
    # A line for each batch and each span while a collector is away: tracing.otel says it once.
    "opentelemetry": "CRITICAL",
}


def configure(
    level: str,
    fmt: Format,
    *,
    stream: Stream = "stdout",
    files: LogFiles | None = None,
    extra_keys: Iterable[str] = (),
    extra_patterns: Iterable[str] = (),
) -> dict[str, Any]:
    """Set structlog up for this process and return Django's LOGGING dictionary.

    Lines go to the stream in this format and, as JSON, to the files where there are any.
    `extra_keys` and `extra_patterns` are masked too, as in events.
    """
    redactor = Redactor(extra_keys=extra_keys, extra_patterns=(*LOG_PATTERNS, *extra_patterns))
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_span,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        # The level is asked at each line, not built in: `follow` changes it while we run.
        processors=[
            structlog.stdlib.filter_by_level,
            *first,
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": ProcessorFormatter, **_form(fmt, first, redactor)}},
        "handlers": {
            "line": {
                "class": "tracing.counted_lines.CountedLines",
                "formatter": "line",
                "stream": f"ext://sys.{stream}",
                "files": files,
                "file_format": None
                if fmt == "json"
                else ProcessorFormatter(**_form("json", first, redactor)),
            }
        },
        "root": {"handlers": ["line"], "level": level},
        # Django's own set-up mails administrators and prints apart; one way out is enough.
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            **{name: {"level": quiet} for name, quiet in _QUIET.items()},
        },
    }


def _form(fmt: Format, first: list[Processor], redactor: Redactor) -> dict[str, Any]:
    """Return what makes a formatter of lines in this format."""
    return {
        "foreign_pre_chain": first,
        "processors": [
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            mask(redactor),
            *_renderers(fmt),
        ],
    }


# --- What stands on each line --------------------------------------------------------------------


def bind(**fields: object) -> None:
    """Put these on each line of this thread or task until they are cleared."""
    structlog.contextvars.bind_contextvars(**fields)


def clear(*names: str) -> None:
    """Take these off, or all of them when none is named."""
    if names:
        structlog.contextvars.unbind_contextvars(*names)
    else:
        structlog.contextvars.clear_contextvars()


def bound() -> dict[str, Any]:
    """Return what stands on each line now."""
    return structlog.contextvars.get_contextvars()


def _name_span(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Say which span the line belongs to, where one is open: its own ids win over bound ones."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
        event["span_id"] = f"{span.span_id:016x}"
    return event


# --- Levels, while we run ------------------------------------------------------------------------

_single: Final[dict[str, int]] = {}
"""Loggers with a level of their own, and the level that each had before."""


def follow(switches: Mapping[str, str]) -> None:
    """Write from other levels on, from now: `log_level` for all, `log_levels` for single loggers.

    With `logging` off no logger goes lower than WARNING. Loggers that are quieter than the rest
    stay so, unless they are named.
    """
    least = logging.WARNING if switches["logging"] == "off" else logging.DEBUG
    for name, level in _single.items():
        logging.getLogger(name).setLevel(level)
    _single.clear()
    for root in (None, "django"):
        logging.getLogger(root).setLevel(max(_number(switches["log_level"]), least))
    for pair in filter(None, switches["log_levels"].split(",")):
        name, _, said = pair.partition("=")
        logger = logging.getLogger(name)
        _single[name] = logger.level
        logger.setLevel(max(_number(said), least))


def mask(redactor: Redactor) -> Processor:
    """Return the processor that masks secrets in every field, however deep."""

    def masked(_logger: Any, _method: str, event: EventDict) -> EventDict:
        clean: EventDict = redactor.tree(plain(dict(event)))
        return clean

    return masked


def plain(value: Any, depth: int = 0) -> Any:
    """Return the value as JSON types, all else as text: an object could hide a secret."""
    if isinstance(value, str):
        return _text(value)
    if type(value) in {int, float, bool, type(None)}:
        return value
    if isinstance(value, Mapping) and depth < MOST_DEPTH:
        return {_text(str(name)): plain(member, depth + 1) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < MOST_DEPTH:
        return [plain(member, depth + 1) for member in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return _text(bytes(value).decode("utf-8", "replace"))
    return _text(str(value))


def _text(value: str) -> str:
    """Return a string that every encoder takes: of bounded length, without lone surrogates.

    Masking comes after this; what is cut is masked before too, so that no half of a secret is left.
    """
    if len(value) > MOST_TEXT:
        kept = _BEFORE_A_CUT.start(value, MOST_TEXT)
        value = f"{kept} … {len(value) - MOST_TEXT} more characters"
    return str(value) if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


_BEFORE_A_CUT: Final = Redactor(extra_patterns=LOG_PATTERNS)


def _in_order(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put first what an eye looks for first."""
    return {**{name: event[name] for name in _FIRST if name in event}, **event}


def _renderers(fmt: Format) -> list[Processor]:
    if fmt == "console":
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [_in_order, structlog.processors.JSONRenderer(_encode)]


_encode_json: Final = msgspec.json.Encoder().encode


def _encode(event: Any, **_: Any) -> str:
    return _encode_json(event).decode()


def _number(level: str) -> int:
    return {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}[level]
