"""Send metrics and lines of log to the platform as OTLP in JSON, in the background. Never raises.

`/v1/metrics` gets what came since the platform last acknowledged, and the very same bytes again
when it is unknown whether it did (points.py); `/v1/logs` gets lines that wait in memory, at most
`MOST_LINES`. What the platform does not take is kept for the next turn, what does not fit is
dropped and counted. The audit trail does not go this way: sender.py.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from obsagent.errors import NotDelivered
from obsagent.event import new_id
from obsagent.logs import LEVELS, Line
from obsagent.metrics import Metrics
from obsagent.points import Export, Points, attribute
from obsagent.transport import Answer, Transport

METRICS_PATH = "/v1/metrics"
LOGS_PATH = "/v1/logs"
EVERY_SECONDS = 10.0
MOST_LINES = 10_000

_AT_ONCE = 1_000
_SEVERITY = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
_HOPELESS = frozenset({400, 413, 415})  # answers that sending the same again cannot change
log = logging.getLogger("obsagent")
assert _SEVERITY.keys() == LEVELS.keys(), "each level has a number in OTLP"


class Outlet:
    """Where metrics and lines of one service go. Its thread starts with the first of them."""

    def __init__(
        self, transport: Transport, *, service: str, agent_id: str, metrics: Metrics | None
    ) -> None:
        self.dropped_lines = 0
        self.trouble: str | None = None
        """Why the last turn failed; None when it did not."""
        self.refusal = ""
        """What the platform said of points that it did not take, such as one nobody allowed."""
        self.lost_points = 0
        """Points that the platform can never take, such as those of a request it cannot read."""
        self._transport = transport
        self.farewells: list[Callable[[], object]] = []
        """What the thread does last, such as sending the last spans."""
        self._said_of_resource = {"service.name": service, "obs.agent.id": agent_id}
        self._points = Points(metrics) if metrics is not None else None
        if metrics is not None:
            metrics.begin = self._begin_once
        self._begin()

    def _begin(self) -> None:
        # A point is known by its resource too: two processes must not be taken for one.
        said = {**self._said_of_resource, "service.instance.id": new_id()}
        self._resource = {"attributes": [attribute(name, value) for name, value in said.items()]}
        self._export: Export | None = None  # sent, and not acknowledged
        self._lines: deque[tuple[int, str, str, str, dict[str, Any]]] = deque()
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """Begin anew in a child process; what waited is the parent's to send."""
        self._transport.after_fork()
        self._begin()
        if self._points is not None:
            self._points.begin_here()

    def take(self, at: int, level: str, logger: str, message: str, fields: dict[str, Any]) -> None:
        """Take a line of log; beyond `MOST_LINES` that wait it is counted and dropped."""
        if len(self._lines) >= MOST_LINES:
            self.dropped_lines += 1
            return
        self._lines.append((at, level, logger, message, fields))
        if self._thread is None:
            self.start()

    def _begin_once(self) -> None:
        if self._thread is None:
            self.start()

    def start(self) -> None:
        """Start the thread, once."""
        with self._turn:
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._run, name="obsagent-outlet", daemon=True)
                self._thread = thread
                try:
                    thread.start()
                except RuntimeError as error:  # the interpreter is ending
                    self.trouble = str(error)

    def flush(self) -> bool:
        """Send now; return whether the platform took it."""
        with self._turn:
            try:
                self._send_metrics()
                self._send_lines()
            except NotDelivered as failure:
                self.trouble = str(failure)
                return False
            except Exception as error:  # the thread must go on, and the agent as well
                self.trouble = f"{type(error).__name__}: {error}"
                return False
            self.trouble = None
            return True

    def begin_to_stop(self) -> None:
        """Let the thread send what is left, once, and end."""
        self._stop.set()

    def stop(self, timeout: float) -> bool:
        """End within so many seconds; return whether it has. What is unsent then is lost."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.flush()
        self.flush()
        for farewell in self.farewells:
            farewell()
        self._transport.close()

    def _send_metrics(self) -> None:
        """Send the export that was not acknowledged, then what came since."""
        if self._points is None:
            return
        if self._export is not None:
            self._send_export(self._points, self._export)
        export = self._points.since(resource=self._resource, now=time.time_ns())
        if export is not None:
            self._export = export
            self._send_export(self._points, export)

    def _send_export(self, points: Points, export: Export) -> None:
        answer = self._transport.request("POST", METRICS_PATH, body=export.body)
        if answer.status in _HOPELESS:
            self.lost_points += export.size
            log.warning("%d points of metrics are lost: %s", export.size, answer.why())
        elif answer.status != 200:
            raise NotDelivered(answer.why(), status=answer.status)
        else:
            self._note_refusal(answer)
        self._export = None
        points.acknowledge(export)

    def _note_refusal(self, answer: Answer) -> None:
        said = answer.json()
        partial = said.get("partialSuccess") if isinstance(said, dict) else None
        why = str(partial.get("errorMessage", "")) if isinstance(partial, dict) else ""
        if why and not self.refusal:  # once, and not with every turn
            log.warning("the platform does not take every metric: %s", why)
        self.refusal = why

    def _send_lines(self) -> None:
        """Send all lines; fewer at once while they are too many, or one of them cannot be read."""
        most = _AT_ONCE
        while self._lines:
            some = [self._lines[place] for place in range(min(most, len(self._lines)))]
            scope = {
                "scope": {"name": "obsagent"},
                "logRecords": [_log_record(Line(*each)) for each in some],
            }
            said = {"resourceLogs": [{"resource": self._resource, "scopeLogs": [scope]}]}
            body = json.dumps(said, default=str).encode()
            answer = self._transport.request("POST", LOGS_PATH, body=body)
            if answer.status in _HOPELESS and len(some) > 1:
                most = len(some) // 2
                continue
            if answer.status in _HOPELESS:
                self.dropped_lines += 1
                log.warning("a line of log is lost: %s", answer.why())
            elif answer.status != 200:
                raise NotDelivered(answer.why(), status=answer.status)
            for _ in some:
                self._lines.popleft()


def _log_record(line: Line) -> dict[str, Any]:
    fields = {"logger": line.logger, **line.fields}
    ids = {said: fields.pop(name) for name, said in _TRACE_IDS if name in fields}
    return {
        "timeUnixNano": str(line.at),
        "severityNumber": _SEVERITY[line.level],
        "severityText": line.level,
        "body": {"stringValue": line.message},
        "attributes": [attribute(name, value) for name, value in fields.items()],
        **ids,
    }


_TRACE_IDS = (("trace_id", "traceId"), ("span_id", "spanId"))
