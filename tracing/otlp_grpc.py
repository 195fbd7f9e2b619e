"""Serve OTLP over gRPC: the three Export services on one port, over the same verb as HTTP.

A call is authenticated by its `authorization` metadata, admitted, taken and answered; OK comes
after the commit and never before. What can be tried again says when (RetryInfo): UNAVAILABLE when
we are unwell, RESOURCE_EXHAUSTED when a key is over its rate. gzip is undone by gRPC itself, whose
limit is on the message after that. What is done with a request: take.py.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import unquote

import grpc
import structlog
from django.db import connection
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from audit import admit, auth
from audit.admit import NotNow
from audit.errors import AuthRefused
from audit.inflate import INFLATED_LIMIT, BodyRefused
from audit.post import count_refused, reason_of
from tracing.otlp import NotOtlp
from tracing.otlp_http import UNKNOWN_OUTCOME
from tracing.take import SCOPES, SIGNALS, Signal, take

METHODS: Final = {
    f"/opentelemetry.proto.collector.{package}.v1.{service}/Export": SIGNALS[signal]
    for signal, package, service in (
        ("traces", "trace", "TraceService"),
        ("logs", "logs", "LogsService"),
        ("metrics", "metrics", "MetricsService"),
    )
}
"""Each method that there is, and its signal."""

_RETRY_SECONDS: Final = 1
_STATUS_DETAILS: Final = "grpc-status-details-bin"
_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}

log = structlog.get_logger(__name__)


class Exports(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Hands each call to the verb of its signal, as the bytes that came."""

    def service(self, details: Any) -> Any:
        """Return who answers a method; None for one that is not ours."""
        signal = METHODS.get(details.method)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda body, context: export(signal, body, context)
        )


def serve(
    address: str, *, threads: int, certificate: Path | None = None, key: Path | None = None
) -> grpc.Server:
    """Start a server at `host:port` and return it; with certificate and key it speaks TLS alone.

    Raises RuntimeError when the address is taken, and OSError when a file cannot be read.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_workers=threads, thread_name_prefix="otlp"),
        handlers=(Exports(),),
        options=(
            ("grpc.max_receive_message_length", INFLATED_LIMIT),
            ("grpc.so_reuseport", 0),  # a second server here would take half of the calls
        ),
        # Who waits longer than a few calls is told to come back: nothing is queued in memory.
        maximum_concurrent_rpcs=threads * 4,
    )
    if certificate is not None and key is not None:
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    server.start()
    return server


def export(signal: Signal, body: bytes, context: Any) -> bytes:
    """Take one request in and return the answer's bytes, or end the call with a status."""
    structlog.contextvars.clear_contextvars()  # a thread serves many calls
    structlog.contextvars.bind_contextvars(request_id=str(uuid.uuid4()))
    try:
        return _export(signal, body, context)
    except (AuthRefused, NotNow, BodyRefused) as refusal:
        count_refused(reason_of(refusal))
        wait = refusal.retry_after if isinstance(refusal, NotNow) else None
        _end(context, _CODES[refusal.status], refusal.message, wait=wait)
    except NotOtlp as refusal:
        count_refused("validation")
        _end(context, grpc.StatusCode.INVALID_ARGUMENT, refusal.message)
    except UNKNOWN_OUTCOME as error:
        count_refused("database")
        log.error("otlp.failed", error=type(error).__name__, detail=str(error).split("\n")[0])
        _end(
            context,
            grpc.StatusCode.UNAVAILABLE,
            "The database did not confirm. Send the same again.",
            wait=_RETRY_SECONDS,
        )
    finally:
        connection.close()  # back to the pool: the thread may rest for long


def _export(signal: Signal, body: bytes, context: Any) -> bytes:
    said = dict(context.invocation_metadata())
    grant = auth.authenticate_header(said.get("authorization", ""))
    auth.require_scope(grant, *SCOPES)
    admit.admit_request(grant)
    taken = take(
        signal,
        body,
        grant=grant,
        ip=_ip(context.peer()),
        request_id=structlog.contextvars.get_contextvars()["request_id"],
        traceparent=said.get("traceparent", "")[:200],
    )
    answer: bytes = signal.answer(taken).SerializeToString()
    return answer


def _ip(peer: str) -> str:
    """Return the address in `ipv4:127.0.0.1:1234` or `ipv6:%5B::1%5D:1234`."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _end(context: Any, code: Any, message: str, *, wait: int | None = None) -> NoReturn:
    """End the call with a status; `wait` is how many seconds to wait before the next try."""
    if wait is not None:
        status = Status(code=code.value[0], message=message)
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=wait)))
        context.set_trailing_metadata(((_STATUS_DETAILS, status.SerializeToString()),))
    context.abort(code, message)
    raise AssertionError("abort raises")
