"""What verification says is wrong. Pure; found by verify.py and the modules beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is not as it was."""

    seq: int
    """Where it shows: the entry; the first entry below a hash of a tile; the last of a checkpoint.
    """
    field: str
    """A field of the record or a column; else `tile/0/003 hash 17` or `checkpoint 812 root`."""
    expected: str
    found: str
