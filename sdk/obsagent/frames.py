"""How a record lies in a file of the spool, and how records are found again after a crash. Pure.

    frame = "obs1" ‖ length ‖ crc32 ‖ payload          both numbers 32 bits, little-endian

A frame is written by one write(2). What a crash leaves of one that was cut off is at the end of its
file: it was never promised to anybody. Damage elsewhere is skipped up to the next whole frame; both
are told as gaps, never passed over in silence.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from zlib import crc32

MAGIC = b"obs1"
_HEAD = Struct("<4sII")
OVERHEAD = _HEAD.size
"""Bytes of a frame beside its payload."""

MOST_PAYLOAD = 1 << 20
"""A length beyond this is damage, not a record."""


class Gap(NamedTuple):
    """Bytes that are no frame, from `start` to `end - 1`."""

    start: int
    end: int
    at_end: bool
    """Whether nothing follows: what a crash leaves, and not damage."""


class Frames(NamedTuple):
    """What was found in some bytes."""

    payloads: list[bytes]
    ends: list[int]
    """Where each frame ends, counted from the start of the bytes."""
    gaps: list[Gap]


def frame(payload: bytes) -> bytes:
    """Return the frame of a payload."""
    return _HEAD.pack(MAGIC, len(payload), crc32(payload)) + payload


def read_frames(data: bytes, *, most: int, is_whole: bool) -> Frames:
    """Return at most `most` frames of the bytes, which begin at a frame's start.

    `is_whole` says that nothing follows the bytes; else a frame that they cut off is left for
    later and is no gap.
    """
    found = Frames([], [], [])
    at = 0
    while at < len(data) and len(found.payloads) < most:
        end = _end_of(data, at)
        if end:
            found.payloads.append(data[at + OVERHEAD : end])
            found.ends.append(end)
            at = end
            continue
        if not is_whole and _is_cut_off(data, at):
            break
        following = _next_frame(data, at + 1)
        if following < 0 and not is_whole:
            break
        gap_end = len(data) if following < 0 else following
        found.gaps.append(Gap(at, gap_end, following < 0))
        at = gap_end
    return found


def _end_of(data: bytes, at: int) -> int:
    """Return where the frame that starts here ends; 0 when there is no whole one."""
    if at + OVERHEAD > len(data):
        return 0
    magic, length, check = _HEAD.unpack_from(data, at)
    end = at + OVERHEAD + int(length)
    if magic != MAGIC or length > MOST_PAYLOAD or end > len(data):
        return 0
    return end if crc32(data[at + OVERHEAD : end]) == check else 0


def _is_cut_off(data: bytes, at: int) -> bool:
    """Tell whether the bytes end within what could be a frame."""
    if at + OVERHEAD > len(data):
        return MAGIC.startswith(data[at : at + len(MAGIC)])
    magic, length, _ = _HEAD.unpack_from(data, at)
    return magic == MAGIC and length <= MOST_PAYLOAD and at + OVERHEAD + int(length) > len(data)


def _next_frame(data: bytes, at: int) -> int:
    """Return where the next whole frame starts; -1 when there is none."""
    while True:
        at = data.find(MAGIC, at)
        if at < 0 or _end_of(data, at):
            return at
        at += 1
