"""Who asks, and in which trace: what a web service's request brings into the context.

Owns the two headers of W3C Trace Context as they come in. With OpenTelemetry installed, spans
within belong to the caller's trace; without it, events carry the trace all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Union

from obsagent import context
from obsagent.adapters.calls import named

Actor = Union[str, dict[str, Any], None]
"""A person's id, or the block `actor`; None: the agent acts for itself."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_NOBODY = frozenset({"0" * 32, "0" * 16})


@contextmanager
def asked_by(headers: Mapping[str, str], actor: Actor) -> Iterator[None]:
    """Let what happens within belong to the caller's trace, and be the act of this actor.

    `headers` are in lower case; a `traceparent` that is none is passed over.
    """
    with ExitStack() as leaving:
        if actor is not None:
            block = {"type": "human", "id": named(actor)} if isinstance(actor, str) else actor
            leaving.enter_context(_within(actor=block))
        found = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        if found is not None and not _NOBODY.intersection(found.groups()):
            leaving.enter_context(_trace(headers, *found.groups()))
        yield


def _trace(headers: Mapping[str, str], trace_id: str, span_id: str) -> Any:
    try:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return _within(trace={"trace_id": trace_id, "parent_id": span_id})
    return _attached(TraceContextTextMapPropagator().extract(headers))


@contextmanager
def _attached(otel: Any) -> Iterator[None]:
    from opentelemetry import context as otel_context

    token = otel_context.attach(otel)
    try:
        yield
    finally:
        otel_context.detach(token)


@contextmanager
def _within(**blocks: Any) -> Iterator[None]:
    token = context.enter(**blocks)
    try:
        yield
    finally:
        context.leave(token)
