"""Take one OTLP request in, whichever way it came: decode, admit, receive.

The table SIGNALS holds what traces, logs and metrics differ in. HTTP and gRPC are the two ways in
(otlp_http.py, otlp_grpc.py); both authenticate first and answer in their own words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from django.conf import settings
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from audit import admit, measures
from audit.auth import KeyGrant
from audit.inflate import BodyRefused
from audit.pausing import no_collecting
from audit.post import trust_of
from audit.receive import Sender
from tracing import otlp, otlp_json
from tracing.arrival import ITEMS_LIMIT, Arrival, Taken
from tracing.receive_lines import receive_lines
from tracing.receive_measures import receive_measures
from tracing.receive_spans import receive_spans

SCOPES: Final = ("events:write", "governance:write")
"""One of them a key must have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One of OTLP's three signals."""

    name: str
    """As in the address `/v1/<name>`."""
    from_protobuf: Callable[[bytes], Iterable[Any]]
    from_json: Callable[[bytes], Iterable[Any]]
    receive: Callable[[Sequence[Any], Arrival], Taken]
    response: type[Any]
    """The message that answers."""
    rejected: str
    """Its field that counts what was not taken."""

    def answer(self, taken: Taken) -> Any:
        """Return the message that answers a request."""
        answer = self.response()
        if taken.rejected or taken.notes:
            setattr(answer.partial_success, self.rejected, taken.rejected)
            answer.partial_success.error_message = taken.message()
        return answer


SIGNALS: Final = {
    "traces": Signal(
        name="traces",
        from_protobuf=otlp.spans_of,
        from_json=otlp_json.spans_of,
        receive=receive_spans,
        response=ExportTraceServiceResponse,
        rejected="rejected_spans",
    ),
    "logs": Signal(
        name="logs",
        from_protobuf=otlp.records_of,
        from_json=otlp_json.records_of,
        receive=receive_lines,
        response=ExportLogsServiceResponse,
        rejected="rejected_log_records",
    ),
    "metrics": Signal(
        name="metrics",
        from_protobuf=otlp.points_of,
        from_json=otlp_json.points_of,
        receive=receive_measures,
        response=ExportMetricsServiceResponse,
        rejected="rejected_data_points",
    ),
}


@no_collecting()  # records hold no cycles, and there may be tens of thousands
def take(
    signal: Signal,
    body: bytes,
    *,
    grant: KeyGrant,
    is_json: bool = False,
    ip: str = "",
    request_id: str = "",
    traceparent: str = "",
) -> Taken:
    """Return what became of a request; what it counts as taken is committed.

    Raises NotOtlp for a body that is none, BodyRefused for too many items, NotNow when the key or
    we cannot now, and a database error when it is unknown what is safe.
    """
    read = signal.from_json if is_json else signal.from_protobuf
    items = list(islice(read(body), ITEMS_LIMIT + 1))
    if len(items) > ITEMS_LIMIT:
        raise BodyRefused(
            status=413,
            code="too-many-events",
            message=f"The request holds more than {ITEMS_LIMIT:,} {signal.name}; send fewer.",
        )
    measures.observe("obs_ingest_batch_events", grant.ledger_name, value=len(items))
    admit.admit_events(grant, len(items))
    arrival = Arrival(
        ledger_id=grant.ledger_id,
        ledger_name=grant.ledger_name,
        sender=Sender(
            via="api",
            scope=trust_of(grant),
            scopes=grant.scopes,
            key=grant.key_id,
            ip=ip if settings.RECORD_IP else "",
        ),
        received_at=datetime.now(UTC),
        request_id=request_id,
        traceparent=traceparent,
    )
    return signal.receive(items, arrival)
