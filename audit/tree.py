"""Read and write the tiles of a ledger's Merkle tree in Postgres.

Full tiles are rows, written once: by append while it chains, by fill.py for what came before
tiles. What no full tile holds yet, at most 255 hashes a level, is read from the entries and from
the roots of the tiles below; nothing else is ever recomputed.
Hashing and paths: audit.ledger.tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from audit.database import rows
from audit.errors import TilesMissing
from audit.ledger.merkle import HASH_SIZE
from audit.ledger.tiles import (
    TILE_WIDTH,
    Edge,
    FullTile,
    Tile,
    TileHashes,
    edge_ranges,
    format_tile_path,
    partial_tiles,
)

_STORED = """
SELECT t.hashes
FROM unnest(%s::int[], %s::bigint[]) WITH ORDINALITY AS u(level, index, position)
LEFT JOIN LATERAL (
    SELECT hashes
    FROM audit_tile
    WHERE ledger_id = %s
      AND level = u.level
      AND index = u.index
    OFFSET 0  -- one index step a tile, whatever the statistics say
) AS t ON true
ORDER BY u.position
"""
_LEAVES = """
SELECT hash
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
ORDER BY seq
"""
_ROOTS = """
SELECT root
FROM audit_tile
WHERE ledger_id = %s
  AND level = %s
  AND index >= %s
  AND index < %s
ORDER BY index
"""
_COPY_TILE = "COPY audit_tile (ledger_id, level, index, hashes, root) FROM STDIN (FORMAT BINARY)"
_TILE_TYPES = ["int4", "int2", "int8", "bytea", "bytea"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerTiles:
    """The tiles of one ledger; a `TileReader`."""

    ledger_id: int

    def read_tiles(self, tiles: Sequence[Tile], /) -> list[bytes]:
        """Return the hashes of each tile, joined, in the order asked.

        A partial tile is the beginning of the full one, once that is there. Raises TilesMissing.
        """
        stored = rows(
            _STORED,
            ([tile.level for tile in tiles], [tile.index for tile in tiles], self.ledger_id),
        )
        return [
            self._edge(tile) if found is None else found[: tile.width * HASH_SIZE]
            for tile, (found,) in zip(tiles, stored, strict=True)
        ]

    def _edge(self, tile: Tile) -> bytes:
        """Return a tile that is not stored: from the entries, or from the roots below."""
        start = tile.index * TILE_WIDTH
        span = (start, start + tile.width)
        if tile.level == 0:
            found = rows(_LEAVES, (self.ledger_id, *span))
        else:
            found = rows(_ROOTS, (self.ledger_id, tile.level - 1, *span))
        if tile.width == TILE_WIDTH or len(found) != tile.width:
            raise TilesMissing(ledger_id=self.ledger_id, tile=format_tile_path(tile))
        return b"".join(each for (each,) in found)


def tree_of(ledger_id: int, *, size: int) -> TileHashes:
    """Return what proofs about a ledger at this size are read from."""
    return TileHashes(size=size, tiles=LedgerTiles(ledger_id=ledger_id))


def load_edge(ledger_id: int, *, size: int) -> Edge:
    """Read the right edge of the tree at this size. Raises TilesMissing."""
    tiles = partial_tiles(size)
    found = dict(
        zip(
            [tile.level for tile in tiles],
            LedgerTiles(ledger_id=ledger_id).read_tiles(tiles),
            strict=True,
        )
    )
    return Edge(
        size=size,
        levels=tuple(_split(found.get(level, b"")) for level in range(len(edge_ranges(size)))),
    )


def _split(hashes: bytes) -> tuple[bytes, ...]:
    return tuple(hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))


def write_tiles(cursor: psycopg.Cursor[Any], ledger_id: int, tiles: Sequence[FullTile]) -> None:
    """Store tiles that became full, in the caller's transaction."""
    if not tiles:
        return
    with cursor.copy(_COPY_TILE) as copy:
        copy.set_types(_TILE_TYPES)
        for tile in tiles:
            copy.write_row((ledger_id, tile.level, tile.index, tile.hashes, tile.root))
