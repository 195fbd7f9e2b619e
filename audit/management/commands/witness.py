"""Run a witness that cosigns checkpoints of the logs it is told of. Needs no database."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger.errors import KeyMalformed, PolicyMalformed
from audit.ledger.note import ED25519, VerifierKey, format_verifier_key, parse_verifier_key
from audit.ledger.policy import parse_policy
from audit.witnessing import WitnessServer, WitnessUnusable, open_cosigner


class Command(BaseCommand):
    """`manage.py witness --name NAME --state DIR (--log VKEY… | --policy FILE) [--port PORT]`."""

    help = (
        "Cosign checkpoints that continue what was cosigned before (C2SP tlog-witness), and print "
        "the verifier key that others give their policy. "
        "Example: manage.py witness --name witness.example.org --state /srv/witness --log VKEY"
    )
    requires_system_checks: list[str] = []  # they ask the database  # noqa: RUF012

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--name", required=True, help="the name it signs under")
        parser.add_argument("--state", required=True, type=Path, help="folder of key and state")
        parser.add_argument(
            "--log", action="append", default=[], metavar="VKEY", help="a log it cosigns for"
        )
        parser.add_argument("--policy", type=Path, help="a tlog-policy whose logs it cosigns for")
        parser.add_argument("--host", default="127.0.0.1", help="the address it listens on")
        parser.add_argument("--port", type=int, default=8460, help="0 takes a free one")

    def handle(self, *_: Any, **options: Any) -> None:
        """Serve until SIGINT or SIGTERM."""
        logs = [*map(_parse_log, options["log"]), *_logs_of(options["policy"])]
        if not logs:
            raise CommandError("name the logs with --log VKEY or --policy FILE", returncode=2)
        try:
            cosigner = open_cosigner(options["state"], name=options["name"], logs=logs)
            server = WitnessServer((options["host"], options["port"]), cosigner)
        except (WitnessUnusable, OSError, OverflowError) as error:
            raise CommandError(str(error)) from error
        for number in (signal.SIGINT, signal.SIGTERM):
            # From a thread of its own: shutdown waits for the loop that this thread runs.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        host, port = server.server_address[:2]
        self.stdout.write(format_verifier_key(cosigner.key.key))
        self.stdout.write(f"http://{host!s}:{port}/")
        self.stdout.flush()
        with server:
            server.serve_forever(poll_interval=0.1)


def _parse_log(text: str) -> VerifierKey:
    try:
        key = parse_verifier_key(text)
    except KeyMalformed as error:
        raise CommandError(f"--log {text!r}: {error}", returncode=2) from error
    if key.algorithm != ED25519:
        raise CommandError(f"--log {text!r} is the key of a witness, not of a log", returncode=2)
    return key


def _logs_of(file: Path | None) -> list[VerifierKey]:
    if file is None:
        return []
    try:
        return [each.key for each in parse_policy(file.read_bytes()).logs]
    except (OSError, PolicyMalformed) as error:
        raise CommandError(f"--policy {file}: {error}", returncode=2) from error
