"""Make and read the keys that live outside the database.

One file a key, 32 random bytes in hex, mode 0600, made on first use by whoever starts first.
Losing the folder makes personal data unreadable and every API key useless: back it up apart.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def read_or_make(folder: Path, name: str) -> bytes:
    """Return the 32 bytes of the key `name`, making the file first when it is missing.

    Two processes that start together agree: the file appears whole or not at all, and the loser
    of the race reads the winner's.
    """
    path = folder / name
    try:
        return bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        pass
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # fails when another process was first; rename would overwrite
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return bytes.fromhex(path.read_text().strip())


def secret_key(folder: Path) -> str:
    """Return Django's SECRET_KEY."""
    return read_or_make(folder, "secret").hex()
