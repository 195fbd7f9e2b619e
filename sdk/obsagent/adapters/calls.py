"""Acts and spans of a framework that tells by callbacks when something begins and when it ends.

Owns what is going on, by the framework's own ids. An act is recorded by `acts.py`, its span is made
by `tracing.py`, and the span names the act's event (`obs.event.id`), so that the platform makes no
second one of it. Begin and end may come from different threads and contexts: the actor is
remembered, and nothing is left behind in either. Contents leave as digests alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from obsagent import context
from obsagent.act_spans import EVENT_ID
from obsagent.acts import Act, Acts
from obsagent.event import cut, new_id
from obsagent.observability import Observability

LONGEST_NAME = 200
"""Characters of a name in an event."""

MakeAct = Callable[[Acts, dict[str, Any]], Act]
"""From the acts, and the fields that every act of this place carries, to the act."""

Failed = Optional[BaseException]


class Going:
    """Something that has begun."""

    __slots__ = ("act", "fields", "is_passed_over", "root", "span")

    def __init__(
        self, root: str, fields: dict[str, Any], act: Act | None, span: Any,
        *, is_passed_over: bool = False,
    ) -> None:  # fmt: skip
        self.root = root
        """The id of the outermost that it is within."""
        self.fields = fields
        """What acts within carry: run, actor, the conversation."""
        self.act = act
        self.span = span
        self.is_passed_over = is_passed_over
        """It tells nothing itself; its span is its parent's."""

    def note(self, **attributes: Any) -> None:
        """Set attributes of the span; what is None is not said."""
        if self.span is not None:
            for name, value in attributes.items():
                if value is not None:
                    self.span.set_attribute(name, value)

    def fail(self, error_type: str, message: str) -> None:
        """Say that it failed, where no exception says so."""
        if self.act is not None:
            self.act.fail(error_type, message)
        if self.span is not None:
            self.note(**{"error.type": error_type})
            _fail(self.span, error_type)


class Calls:
    """What is going on in one framework. Threads may share it."""

    def __init__(self, obs: Observability) -> None:
        self._obs = obs
        self._going: dict[str, Going] = {}

    def __len__(self) -> int:
        """Return how much is going on."""
        return len(self._going)

    @staticmethod
    def new_key() -> str:
        """Return an id for what its framework gives none."""
        return new_id()

    def get(self, key: str | None) -> Going | None:
        """Return what goes on under an id; None when nobody told of it."""
        return self._going.get(key) if key is not None else None

    def begin_run(
        self, key: str, *, run_id: str, name: str, conversation: str | None = None
    ) -> Going:
        """Begin a run of the agent: run.started now, run.completed at its end."""
        outer = context.current().get("run", {}).get("id")
        run = {"id": run_id, **({"parent_id": outer} if outer else {})}
        fields: dict[str, Any] = {"run": run}
        if conversation:
            fields["trace"] = {"conversation_id": named(conversation)}
        return self.begin(
            key,
            None,
            name=f"invoke_agent {name}",
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": name,
                "gen_ai.conversation.id": conversation,
            },
            carried=fields,
            make=self._run,
        )

    def _run(self, acts: Acts, fields: dict[str, Any]) -> Act:
        self._obs.client.event("run.started", **fields)
        return acts.act("run.completed", **fields)

    def begin(
        self,
        key: str,
        parent: str | None,
        *,
        name: str,
        attributes: Mapping[str, Any],
        make: MakeAct | None = None,
        carried: Mapping[str, Any] | None = None,
    ) -> Going:
        """Begin something within what goes on under `parent`, or within nothing known.

        Without `make` it is a span and no act. Raises as the client's `event` does.
        """
        above = self.get(parent)
        fields = _carried(above, carried or {})
        span = self._span(name, above, attributes)
        act = None
        try:
            if make is not None and self._obs.is_component_enabled("audit"):
                told = {**fields, "trace": {**_trace_of(span), **fields.get("trace", {})}}
                acts = Acts(self._obs.client)  # whose acts open no spans: these have theirs
                act = make(acts, {name: value for name, value in told.items() if value})
                act.__enter__()
        except BaseException:
            if span is not None:
                span.end()
            raise
        going = Going(above.root if above is not None else key, fields, act, span)
        if act is not None:
            going.note(**{EVENT_ID: act.id})
        self._going[key] = going
        return going

    def same_as(self, key: str, parent: str | None) -> None:
        """Pass over something that tells nothing: what is within it is within its parent."""
        above = self.get(parent)
        if above is not None:
            self._going[key] = Going(
                above.root, above.fields, None, above.span, is_passed_over=True
            )

    def end(self, key: str, error: Failed = None) -> None:
        """End what goes on under an id; nothing when nobody told of its beginning.

        With the outermost everything within ends that was not told to end, as `unknown`.
        """
        going = self._going.pop(key, None)
        if going is None:
            return
        if going.root == key:
            self._end_what_is_left(key)
        _finish(going, error)

    def _end_what_is_left(self, root: str) -> None:
        left = [key for key, each in list(self._going.items()) if each.root == root]
        for key in left:
            going = self._going.pop(key, None)
            if going is not None:
                if going.act is not None:
                    going.act.outcome("unknown", reason="the run ended before it")
                _finish(going, None)

    def _span(self, name: str, above: Going | None, attributes: Mapping[str, Any]) -> Any:
        tracing = self._obs.get_tracing_manager()
        if tracing is None:
            return None
        said = {name: value for name, value in attributes.items() if value is not None}
        return tracing.begin(name, parent=above.span if above is not None else None, **said)


def named(name: Any) -> str:
    """Return a name that an event can hold."""
    return cut(str(name), LONGEST_NAME)


def _carried(above: Going | None, more: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(above.fields) if above is not None else {}
    actor = context.current().get("actor")
    if actor is not None:
        fields.setdefault("actor", actor)
    return {**fields, **more}


def _trace_of(span: Any) -> dict[str, Any]:
    if span is None:
        return context.trace_of_span()
    return context.trace_of(span)


def _finish(going: Going, error: Failed) -> None:
    if going.is_passed_over:
        return
    try:
        if going.act is not None:
            going.act.__exit__(type(error), error, None)
    finally:
        if going.span is not None:
            if error is not None:
                going.note(**{"error.type": type(error).__name__})
                _fail(going.span, type(error).__name__)
            going.span.end()


def _fail(span: Any, why: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, why))
