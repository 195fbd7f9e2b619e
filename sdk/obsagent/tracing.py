"""Spans through OpenTelemetry when it is installed, and nothing at all when it is not.

With the extra `otel`, spans go by OTLP over HTTP to `/v1/traces` of the platform with the agent's
key, in the background. Without it every span is `NO_SPAN`, which does nothing, so that an agent
reads the same. Names and attributes follow OpenTelemetry's conventions for generative AI, so that
the platform makes the same spans of them as of anybody's. A span never raises into the agent; an
exception that passes through one is recorded, by type and redacted message, and goes on.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar, cast

from obsagent import conventions
from obsagent.errors import NotConfigured
from obsagent.event import error_of, without_none
from obsagent.redact import Redactor

TRACES_PATH = "/v1/traces"
MOST_ARGUMENT = 1_000
"""Characters of a tool's arguments that a span holds."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def is_installed() -> bool:
    """Tell whether OpenTelemetry's SDK and its OTLP exporter over HTTP are here."""
    return all(
        _has(name) for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
    )


def _has(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


class NoSpan:
    """A span of nowhere: takes everything, keeps nothing."""

    __slots__ = ()

    # Both are in C and no functions of ours: an agent whose traces are off enters a span that does
    # nothing in half the time. A variable that nobody sets gives its default, also where the span
    # is passed to it, as an ExitStack does; `__prepare__` takes whatever there is and returns an
    # empty dict, which is false.
    __enter__: ClassVar[Callable[..., NoSpan]]
    __exit__ = type.__prepare__

    async def __aenter__(self) -> NoSpan:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def __call__(self, function: _Function) -> _Function:
        """Leave a function as it is: a timer that is off decorates too."""
        return function

    def set_attribute(self, _name: str, _value: Any) -> None:
        """Keep nothing."""

    def set_attributes(self, _attributes: Mapping[str, Any]) -> None:
        """Keep nothing."""

    def add_event(self, _name: str, _attributes: Mapping[str, Any] | None = None) -> None:
        """Keep nothing."""

    def record_exception(self, _error: BaseException) -> None:
        """Keep nothing."""

    def update(self, _result: Mapping[str, Any]) -> None:
        """Keep nothing."""


NO_SPAN = NoSpan()
NoSpan.__enter__ = ContextVar("obsagent_no_span", default=NO_SPAN).get


class Tracing:
    """The spans of one service."""

    def __init__(
        self, service: str, *, endpoint: str, key: str, agent_id: str,
        sample_ratio: float = 1.0, redactor: Redactor | None = None, exporter: Any = None,
    ) -> None:  # fmt: skip
        """Make a tracer of its own, beside whatever the agent has.

        `sample_ratio` of traces are kept, from 0 to 1; `exporter` replaces OTLP. Raises
        NotConfigured without the extra.
        """
        if not is_installed():
            raise NotConfigured("OpenTelemetry is missing; pip install 'obsagent[otel]'")
        from opentelemetry import context as otel_context
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace import set_span_in_context

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter(
                endpoint=endpoint.rstrip("/") + TRACES_PATH,
                headers={"Authorization": f"Bearer {key}"},
            )
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "obs.agent.id": agent_id}),
            sampler=ParentBased(TraceIdRatioBased(sample_ratio)),
            shutdown_on_exit=False,  # its own end waits for a platform that hangs
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer("obsagent")
        self.redactor = redactor or Redactor()
        # OpenTelemetry is imported where there is tracing, and looked up once.
        self.in_context: Callable[..., Any] = set_span_in_context
        self.attach: Callable[[Any], Any] = otel_context.attach
        self.detach: Callable[[Any], None] = otel_context.detach

    def span(self, name: str, **attributes: Any) -> Span:
        """Return a block that is a span below the present one; None is no attribute."""
        return Span(self, name, attributes)

    def begin(self, name: str, *, parent: Any = None, **attributes: Any) -> Any:
        """Open a span that its caller ends, below another or the present one; it is not current.

        For frameworks that tell of begin and end from different places. Returns OpenTelemetry's
        own span.
        """
        return self.tracer.start_span(
            name,
            context=None if parent is None else self.in_context(parent),
            attributes=without_none(attributes),
        )

    def agent(self, agent_id: str, *, role: str | None = None, task: str | None = None) -> Any:
        """Open `invoke_agent`, the span of a run."""
        more = {"gen_ai.agent.description": role, "task": task}
        return self._named(conventions.agent(agent_id), **more)

    def tool(self, name: str, parameters: Any = None, *, call_id: str | None = None) -> Any:
        """Open `execute_tool`; its parameters are redacted and cut to `MOST_ARGUMENT`."""
        told = None
        if parameters is not None:  # by the names of what it is made of, then by its looks
            told = self.redactor.text(str(self.redactor.tree(parameters)))[:MOST_ARGUMENT]
        return self._named(conventions.tool(name, call_id=call_id), **{"tool.parameters": told})

    def llm(self, model: str, *, provider: str, operation: str = "chat") -> Any:
        """Open the span of a model's call."""
        return self._named(conventions.llm(model, provider=provider, operation=operation))

    def memory(self, operation: str, *, memory_type: str) -> Any:
        """Open `memory.<operation>`."""
        return self._named(conventions.memory(operation, memory_type=memory_type))

    def workflow(self, workflow_id: str) -> Any:
        """Open `invoke_workflow`."""
        return self._named(conventions.workflow(workflow_id))

    def node(self, node_id: str, *, node_type: str | None = None) -> Any:
        """Open `node.<id>`, a step of a workflow."""
        return self._named(conventions.node(node_id, node_type=node_type))

    def traced(
        self, name: str | None = None, **attributes: Any
    ) -> Callable[[_Function], _Function]:
        """Open a span around each call of a function, sync or async."""

        def decorate(function: _Function) -> _Function:
            called = name or function.__qualname__
            if inspect.iscoroutinefunction(function):

                @functools.wraps(function)
                async def in_turn(*args: Any, **kwargs: Any) -> Any:
                    with self.span(called, **attributes):
                        return await function(*args, **kwargs)

                return cast("_Function", in_turn)

            @functools.wraps(function)
            def at_once(*args: Any, **kwargs: Any) -> Any:
                with self.span(called, **attributes):
                    return function(*args, **kwargs)

            return cast("_Function", at_once)

        return decorate

    def headers(self) -> dict[str, str]:
        """Return the W3C headers that carry the present span to another service."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier

    @contextmanager
    def continued(self, headers: Mapping[str, str]) -> Iterator[None]:
        """Let spans within belong to the trace that another service's headers carry."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        lower = {name.lower(): value for name, value in headers.items()}
        token = self.attach(TraceContextTextMapPropagator().extract(lower))
        try:
            yield
        finally:
            self.detach(token)

    def force_flush(self, timeout: float = 5.0) -> bool:
        """Export now; return whether all went out within so many seconds."""
        return self._provider.force_flush(int(timeout * 1_000))

    def shutdown(self) -> None:
        """Export what is left and take no more spans."""
        self._provider.shutdown()

    def _named(self, named: conventions.Named, **more: Any) -> Any:
        name, attributes = named
        return self.span(name, **{**attributes, **more})


class Span:
    """A span of OpenTelemetry as a block, with what is asked of every span here. Enter it once.

    It is current within. OpenTelemetry's own block is made of two generators, and says of an
    exception its traceback, without redaction.
    """

    __slots__ = ("_attributes", "_name", "_span", "_token", "_tracing")

    def __init__(self, tracing: Tracing, name: str, attributes: dict[str, Any]) -> None:
        self._tracing = tracing
        self._name = name
        self._attributes = attributes
        self._span: Any = None
        self._token: Any = None

    def __enter__(self) -> Span:
        tracing = self._tracing
        span = tracing.tracer.start_span(self._name, attributes=without_none(self._attributes))
        self._span = span
        self._token = tracing.attach(tracing.in_context(span))
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._tracing.detach(self._token)
        if isinstance(error, Exception):
            self.record_exception(error)
        self._span.end()

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: _Function) -> _Function:
        """Open such a span around each call of a function."""
        return self._tracing.traced(self._name, **self._attributes)(function)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute."""
        self._span.set_attribute(name, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        self._span.set_attributes(attributes)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Note something that happened within."""
        self._span.add_event(name, attributes)

    def record_exception(self, error: BaseException) -> None:
        """Note an exception by its type and redacted message, and set the span's status."""
        from opentelemetry.trace import Status, StatusCode

        said = error_of(error, self._tracing.redactor)
        attributes = {"exception.type": said["type"], "exception.message": said["message"]}
        self._span.add_event("exception", attributes)
        self._span.set_status(Status(StatusCode.ERROR, said["type"]))

    def update(self, result: Mapping[str, Any]) -> None:
        """Set attributes from what came out: `usage`, `result_size`, `status`, or any scalars."""
        usage = result.get("usage")
        for name, said in conventions.USAGE.items():
            if isinstance(usage, Mapping) and name in usage:
                self._span.set_attribute(said, usage[name])
        for name, value in result.items():
            if isinstance(value, (str, int, float, bool)):
                self._span.set_attribute(f"result.{name}", value)
