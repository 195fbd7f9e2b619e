"""Trees for tests: kept whole in memory, or as the tiles that growing them makes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from audit.ledger.merkle import HASH_SIZE, Node, node_hash
from audit.ledger.record import leaf_hash
from audit.ledger.tiles import Edge, Tile, TileHashes, grow

OURS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "tlog.json").read_text()
)
"""Our own vectors; they always run."""


def published() -> dict[str, Any]:
    """Return the vectors of others where OBS_VECTORS names their file or its folder."""
    named = os.environ.get("OBS_VECTORS")
    if not named:
        return {}
    path = Path(named)
    return dict(json.loads((path / "tlog_vectors.json" if path.is_dir() else path).read_text()))


def numbered(count: int) -> list[bytes]:
    """Return the hashes of the leaves `leaf 0`, `leaf 1` and so on."""
    return [leaf_hash(b"leaf %d" % number) for number in range(count)]


class MemoryTree:
    """Every hash of a tree, level by level, made by the definition; a HashReader."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.levels = [list(leaves)]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append(
                [
                    node_hash(left=below[at], right=below[at + 1])
                    for at in range(0, len(below) - 1, 2)
                ]
            )

    def read_hashes(self, nodes: Sequence[Node], /) -> list[bytes]:
        return [self.levels[node.level][node.position] for node in nodes]


class TileTree:
    """A tree grown batch by batch, of which full tiles and every leaf are kept; a TileReader.

    Serves the tiles of every size that it ever had, as a log must.
    """

    def __init__(self) -> None:
        self.edge = Edge()
        self.levels: list[list[bytes]] = [[]]
        self.full: dict[tuple[int, int], bytes] = {}
        self.edges: dict[int, Edge] = {0: self.edge}
        self.asked: list[Tile] = []

    def append(self, leaves: Sequence[bytes]) -> None:
        self.edge, tiles = grow(self.edge, leaves)
        self.edges[self.edge.size] = self.edge
        self.levels[0] += leaves
        for tile in tiles:
            assert (tile.level, tile.index) not in self.full, "a full tile is written once"
            self.full[tile.level, tile.index] = tile.hashes
            if len(self.levels) == tile.level + 1:
                self.levels.append([])
            assert len(self.levels[tile.level + 1]) == tile.index, "tiles come from the left"
            self.levels[tile.level + 1].append(tile.root)

    def read_tiles(self, tiles: Sequence[Tile], /) -> list[bytes]:
        self.asked += tiles
        return [self._read(tile) for tile in tiles]

    def _read(self, tile: Tile) -> bytes:
        full = self.full.get((tile.level, tile.index))
        if full is not None:
            return full[: tile.width * HASH_SIZE]
        start = tile.index * 256
        return b"".join(self.levels[tile.level][start : start + tile.width])

    def at(self, size: int) -> TileHashes:
        """Return the reader of the tree of this size."""
        return TileHashes(size=size, tiles=self)


@cache
def grown_tree() -> TileTree:
    """Return the tree of 70,000 numbered leaves, grown by uneven batches."""
    tree = TileTree()
    leaves = numbered(70_000)
    place = 0
    for step in [*[1] * 300, 1, 255, 256, 257, 5000, 511, 9000] * 9:
        tree.append(leaves[place : place + step])
        place += step
    tree.append(leaves[place:])
    assert tree.edge.size == len(leaves)
    return tree
