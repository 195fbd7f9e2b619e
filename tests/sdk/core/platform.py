"""The other end of the line: an HTTP server that keeps events as the platform does, or fails.

For what a real installation cannot be made to do on demand: answer 429, lose a connection, be away.
Each answer is taken from `script` first: a status, (status, headers), "drop", which takes nothing,
or "lose", which takes what was sent and says nothing. Events are known by id, and a second delivery
is a duplicate, as the API says.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Union

Told = Union[int, str, tuple[int, dict[str, str]]]


class Platform(ThreadingHTTPServer):
    """Keeps what was delivered."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Conversation)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.events: dict[str, dict[str, Any]] = {}
        self.refused_actions: set[str] = set()
        self.script: list[Told] = []
        self.posts: list[int] = []
        """How many events each POST held."""
        self.others: list[tuple[str, Any]] = []
        """Path and body of every other POST."""
        self.entries: list[dict[str, Any]] = []
        self.connections = 0
        self.lock = threading.Lock()

    def receipt(self, index: int, event: dict[str, Any]) -> dict[str, Any]:
        """Keep an event and say so."""
        with self.lock:
            status = "duplicate" if event["id"] in self.events else "received"
            error = None
            if event["action"] in self.refused_actions:
                status, error = "rejected", {"code": "bad-value", "path": "$", "message": "no"}
            else:
                self.events[event["id"]] = event
        return {"index": index, "id": event["id"], "status": status, "error": error,
                "digest": "d" * 64, "event_sha256": "e" * 64}  # fmt: skip


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Platform

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.server.script:
            told = self.server.script.pop(0)
            if told in ("drop", "lose"):
                if told == "lose":
                    self.server.others.append((self.path, json.loads(body)))
                self.close_connection = True
                return
            status, headers = told if isinstance(told, tuple) else (int(told), {})
            self._say(status, {"code": "told", "detail": "as told"}, headers)
            return
        if self.path != "/api/v1/events":
            self.server.others.append((self.path, json.loads(body)))
            self._say(200, {}, {})
            return
        events = [json.loads(line) for line in body.splitlines() if line]
        self.server.posts.append(len(events))
        receipts = [self.server.receipt(*each) for each in enumerate(events)]
        refused = [each for each in receipts if each["status"] == "rejected"]
        status = 422 if len(refused) == len(receipts) else 207 if refused else 202
        self._say(status, {"receipts": receipts}, {})

    def do_GET(self) -> None:
        self._say(200, {"items": self.server.entries, "next": None}, {})

    def _say(self, status: int, said: Any, headers: dict[str, str]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def platform(port: int = 0) -> Iterator[Platform]:
    """Run a platform on loopback."""
    server = Platform(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
