"""Lay files out in a ZIP of which every byte is determined. Owns the ZIP bytes of a bundle.

The members are stored one behind the other, not compressed, without dates, comments, flags or data
descriptors; then come the central directory and its end, and the file is over. So name, length and
CRC-32 of each member determine all bytes that are not content, and a verifier that writes them
again and compares leaves no byte in which anything could be hidden.

    local header    version 10 (45 with ZIP64), flags 0, method 0, 1980-01-01 00:00, CRC, length
                    twice, name; ZIP64 extra (length twice) only from 4 GiB - 1 on
    content         the bytes as they are
    directory       for each member the same again, made by Unix with mode 100644, and its offset;
                    ZIP64 extra only with what does not fit: length twice, then offset
    end             ZIP64 end and locator only when the directory starts at 4 GiB - 1 or later

Names are ASCII. Reference: PKWARE APPNOTE 6.3.10. Knows nothing of what the members say: bundle.py
writes them, offline.py reads them. Standard library only.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

LIMIT = 0xFFFFFFFF
"""From this length or offset on a number moves to the ZIP64 extra field."""

COPIED = 1 << 20
"""Bytes that are in memory at once while content is read or moved."""

LONGEST_NAME = 100

MOST_MEMBERS = 100
"""More than any bundle has; so no archive can make its reader remember without end."""

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")

_LOCAL_MARK = 0x04034B50
_CENTRAL_MARK = 0x02014B50
_PLAIN, _ZIP64 = 10, 45
_NEW_YEAR_1980 = 0x21
_MADE_BY = 3 << 8 | _ZIP64
_MODE = 0o100644 << 16


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of the archive."""

    name: str
    size: int
    """Bytes of its content."""
    crc: int
    """CRC-32 of its content."""
    offset: int
    """Where its local header starts."""

    def start(self) -> int:
        """Return where its content starts."""
        return self.offset + len(local_header(name=self.name, size=self.size, crc=self.crc))

    def end(self) -> int:
        """Return where the next local header, or the directory, starts."""
        return self.start() + self.size


@dataclass(frozen=True, kw_only=True)
class Misplaced(Exception):
    """At this offset the archive holds other bytes than it must."""

    offset: int
    expected: bytes
    found: bytes
    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"at byte {self.offset}: {self.reason}"


def local_header(*, name: str, size: int, crc: int) -> bytes:
    """Return what stands before a member's content."""
    extra = struct.pack("<HHQQ", 1, 16, size, size) if size >= LIMIT else b""
    encoded = name.encode("ascii")
    told = min(size, LIMIT)
    version = _ZIP64 if extra else _PLAIN
    fixed = _LOCAL.pack(
        _LOCAL_MARK, version, 0, 0, 0, _NEW_YEAR_1980, crc, told, told, len(encoded), len(extra)
    )
    return fixed + encoded + extra


def directory(members: Sequence[Member]) -> bytes:
    """Return all that follows the last member's content."""
    start = members[-1].end() if members else 0
    entries = b"".join(map(_entry, members))
    ends = b""
    if start >= LIMIT:
        count = len(members)
        ends = _END64.pack(
            0x06064B50, 44, _MADE_BY, _ZIP64, 0, 0, count, count, len(entries), start
        ) + _LOCATOR.pack(0x07064B50, 0, start + len(entries), 1)
    count = len(members)
    told = min(start, LIMIT)
    return entries + ends + _END.pack(0x06054B50, 0, 0, count, count, len(entries), told, 0)


def _entry(member: Member) -> bytes:
    large = [member.size, member.size] if member.size >= LIMIT else []
    large += [member.offset] if member.offset >= LIMIT else []
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    name = member.name.encode("ascii")
    told = min(member.size, LIMIT)
    fixed = _CENTRAL.pack(
        _CENTRAL_MARK,
        _MADE_BY,
        _ZIP64 if extra else _PLAIN,
        *(0, 0, 0, _NEW_YEAR_1980, member.crc, told, told, len(name), len(extra)),
        *(0, 0, 0, _MODE, min(member.offset, LIMIT)),
    )
    return fixed + name + extra


def read_member(file: BinaryIO, *, offset: int, length: int) -> Member | None:
    """Return the member whose local header stands there; None when none does.

    `length` is that of the whole file. Raises Misplaced for a header that we would not write, and
    for a member that reaches beyond the end.
    """
    file.seek(offset)
    found = file.read(_LOCAL.size + LONGEST_NAME + 20)
    if found[:4] != _LOCAL_MARK.to_bytes(4, "little"):
        return None
    if len(found) < _LOCAL.size:
        raise Misplaced(offset=offset, expected=b"", found=found, reason="a header is cut off")
    *_, crc, size, _, name_length, extra_length = _LOCAL.unpack_from(found)
    encoded = found[_LOCAL.size :][:name_length]
    if size == LIMIT and extra_length == 20:
        size = int.from_bytes(found[_LOCAL.size + name_length + 4 :][:8], "little")
    if not encoded.isascii() or not 0 < name_length <= LONGEST_NAME:
        raise Misplaced(offset=offset, expected=b"", found=encoded, reason="no name of a member")
    header = local_header(name=encoded.decode("ascii"), size=size, crc=crc)
    compare(header, found[: len(header)], offset=offset, reason="a local header was changed")
    member = Member(name=encoded.decode("ascii"), size=size, crc=crc, offset=offset)
    if member.end() > length:
        raise Misplaced(offset=offset, expected=b"", found=b"", reason="a member is cut off")
    return member


def read_members(file: BinaryIO) -> list[Member]:
    """Return all members of an archive of which every byte but content is as it must be.

    The contents' CRCs are still to be compared. Raises Misplaced, naming the first wrong byte.
    """
    length = file.seek(0, 2)
    members: list[Member] = []
    offset = 0
    while (member := read_member(file, offset=offset, length=length)) is not None:
        members.append(member)
        offset = member.end()
        if len(members) > MOST_MEMBERS:
            reason = f"more than {MOST_MEMBERS} members"
            raise Misplaced(offset=offset, expected=b"", found=b"", reason=reason)
    if not members:
        file.seek(0)
        raise Misplaced(
            offset=0,
            expected=_LOCAL_MARK.to_bytes(4, "little"),
            found=file.read(4),
            reason="no member starts here",
        )
    expected = directory(members)
    file.seek(offset)
    found = file.read(len(expected) + 1)
    compare(expected, found, offset=offset, reason="the directory was changed")
    return members


def compare(expected: bytes, found: bytes, *, offset: int, reason: str) -> None:
    """Raise Misplaced at the first byte that differs."""
    if expected == found:
        return
    shared = min(len(expected), len(found))
    at = next((n for n in range(shared) if expected[n] != found[n]), shared)
    raise Misplaced(
        offset=offset + at, expected=expected[at : at + 8], found=found[at : at + 8], reason=reason
    )


def make_room(file: BinaryIO, *, start: int, end: int, by: int) -> None:
    """Move the bytes from `start` to `end` back by a few, in flat memory.

    Only for the rare member that turned out to be longer than 4 GiB, whose header grows.
    """
    place = end
    while place > start:
        size = min(COPIED, place - start)
        place -= size
        file.seek(place)
        moved = file.read(size)
        file.seek(place + by)
        file.write(moved)
