"""Write files one behind the other as a ZIP of which every byte is determined.

The layout is that of evidence bundles (audit/ledger/archive.py): stored, without dates, so the same
files give the same bytes. Reads each file twice, as a stream, since its CRC-32 stands before its
content. Knows nothing of what the files say: archive.py and oscal.py do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias
from zlib import crc32

from compliance.gather import COPIED, Member, directory, local_header

Source: TypeAlias = Path | bytes
"""Where a file's bytes are."""


class ArchiveChanged(RuntimeError):
    """A file is not the one of which the manifest was written: it changed meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """What tells a file from another."""

    size: int
    """Bytes."""
    sha256: str
    """64 hex."""
    crc: int


class StoredZip:
    """One ZIP in the making: `add` each file, then `end`."""

    def __init__(self, out: BinaryIO) -> None:
        """Begin at the start of `out`, an empty file."""
        self._out = out
        self._members: list[Member] = []

    def add(self, name: str, source: Source, *, sha256: str = "") -> None:
        """Write one file. Raises ArchiveChanged when it has not this SHA-256, and OSError."""
        found = sum_of(source)
        if sha256 and found.sha256 != sha256:
            raise ArchiveChanged(f"{name} is not the file of which the manifest was written")
        offset = self._members[-1].end() if self._members else 0
        self._out.write(local_header(name=name, size=found.size, crc=found.crc))
        copied = new_sha256()
        for chunk in _chunks(source):
            copied.update(chunk)
            self._out.write(chunk)
        if copied.hexdigest() != found.sha256:
            raise ArchiveChanged(f"{name} changed while it was copied")
        self._members.append(Member(name=name, size=found.size, crc=found.crc, offset=offset))

    def end(self) -> None:
        """Write the directory; nothing may follow."""
        self._out.write(directory(self._members))


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Return small files as a ZIP, in the order given."""
    out = BytesIO()
    zipped = StoredZip(out)
    for name, content in files.items():
        zipped.add(name, content)
    zipped.end()
    return out.getvalue()


def sum_of(source: Source) -> Sum:
    """Return length, SHA-256 and CRC-32 of a file. Raises OSError."""
    size, total, crc = 0, new_sha256(), 0
    for chunk in _chunks(source):
        size += len(chunk)
        total.update(chunk)
        crc = crc32(chunk, crc)
    return Sum(size=size, sha256=total.hexdigest(), crc=crc)


def _chunks(source: Source) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(COPIED):
            yield chunk
