"""Say what of a span's attributes may leave us: names that are listed, no value of a person. Pure.

Instrumentations of others fill in addresses, queries and whatever they learn next, so only names
that stand here leave. Texts that may quote anything, errors above all, are masked as log lines
are; of statements the literals go as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.util.types import AnyValue

from audit.redact import Redactor

KEPT: Final = frozenset(
    {
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "url.scheme",
        "network.protocol.version",
        "server.port",
        "error.type",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "exception.escaped",
        "celery.action",
        "celery.retries",
        "celery.retry.reason",
        "celery.state",
        "celery.task_name",
        "messaging.destination",
        "messaging.message.id",
        "db.namespace",
        "db.operation.name",
        "db.query.text",
        "db.redis.args_length",
        "db.redis.pipeline_length",
        "db.system.name",
    }
)
"""What leaves, besides our own names, which begin with `obs.`."""

OURS: Final = "obs."

_STATEMENT: Final = "db.query.text"
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")


def clean_attributes(
    attributes: Mapping[str, AnyValue] | None, redactor: Redactor, *, most: int
) -> dict[str, AnyValue]:
    """Return what of the attributes may leave, masked and then cut at so many characters."""
    return {
        name: clean_value(name, value, redactor, most=most)
        for name, value in (attributes or {}).items()
        if name in KEPT or name.startswith(OURS)
    }


def clean_value(name: str, value: AnyValue, redactor: Redactor, *, most: int) -> AnyValue:
    """Return the value of an attribute, masked and cut; what is no plain value as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        text = _LITERAL.sub("'…'", value) if name == _STATEMENT else value
        return redactor.start(text, most) if len(text) > most else redactor.text(text)[:most]
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [clean_value(name, each, redactor, most=most) for each in value]
    return redactor.start(str(value), most)
