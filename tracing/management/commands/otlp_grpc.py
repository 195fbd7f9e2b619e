"""Take OTLP in over gRPC until asked to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.otlp_grpc import serve

STOP_SECONDS: Final = 5.0
"""How long calls that have begun may go on after SIGTERM."""

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """`manage.py otlp_grpc`."""

    help = (
        "Take traces, logs and metrics in over gRPC, as /v1/* does over HTTP, until SIGINT or "
        "SIGTERM. Example: manage.py otlp_grpc --address 127.0.0.1:4317"
    )

    requires_system_checks = (Tags.security,)  # no page is served here, so none is checked

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument(
            "--address",
            default=settings.OTLP_GRPC_ADDRESS,
            help="host and port to listen at (default OBS_OTLP_GRPC_ADDRESS)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Serve until asked to stop, then let the calls end that have begun."""
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        address: str = options["address"]
        try:
            server = serve(
                address,
                threads=settings.WEB_THREADS,
                certificate=_file(settings.OTLP_GRPC_CERTIFICATE),
                key=_file(settings.OTLP_GRPC_KEY),
            )
        except (RuntimeError, OSError) as error:
            raise CommandError(f"cannot listen at {address}: {error}") from error
        log.info("otlp.listening", address=address, tls=bool(settings.OTLP_GRPC_CERTIFICATE))
        stop.wait()
        server.stop(STOP_SECONDS).wait()


def _file(path: str) -> Path | None:
    return Path(path) if path else None
