"""The span of an act: the same act told as a span, which says that its event tells of it already.

Owns `obs.event.id`, by which the platform makes no second entry of the span and links both. A span
that is open, of the same name and not an act's yet, is taken for the act's own; else one is opened
below the present one and is current until the act ends. Without OpenTelemetry there is none.
"""

from __future__ import annotations

from typing import Any

from obsagent import context, conventions
from obsagent.tracing import Tracing

EVENT_ID = "obs.event.id"

_NO_ERRORS = frozenset({"success", "unknown"})


class ActSpan:
    """The span of one act that is going on."""

    __slots__ = ("_is_ours", "_span", "_token")

    def __init__(
        self, tracing: Tracing, *, event_id: str, action: str, fields: dict[str, Any],
        agent_id: str,
    ) -> None:  # fmt: skip
        from opentelemetry import context as otel_context
        from opentelemetry.trace import get_current_span, set_span_in_context

        name, attributes = conventions.act(action, fields, agent_id=agent_id)
        present = get_current_span()
        self._is_ours = not _stands_for(present, name)
        self._span = tracing.begin(name, **attributes) if self._is_ours else present
        self._token: Any = None
        if self._is_ours:
            self._token = otel_context.attach(set_span_in_context(self._span))
        self._span.set_attribute(EVENT_ID, event_id)

    def trace(self) -> dict[str, Any]:
        """Return the event's block `trace`."""
        return context.trace_of(self._span)

    def end(self, outcome: str, fields: dict[str, Any]) -> None:
        """Say how it went and what it used; end the span if the act opened it."""
        for name, said in conventions.USAGE.items():
            value = (fields.get("usage") or {}).get(name)
            if value is not None:
                self._span.set_attribute(said, value)
        if outcome not in _NO_ERRORS:
            self._fail(str((fields.get("error") or {}).get("type") or outcome))
        if self._is_ours:
            from opentelemetry import context as otel_context

            otel_context.detach(self._token)
            self._span.end()

    def _fail(self, why: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR, why))


def _stands_for(span: Any, name: str) -> bool:
    """Tell whether somebody opened this span for the act already."""
    if getattr(span, "name", None) != name or not span.is_recording():
        return False
    return EVENT_ID not in (span.attributes or {})
