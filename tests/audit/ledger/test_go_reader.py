"""A reader that others wrote accepts what we serve, and refuses it once it is altered.

tests/go/reader.go stands on golang.org/x/mod; Debian has it as golang-golang-x-mod-dev. Here it
reads a tree that is served from memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.errors import TilePathMalformed
from audit.ledger.note import (
    Note,
    Signature,
    add_signatures,
    cosign,
    format_note,
    format_verifier_key,
    make_signing_key,
    sign,
)
from audit.ledger.record import leaf_hash
from audit.ledger.tiles import (
    Tile,
    encode_bundle,
    is_in_tree,
    parse_bundle_path,
    parse_tile_path,
)
from tests.audit.ledger.trees import TileTree

READER = Path(__file__).parents[2] / "go" / "reader.go"
GOPATH = Path(os.environ.get("GOPATH", "/usr/share/gocode"))

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="no Go: apt-get install golang-go"),
    pytest.mark.skipif(
        not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
        reason="no golang.org/x/mod: apt-get install golang-golang-x-mod-dev",
    ),
]

ORIGIN = "example.com/ledger/main"
LOG = make_signing_key(name=ORIGIN, seed=bytes([1]) * 32)
NEXT = make_signing_key(name=ORIGIN, seed=bytes([2]) * 32)
WITNESS = make_signing_key(name="witness.example.org", seed=bytes([3]) * 32).as_cosigner()
OLD, NEW = 66_000, 70_000


class ServedLedger:
    """A ledger of records on loopback, as C2SP tlog-tiles says; `altered` replaces answers."""

    def __init__(self) -> None:
        self.records = [b'{"seq":%d}' % seq for seq in range(NEW)]
        self.tree = TileTree()
        self.checkpoints: dict[int, bytes] = {}
        for size in (OLD, NEW):
            self.tree.append([leaf_hash(each) for each in self.records[self.tree.edge.size : size]])
            self.checkpoints[size] = signed_head(size, self.tree.edge.root())
        self.altered: dict[str, bytes | None] = {}
        self.asked: list[str] = []

    def answer(self, path: str) -> bytes | None:
        """Return what stands at a path, None for a 404."""
        self.asked.append(path)
        if path in self.altered:
            return self.altered[path]
        if path == "checkpoint":
            return self.checkpoints[NEW]
        try:
            return self._bundle(path) if path.startswith("tile/entries/") else self._tile(path)
        except TilePathMalformed:
            return None

    @contextmanager
    def answering(self, altered: dict[str, bytes | None]) -> Iterator[None]:
        """Answer so at these paths for a while; None for a 404."""
        self.altered = altered
        try:
            yield
        finally:
            self.altered = {}

    def _tile(self, path: str) -> bytes | None:
        tile = parse_tile_path(path)
        return self.tree.read_tiles([tile])[0] if is_in_tree(tile, size=NEW) else None

    def _bundle(self, path: str) -> bytes | None:
        bundle = parse_bundle_path(path)
        if not is_in_tree(Tile(level=0, index=bundle.index, width=bundle.width), size=NEW):
            return None
        return encode_bundle(self.records[seq] for seq in bundle.entries())


def signed_head(size: int, root: bytes) -> bytes:
    """Return a checkpoint signed by both keys of a rotation, cosigned, and by one more."""
    text = format_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root))
    note = Note(text=text, signatures=(sign(text, signer=LOG), sign(text, signer=NEXT)))
    other = Signature(name="stranger", key_id=b"\x01\x02\x03\x04", signature=b"anything")
    made = cosign(text, signer=WITNESS, moment=1_795_212_414)
    return format_note(add_signatures(note, [made, other]))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the reader once."""
    folder = tmp_path_factory.mktemp("go")
    program = folder / "reader"
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    environment.setdefault("HOME", str(folder))  # Go keeps what it has built there
    subprocess.run(
        ["go", "build", "-o", str(program), str(READER)], env=environment, check=True, timeout=240
    )
    return program


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ServedLedger, str]]:
    """Serve a ledger of 70,000 entries; give it and its address."""
    ledger = ServedLedger()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = ledger.answer(self.path.removeprefix("/ledger/main/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield ledger, f"http://127.0.0.1:{server.server_port}/ledger/main"
    server.shutdown()
    thread.join()
    server.server_close()


def run(reader: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(reader), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_accepts_checkpoint_tiles_entries_and_consistency(
    reader: Path, served: tuple[ServedLedger, str], tmp_path: Path
) -> None:
    ledger, url = served
    old = tmp_path / "old"
    old.write_bytes(ledger.checkpoints[OLD])
    indexes = [0, 1, 255, 256, 65_535, 65_536, 65_999, 66_000, 69_887, 69_888, 69_999]
    for key in (LOG, NEXT):
        ended = run(
            reader, "-url", url, "-vkey", format_verifier_key(key.key), "-old", str(old),
            "-entries", ",".join(map(str, indexes)),
        )  # fmt: skip

        assert (ended.returncode, ended.stderr) == (0, "")
        found: dict[str, Any] = json.loads(ended.stdout)
        assert (found["origin"], found["size"], found["consistent_from"]) == (ORIGIN, NEW, OLD)
        assert b64encode(ledger.tree.edge.root()).decode() == found["root"]
        assert found["entries"] == {
            str(seq): b64encode(leaf_hash(ledger.records[seq])).decode() for seq in indexes
        }


def test_it_reads_the_full_tile_where_a_partial_one_is_gone(
    reader: Path, served: tuple[ServedLedger, str]
) -> None:
    ledger, url = served
    head = signed_head(OLD, root=ledger.tree.edges[OLD].root())

    with ledger.answering({"checkpoint": head, "tile/0/257.p/208": None}):
        ended = run(reader, "-url", url, "-vkey", format_verifier_key(LOG.key), "-entries", "65999")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "tile/0/257" in ledger.asked


@pytest.mark.parametrize(
    "what", ["checkpoint", "tile/2/000.p/1", "tile/1/001.p/17", "tile/0/273.p/112",
             "tile/0/000", "tile/entries/000", "tile/entries/273.p/112"],
)  # fmt: skip
def test_it_refuses_what_was_altered_by_one_bit(
    reader: Path, served: tuple[ServedLedger, str], what: str
) -> None:
    ledger, url = served
    whole = ledger.answer(what)
    assert whole is not None
    altered = bytes([*whole[:30], whole[30] ^ 1, *whole[31:]])

    with ledger.answering({what: altered}):
        ended = run(
            reader, "-url", url, "-vkey", format_verifier_key(LOG.key), "-entries", "2,69890"
        )

    assert ended.returncode == 1, ended.stdout
    assert ended.stdout == ""


def test_it_refuses_a_history_that_was_rewritten(
    reader: Path, served: tuple[ServedLedger, str], tmp_path: Path
) -> None:
    _, url = served
    old = tmp_path / "old"
    old.write_bytes(signed_head(OLD, root=bytes(32)))

    ended = run(reader, "-url", url, "-vkey", format_verifier_key(LOG.key), "-old", str(old))

    assert ended.returncode == 1
    assert f"does not continue that of size {OLD}" in ended.stderr


def test_it_refuses_a_key_that_did_not_sign(reader: Path, served: tuple[ServedLedger, str]) -> None:
    _, url = served
    stranger = make_signing_key(name=ORIGIN, seed=bytes([9]) * 32)

    ended = run(reader, "-url", url, "-vkey", format_verifier_key(stranger.key))

    assert ended.returncode == 1
