"""Trees for tests: kept whole in memory, or as the tiles that growing them makes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from audit.ledger.merkle import HASH_SIZE, Node, node_hash
from audit.ledger.record import leaf_hash
from audit.ledger.tiles import Edge, Tile, TileHashes, grow

OURS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "tlog.json").read_text())
"""Our own vectors; they always run."""


def published() -> dict[str, Any]:
    """Return the vectors of others, under our names, where OBS_VECTORS names their file or folder.

    Empty without it. Probes say what holds instead of what must fail.
    """
    named = os.environ.get("OBS_VECTORS")
    if not named:
        return {}
    path = Path(named)
    found = json.loads((path / "tlog_vectors.json" if path.is_dir() else path).read_text())
    vectors = {_NAMES.get(name, name): content for name, content in found.items()}
    for probe in [*vectors["inclusion_probes"], *vectors["consistency_probes"]]:
        probe["holds"] = not probe.pop("wantErr")
        probe["desc"] += " " + probe.pop("file")
    vectors["cosignature"]["text"] = vectors["cosignature"]["message"].split("\n", 2)[2]
    return vectors


_NAMES = {
    "tessera_log": "log",
    "golang_leaf_n": "leaf_n",
    "golang_tree_note": "bare_checkpoint",
    "cosignature_v1_computed": "cosignature",
    "tlog_proof_computed": "proof",
    "consistency_7_15_computed": "consistency_7_15",
    "witness_add_checkpoint_body_computed": "add_checkpoint_body",
}

VECTORS = [
    pytest.param(OURS, id="ours"),
    pytest.param(
        published(),
        id="published",
        marks=[
            pytest.mark.skipif(not published(), reason="OBS_VECTORS names no published vectors")
        ],
    ),
]
"""What a test of vectors is parametrized with."""


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
    steps = cycle([*[1] * 300, 1, 255, 256, 257, 5000, 511, 9000])
    while place < len(leaves):
        batch = leaves[place : place + next(steps)]
        tree.append(batch)
        place += len(batch)
    assert tree.edge.size == len(leaves)
    return tree
