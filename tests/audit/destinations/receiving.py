"""Receivers on loopback that take entries and misbehave as they are told, and destinations to them.

`Endpoint` speaks HTTP and `Syslog` RFC 6587; both keep what arrived, in the order of arrival. A
destination of a test is delivered to by `deliver()`, which is what the process `deliver` does.
"""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from audit.database import rows
from audit.deliver import deliver_once, held
from audit.destination import make
from audit.models import Destination, Ledger
from audit.outbound import Rules, parse_networks

LOOPBACK = Rules(allowed=parse_networks(["127.0.0.0/8"]), seconds=2)
SECRET = "0123456789abcdef-of-a-test"
HARD_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""


def destination(
    ledger: Ledger, address: str, *, kind: str = "webhook", name: str = "", **options: Any
) -> Destination:
    """Make a destination that begins at seq 0."""
    return make(
        ledger,
        name=name or f"d-{uuid.uuid4().hex[:8]}",
        kind=kind,
        address=address,
        options=options,
        secret="" if kind in {"syslog", "file"} else SECRET,
        from_seq=0,
        by="tests",
    )


def deliver(row: Destination, *, tries: int = 100) -> list[str]:
    """Step until nothing is due, and return what each step did."""
    steps: list[str] = []
    with held(row.ledger_id, row.id) as is_held:
        assert is_held, "somebody else sends to it"
        for _ in range(tries):
            steps.append(deliver_once(row.ledger_id, row.id))
            if steps[-1] not in {"sent", "gap"}:
                break
    row.refresh_from_db()
    return steps


def let_time_pass(row: Destination, *, seconds: float) -> None:
    """Move what a destination remembers of its tries into the past."""
    rows(
        "UPDATE audit_destination SET tried_at = tried_at - make_interval(secs => %s), "
        "failing_since = failing_since - make_interval(secs => %s) "
        "WHERE ledger_id = %s AND id = %s RETURNING id",
        (seconds, seconds, row.ledger_id, row.id),
    )


@dataclass
class Got:
    """One request that arrived whole."""

    path: str
    headers: dict[str, str]
    body: bytes

    def records(self) -> list[dict[str, Any]]:
        """Return the lines as JSON."""
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class Endpoint:
    """A web server that answers as it is told, and counts as taken only what it said 2xx to."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    """Every request, whatever was answered."""
    taken: list[int] = field(default_factory=list)
    """Seqs of requests that were answered 2xx, in order of arrival."""
    status: int = 200
    answer: bytes = b""
    behave: Callable[[socket.socket], None] | None = None
    """What it does instead of answering."""

    def seqs(self) -> list[int]:
        """Return every seq that arrived, repeats too."""
        return [record["seq"] for got in self.got for record in got.records()]


@contextmanager
def endpoint(port: int = 0) -> Iterator[Endpoint]:
    """Run a web server until the end of the block."""
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_PUT()

        def do_PUT(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): text for name, text in self.headers.items()}
            got = Got(self.path, headers, self.rfile.read(length))
            told.got.append(got)
            if told.behave is not None:
                told.behave(self.connection)
                self.close_connection = True
                return
            if told.status == 200 and got.headers["content-type"] == "application/x-ndjson":
                told.taken += [each["seq"] for each in got.records() if "seq" in each]
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.answer)))
            self.end_headers()
            self.wfile.write(told.answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: a client that went away is what tests are about."""

    with Server(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        told.url = f"http://127.0.0.1:{server.server_address[1]}/entries"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD_CLOSE)
    connection.close()


def garbage(connection: socket.socket) -> None:
    """Answer with what is no HTTP."""
    connection.sendall(b"\x00\xff not at all HTTP \r\n\r\n" * 100)


def stall(connection: socket.socket) -> None:
    """Answer nothing, until the other side gives up."""
    connection.settimeout(20)
    connection.recv(1)


@dataclass
class Syslog:
    """A server of RFC 6587 frames; keeps the messages of connections that it ended in order."""

    address: str = ""
    messages: list[bytes] = field(default_factory=list)
    behave: Callable[[socket.socket], None] | None = None
    """What it does with a connection instead of reading it."""


def read_frames(data: bytes) -> list[bytes]:
    """Return the messages of an octet-counted stream; an assertion fails for what is none."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        assert len(rest) >= int(length), "the last frame is whole"
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


@contextmanager
def syslog(tls: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[Syslog]:
    """Run a syslog server over TCP, with TLS or without, until the end of the block."""
    told = Syslog()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            plain: socket.socket = self.request
            plain.settimeout(20)
            connection = tls.wrap_socket(plain, server_side=True) if tls else plain
            if told.behave is not None:
                told.behave(connection)
                return
            data = b""
            while block := connection.recv(65_536):
                data += block
            told.messages += read_frames(data)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap().close()
            else:
                connection.close()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: a client that went away is what tests are about."""

    with Server(("127.0.0.1", port), Handler) as server:
        host, number = server.server_address[:2]
        told.address = f"{'tls' if tls else 'tcp'}://{host!s}:{number}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
