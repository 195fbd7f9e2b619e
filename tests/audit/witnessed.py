"""What tests of the witness share: one that runs on loopback, a log, and requests to cosign it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from audit.ledger.note import (
    Note,
    VerifierKey,
    format_note,
    open_note,
    parse_note,
    parse_signatures,
)
from audit.ledger.witness import CosignRequest, format_cosign_request
from audit.witnessing import ServerLimits, WitnessServer, open_cosigner
from tests.audit.sinks.publishing import LOG_KEY, ORIGIN, Log

LOG = Log()
HASH = sha256(ORIGIN.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Answered:
    status: int
    kind: str
    body: bytes


def call(port: int, method: str, path: str, body: bytes | None = None) -> Answered:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Answered(
            status=response.status,
            kind=response.headers["Content-Type"],
            body=response.read(),
        )
    finally:
        connection.close()


def add(
    port: int, old: int, new: int, *, log: Log = LOG, proof: Sequence[bytes] | None = None
) -> Answered:
    made = log.prove(old, new) if proof is None and 0 < old <= new else list(proof or ())
    request = CosignRequest(old_size=old, proof=tuple(made), checkpoint=log.note(new))
    return call(port, "POST", "/add-checkpoint", format_cosign_request(request))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., WitnessServer]]:
    """Return what runs a witness on loopback, in this process, until the test ends."""
    running: list[tuple[WitnessServer, threading.Thread]] = []

    def go(
        *, folder: Path = tmp_path / "state", logs: Sequence[VerifierKey] = (LOG_KEY.key,),
        limits: ServerLimits | None = None,
    ) -> WitnessServer:  # fmt: skip
        cosigner = open_cosigner(folder, name="witness.example", logs=logs)
        server = WitnessServer(("127.0.0.1", 0), cosigner, limits)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        running.append((server, thread))
        return server

    yield go
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(start: Callable[..., WitnessServer]) -> WitnessServer:
    return start()


@pytest.fixture
def port(server: WitnessServer) -> int:
    return server.server_address[1]


def check_line(server: WitnessServer, size: int, answered: Answered) -> None:
    lines = parse_signatures(answered.body.decode())
    note = Note(text=parse_note(LOG.note(size)).text, signatures=lines)
    (signed,) = open_note(format_note(note), keys=[server.cosigner.key.key]).signed
    assert signed.moment
