"""Make the tiles of entries that were chained before there were tiles. `manage.py filltiles`.

Goes from where the tiles end to the head, a part a transaction, so it can be stopped at any moment
and goes on from there. Holds the head meanwhile, so that append and this never write the same tile;
once the tiles reach the head, append makes the rest itself. Never reads a record, only its hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.database import raw_connection, raw_cursor, rows
from audit.errors import EntriesMissing
from audit.ledger.tiles import TILE_WIDTH, grow
from audit.models import Ledger
from audit.tree import load_edge, write_tiles

PART = 65_536
"""Entries whose tiles one transaction makes."""

_LOCK_HEAD = "SELECT size FROM audit_head WHERE ledger_id = %s FOR UPDATE"
_LAST = "SELECT coalesce(max(index) + 1, 0) FROM audit_tile WHERE ledger_id = %s AND level = 0"
_LEAVES = """
SELECT hash
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
ORDER BY seq
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """How far the tiles of a ledger reach."""

    entries: int
    """Entries below full tiles of level 0."""
    total: int
    """Entries that full tiles can be made of: the size, down to a multiple of 256."""


def has_tiles() -> bool:
    """Tell whether the database has been migrated far enough to hold tiles."""
    ((found,),) = rows("SELECT to_regclass('audit_tile') IS NOT NULL")
    return bool(found)


def filled(ledger: Ledger) -> Filled:
    """Return how far the tiles reach now."""
    ((size,),) = rows("SELECT size FROM audit_head WHERE ledger_id = %s", (ledger.id,))
    ((tiles,),) = rows(_LAST, (ledger.id,))
    return Filled(entries=tiles * TILE_WIDTH, total=size - size % TILE_WIDTH)


def fill_tiles(ledger: Ledger) -> Iterator[Filled]:
    """Make what is missing; yield how far it is after each part, nothing when all is there.

    Raises EntriesMissing where the chain has a gap: there a tile would say what is not so.
    """
    now = filled(ledger)
    while now.entries < now.total:
        now = _fill_part(ledger)
        yield now


def _fill_part(ledger: Ledger) -> Filled:
    with raw_connection().transaction(), raw_cursor() as cursor:
        ((size,),) = rows(_LOCK_HEAD, (ledger.id,))
        ((tiles,),) = rows(_LAST, (ledger.id,))
        start = tiles * TILE_WIDTH
        end = min(size - size % TILE_WIDTH, start + PART)
        leaves = [leaf for (leaf,) in rows(_LEAVES, (ledger.id, start, end))]
        if len(leaves) != end - start:
            raise EntriesMissing(ledger=ledger.name, start=start, end=end, found=len(leaves))
        _, full = grow(load_edge(ledger.id, size=start), leaves)
        write_tiles(cursor, ledger.id, full)
    return Filled(entries=end, total=size - size % TILE_WIDTH)
