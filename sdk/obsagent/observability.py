"""Everything in one object: metrics, logs, traces and the audit trail of an agent, each on or off.

    obs = Observability("claims-bot", endpoint="https://obs.example.com", key="obs_live_…")

A part that is off costs a look at an attribute: its calls return None, "" or a block that does
nothing. A part that is on is made when it is first used. Every async call has a sync twin, whose
name ends in `_now`. Metrics, logs and spans never raise into the agent; the audit trail raises
rather than lose an act. `ObservabilityManager` is another name of the class.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from obsagent import tracing as tracing_module
from obsagent.acts import Acts
from obsagent.approvals import Approvals
from obsagent.client import EXIT_SECONDS, Client, Recorded
from obsagent.decorators import Decorators
from obsagent.errors import NotConfigured
from obsagent.kaizen import event_of
from obsagent.logs import LEVELS, Logger, Logs
from obsagent.metrics import Metrics
from obsagent.outlet import Outlet
from obsagent.queries import AuditQueries
from obsagent.redact import Redactor
from obsagent.spool import MOST_BYTES
from obsagent.tracing import NO_SPAN, Tracing
from obsagent.transport import Transport

COMPONENTS = ("metrics", "logging", "tracing", "audit")

_outlets: weakref.WeakSet[Outlet] = weakref.WeakSet()
_all: weakref.WeakSet[Observability] = weakref.WeakSet()


class Observability(AuditQueries):
    """What an agent shows of itself. Threads, tasks and forks may share it."""

    def __init__(
        self,
        service_name: str,
        enable_metrics: bool = True,
        enable_logging: bool = True,
        enable_tracing: bool = True,
        enable_audit: bool = True,
        endpoint: str | None = None,
        key: str | None = None,
        *,
        agent: str | dict[str, Any] | None = None,
        host: str | None = None,
        port: int | None = None,
        insecure: bool = False,
        mode: str = "buffered",
        spool: str | Path | None = None,
        most_bytes: int = MOST_BYTES,
        when_full: str = "block",
        log_level: str = "INFO",
        log_stream: Any = None,
        sample_ratio: float = 1.0,
        redact_keys: Iterable[str] = (),
        redact_patterns: Iterable[str] = (),
        timeout: float = 10.0,
        exit_seconds: float = EXIT_SECONDS,
    ) -> None:
        """Make it; nothing is opened, started or sent before the first call.

        `endpoint` may be given as `host` and `port` instead, over TLS unless `insecure`; it and
        `key` default to OBSAGENT_ENDPOINT and OBSAGENT_KEY. Without them metrics and logs stay in
        the process, nothing is traced, and the audit trail raises NotConfigured when used. `agent`
        is the agent's id or block, by default the service's name. The rest: `Client`. Raises
        NotConfigured for an endpoint, level or ratio that is none.
        """
        if endpoint is None and host is not None:
            scheme = "http" if insecure else "https"
            endpoint = f"{scheme}://{host}" + (f":{port}" if port else "")
        self._service = service_name
        self._endpoint = endpoint or os.environ.get("OBSAGENT_ENDPOINT", "")
        self._key = key or os.environ.get("OBSAGENT_KEY", "")
        self._agent: str | dict[str, Any] = agent or service_name
        self._options: dict[str, Any] = {
            "mode": mode,
            "spool": spool,
            "most_bytes": most_bytes,
            "when_full": when_full,
            "timeout": timeout,
            "exit_seconds": exit_seconds,
            "redact_keys": tuple(redact_keys),
            "redact_patterns": tuple(redact_patterns),
        }
        self._log_level, self._log_stream = log_level, log_stream
        self._sample_ratio = sample_ratio
        self._refuse_what_cannot_be()
        self._asked = {
            "metrics": enable_metrics,
            "logging": enable_logging,
            "tracing": enable_tracing,
            "audit": enable_audit,
        }
        self._on_metrics, self._on_logging = enable_metrics, enable_logging
        self._on_tracing = enable_tracing and self._can_trace()
        self._on_audit = enable_audit
        self._making = threading.RLock()
        self._metrics: Metrics | None = None
        self._logs: Logs | None = None
        self._tracing: Tracing | None = None
        self._client: Client | None = None
        self._outlet: Outlet | None = None
        _all.add(self)
        self._ends: float | None = None  # monotonic moment by which all has ended

    def _refuse_what_cannot_be(self) -> None:
        """Raise NotConfigured at the start, since metrics, logs and spans never raise."""
        if self._log_level.upper() not in LEVELS:
            raise NotConfigured(f"log_level {self._log_level!r} is none of {', '.join(LEVELS)}")
        if not 0.0 <= self._sample_ratio <= 1.0:
            raise NotConfigured(f"sample_ratio {self._sample_ratio!r} is not from 0 to 1")
        if self._endpoint and self._key:
            Transport(self._endpoint, self._key)

    # What is on

    def get_service_name(self) -> str:
        """Return the name of the service."""
        return self._service

    def is_component_enabled(self, name: str) -> bool:
        """Tell whether metrics, logging, tracing or audit works: asked for, and installed."""
        return name in self.get_enabled_components()

    def get_enabled_components(self) -> list[str]:
        """Return the parts that work; tracing only where OpenTelemetry is installed."""
        on = (self._on_metrics, self._on_logging, self._on_tracing, self._on_audit)
        return [name for name, is_on in zip(COMPONENTS, on) if is_on]

    def set_component(self, name: str, is_on: bool) -> None:
        """Turn a part on or off while the agent runs; what was recorded stays."""
        if name not in COMPONENTS:
            raise ValueError(f"{name!r} is none of {', '.join(COMPONENTS)}")
        if name == "tracing":
            is_on = is_on and self._can_trace()
        setattr(self, f"_on_{name}", is_on)

    def _can_trace(self) -> bool:
        return bool(self._endpoint and self._key) and tracing_module.is_installed()

    # The parts

    @property
    def metrics(self) -> Metrics:
        """The metrics, also when they are off and nobody reads them."""
        found = self._metrics
        if found is None:
            with self._making:
                found = self._metrics = self._metrics or Metrics()
                outlet = self._outlet_if_any()
                if outlet is not None:
                    outlet.start()
        return found

    @property
    def logs(self) -> Logs:
        """The loggers."""
        if self._logs is None:
            with self._making:
                outlet = self._outlet_if_any()
                self._logs = self._logs or Logs(
                    self._service,
                    level=self._log_level,
                    stream=self._log_stream,
                    redactor=self._redactor(),
                    take=outlet.take if outlet is not None else None,
                )
        return self._logs

    @property
    def client(self) -> Client:
        """The client of the audit trail; raises NotConfigured without an endpoint or a key."""
        if self._client is None:
            with self._making:
                if self._client is None:
                    self._client = Client(
                        self._endpoint,
                        self._key,
                        agent=self._agent,
                        service=self._service,
                        **self._options,
                    )
                    # After the client's own, so that this one runs first and all share its time.
                    atexit.register(_shut_down_at_exit, weakref.ref(self))
        return self._client

    @functools.cached_property
    def acts(self) -> Acts:
        """Acts as context managers, each with its span when traces are on; see acts.py."""
        return Acts(self.client, tracing=self.get_tracing_manager)

    @functools.cached_property
    def recorded(self) -> Decorators:
        """Acts as decorators; see decorators.py."""
        return Decorators(self.acts)

    @functools.cached_property
    def approvals(self) -> Approvals:
        """What people are asked; see approvals.py."""
        return Approvals(self.client)

    def _redactor(self) -> Redactor:
        return Redactor(
            extra_keys=self._options["redact_keys"],
            extra_patterns=self._options["redact_patterns"],
        )

    def _agent_id(self) -> str:
        return self._agent if isinstance(self._agent, str) else str(self._agent["id"])

    def _outlet_if_any(self) -> Outlet | None:
        if self._outlet is None and self._endpoint and self._key:
            transport = Transport(self._endpoint, self._key, timeout=self._options["timeout"])
            if self._metrics is None:  # they may be turned on later
                self._metrics = Metrics()
            self._outlet = Outlet(
                transport, service=self._service, agent_id=self._agent_id(), metrics=self._metrics
            )
            _outlets.add(self._outlet)
            atexit.register(_shut_down_at_exit, weakref.ref(self))
        return self._outlet

    # Metrics

    def record_metric_now(
        self, name: str, value: float, type: str = "counter", labels: dict[str, str] | None = None
    ) -> None:
        """Change a counter, gauge or histogram."""
        if self._on_metrics:
            (self._metrics or self.metrics).record(name, value, type, labels)

    async def record_metric(
        self, name: str, value: float, type: str = "counter", labels: dict[str, str] | None = None
    ) -> None:
        """Change a counter, gauge or histogram."""
        if self._on_metrics:
            (self._metrics or self.metrics).record(name, value, type, labels)

    def export_metrics_now(self) -> str:
        """Return all metrics as Prometheus text; "" when they are off."""
        return self.metrics.text() if self._on_metrics else ""

    async def export_metrics(self) -> str:
        """Return all metrics as Prometheus text; "" when they are off."""
        return self.export_metrics_now()

    def timer(self, name: str, labels: dict[str, str] | None = None) -> Any:
        """Time a block or a function in seconds, sync or async; nothing when metrics are off."""
        if not self._on_metrics:
            return NO_SPAN
        return self.metrics.timer(name, labels)

    # Logs

    def get_logger(self, name: str) -> Logger | None:
        """Return a structured logger; None when logging is off."""
        return self.logs.get_logger(name) if self._on_logging else None

    # Traces

    def get_tracing_manager(self) -> Tracing | None:
        """Return the tracing; None when it is off or OpenTelemetry is not installed."""
        if not self._on_tracing:
            return None
        if self._tracing is None:
            with self._making:
                if self._tracing is None:
                    made = Tracing(
                        self._service,
                        endpoint=self._endpoint,
                        key=self._key,
                        agent_id=self._agent_id(),
                        sample_ratio=self._sample_ratio,
                        redactor=self._redactor(),
                    )
                    outlet = self._outlet_if_any()
                    assert outlet is not None, "tracing is on where there is an endpoint"
                    outlet.farewells.append(made.shutdown)
                    outlet.start()
                    self._tracing = made
        return self._tracing

    def span(self, name: str, **attributes: Any) -> Any:
        """Open a span; one that does nothing when tracing is off."""
        if not self._on_tracing:
            return NO_SPAN
        tracing = self._tracing or self.get_tracing_manager()
        assert tracing is not None, "tracing is on"
        return tracing.span(name, **attributes)

    # The audit trail

    def event(self, action: str, **fields: Any) -> Recorded | None:
        """Record an event; None when the audit trail is off. Else as `Client.event`."""
        if not self._on_audit:
            return None
        return (self._client or self.client).event(action, **fields)

    async def aevent(self, action: str, **fields: Any) -> Recorded | None:
        """Record an event without holding up the loop; None when the audit trail is off."""
        if not self._on_audit:
            return None
        return await (self._client or self.client).aevent(action, **fields)

    def record_audit_now(
        self, agent_id: str, action: str, details: dict[str, Any] | None = None,
        result: str = "success", user_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Recorded | None:  # fmt: skip
        """Record an act under Kaizen's names; see kaizen.py. None when the audit trail is off."""
        if not self._on_audit:
            return None
        meant, fields = event_of(
            service=self._service, agent_id=agent_id, action=action, details=details or {},
            result=result, user_id=user_id, metadata=metadata,
        )  # fmt: skip
        return self.client.event(meant, **fields)

    async def record_audit(
        self, agent_id: str, action: str, details: dict[str, Any] | None = None,
        result: str = "success", user_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Recorded | None:  # fmt: skip
        """Record an act under Kaizen's names, without holding up the loop."""
        if not self._on_audit:
            return None
        meant, fields = event_of(
            service=self._service, agent_id=agent_id, action=action, details=details or {},
            result=result, user_id=user_id, metadata=metadata,
        )  # fmt: skip
        return await self.client.aevent(meant, **fields)

    # Ends

    def flush(self, timeout: float = 10.0) -> bool:
        """Send everything now; return whether all of it went out."""
        is_all = True
        if self._outlet is not None:
            is_all = self._outlet.flush()
        if self._tracing is not None:
            is_all = self._tracing.force_flush(timeout) and is_all
        if self._client is not None:
            is_all = self._client.flush(timeout) and is_all
        return is_all

    def shutdown_now(self) -> None:
        """Send what is left for `exit_seconds`, and close.

        What then is left of the audit trail the next start sends.
        """
        if self._ends is None:
            self._ends = time.monotonic() + self._options["exit_seconds"]
        if self._outlet is not None:
            self._outlet.begin_to_stop()
        if self._client is not None:
            self._client.close(max(0.0, self._ends - time.monotonic()))
        if self._outlet is not None:
            self._outlet.stop(max(0.0, self._ends - time.monotonic()))

    async def shutdown(self) -> None:
        """Send what is left for a moment, and close, without holding up the loop."""
        await asyncio.get_running_loop().run_in_executor(None, self.shutdown_now)

    def __enter__(self) -> Observability:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown_now()

    async def __aenter__(self) -> Observability:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()


ObservabilityManager = Observability

_METHODS = ("run", "execute", "invoke", "arun", "aexecute", "ainvoke")


def enable_observability(
    agent: Any, service_name: str | None = None, *, methods: Iterable[str] = _METHODS,
    **options: Any,
) -> Observability:  # fmt: skip
    """Give an agent an `observability`, and record each call of its run methods as a run.

    The service's name is by default the agent's `agent_id`, `id` or `name`, else its class. Methods
    that the agent lacks are passed over; with the audit trail off none is touched. What the agent
    did before works as it did. It is shut down with the agent. `options` are `Observability`'s.
    """
    name = service_name or next(
        (
            str(found)
            for each in ("agent_id", "id", "name")
            if (found := getattr(agent, each, None))
        ),
        type(agent).__name__,
    )
    obs = Observability(name, **options)
    if obs.is_component_enabled("audit"):
        for each in methods:
            method = getattr(agent, each, None)
            if callable(method):
                setattr(agent, each, _as_run(obs, method))
    agent.observability = obs
    weakref.finalize(agent, _shut_down_aside, obs)
    return obs


def _shut_down_aside(obs: Observability) -> None:
    """Shut down in a thread of its own: an agent may go wherever something is being collected.

    That may be in the thread that sends, which cannot wait for itself, or within a lock of ours.
    """
    try:
        threading.Thread(target=obs.shutdown_now, name="obsagent-shutdown").start()
    except RuntimeError:  # the interpreter is ending, and takes no more threads
        obs.shutdown_now()


def _as_run(obs: Observability, method: Any) -> Any:
    """Return the method recorded as a run; the client is made with the first call."""
    # The agent must be able to go: it is held by the bound method, which is held by the agent.
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def in_turn(*args: Any, **kwargs: Any) -> Any:
            async with obs.acts.run():
                return await method(*args, **kwargs)

        return in_turn

    @functools.wraps(method)
    def at_once(*args: Any, **kwargs: Any) -> Any:
        with obs.acts.run():
            return method(*args, **kwargs)

    return at_once


def _shut_down_at_exit(obs: weakref.ref[Observability]) -> None:
    found = obs()
    if found is not None:
        found.shutdown_now()


def _after_fork_in_child() -> None:
    for outlet in list(_outlets):
        outlet.after_fork()
    for obs in list(_all):
        obs._making = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
