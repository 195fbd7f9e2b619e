"""Keep the files of exports: where they lie, how they are made whole, which link opens one.

A file is written under a name of its own attempt and renamed when all of it is there, so that what
has an export's name is never half a file, and a worker that comes back late harms none. Readable by
this user alone; web and workers run as the same. Rows: audit/sql/0008_exports.sql. Who writes:
exporting.py. Who serves: download.py.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core import signing

from audit.models import Export
from audit.renderings import RENDERINGS

_READ = 1 << 20
_SALT = "audit.exportfile"
_PART = ".part"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What a format is on disk and in an answer."""

    suffix: str
    content_type: str


KINDS = {
    "bundle": Kind(suffix="zip", content_type="application/zip"),
    "ndjson": Kind(suffix="ndjson", content_type="application/x-ndjson"),
    **{
        name: Kind(
            suffix=each.file_name.partition(".")[2],
            content_type=each.content_type,
        )
        for name, each in RENDERINGS.items()
    },
}
"""Every format there is."""


def path_of(export: Export) -> Path:
    """Return where an export's whole file lies once it is done."""
    return Path(settings.EXPORT_DIR) / f"{export.id}.{KINDS[export.format].suffix}"


def shown_name(export: Export) -> str:
    """Return the name that a person saves the file under: ledger, tree size, number."""
    suffix = KINDS[export.format].suffix
    return f"{export.ledger.name}-{export.size}-export-{export.id}.{suffix}"


# --- While one is made ----------------------------------------------------------------------------


def part_path(export_id: int, attempt: int, name: str = "file") -> Path:
    """Return where an attempt writes."""
    return Path(settings.EXPORT_DIR) / f"{export_id}.{attempt}.{name}{_PART}"


def open_part(export_id: int, attempt: int, name: str = "file") -> BinaryIO:
    """Make and open an attempt's empty file for writing and reading; only this user may read it."""
    path = part_path(export_id, attempt, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(number, "w+b")


def take_over_part(export_id: int, *, attempt: int) -> BinaryIO | None:
    """Open what the attempt before has written, as this attempt's file; None when it is gone.

    The rename is what keeps a late worker of that attempt away.
    """
    path = part_path(export_id, attempt)
    try:
        part_path(export_id, attempt - 1).rename(path)
        return path.open("r+b")
    except FileNotFoundError:
        return None


def make_whole(part: BinaryIO, export: Export, *, attempt: int) -> None:
    """Put a finished file under the export's name, flushed to disk."""
    part.flush()
    os.fsync(part.fileno())
    path = path_of(export)
    part_path(export.id, attempt).rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sum_up(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yield the length in bytes and SHA-256 in hex of what was read so far; the last is of all."""
    found, length = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(_READ):
        found.update(chunk)
        length += len(chunk)
        yield length, found.hexdigest()
    yield length, found.hexdigest()


def remove_parts(export_id: int, *, before: int | None = None) -> None:
    """Remove what attempts have written, all of them or those before one."""
    for path in Path(settings.EXPORT_DIR).glob(f"{export_id}.*{_PART}"):
        attempt = path.name.split(".")[1]
        if before is None or int(attempt) < before:
            path.unlink(missing_ok=True)


def parts() -> dict[int, list[Path]]:
    """Return every unfinished file by its export's number."""
    found: dict[int, list[Path]] = {}
    for path in Path(settings.EXPORT_DIR).glob(f"*{_PART}"):
        number = path.name.partition(".")[0]
        if number.isdigit():
            found.setdefault(int(number), []).append(path)
    return found


# --- Links ----------------------------------------------------------------------------------------


def make_token(export: Export) -> str:
    """Return what opens this export's file for an hour, or as OBS_EXPORT_LINK_SECONDS says."""
    return signing.TimestampSigner(salt=_SALT).sign(str(export.id))


def token_opens(token: str, export_id: int) -> bool:
    """Tell whether a token was made here for this export, and has not expired."""
    try:
        said = signing.TimestampSigner(salt=_SALT).unsign(
            token, max_age=settings.EXPORT_LINK_SECONDS
        )
    except signing.BadSignature:
        return False
    return said == str(export_id)
