"""What the present act belongs to: its run, workflow, actor, trace. Owns one context variable.

Follows threads of `contextvars`: an asyncio task inherits it, a thread does not. A `run`, a
`workflow` or `acting_for` sets it; every event, log line and span reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

Fields = dict[str, Any]
"""Blocks of an event, such as {"run": {"id": …}}; never changed in place."""

_current: ContextVar[Fields] = ContextVar("obsagent", default={})  # noqa: B039 - never changed


def current() -> Fields:
    """Return the blocks that events of this context carry; not to be changed."""
    return _current.get()


def enter(**blocks: Any) -> Token[Fields]:
    """Add blocks to the context; give the token to `leave`."""
    return _current.set({**_current.get(), **blocks})


def leave(token: Token[Fields]) -> None:
    """Return to what was before; from another context than that of `enter` it is left alone."""
    try:
        _current.reset(token)
    except ValueError:  # a generator that is closed by another task: its context is gone already
        return


@contextmanager
def acting_for(actor_id: str, *, type: str = "human", **more: Any) -> Iterator[None]:
    """Let every event within be the act of this person or service: `actor` as `type` and `id`."""
    token = enter(actor={"type": type, "id": actor_id, **more})
    try:
        yield
    finally:
        leave(token)


def trace_of_span() -> Fields:
    """Return the block `trace` of OpenTelemetry's present span; empty without one.

    Never imports OpenTelemetry: where nobody has, there is no span.
    """
    otel = sys.modules.get("opentelemetry.trace")
    if otel is None:
        return {}
    span = otel.get_current_span()
    return {} if span is otel.INVALID_SPAN else trace_of(span)


def trace_of(span: Any) -> Fields:
    """Return the block `trace` of a span of OpenTelemetry; empty when it is none."""
    found = span.get_span_context()
    if not found.is_valid:
        return {}
    trace = {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
    parent = getattr(span, "parent", None)  # a span that is not sampled knows none
    if parent is not None:
        trace["parent_id"] = f"{parent.span_id:016x}"
    return trace
