"""Keep a tree's hashes as tiles, read proofs out of them. Owns C2SP tlog-tiles, height 8.

A tile holds up to 256 neighbouring hashes of one tile level, 32 bytes each. Level 0 holds leaves;
hash i of level L is the root over 256^L leaves, which is the root of full tile i of level L-1.
A tree of size s has, at level L, s >> 8L hashes: as many full tiles as fit, and one partial tile of
the rest, which is not served when empty. A full tile never changes.

    tile/<L>/<N>[.p/<W>]          a tile          L 0 to 63; W 1 to 255, for partial ones only
    tile/entries/<N>[.p/<W>]      entry bundle    the records below level-0 tile N

N is written in groups of three digits, all but the last led by an x: 1234067 is x001/x234/067.
A bundle is each record behind its length in 16 bits, big-endian.

`grow()` makes the full tiles of appended leaves from the tree's right edge: at each level the
hashes that no full tile holds yet, `edge_ranges()` in number. Nothing older is ever read again.
`TileHashes` reads what merkle.py proves with. Never touches a database or the network: those who
do implement `TileReader`. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from audit.ledger.errors import (
    EdgeIncomplete,
    OutsideTree,
    RecordTooLong,
    TileMalformed,
    TilePathMalformed,
)
from audit.ledger.merkle import EMPTY_ROOT, HASH_SIZE, Node, cover, fold, node_hash, perfect_root
from audit.ledger.record import RECORD_LIMIT

TILE_HEIGHT = 8
"""Tree levels between two tile levels."""

TILE_WIDTH = 256
"""Hashes of a full tile."""

MAX_LEVEL = 63

# 2^63 - 1 is the largest size that readers in other languages hold.
_MAX_INDEX = (2**63 - 1) // TILE_WIDTH

_NUMBER = r"((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_TILE_PATH = re.compile(rf"tile/(0|[1-9][0-9]?)/{_NUMBER}")
_BUNDLE_PATH = re.compile(rf"tile/entries/{_NUMBER}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """Which tile: its level, its place in that level, and how many hashes of it."""

    level: int
    index: int
    width: int = TILE_WIDTH
    """1 to 256; a full tile has 256."""

    def end_index(self) -> int:
        """Return the first entry right of the whole tile, for comparing with a minimum index."""
        return (self.index + 1) << TILE_HEIGHT * (self.level + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """Which entry bundle: the records below level-0 tile `index`, and how many of them."""

    index: int
    width: int = TILE_WIDTH
    """1 to 256; a full bundle has 256."""

    def end_index(self) -> int:
        """Return the first entry right of the whole bundle."""
        return (self.index + 1) * TILE_WIDTH

    def entries(self) -> range:
        """Return the seqs of its records."""
        return range(self.index * TILE_WIDTH, self.index * TILE_WIDTH + self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class FullTile:
    """A full tile with its content: what is written once and never changed."""

    level: int
    index: int
    hashes: bytes
    """8,192 bytes: 256 hashes."""
    root: bytes
    """The root over them: hash `index` of the next level."""


class TileReader(Protocol):
    """Where the bytes of tiles are read."""

    def read_tiles(self, tiles: Sequence[Tile], /) -> Sequence[bytes]:
        """Return the hashes of each tile, joined, in the order asked; `width` of them each."""


def format_tile_path(tile: Tile) -> str:
    """Return where a tile is served, below the ledger's address."""
    return f"tile/{tile.level}/{_format_number(tile.index, tile.width)}"


def parse_tile_path(path: str) -> Tile:
    """Return the tile that a path names. Raises TilePathMalformed."""
    found = _TILE_PATH.fullmatch(path)
    if found is None or int(found[1]) > MAX_LEVEL:
        raise TilePathMalformed(path=path)
    index, width = _parse_number(found[2], found[3], path)
    return Tile(level=int(found[1]), index=index, width=width)


def format_bundle_path(bundle: Bundle) -> str:
    """Return where an entry bundle is served, below the ledger's address."""
    return f"tile/entries/{_format_number(bundle.index, bundle.width)}"


def parse_bundle_path(path: str) -> Bundle:
    """Return the entry bundle that a path names. Raises TilePathMalformed."""
    found = _BUNDLE_PATH.fullmatch(path)
    if found is None:
        raise TilePathMalformed(path=path)
    index, width = _parse_number(found[1], found[2], path)
    return Bundle(index=index, width=width)


def _format_number(index: int, width: int) -> str:
    index, rest = divmod(index, 1000)
    number = f"{rest:03d}"
    while index:
        index, rest = divmod(index, 1000)
        number = f"x{rest:03d}/{number}"
    return number if width == TILE_WIDTH else f"{number}.p/{width}"


def _parse_number(number: str, partial: str | None, path: str) -> tuple[int, int]:
    index = int(number.replace("x", "").replace("/", ""))
    width = int(partial) if partial else TILE_WIDTH
    # One path a tile: x000/001 and .p/256 would be second names.
    second_name = number.startswith("x000") or (partial is not None and width >= TILE_WIDTH)
    if second_name or index > _MAX_INDEX:
        raise TilePathMalformed(path=path)
    return index, width


def width_of(*, level: int, index: int, size: int) -> int:
    """Return how many hashes a tile holds in a tree of this size: 0 to 256."""
    return min(TILE_WIDTH, max(0, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def is_in_tree(tile: Tile, *, size: int) -> bool:
    """Tell whether a tree of this size holds all hashes of a tile, so that it can be served."""
    return tile.width <= width_of(level=tile.level, index=tile.index, size=size)


def bundle_of(*, index: int, size: int) -> Bundle:
    """Return the bundle with entry `index` in a tree of this size. Raises OutsideTree."""
    if not 0 <= index < size:
        raise OutsideTree(asked=f"entry {index}", size=size)
    place = index // TILE_WIDTH
    return Bundle(index=place, width=width_of(level=0, index=place, size=size))


def partial_tiles(size: int) -> list[Tile]:
    """Return the partial tiles of a tree, leaves first; empty ones are none."""
    return [
        Tile(level=level, index=hashes.start // TILE_WIDTH, width=len(hashes))
        for level, hashes in enumerate(edge_ranges(size))
        if hashes
    ]


def full_tiles_between(*, old_size: int, new_size: int) -> Iterator[Tile]:
    """Yield the tiles that become full while a tree grows, level by level."""
    level = 0
    while new_size >> TILE_HEIGHT * (level + 1):
        shift = TILE_HEIGHT * (level + 1)
        for index in range(old_size >> shift, new_size >> shift):
            yield Tile(level=level, index=index)
        level += 1


def edge_ranges(size: int) -> tuple[range, ...]:
    """Return which hashes of each level no full tile holds, leaves first.

    Of level 0 they are seqs of entries; of level L, indexes of full tiles of level L-1, whose
    roots they are. At most 255 a level.
    """
    ranges = []
    while size:
        ranges.append(range(size - size % TILE_WIDTH, size))
        size >>= TILE_HEIGHT
    return tuple(ranges)


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """The right edge of a tree: all that growing it, or knowing its root, needs.

    Raises EdgeIncomplete when made with another number of hashes than its size demands.
    """

    size: int = 0
    levels: tuple[tuple[bytes, ...], ...] = ()
    """At each level the hashes of `edge_ranges(size)`."""

    def __post_init__(self) -> None:
        """Compare the number of hashes with the size."""
        expected = tuple(map(len, edge_ranges(self.size)))
        found = tuple(map(len, self.levels))
        if found != expected:
            raise EdgeIncomplete(size=self.size, expected=expected, found=found)

    def partial(self, level: int) -> bytes:
        """Return the bytes of the partial tile of a level; empty when there is none."""
        return b"".join(self.levels[level]) if level < len(self.levels) else b""

    def root(self) -> bytes:
        """Return the root of the tree; hashes at most 255 nodes a level."""
        peaks = [
            perfect_root(hashes[node.position << node.level : (node.position + 1) << node.level])
            for hashes in reversed(self.levels)
            for node in cover(0, len(hashes))
        ]
        return fold(peaks) if peaks else EMPTY_ROOT


def grow(edge: Edge, leaves: Sequence[bytes]) -> tuple[Edge, list[FullTile]]:
    """Append leaf hashes: return the new right edge and the tiles that became full, leaves first.

    Costs one node hash a leaf, whatever the size of the tree.
    """
    assert all(len(leaf) == HASH_SIZE for leaf in leaves), "a leaf hash has 32 bytes"
    full: list[FullTile] = []
    levels: list[tuple[bytes, ...]] = []
    size = edge.size + len(leaves)
    risen: Sequence[bytes] = leaves
    for level in range(len(edge_ranges(size))):
        kept = edge.levels[level] if level < len(edge.levels) else ()
        hashes = [*kept, *risen]
        first = edge.size >> TILE_HEIGHT * (level + 1)
        risen = []
        for start in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH):
            tile = hashes[start : start + TILE_WIDTH]
            root = perfect_root(tile)
            full.append(
                FullTile(level=level, index=first + len(risen), hashes=b"".join(tile), root=root)
            )
            risen.append(root)
        levels.append(tuple(hashes[len(risen) * TILE_WIDTH :]))
    return Edge(size=size, levels=tuple(levels)), full


@dataclass(frozen=True, kw_only=True, slots=True)
class TileHashes:
    """Read the hashes of perfect subtrees out of the tiles of a tree of one size.

    A `HashReader`: what merkle.py proves with. Each tile is asked for once a call, and all of them
    in one call. Trusts the tiles: a proof made of wrong ones fails where it is checked.
    """

    size: int
    tiles: TileReader

    def read_hashes(self, nodes: Sequence[Node], /) -> list[bytes]:
        """Return the hash of each node. Raises OutsideTree, and TileMalformed for a short tile."""
        tiles: dict[tuple[int, int], Tile] = {}
        places = []
        for node in nodes:
            level, index, hashes = place_of(node)
            at = level, index
            if at not in tiles:
                width = width_of(level=level, index=index, size=self.size)
                tiles[at] = Tile(level=level, index=index, width=width)
            if hashes.stop > tiles[at].width:
                raise OutsideTree(
                    asked=f"node {node.position} of level {node.level}", size=self.size
                )
            height = node.level % TILE_HEIGHT
            places.append((at, height, hashes.start >> height))
        within = dict(zip(tiles, self._read(list(tiles.values())), strict=True))
        return [within[at][height][place] for at, height, place in places]

    def _read(self, tiles: Sequence[Tile]) -> Iterator[list[list[bytes]]]:
        for tile, data in zip(tiles, self.tiles.read_tiles(tiles), strict=True):
            if len(data) != tile.width * HASH_SIZE:
                raise TileMalformed(
                    path=format_tile_path(tile),
                    reason=f"{len(data)} bytes, not {tile.width * HASH_SIZE}",
                )
            yield _levels_within(data)


def place_of(node: Node) -> tuple[int, int, range]:
    """Return level and index of the tile that holds a node, and which of its hashes are below."""
    level, height = divmod(node.level, TILE_HEIGHT)
    index, place = divmod(node.position << height, TILE_WIDTH)
    return level, index, range(place, place + (1 << height))


# By content, so nothing can go stale. Neighbouring entries share a tile, and all entries share
# those above, so most proofs hash next to nothing. A few MB at most.
@lru_cache(maxsize=64)
def _levels_within(tile: bytes) -> list[list[bytes]]:
    """Return the hashes of a tile, then those of each tree level that it is the base of."""
    levels = [[tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]]
    for _ in range(TILE_HEIGHT - 1):
        below = iter(levels[-1])
        levels.append([node_hash(left=left, right=right) for left, right in zip(below, below)])  # noqa: B905
    return levels


def encode_bundle(records: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each record behind its length. Raises RecordTooLong."""
    parts: list[bytes] = []
    for record in records:
        if len(record) > RECORD_LIMIT:
            raise RecordTooLong(length=len(record))
        parts += (len(record).to_bytes(2, "big"), record)
    return b"".join(parts)


def decode_bundle(data: bytes, *, width: int) -> list[bytes]:
    """Return the records of an entry bundle. Raises TileMalformed unless they are `width`."""
    records: list[bytes] = []
    place = 0
    while place < len(data):
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or place > len(data):
            raise TileMalformed(path="", reason=f"cut off in record {len(records)}")
        records.append(data[start:place])
    if len(records) != width:
        raise TileMalformed(path="", reason=f"{len(records)} records, not {width}")
    return records
