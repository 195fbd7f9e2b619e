"""Measure what the tree costs: growing it while chaining, roots, proofs, signatures.

Targets: appending 5,000 leaves to a ledger of ten million costs at most 3 µs a leaf of Python, its
tiles included, on top of the leaf hash. Needs no database: the right edge and the tiles of that
ledger are made up, since what they hold does not change what they cost.

    python -m benchmarks.tree
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from audit.ledger import ed25519
from audit.ledger.merkle import (
    Frontier,
    check_consistency,
    check_inclusion,
    check_range,
    prove_consistency,
    prove_inclusion,
    prove_range,
    root_of,
)
from audit.ledger.note import make_signing_key, openssl_verify
from audit.ledger.record import leaf_hash
from audit.ledger.tiles import Edge, Tile, TileHashes, edge_ranges, grow
from benchmarks.figures import Findings, arguments, report

SIZE = 10_000_000
BATCH = 5_000
PASSES = 15


class SeededTiles:
    """Tiles of a tree that nobody made: each is full of chance, always the same."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], bytes] = {}

    def read_tiles(self, tiles: Sequence[Tile], /) -> list[bytes]:
        """Return as many hashes of each as it is wide."""
        return [self._hashes(tile)[: 32 * tile.width] for tile in tiles]

    def _hashes(self, tile: Tile) -> bytes:
        at = (tile.level, tile.index)
        if at not in self.kept:
            self.kept[at] = random.Random(str(at)).randbytes(32 * 256)
        return self.kept[at]


def main() -> None:
    options = arguments(__doc__).parse_args()
    report(options, measure)


def measure() -> Findings:
    """Measure each step; the best of several passes, since nothing but the machine varies."""
    found = Findings(question="What does the tree cost?")
    chance = random.Random(20261120)
    _growing(found, chance)
    _proving(found, chance)
    _signing(found, chance)
    return found


def _growing(found: Findings, chance: random.Random) -> None:
    levels = tuple(tuple(chance.randbytes(32) for _ in each) for each in edge_ranges(SIZE))
    edge = Edge(size=SIZE, levels=levels)
    records = [chance.randbytes(920) for _ in range(BATCH)]
    leaves = [leaf_hash(record) for record in records]
    found.add(
        "leaf hash of 920 bytes, for comparison",
        _best(lambda: [leaf_hash(record) for record in records]) / BATCH * 1e6,
        "µs a leaf",
    )
    found.add(
        f"append {BATCH:,} leaves at size {SIZE:,}, tiles included",
        _best(lambda: grow(edge, leaves)) / BATCH * 1e6,
        "µs a leaf",
        at_most=3,
    )
    found.add(
        "the same in batches of 100",
        _best(lambda: _grow_slowly(edge, leaves)) / BATCH * 1e6,
        "µs a leaf",
    )
    found.add("root from the right edge", _best(edge.root) * 1e6, "µs")
    found.add(
        "root by a frontier",
        _best(lambda: Frontier().extend(leaves)) / BATCH * 1e6,
        "µs a leaf",
    )


def _grow_slowly(edge: Edge, leaves: list[bytes]) -> None:
    for start in range(0, len(leaves), 100):
        edge, _ = grow(edge, leaves[start : start + 100])


def _proving(found: Findings, chance: random.Random) -> None:
    hashes = TileHashes(size=SIZE, tiles=SeededTiles())
    index = chance.randrange(SIZE)
    old = chance.randrange(1, SIZE)
    indexes = [(index + step) % SIZE for step in range(1_000)]
    apart = [chance.randrange(SIZE) for _ in range(100)]

    def prove(entries: list[int]) -> None:
        for each in entries:
            prove_inclusion(index=each, size=SIZE, hashes=hashes)

    proof = prove_inclusion(index=index, size=SIZE, hashes=hashes)
    found.add("hashes of an inclusion proof", len(proof), "hashes")
    prove(apart)  # makes their tiles
    found.add("prove inclusion, entries far apart", _best(lambda: prove(apart)) * 1e4, "µs")
    found.add("prove inclusion, neighbours", _best(lambda: prove(indexes)) * 1e3, "µs")
    found.add(
        "prove consistency",
        _best(lambda: prove_consistency(old_size=old, new_size=SIZE, hashes=hashes)) * 1e6,
        "µs",
    )
    _checking(found)


def _checking(found: Findings) -> None:
    """Check real proofs, of a smaller tree whose hashes all belong together."""
    size, old, index = 65_536 * 2 - 1, 65_537, 77_777
    leaves = [leaf_hash(b"leaf %d" % number) for number in range(size)]
    tiles = SeededTiles()
    edge, full = grow(Edge(), leaves)
    for tile in full:
        tiles.kept[tile.level, tile.index] = tile.hashes
    for level, width in enumerate(map(len, edge.levels)):
        tiles.kept[level, (size >> 8 * level) // 256] = edge.partial(level)
        assert width * 32 == len(edge.partial(level))
    at_old, hashes = TileHashes(size=old, tiles=tiles), TileHashes(size=size, tiles=tiles)
    root, old_root = root_of(size, hashes), root_of(old, at_old)
    inclusion = prove_inclusion(index=index, size=size, hashes=hashes)
    consistency = prove_consistency(old_size=old, new_size=size, hashes=hashes)
    start, end = 1_000, 101_000
    dense = prove_range(start=start, end=end, size=size, hashes=hashes)

    def check_one() -> None:
        check_inclusion(inclusion, size=size, root=root, index=index, leaf=leaves[index])

    def check_two() -> None:
        check_consistency(
            consistency, old_size=old, old_root=old_root, new_size=size, new_root=root
        )

    def check_many() -> None:
        check_range(dense, size=size, root=root, start=start, leaves=leaves[start:end])

    found.add(f"check inclusion at size {size:,}", _best(check_one) * 1e6, "µs")
    found.add(f"check consistency at size {size:,}", _best(check_two) * 1e6, "µs")
    found.add("check a range", _best(check_many) / (end - start) * 1e6, "µs a leaf")


def _signing(found: Findings, chance: random.Random) -> None:
    key = make_signing_key(name="bench", seed=chance.randbytes(32))
    message = chance.randbytes(120)
    signature, public = key.sign(message), key.key.public
    found.add("sign, OpenSSL", _best(lambda: key.sign(message)) * 1e6, "µs")
    for name, verify in (("OpenSSL", openssl_verify), ("standard library", ed25519.verify)):
        assert verify(public=public, message=message, signature=signature)
        found.add(
            f"verify, {name}",
            _best(lambda: verify(public=public, message=message, signature=signature)) * 1e6,  # noqa: B023
            "µs",
        )


def _best(run: Callable[[], object]) -> float:
    """Return the seconds of CPU that the quickest of several passes takes."""
    times = []
    for _ in range(PASSES):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
