"""The digest of an item of a check. Pure.

A day's row of a check holds no list of its items, only counts and the sum of their digests modulo
2^256: a sum can be added to and taken from in any order, so that two computations that found the
same items end with the same number. Who keeps the rows: memory.py, or the tables (tally.py).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Final

MODULUS: Final = 2**256
"""What sums of digests are taken by."""

OPEN: Final = "open"
"""The state under which an opened or closed item is digested."""


# An entry is an item of many checks under one id, one after the other.
@lru_cache(maxsize=256)
def item_digest(item: str, state: str, weight: int) -> int:
    """Return the SHA-256 over an item's id, state (pass, fail or open) and weight, as a number."""
    return int.from_bytes(sha256(f"{item}\n{state}\n{weight}".encode()).digest())
