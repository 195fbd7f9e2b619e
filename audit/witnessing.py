"""Be a witness: cosign checkpoints that continue what was cosigned before. C2SP tlog-witness.

    POST /add-checkpoint                      asks for a cosignature; body: audit.ledger.witness
        200   cosignature lines; the checkpoint was stored before
        400   no such request, or an old size above the checkpoint's
        403   no signature of a key we were told of, or one that does not verify
        404   a log we were not told of
        409   the old size is not that of what was cosigned last, which the answer says
        411, 413   no length, or too long a body
        422   the proof does not link them, or one size has two roots
    GET /<sha256 hex of the origin>/checkpoint     what was cosigned last, cosignature included

The state is a folder with one file a log, named as in that address: the note, replaced whole.
Looking at it, writing, fsync and renaming happen under one file lock, and nothing is answered
before, so neither threads, nor a second process on the same folder, nor a crash at any point can
make it cosign two histories. Whoever deletes the folder makes it forget: keep it like the key.

Needs no database and no Django. Whom it trusts is given: keys of logs, by origin.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import structlog

from audit.errors import AuditError
from audit.ledger.checkpoint import Checkpoint, parse_checkpoint
from audit.ledger.errors import (
    CheckpointMalformed,
    KeyMalformed,
    NoteMalformed,
    NotSigned,
    ProofMalformed,
    ProofRefused,
    SignatureWrong,
)
from audit.ledger.merkle import check_consistency
from audit.ledger.note import (
    Note,
    OpenedNote,
    SigningKey,
    VerifierKey,
    add_signatures,
    cosign,
    format_note,
    format_signature,
    format_signing_key,
    make_signing_key,
    open_note,
    parse_note,
    parse_signing_key,
)
from audit.ledger.witness import CosignRequest, parse_cosign_request

log = structlog.get_logger(__name__)

BODY_LIMIT: Final = 65_536
"""Bytes of the longest request: 63 hashes, and a note with its signatures."""

_PLAIN: Final = "text/plain; charset=utf-8"
_CHECKPOINT_PATH: Final = re.compile(r"/([0-9a-f]{64})/checkpoint")
_EMPTY_ROOT_WRONG: Final = re.compile(r"[^\n]+\n0\n")


class WitnessUnusable(AuditError):
    """The witness cannot work with its key or its folder; the text names the file."""


class CosignRefused(AuditError):
    """A request gets no cosignature; `status` is what HTTP says of it."""

    def __init__(self, status: int, text: str, *, kind: str = _PLAIN) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Cosigner:
    """A witness without its server: a key, the logs it knows, and what it cosigned last."""

    key: SigningKey
    """Under the algorithm of cosignatures."""
    logs: Mapping[str, tuple[VerifierKey, ...]]
    """The keys of each log, by origin."""
    folder: Path

    def add_checkpoint(self, body: bytes) -> str:
        """Return the cosignature line for a request, once the checkpoint is stored.

        Raises CosignRefused, WitnessUnusable for a file of ours that cannot be read.
        """
        try:
            request = parse_cosign_request(body)
            note = parse_note(request.checkpoint)
        except (ProofMalformed, NoteMalformed) as error:
            raise CosignRefused(400, str(error)) from error
        origin = note.text.partition("\n")[0]
        if origin not in self.logs:
            raise CosignRefused(404, "this log is not known here")
        opened = self._open(request.checkpoint, origin)
        checkpoint = _parse(note.text)
        if request.old_size > checkpoint.size:
            raise CosignRefused(400, "the old size is above the checkpoint's")
        with self._locked(origin):
            _check(request, checkpoint, self._last(origin))
            return self._cosign(opened, origin)

    def _open(self, checkpoint: bytes, origin: str) -> OpenedNote:
        try:
            return open_note(checkpoint, keys=self.logs[origin])
        except (SignatureWrong, NotSigned) as error:
            raise CosignRefused(403, str(error)) from error

    def _cosign(self, opened: OpenedNote, origin: str) -> str:
        """Sign, store, and only then return the signature."""
        made = cosign(opened.text, signer=self.key, moment=int(time.time()))
        known = {(one.key.name, one.key.key_id) for one in opened.signed}
        # Only what was checked: a note may carry a hundred lines of anybody.
        checked = [one for one in opened.note.signatures if (one.name, one.key_id) in known]
        stored = add_signatures(Note(text=opened.text, signatures=tuple(checked)), [made])
        _replace(self.file(origin), format_note(stored))
        return format_signature(made)

    def file(self, origin: str) -> Path:
        """Return where the newest checkpoint of a log is kept."""
        return self.folder / f"{sha256(origin.encode()).hexdigest()}.checkpoint"

    def newest(self, origin_hash: str) -> bytes | None:
        """Return the note cosigned last of the log whose origin has this SHA-256, if any."""
        try:
            return (self.folder / f"{origin_hash}.checkpoint").read_bytes()
        except FileNotFoundError:
            return None

    def _last(self, origin: str) -> Checkpoint | None:
        file = self.file(origin)
        try:
            return parse_checkpoint(parse_note(file.read_bytes()).text)
        except FileNotFoundError:
            return None
        except (NoteMalformed, CheckpointMalformed) as error:
            raise WitnessUnusable(
                f"{file} cannot be read ({error}); restore it: without it this witness would"
                " cosign another history"
            ) from error

    @contextmanager
    def _locked(self, origin: str) -> Iterator[None]:
        """Hold the log's lock, against other processes too, while its checkpoint is replaced."""
        with self.file(origin).with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _parse(text: str) -> Checkpoint:
    try:
        return parse_checkpoint(text)
    except CheckpointMalformed as error:
        # C2SP counts this one as a false statement, not as a malformed one.
        status = 422 if _EMPTY_ROOT_WRONG.match(text) else 400
        raise CosignRefused(status, str(error)) from error


def _check(request: CosignRequest, new: Checkpoint, last: Checkpoint | None) -> None:
    """Refuse what does not continue `last`; the rules of add-checkpoint, in their order."""
    last_size = last.size if last else 0
    if request.old_size != last_size:
        raise CosignRefused(409, str(last_size), kind="text/x.tlog.size")
    if last is None or last_size == 0:
        if request.proof:
            raise CosignRefused(422, "nothing is proven from size 0")
        return
    try:
        check_consistency(
            request.proof,
            old_size=last.size,
            old_root=last.root,
            new_size=new.size,
            new_root=new.root,
        )
    except ProofRefused as error:
        raise CosignRefused(422, str(error)) from error


def _replace(file: Path, content: bytes) -> None:
    """Put a file in the place of another: after a crash either is there, whole."""
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keys_by_origin(keys: Iterable[VerifierKey]) -> dict[str, tuple[VerifierKey, ...]]:
    """Return the keys of each log; a log in rotation has several."""
    found: dict[str, tuple[VerifierKey, ...]] = {}
    for key in keys:
        found[key.name] = (*found.get(key.name, ()), key)
    return found


def open_cosigner(folder: Path, *, name: str, logs: Iterable[VerifierKey]) -> Cosigner:
    """Return the witness of a folder, making folder and key (mode 0600) when they are not there.

    Raises WitnessUnusable when the key there cannot be read or has another name.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "witness.key"
    _make_key(file, name)
    try:
        key = parse_signing_key(file.read_text().strip())
    except (KeyMalformed, UnicodeDecodeError) as error:
        raise WitnessUnusable(f"{file} holds no signing key: {error}") from error
    if key.key.name != name:
        raise WitnessUnusable(
            f"{file} is the key of {key.key.name!r}; use --name {key.key.name} or another --state"
        )
    return Cosigner(key=key.as_cosigner(), logs=keys_by_origin(logs), folder=folder)


def _make_key(file: Path, name: str) -> None:
    if file.exists():
        return
    try:
        key = make_signing_key(name=name, seed=secrets.token_bytes(32))
    except KeyMalformed as error:
        raise WitnessUnusable(f"--name {name!r}: {error}") from error
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(format_signing_key(key) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        # Linked and not renamed: of two that start at once, one makes the key and both read it.
        file.hardlink_to(fresh)
    except FileExistsError:
        log.info("witness.key_made_by_another", file=str(file))
    finally:
        fresh.unlink()
    sync_folder(file.parent)


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """What one client may take of a witness."""

    seconds: float = 10.0
    """From the first byte of a request to the last of its answer, and between two requests."""
    connections: int = 64
    """Served at once; the next ones wait in the listening queue."""


class WitnessServer(ThreadingHTTPServer):
    """Serves a cosigner over HTTP, in front of which a proxy may speak TLS."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], cosigner: Cosigner, limits: ServerLimits | None = None
    ) -> None:
        self.cosigner = cosigner
        self.limits = limits or ServerLimits()
        self._free = threading.BoundedSemaphore(self.limits.connections)
        super().__init__(address, _Requests)

    def process_request(self, request: object, client_address: object) -> None:
        """Take a connection once a thread is free for it."""
        # Each is bounded in time, so this wait is too.
        self._free.acquire()
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say in the log what went wrong with a connection."""
        log.warning("witness.connection_failed", exc_info=True)


class _Requests(BaseHTTPRequestHandler):
    """One connection; several requests may follow each other on it."""

    server: WitnessServer
    protocol_version = "HTTP/1.1"
    server_version = "obsplatform-witness"
    sys_version = ""

    def setup(self) -> None:
        """Bound each wait for a byte; `handle_one_request` bounds a request as a whole."""
        super().setup()
        self.connection.settimeout(self.server.limits.seconds)

    def handle_one_request(self) -> None:
        """Serve one request, in bounded time however slowly its bytes come."""
        alarm = threading.Timer(self.server.limits.seconds, self._end)
        alarm.daemon = True
        alarm.start()
        try:
            super().handle_one_request()
        except OSError as error:
            self.close_connection = True
            log.info("witness.client_gone", error=str(error))
        finally:
            alarm.cancel()

    def _end(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.info("witness.client_gone", error=str(error))

    def do_POST(self) -> None:
        """Cosign."""
        try:
            if self.path != "/add-checkpoint":
                raise CosignRefused(404, "POST /add-checkpoint is all there is")
            self._answer(200, self.server.cosigner.add_checkpoint(self._body()))
        except CosignRefused as refused:
            log.info("witness.refused", status=refused.status, reason=refused.text)
            self._answer(refused.status, f"{refused.text}\n", kind=refused.kind)
        except (WitnessUnusable, OSError) as error:
            log.error("witness.failed", error=str(error))
            self._answer(500, "this witness cannot store what it would cosign\n")

    def do_GET(self) -> None:
        """Show what was cosigned last of a log."""
        named = _CHECKPOINT_PATH.fullmatch(self.path)
        found = self.server.cosigner.newest(named[1]) if named else None
        if found is None:
            self._answer(404, "no checkpoint was cosigned under this address\n")
        else:
            self._answer(200, found.decode())

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", length) or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise CosignRefused(411, "say Content-Length")
        if int(length) > BODY_LIMIT:
            self.close_connection = True
            raise CosignRefused(413, f"a request has at most {BODY_LIMIT} bytes")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise ConnectionError("the request ended before its length")
        return body

    def _answer(self, status: int, text: str, *, kind: str = _PLAIN) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Write no line of text a request; refusals are logged with fields."""
