"""The official exporters, unchanged, against a running platform: over HTTP and over gRPC."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from audit.admit import forget_limits
from audit.append import append_pending
from audit.models import Ledger
from audit.verify import verify
from tests.installation import ROOT
from tests.tracing.otlp_requests import SECOND, body, span
from tracing.models import Span
from tracing.otlp_grpc import METHODS, serve

TRACES = next(name for name, each in METHODS.items() if each.name == "traces")


def run_an_agent(exporter: SpanExporter, service: str) -> str:
    """Make the spans of an agent's run as its code would; return the trace's id."""
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("tests.agent", "1.0")
    with tracer.start_as_current_span(
        "invoke_agent planner",
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
    ) as run:
        with tracer.start_as_current_span(
            "chat gpt-4o",
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 12,
            },
        ):
            pass
        with (
            pytest.raises(KeyError),
            tracer.start_as_current_span(
                "execute_tool search",
                attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
            ),
        ):
            raise KeyError("tax")
    provider.shutdown()
    return format(run.get_span_context().trace_id, "032x")


def found(address: str, trace: str, *, entries: int) -> tuple[dict[str, str], list[str]]:
    """Return a trace's spans with their operations and its entries' actions, once all are there."""
    ends = time.monotonic() + 60
    while True:
        with psycopg.connect(address) as connection:
            spans: dict[str, str] = dict(
                connection.execute(
                    "SELECT name, operation FROM tracing_span WHERE trace_id = %s", [trace]
                ).fetchall()
            )
            acts = connection.execute(
                "SELECT action, outcome FROM audit_entry "
                "WHERE convert_from(record, 'UTF8') LIKE %s ORDER BY 1",
                [f'%"trace_id":"{trace}"%'],
            ).fetchall()
        if len(acts) >= entries or time.monotonic() > ends:
            return spans, [f"{action} {outcome}" for action, outcome in acts]
        time.sleep(0.2)


SPANS = {
    "invoke_agent planner": "invoke_agent",
    "chat gpt-4o": "chat",
    "execute_tool search": "execute_tool",
}
ACTS = ["llm.call success", "run.completed success", "tool.invoke error"]


def test_the_http_exporter_reaches_a_running_platform(installation: dict[str, Any]) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"{installation['url']}/v1/traces",
        headers={"Authorization": f"Bearer {installation['key']}"},
        compression=Compression.Gzip,
    )

    trace = run_an_agent(exporter, "desk-http")

    assert found(installation["database_url"], trace, entries=3) == (SPANS, ACTS)


def test_the_log_exporter_reaches_a_running_platform(installation: dict[str, Any]) -> None:
    provider = LoggerProvider(resource=Resource({"service.name": "desk-logs"}))
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            OTLPLogExporter(
                endpoint=f"{installation['url']}/v1/logs",
                headers={"Authorization": f"Bearer {installation['key']}"},
            )
        )
    )
    provider.get_logger("tests.agent").emit(body="Starting agent execution")
    provider.shutdown()

    with psycopg.connect(installation["database_url"]) as connection:
        lines = connection.execute(
            "SELECT message, logger FROM tracing_line WHERE service = 'desk-logs'"
        ).fetchall()
    assert lines == [("Starting agent execution", "tests.agent")]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def grpc_process(installation: dict[str, Any]) -> Iterator[str]:
    """Run `manage.py otlp_grpc` beside an installation; it ends well when it is asked to."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "otlp_grpc", "--address", address],
        cwd=ROOT,
        env=installation["environment"],
    )
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(timeout=30)
    assert ended == os.EX_OK


def test_the_grpc_exporter_reaches_a_running_platform(installation: dict[str, Any]) -> None:
    with grpc_process(installation) as address:
        exporter = GrpcExporter(
            endpoint=address,
            insecure=True,
            headers={"authorization": f"Bearer {installation['key']}"},
            compression=grpc.Compression.Gzip,
        )

        trace = run_an_agent(exporter, "desk-grpc")

    assert found(installation["database_url"], trace, entries=3) == (SPANS, ACTS)


# --- gRPC by hand ---------------------------------------------------------------------------------


@pytest.fixture
def call(database: None) -> Iterator[Callable[..., Any]]:
    """Return who sends bytes to a method of a server in this process, and returns its answer."""
    forget_limits()
    address = f"127.0.0.1:{free_port()}"
    server = serve(address, threads=4)

    def send(content: bytes, *, key: str = "", method: str = TRACES) -> bytes:
        with grpc.insecure_channel(address) as channel:
            metadata = (("authorization", f"Bearer {key}"),) if key else ()
            answer: bytes = channel.unary_unary(method)(content, metadata=metadata, timeout=30)
            return answer

    yield send
    server.stop(5).wait()


def refused(call: Callable[..., Any], *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **options)
    return error.value


def test_spans_over_grpc_are_chained_and_the_ledger_is_whole(
    ledger: Ledger, call: Callable[..., Any], api_key: Callable[..., str]
) -> None:
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    now = int(time.time()) * SECOND

    answer = call(body([span("a", said, start=now)]), key=api_key(ledger, "events:write"))
    append_pending(ledger.id)

    assert answer == b""
    assert Span.objects.get(ledger_id=ledger.id).event_id is not None
    report = verify(ledger)
    assert (report.broken, report.checked) == (0, 2)  # the key that was made, and the act


def test_grpc_refuses_in_the_words_of_otlp(
    ledger: Ledger, call: Callable[..., Any], api_key: Callable[..., str]
) -> None:
    key = api_key(ledger, "events:write")

    assert refused(call, b"").code() == grpc.StatusCode.UNAUTHENTICATED
    assert refused(call, b"\x0a\xff", key=key).code() == grpc.StatusCode.INVALID_ARGUMENT
    reader = api_key(ledger, "entries:read")
    assert refused(call, b"", key=reader).code() == grpc.StatusCode.PERMISSION_DENIED
    too_long = refused(call, b"\0" * 21_000_000, key=key)
    assert too_long.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused(call, b"", key=key, method="/x/Export").code() == grpc.StatusCode.UNIMPLEMENTED


def test_who_may_try_again_is_told_when(
    ledger: Ledger, call: Callable[..., Any], api_key: Callable[..., str]
) -> None:
    key = api_key(ledger, "events:write", events_per_second=1)
    now = int(time.time()) * SECOND
    call(body([span("x", start=now) for _ in range(50)]), key=key)

    error = refused(call, body([span("x", start=now)]), key=key)

    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(error.trailing_metadata())
    status, retry = Status(), RetryInfo()
    status.ParseFromString(trailers["grpc-status-details-bin"])
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds >= 1


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of localhost and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "grpc.pem", folder / "grpc.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret


def test_with_a_certificate_it_speaks_tls_alone(
    ledger: Ledger, api_key: Callable[..., str], tmp_path: Path
) -> None:
    certificate, secret = self_signed(tmp_path)
    port = free_port()
    server = serve(f"127.0.0.1:{port}", threads=2, certificate=certificate, key=secret)
    metadata = (("authorization", f"Bearer {api_key(ledger, 'events:write')}"),)
    try:
        trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(f"localhost:{port}", trusted) as channel:
            answer = channel.unary_unary(TRACES)(b"", metadata=metadata, timeout=30)
        with (
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
            pytest.raises(grpc.RpcError) as refusal,
        ):
            channel.unary_unary(TRACES)(b"", metadata=metadata, timeout=30)
    finally:
        server.stop(5).wait()

    assert answer == b""
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
