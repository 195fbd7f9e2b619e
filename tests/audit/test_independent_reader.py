"""A reader that others could have written holds a running installation to its word.

The program tests/go/reader.go knows an address and a verifier key that it was given from outside,
and nothing else of ours: golang.org/x/mod hashes and checks, C2SP says where things are. Between it
and the installation stands a proxy, which may change one byte of what is served.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection

from audit.models import Ledger
from audit.proofs import list_checkpoints, verifier_keys
from tests.audit.ledger.test_go_reader import pytestmark, reader, run
from tests.audit.let_go import MINIMUM, old, owner, pruned
from tests.conftest import make_event
from tests.sizes import size as times

# What it needs, the program, and a ledger after a purge: found by their names here.
__all__ = ["old", "owner", "pruned", "pytestmark", "reader"]

POSTED = times(400, 1_500)
STEPS = 3
HEADERS = ("Authorization", "Accept-Encoding", "If-None-Match")


class Log:
    """The public log of an installation, asked over HTTP, and a proxy that may lie."""

    def __init__(self, installation: dict[str, Any]) -> None:
        self.url: str = installation["url"]
        self.name: str = installation["ledger"]
        self.key: str = installation["key"]
        self.altered: dict[str, int] = {}
        self.asked: list[str] = []
        self.proxied = ""
        self.vkey = self.get("vkey").decode().splitlines()[0]

    def get(self, path: str) -> bytes:
        """Return what stands at a path of the log, once it does."""
        ends = time.monotonic() + 60
        while True:
            status, body, _ = self.answer(f"/ledger/{self.name}/{path}", self.bearer())
            if status == 200:
                return body
            assert time.monotonic() < ends, (path, status, body)
            time.sleep(0.1)

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes, Message]:
        """Ask the installation; return its answer as it is."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def post(self, count: int) -> int:
        """Post events, wait until they are sealed, return the size of the checkpoint."""
        body = json.dumps([make_event() for _ in range(count)]).encode()
        headers = self.bearer() | {"Content-Type": "application/json"}
        url = f"{self.url}/api/v1/events?wait=sealed"
        request = urllib.request.Request(url, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            last = json.loads(answer.read())["receipts"][-1]
        ends = time.monotonic() + 60
        while True:
            status, said, _ = self.answer(f"/api/v1/events/{last['id']}", self.bearer())
            found = json.loads(said)
            if status == 200 and found["state"] == "sealed":
                return int(found["seq"]) + 1
            assert time.monotonic() < ends, found
            time.sleep(0.1)

    @contextmanager
    def lying(self, path: str, *, at: int) -> Iterator[None]:
        """Change the byte at this place of what stands at a path, for a while."""
        self.altered = {f"/ledger/{self.name}/{path}": at}
        try:
            yield
        finally:
            self.altered = {}


@pytest.fixture(scope="module")
def log(installation: dict[str, Any]) -> Iterator[Log]:
    """Return the log of the running installation with a proxy before it."""
    found = Log(installation)

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
            headers["Accept-Encoding"] = "identity"  # so that a byte of it is a byte of the record
            status, body, said = found.answer(self.path, headers)
            found.asked.append(self.path)
            if self.path in found.altered:
                at = found.altered[self.path] % len(body)
                body = bytes([*body[:at], body[at] ^ 1, *body[at + 1 :]])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", said["Content-Type"])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.proxied = f"http://127.0.0.1:{server.server_port}/ledger/{found.name}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def kept(log: Log, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Post in steps and keep the checkpoint after each, as an auditor would."""
    files = []
    for step in range(STEPS):
        log.post(POSTED)
        files.append(tmp_path_factory.mktemp("kept") / f"{step}.checkpoint")
        files[-1].write_bytes(log.get("checkpoint"))
    return files


def size_of(checkpoint: Path) -> int:
    return int(checkpoint.read_text().split("\n")[1])


def read(reader: Path, log: Log, *more: str) -> subprocess.CompletedProcess[str]:
    return run(reader, "-url", log.proxied, "-vkey", log.vkey, "-bearer", log.key, *more)


def test_it_accepts_entries_and_growth_from_every_checkpoint_it_kept(
    reader: Path, log: Log, kept: list[Path]
) -> None:
    sizes = [size_of(each) for each in kept]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] >= POSTED * STEPS
    chance = random.Random(4)
    for checkpoint, size in zip(kept, sizes, strict=True):
        seqs = {0, 255, 256, size - 1, *(chance.randrange(size) for _ in range(5))}

        listed = ",".join(map(str, sorted(seqs)))
        ended = read(reader, log, "-old", str(checkpoint), "-entries", listed)

        assert (ended.returncode, ended.stderr) == (0, "")
        found = json.loads(ended.stdout)
        assert found["consistent_from"] == size
        assert found["size"] >= sizes[-1]
        assert found["entries"] == {str(seq): leaf_by_the_api(log, seq) for seq in seqs}


def leaf_by_the_api(log: Log, seq: int) -> str:
    status, body, _ = log.answer(f"/api/v1/entries/{log.name}/{seq}", log.bearer())
    assert status == 200
    return b64encode(bytes.fromhex(json.loads(body)["hash"])).decode()


def test_it_refuses_one_changed_byte_of_whatever_it_reads(
    reader: Path, log: Log, kept: list[Path]
) -> None:
    arguments = ("-old", str(kept[0]), "-entries", "256")
    log.asked.clear()
    assert read(reader, log, *arguments).returncode == 0
    paths = [each.removeprefix(f"/ledger/{log.name}/") for each in dict.fromkeys(log.asked)]
    assert "checkpoint" in paths
    assert any(each.startswith("tile/entries/") for each in paths)
    for path in paths:
        # Byte 50 is in the root, in the second hash of a tile, and in the record of entry 256.
        with log.lying(path, at=50):
            ended = read(reader, log, *arguments)

        assert (ended.returncode, ended.stdout) == (1, ""), path
        assert ended.stderr.startswith("reader: "), path


def test_it_refuses_a_history_other_than_the_one_it_kept(
    reader: Path, log: Log, kept: list[Path], tmp_path: Path
) -> None:
    lines = kept[0].read_text().split("\n")
    lines[2] = b64encode(sha256(b"another history").digest()).decode()
    forged = tmp_path / "forged.checkpoint"
    forged.write_text("\n".join(lines))

    ended = read(reader, log, "-old", str(forged))

    assert (ended.returncode, ended.stdout) == (1, "")


def test_it_is_refused_the_log_of_a_private_ledger_without_a_key(
    reader: Path, log: Log, kept: list[Path]
) -> None:
    ended = run(reader, "-url", log.proxied, "-vkey", log.vkey)

    assert ended.returncode == 1
    assert "401" in ended.stderr


def test_head_and_conditional_get_hold_over_the_wire(log: Log, kept: list[Path]) -> None:
    path = f"/ledger/{log.name}/tile/0/000"
    status, body, said = log.answer(path, log.bearer())
    again = log.answer(path, log.bearer() | {"If-None-Match": said["ETag"]})
    request = urllib.request.Request(log.url + path, headers=log.bearer(), method="HEAD")

    with urllib.request.urlopen(request, timeout=30) as answer:
        assert (answer.status, answer.read()) == (200, b"")
        assert (answer.headers["Content-Length"], answer.headers["ETag"]) == ("8192", said["ETag"])
    assert (status, len(body)) == (200, 8192)
    assert (again[0], again[1]) == (304, b"")


# --- After a purge --------------------------------------------------------------------------------


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(pruned: Ledger) -> Iterator[str]:
    """Serve this database, and return the address of a ledger of which 512 entries are pruned."""
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)

    def serve() -> None:
        server.serve_forever(poll_interval=0.05)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ledger/{pruned.name}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_after_a_purge_it_agrees_above_the_minimum_index_and_with_every_old_checkpoint(
    reader: Path, served: str, pruned: Ledger, api_key: Callable[..., str], tmp_path: Path
) -> None:
    newest, *older = list_checkpoints(pruned.id, most=10)
    vkey, *_ = verifier_keys(pruned)
    arguments = ("-url", served, "-vkey", vkey, "-bearer", api_key(pruned, "entries:read"))
    kept = [MINIMUM, MINIMUM + 1, newest.size - 1]
    held = tmp_path / "old.checkpoint"
    assert min(each.size for each in older) < MINIMUM
    for each in older:
        held.write_bytes(each.note)

        ended = run(reader, *arguments, "-old", str(held), "-entries", ",".join(map(str, kept)))

        assert (ended.returncode, ended.stderr) == (0, "")
        found = json.loads(ended.stdout)
        assert (found["size"], found["consistent_from"]) == (newest.size, each.size)
        assert set(found["entries"]) == set(map(str, kept))
    for seq in (0, MINIMUM - 1):
        ended = run(reader, *arguments, "-entries", str(seq))

        assert ended.returncode == 1
        assert "404" in ended.stderr
