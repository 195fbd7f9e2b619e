"""Derive a ledger's Merkle tree again from its entries, and compare it with what is stored.

Verification (verify.py) gives the hash that it computed from each record, a part at a time. From
these come every full tile, which is compared with its row, and the root at any size, which is
compared with what was stated of it: a checkpoint, a note that others hold. What stands left of the
range is not read again: the tiles that an earlier run checked, and at most 255 hashes of entries.

Where an entry is missing or was found altered, the tile says what its hash was, so that one bad
entry is told once and not again by each tile and checkpoint above it. That never hides anything:
the entry's own fault stands. Keeps at most 255 hashes a level. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.database import rows
from audit.errors import TilesMissing
from audit.fault import Fault
from audit.ledger.checkpoint import MAX_SIZE
from audit.ledger.errors import TileMalformed
from audit.ledger.merkle import HASH_SIZE, Frontier, Node, cover, perfect_root
from audit.ledger.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    format_tile_path,
    full_tiles_between,
)
from audit.tree import load_edge, tree_of

_TILES = """
SELECT u.level, u.index, t.hashes, t.root
FROM unnest(%s::int[], %s::bigint[]) AS u(level, index)
CROSS JOIN LATERAL (
    SELECT hashes, root
    FROM audit_tile
    WHERE ledger_id = %s
      AND level = u.level
      AND index = u.index
    OFFSET 0  -- one index step a tile, whatever the statistics say
) AS t
"""
_BEYOND = """
SELECT u.level, t.index
FROM generate_series(0, 63) AS u(level)
CROSS JOIN LATERAL (
    SELECT index
    FROM audit_tile
    WHERE ledger_id = %(ledger)s
      AND level = u.level
      AND index >= CASE WHEN u.level < 7 THEN %(size)s::bigint >> 8 * (u.level + 1) ELSE 0 END
    ORDER BY index
    LIMIT 10
) AS t
"""
_HEAD = "SELECT coalesce(max(size), 0) FROM audit_head WHERE ledger_id = %s"
_Stored = dict[tuple[int, int], tuple[bytes, bytes]]


_LEAVES = """
SELECT index, hashes
FROM audit_tile
WHERE ledger_id = %s
  AND level = 0
  AND index >= %s
  AND index < %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """Somebody stated that the tree had this root at this size."""

    size: int
    root: bytes
    place: str
    """For a fault: `checkpoint 812`."""


class TreeWalk:
    """The tree up to where the walk has come: its right edge, and the peaks that give its root."""

    def __init__(self, ledger_id: int, *, start: int, size: int, excused_from: int | None) -> None:
        """Begin at `start` in a ledger of `size`. Raises TilesMissing, when it has not its edge.

        From the entry `excused_from` on no tile was ever made, and none is missed.
        """
        self._ledger_id = ledger_id
        self._size = size
        self._excused_from = excused_from
        self._at = start
        edge = load_edge(ledger_id, size=start)
        self._levels: list[list[bytes | None]] = [list(level) for level in edge.levels]
        aligned = start - start % TILE_WIDTH
        peaks = tree_of(ledger_id, size=aligned).read_hashes(cover(0, aligned))
        self._tree: Frontier | None = Frontier(size=aligned, peaks=peaks)
        self._has_diverged = False

    def take(
        self,
        leaves: Sequence[bytes | None],
        *,
        named: frozenset[int],
        stated: Sequence[Stated],
    ) -> Iterator[Fault]:
        """Append the hashes of the next entries and yield what does not agree with them.

        A leaf is None where the entry is missing; `named` are seqs that have a fault already;
        `stated` is what was stated about sizes up to which these leaves reach, ascending.
        """
        stored = self._read(self._at, self._at + len(leaves))
        place = 0
        while place < len(leaves):
            start = self._at
            step = min(TILE_WIDTH - start % TILE_WIDTH, len(leaves) - place)
            block = list(leaves[place : place + step])
            self._trust_tile(block, start, named, stored)
            self._level(0).extend(block)
            self._at = start + step
            for each in stated:
                if start < each.size <= self._at:
                    yield from self._compare_root(each)
            if self._at % TILE_WIDTH == 0:
                yield from self._complete(0, stored)
            place += step

    def _level(self, level: int) -> list[bytes | None]:
        while len(self._levels) <= level:
            self._levels.append([])
        return self._levels[level]

    def _read(self, start: int, end: int) -> _Stored:
        """Read the tiles that become full in this range, and the one in which it ends."""
        full = full_tiles_between(old_size=start, new_size=end)
        wanted = [(each.level, each.index) for each in full]
        return self._stored([*wanted, (0, (end - 1) // TILE_WIDTH)])

    def _stored(self, wanted: Sequence[tuple[int, int]]) -> _Stored:
        found = rows(
            _TILES,
            ([level for level, _ in wanted], [index for _, index in wanted], self._ledger_id),
        )
        return {(level, index): (hashes, root) for level, index, hashes, root in found}

    def _trust_tile(
        self, block: list[bytes | None], start: int, named: frozenset[int], stored: _Stored
    ) -> None:
        """Where an entry is missing or bad, go on with the hash that its tile kept."""
        if not named:
            return
        tile = stored.get((0, start // TILE_WIDTH))
        if tile is None:
            return
        for place in range(len(block)):
            if start + place in named:
                at = (start % TILE_WIDTH + place) * HASH_SIZE
                block[place] = tile[0][at : at + HASH_SIZE]

    # --- Tiles ------------------------------------------------------------------------------------

    def _complete(self, level: int, stored: _Stored) -> Iterator[Fault]:
        """Compare a tile that has become full, then hand its root to the level above."""
        derived = self._level(level)
        if len(derived) < TILE_WIDTH:
            return
        index = (self._at >> TILE_HEIGHT * (level + 1)) - 1
        kept = stored.get((level, index))
        if kept is not None:
            yield from self._compare_tile(level, index, derived, kept)
            derived = [
                one or of_tile for one, of_tile in zip(derived, _split(kept[0]), strict=True)
            ]
        elif None not in derived and not self._is_excused(self._at):
            yield self._missing(level, index)  # where entries are missing too, those were told
        known = [one for one in derived if one is not None]
        root = perfect_root(known) if len(known) == TILE_WIDTH else None
        self._levels[level] = []
        self._level(level + 1).append(root)
        if kept is not None and root is not None and kept[1] != root and b"".join(known) == kept[0]:
            yield _root_fault(level, index, expected=root, found=kept[1])
        if level == 0:
            self._grow(index, root)
        yield from self._complete(level + 1, stored)

    def _compare_tile(
        self, level: int, index: int, derived: Sequence[bytes | None], kept: tuple[bytes, bytes]
    ) -> Iterator[Fault]:
        """Yield the first hash of a tile that is not the one derived; `derived` may be fewer."""
        hashes = kept[0]
        if b"".join(each or b"" for each in derived) == hashes[: len(derived) * HASH_SIZE]:
            return
        for place, each in enumerate(derived):
            found = hashes[place * HASH_SIZE : (place + 1) * HASH_SIZE]
            if each is not None and each != found:
                yield Fault(
                    seq=_first_below(level, index * TILE_WIDTH + place),
                    field=f"{_path(level, index)} hash {place}",
                    expected=each.hex(),
                    found=found.hex(),
                )
                return

    def _is_excused(self, end: int) -> bool:
        """Tell whether a tile that ends here was never made."""
        return self._excused_from is not None and end > self._excused_from

    def _missing(self, level: int, index: int) -> Fault:
        seq = _first_below(level, index * TILE_WIDTH)
        return Fault(seq=seq, field=_path(level, index), expected="256 hashes", found="no tile")

    def _grow(self, index: int, root: bytes | None) -> None:
        if root is None:
            self._tree = None  # a hash is gone from entry and tile; no root can be derived any more
        if self._tree is not None and root is not None:
            self._tree.append_subtree(Node(TILE_HEIGHT, index), root)

    def tiles_around_the_end(self) -> Iterator[Fault]:
        """Compare the full tiles in which the range ends: what is known of them, and their root."""
        edge = [
            (level, self._at >> TILE_HEIGHT * (level + 1))
            for level, hashes in enumerate(self._levels)
            if hashes
        ]
        ends = [(level, index, (index + 1) << TILE_HEIGHT * (level + 1)) for level, index in edge]
        full = [each for each in ends if each[2] <= self._size]
        stored = self._stored([(level, index) for level, index, _ in full])
        for level, index, end in full:
            kept = stored.get((level, index))
            if kept is not None:
                faults = list(self._compare_tile(level, index, self._levels[level], kept))
                yield from faults
                root = perfect_root(_split(kept[0]))
                if not faults and root != kept[1]:
                    yield _root_fault(level, index, expected=root, found=kept[1])
            elif not self._is_excused(end):
                yield self._missing(level, index)

    # --- Roots ------------------------------------------------------------------------------------

    def _compare_root(self, stated: Stated) -> Iterator[Fault]:
        tree = self._tree_at(stated.size)
        if tree is not None:
            yield from self._told(stated, tree)

    def _tree_at(self, size: int) -> Frontier | None:
        """Return the tree at a size within the tile that is being filled; None when a leaf is gone.

        Whoever is gone was named: nothing passes for intact by it.
        """
        if self._tree is None:
            return None
        leaves = self._level(0)[: size - self._tree.size]
        known = [each for each in leaves if each is not None]
        if len(known) != len(leaves):
            return None
        tree = Frontier(size=self._tree.size, peaks=self._tree.peaks)
        tree.extend(known)
        return tree

    def covered_by(self, stated: Stated) -> Iterator[Fault]:
        """Compare what was stated about a larger tree, whose rest is read from the tiles."""
        tree = self._tree_at(self._at)
        if tree is None:
            return
        nodes = cover(self._at, stated.size)
        try:
            rest = tree_of(self._ledger_id, size=stated.size).read_hashes(nodes)
        except (TilesMissing, TileMalformed) as problem:
            yield missing_fault(problem, seq=self._at)
            return
        for node, each in zip(nodes, rest, strict=True):
            tree.append_subtree(node, each)
        yield from self._told(stated, tree)

    def _told(self, stated: Stated, tree: Frontier) -> Iterator[Fault]:
        found = tree.root()
        if found == stated.root or self._has_diverged:
            return
        self._has_diverged = True  # every later root is another one too, by the same cause
        yield Fault(
            seq=stated.size - 1,
            field=f"{stated.place} root",
            expected=stated.root.hex(),
            found=f"{found.hex()}, to which the entries below #{stated.size} lead",
        )


def leaves_of_tiles(
    ledger_id: int, start: int, stop: int
) -> tuple[list[bytes | None], list[Fault]]:
    """Return the leaf of each seq of a range as its tile kept it, and the tiles that are missing.

    For what was pruned: every tile there is full. A leaf is None where its tile is missing.
    """
    first, beyond = start // TILE_WIDTH, -(-stop // TILE_WIDTH)
    stored: dict[int, bytes] = dict(rows(_LEAVES, (ledger_id, first, beyond)))
    leaves: list[bytes | None] = []
    faults = []
    for index in range(first, beyond):
        hashes = stored.get(index)
        leaves += [None] * TILE_WIDTH if hashes is None else _split(hashes)
        if hashes is None:
            seq = max(index * TILE_WIDTH, start)
            faults.append(
                Fault(seq=seq, field=_path(0, index), expected="256 hashes", found="no tile")
            )
    skipped = start - first * TILE_WIDTH
    return leaves[skipped : skipped + stop - start], faults


def leaf_of_tile(ledger_id: int, seq: int) -> bytes | None:
    """Return the leaf of a seq as its full tile kept it; None when that tile is missing."""
    (leaf,), _ = leaves_of_tiles(ledger_id, seq, seq + 1)
    return leaf


def missing_fault(problem: TilesMissing | TileMalformed, *, seq: int) -> Fault:
    """Return the fault for a tile without which a range cannot be compared."""
    tile = problem.tile if isinstance(problem, TilesMissing) else problem.path
    return Fault(seq=seq, field=tile, expected="its hashes", found="they are not all there")


def tiles_beyond(ledger_id: int, *, size: int) -> Iterator[Fault]:
    """Yield tiles that stand where a tree of this size, or of the size it has now, has none."""
    beyond = rows(_BEYOND, {"ledger": ledger_id, "size": size})
    if not beyond:
        return
    ((now,),) = rows(_HEAD, (ledger_id,))
    for level, index in beyond:
        if index >= now >> TILE_HEIGHT * (level + 1):
            yield Fault(
                seq=_first_below(level, index * TILE_WIDTH),
                field=_path(level, index),
                expected=f"no tile of level {level} from {now >> TILE_HEIGHT * (level + 1)} on",
                found=f"tile {index}",
            )


def _root_fault(level: int, index: int, *, expected: bytes, found: bytes) -> Fault:
    return Fault(
        seq=_first_below(level, index * TILE_WIDTH),
        field=f"{_path(level, index)} root",
        expected=expected.hex(),
        found=found.hex(),
    )


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]


def _first_below(level: int, place: int) -> int:
    """Return the first entry below a hash; at most what Postgres holds, for tiles far outside."""
    return min(place << TILE_HEIGHT * level, MAX_SIZE)


def _path(level: int, index: int) -> str:
    return format_tile_path(Tile(level=level, index=index))
