"""Sign as a ledger: with keys of a file, or through a command that stands before a key store.

The private keys live outside the database, in OBS_SIGNING_DIR; only the process that seals opens
them. Beside the keys of a ledger stands its state, the size and root that were signed last: what
is signed next must continue it (seal.py). The state is written before a signature is shown to
anyone, so that no crash can make us sign two histories.

    <ledger>.keys     one signing key a line in signed-note form, the newest first; mode 0600
    <ledger>.state    {"origin", "size", "root"}, fsynced; locked by whoever is about to sign
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from audit.errors import SignerFailed, SigningKeyMissing
from audit.ledger.errors import LedgerFact
from audit.ledger.note import (
    Signer,
    VerifierKey,
    decode_base64,
    format_signing_key,
    format_verifier_key,
    make_signing_key,
    openssl_verify,
    parse_signing_key,
    parse_verifier_key,
)

COMMAND_SECONDS = 5.0
"""How long a command may take to sign."""


def signers_of(ledger: str, *, origin: str) -> list[Signer]:
    """Return what signs for a ledger now, the newest key first; several while keys overlap.

    Raises SigningKeyMissing when there is no key, SignerFailed when there is one that cannot be
    used; both say what to do.
    """
    found = (
        _of_command(settings.SIGNER_COMMAND, origin)
        if settings.SIGNER_COMMAND
        else _of_file(keys_path(ledger))
    )
    for signer in found:
        if signer.key.name != origin:
            raise SignerFailed(
                f"a signing key of {ledger} is for {signer.key.name}; its origin is {origin}"
            )
    if not found:
        raise SigningKeyMissing(
            f"no signing key for {ledger}: run manage.py makesigningkey --ledger {ledger}"
        )
    return found


def signs_by_file() -> bool:
    """Tell whether keys are files here, and no command signs."""
    return not settings.SIGNER_COMMAND


# --- Keys of a file -------------------------------------------------------------------------------


def keys_path(ledger: str) -> Path:
    """Return where the private keys of a ledger are."""
    return Path(settings.SIGNING_DIR) / f"{ledger}.keys"


def make_key(ledger: str, *, origin: str) -> VerifierKey:
    """Make a new key and put it first in the ledger's file; return its public part.

    The keys that were there sign on beside it, until they are dropped.
    """
    key = make_signing_key(name=origin, seed=secrets.token_bytes(32))
    path = keys_path(ledger)
    held = path.read_text().splitlines() if path.exists() else []
    _replace(path, "\n".join([format_signing_key(key), *held]) + "\n")
    return key.key


def drop_older_keys(ledger: str) -> int:
    """Take all keys but the newest out of the ledger's file; return how many those were."""
    path = keys_path(ledger)
    held = [line for line in path.read_text().splitlines() if line.strip()]
    _replace(path, held[0] + "\n")
    return len(held) - 1


def _of_file(path: Path) -> list[Signer]:
    try:
        text = path.read_text()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SignerFailed(f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise SignerFailed(f"{path} can be read by others: chmod 600 it, and make a new key")
    try:
        return [parse_signing_key(line.strip()) for line in text.splitlines() if line.strip()]
    except LedgerFact as error:
        raise SignerFailed(f"{path}: {error}") from error


# --- A command before a key store -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CommandSigner:
    """A key that nobody here may read: `COMMAND sign VKEY` signs what comes on standard input."""

    key: VerifierKey
    command: tuple[str, ...]

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes that the command printed in base64. Raises SignerFailed.

        They are checked here, so a key store that signs with another key is found at once.
        """
        said = _run([*self.command, "sign", format_verifier_key(self.key)], message)
        signature = decode_base64(said.strip())
        if signature is None or not openssl_verify(
            public=self.key.public, message=message, signature=signature
        ):
            raise SignerFailed(f"{self.command[0]} sign gave no signature of {self.key}")
        return signature


def _of_command(line: str, origin: str) -> list[Signer]:
    command = tuple(shlex.split(line))
    said = _run([*command, "keys", origin], b"")
    try:
        return [
            CommandSigner(key=parse_verifier_key(each.strip()), command=command)
            for each in said.splitlines()
            if each.strip()
        ]
    except LedgerFact as error:
        raise SignerFailed(f"{command[0]} keys: {error}") from error


def _run(command: Sequence[str], given: bytes) -> str:
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SignerFailed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[:500]
        raise SignerFailed(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")


# --- What was signed last -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """The newest head that was signed, or might have been."""

    size: int
    root: bytes


class SignedState:
    """The file with what was signed last, in the hands of one process at a time."""

    def __init__(self, path: Path, *, origin: str) -> None:
        """Name the file; `held` opens it."""
        self._path = path
        self._origin = origin

    @contextmanager
    def held(self) -> Iterator[SignedState]:
        """Hold the ledger's right to sign while the block lasts; waits for who holds it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_suffix(".lock")
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self

    def read(self) -> Signed | None:
        """Return what was signed last; None when nothing was. Raises SignerFailed."""
        try:
            found = json.loads(self._path.read_text())
            if found["origin"] != self._origin:
                raise SignerFailed(f"{self._path} is of {found['origin']}, not {self._origin}")
            return Signed(size=int(found["size"]), root=bytes.fromhex(found["root"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise SignerFailed(f"{self._path} cannot be read: {error}") from error

    def write(self, signed: Signed) -> None:
        """Replace it, and return once it is on the disk."""
        said = {"origin": self._origin, "size": signed.size, "root": signed.root.hex()}
        _replace(self._path, json.dumps(said) + "\n")


def state_of(ledger: str, *, origin: str) -> SignedState:
    """Return the ledger's state file."""
    return SignedState(Path(settings.SIGNING_DIR) / f"{ledger}.state", origin=origin)


def _replace(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all, and wait for the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut may bring the old file back
    finally:
        os.close(folder)
