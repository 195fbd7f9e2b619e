"""Checkpoints to publish, of a tree in memory, and a receiver on loopback that keeps requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.merkle import prove_consistency, root_of
from audit.ledger.note import SigningKey, make_signing_key, sign_note
from audit.ledger.record import leaf_hash
from audit.outbound import Rules, parse_networks
from audit.sinks import Published
from tests.audit.ledger.trees import MemoryTree

ORIGIN = "example.com/main"
LOOPBACK = Rules(allowed=parse_networks(["127.0.0.0/8"]), seconds=5)
LOG_KEY = make_signing_key(name=ORIGIN, seed=b"l" * 32)


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log in memory; `word` makes its leaves, so another word is another history."""

    word: str = "leaf"
    origin: str = ORIGIN
    key: SigningKey = LOG_KEY

    def tree(self, size: int) -> MemoryTree:
        return MemoryTree([leaf_hash(f"{self.word} {at}".encode()) for at in range(size)])

    def root(self, size: int) -> bytes:
        return root_of(size, self.tree(size))

    def note(self, size: int) -> bytes:
        checkpoint = Checkpoint(origin=self.origin, size=size, root=self.root(size))
        return sign_note(format_checkpoint(checkpoint), signers=[self.key])

    def prove(self, old: int, new: int) -> list[bytes]:
        return prove_consistency(old_size=old, new_size=new, hashes=self.tree(new))

    def published(self, size: int, *, ledger: str = "main") -> Published:
        return Published(
            ledger=ledger,
            origin=self.origin,
            size=size,
            root=self.root(size),
            note=self.note(size),
            signed_at=datetime(2026, 11, 21, 3, 5, tzinfo=UTC),
        )


@dataclass
class Request:
    """What a receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A web server that answers as it is told."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    status: int = 200
    answer: Callable[[Request], bytes] = field(default=lambda _: b"")
    kind: str = "text/plain"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver until the end of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): text for name, text in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            receiver.requests.append(request)
            content = receiver.answer(request)
            self.send_response(receiver.status)
            self.send_header("Content-Type", receiver.kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
