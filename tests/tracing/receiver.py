"""A real OTLP receiver on loopback, over HTTP and gRPC, that keeps the spans it is sent."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PATIENCE = 120.0  # seconds; a bound against hanging, not a claim about speed


@dataclass(frozen=True, kw_only=True)
class Got:
    """A span as it came."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    links: list[tuple[str, str]]
    """Trace and span ids."""
    raw: str
    """All of it as text, for what must not be in it."""


@dataclass
class Receiver:
    """What has come so far; filled by threads of the servers."""

    address: str = ""
    spans: list[Got] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request."""

    def take(self, request: ExportTraceServiceRequest, headers: dict[str, str]) -> None:
        """Keep the spans of a request."""
        self.requests.append(headers)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Got(
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            kind=span.kind,
                            status=span.status.code,
                            attributes=_plain(span.attributes),
                            resource=_plain(resource.resource.attributes),
                            links=[
                                (each.trace_id.hex(), each.span_id.hex()) for each in span.links
                            ],
                            raw=str(span),
                        )
                    )

    def named(self, name: str) -> list[Got]:
        """Return the spans of this name."""
        return [each for each in self.spans if each.name == name]

    def wait(self, holds: Callable[[], bool], *, what: str, seconds: float = PATIENCE) -> None:
        """Wait until it holds of what has come; fails saying what came instead."""
        ends = time.monotonic() + seconds
        while not holds():
            names = sorted({each.name for each in self.spans})
            assert time.monotonic() < ends, f"{what} did not come; {names} did"
            time.sleep(0.05)


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


@contextmanager
def over_http() -> Iterator[Receiver]:
    """Receive protobuf over HTTP, gzip or not."""
    receiver = Receiver()

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            receiver.take(
                ExportTraceServiceRequest.FromString(body),
                {name.lower(): value for name, value in self.headers.items()},
            )
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            # A sender that has ended does not wait for its answer.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def over_grpc() -> Iterator[Receiver]:
    """Receive over gRPC."""
    receiver = Receiver()

    class Take(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(
            self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> ExportTraceServiceResponse:
            receiver.take(request, dict(context.invocation_metadata()))
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Take(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    receiver.address = f"http://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        server.stop(None).wait()
