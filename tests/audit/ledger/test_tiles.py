"""Tiles: which there are, what they hold, and that proofs come out of them alone."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.ledger.errors import (
    EdgeIncomplete,
    OutsideTree,
    RecordTooLong,
    TileMalformed,
    TilePathMalformed,
)
from audit.ledger.merkle import (
    EMPTY_ROOT,
    Node,
    check_consistency,
    check_inclusion,
    check_range,
    perfect_root,
    prove_consistency,
    prove_inclusion,
    prove_range,
    root_of,
)
from audit.ledger.record import RECORD_LIMIT, leaf_hash
from audit.ledger.tiles import (
    Bundle,
    Edge,
    Tile,
    TileHashes,
    bundle_of,
    decode_bundle,
    edge_ranges,
    encode_bundle,
    format_bundle_path,
    format_tile_path,
    full_tiles_between,
    grow,
    is_in_tree,
    parse_bundle_path,
    parse_tile_path,
    partial_tiles,
    place_of,
    width_of,
)
from tests.audit.ledger.trees import (
    OURS,
    VECTORS,
    MemoryTree,
    TileTree,
    grown_tree,
    numbered,
)

LARGEST = 70_000


@pytest.mark.parametrize("vectors", VECTORS)
def test_paths_are_those_of_the_format(vectors: dict[str, Any]) -> None:
    for level, index, width, path in vectors["paths"]["tile"]:
        tile = Tile(level=level, index=index, width=width or 256)
        assert (path, tile) == (format_tile_path(tile), parse_tile_path(path))
    for index, width, path in vectors["paths"]["entries"]:
        bundle = Bundle(index=index, width=width or 256)
        assert (path, bundle) == (format_bundle_path(bundle), parse_bundle_path(path))
    for index, size, path in vectors["paths"]["entries_for_index"]:
        assert path == format_bundle_path(bundle_of(index=index, size=size))


@pytest.mark.parametrize("vectors", VECTORS)
def test_what_is_no_path_is_refused(vectors: dict[str, Any]) -> None:
    for number in vectors["paths"]["parse_bad"]:
        with pytest.raises(TilePathMalformed):
            parse_tile_path(f"tile/0/{number}")
        with pytest.raises(TilePathMalformed):
            parse_bundle_path(f"tile/entries/{number}")


@pytest.mark.parametrize("path", OURS["paths"]["tile_bad"])
def test_what_names_no_level_is_refused(path: str) -> None:
    with pytest.raises(TilePathMalformed):
        parse_tile_path(path)


@given(
    st.integers(0, 63),
    st.integers(0, (2**63 - 1) // 256),
    st.integers(1, 256),
)
def test_paths_round_trip(level: int, index: int, width: int) -> None:
    tile = Tile(level=level, index=index, width=width)
    bundle = Bundle(index=index, width=width)

    assert tile == parse_tile_path(format_tile_path(tile))
    assert bundle == parse_bundle_path(format_bundle_path(bundle))


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_size_has_its_full_and_partial_tiles(vectors: dict[str, Any]) -> None:
    for size, counts in vectors["tile_counts"].items():
        full = list(full_tiles_between(old_size=0, new_size=int(size)))
        partial = {tile.level: tile.width for tile in partial_tiles(int(size))}

        for level, count, width in counts:
            found = [tile.index for tile in full if tile.level == level]
            assert (list(range(count)), width) == (found, partial.pop(level, 0))
        assert not partial


def test_tiles_that_become_full_are_those_that_growing_makes() -> None:
    tree, steps = TileTree(), [0, 1, 255, 1, 255, 2, 300, 66_000]
    for step in steps:
        old = tree.edge
        _, made = grow(old, [bytes(32)] * step)

        expected = full_tiles_between(old_size=old.size, new_size=old.size + step)
        assert [(tile.level, tile.index) for tile in expected] == [
            (tile.level, tile.index) for tile in made
        ]
        tree.append([bytes(32)] * step)


def test_a_tile_is_in_the_tree_once_all_its_hashes_are() -> None:
    assert not is_in_tree(Tile(level=0, index=0, width=1), size=0)
    assert is_in_tree(Tile(level=0, index=0, width=112), size=112)
    assert not is_in_tree(Tile(level=0, index=0, width=113), size=112)
    assert not is_in_tree(Tile(level=0, index=0), size=255)
    assert is_in_tree(Tile(level=0, index=0), size=256)
    assert is_in_tree(Tile(level=1, index=0, width=1), size=256)
    assert not is_in_tree(Tile(level=1, index=0, width=1), size=255)
    assert not is_in_tree(Tile(level=0, index=1, width=1), size=256)
    assert width_of(level=63, index=0, size=2**63 - 1) == 0


def test_a_tile_ends_where_its_entries_end() -> None:
    assert Tile(level=0, index=0, width=3).end_index() == 256
    assert Tile(level=1, index=2).end_index() == 3 * 65_536
    assert Bundle(index=4).end_index() == 1_280
    assert Bundle(index=4, width=2).entries() == range(1_024, 1_026)


def test_a_node_stands_in_its_tile() -> None:
    assert place_of(Node(8, 123_456_789)) == (1, 482_253, range(21, 22))
    assert place_of(Node(0, 300)) == (0, 1, range(44, 45))
    assert place_of(Node(7, 3)) == (0, 1, range(128, 256))
    assert place_of(Node(18, 5)) == (2, 0, range(20, 24))


@pytest.mark.parametrize("vectors", VECTORS)
def test_roots_of_numbered_leaves_come_out_of_tiles(vectors: dict[str, Any]) -> None:
    tree = grown_tree()
    for size, root in vectors["leaf_n"]["roots_b64"].items():
        assert b64decode(root) == root_of(int(size), tree.at(int(size)))
    tile = next(v for k, v in vectors["leaf_n"].items() if k.startswith("tile_1_000_p_3"))

    level_1 = tree.read_tiles([Tile(level=1, index=0, width=3)])

    assert [bytes.fromhex(tile)] == level_1


@pytest.mark.parametrize("vectors", VECTORS)
def test_tile_and_bundle_of_a_log_are_its_bytes(vectors: dict[str, Any]) -> None:
    log = vectors["log"]
    records = [each.encode() for each in log["entries"]]
    tree = TileTree()

    tree.append([leaf_hash(record) for record in records])

    assert log["tile_0_000_p_15_hex"] == tree.edge.partial(0).hex()
    assert log["entry_bundle_000_p_15_hex"] == encode_bundle(records).hex()
    assert records == decode_bundle(encode_bundle(records), width=15)


def test_the_edge_has_the_root_after_every_batch() -> None:
    tree = grown_tree()
    assert Edge().root() == EMPTY_ROOT
    for size, edge in tree.edges.items():
        assert root_of(size, tree.at(size)) == edge.root()
    assert len(tree.edges) > 1_500


def test_full_tiles_hold_what_the_definition_says() -> None:
    tree, whole = grown_tree(), MemoryTree(numbered(LARGEST))
    for (level, index), hashes in tree.full.items():
        start = index * 256
        assert b"".join(whole.levels[8 * level][start : start + 256]) == hashes
    assert len(tree.full) == 273 + 1


def test_an_edge_that_lacks_a_hash_is_refused() -> None:
    edge = grown_tree().edge
    assert edge.size == LARGEST
    for level in range(3):
        levels = list(edge.levels)
        levels[level] = levels[level][1:]
        with pytest.raises(EdgeIncomplete) as refused:
            Edge(size=edge.size, levels=tuple(levels))
        assert tuple(map(len, edge_ranges(LARGEST))) == refused.value.expected
    with pytest.raises(EdgeIncomplete):
        Edge(size=1)


SIZES = st.integers(1, LARGEST) | st.sampled_from([1, 255, 256, 257, 65_535, 65_536, 65_537])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_inclusion_is_proven_from_tiles_alone(data: st.DataObject) -> None:
    tree = grown_tree()
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))

    proof = prove_inclusion(index=index, size=size, hashes=tree.at(size))

    leaf, root = tree.levels[0][index], root_of(size, tree.at(size))
    check_inclusion(proof, size=size, root=root, index=index, leaf=leaf)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_consistency_is_proven_from_tiles_alone(data: st.DataObject) -> None:
    tree = grown_tree()
    new = data.draw(SIZES)
    old = data.draw(st.integers(1, new))

    proof = prove_consistency(old_size=old, new_size=new, hashes=tree.at(new))

    check_consistency(
        proof,
        old_size=old,
        old_root=root_of(old, tree.at(old)),
        new_size=new,
        new_root=root_of(new, tree.at(new)),
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_range_is_proven_from_tiles_alone(data: st.DataObject) -> None:
    tree = grown_tree()
    size = data.draw(SIZES)
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, min(size, start + 3_000)))

    proof = prove_range(start=start, end=end, size=size, hashes=tree.at(size))

    root = root_of(size, tree.at(size))
    leaves = iter(tree.levels[0][start:end])
    checked = check_range(proof, size=size, root=root, start=start, leaves=leaves)
    assert end - start == checked


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=12))
def test_growing_by_any_batches_makes_one_tree(steps: list[int]) -> None:
    leaves = numbered(sum(steps))
    tree, place = TileTree(), 0
    for step in steps:
        tree.append(leaves[place : place + step])
        place += step

    at_once, full = grow(Edge(), leaves)

    assert at_once == tree.edge
    assert {(tile.level, tile.index): tile.hashes for tile in full} == tree.full
    for tile in full:
        hashes = [tile.hashes[at : at + 32] for at in range(0, 8192, 32)]
        assert perfect_root(hashes) == tile.root


def test_a_proof_asks_for_each_tile_once_and_only_for_those_of_its_size() -> None:
    tree = grown_tree()
    tree.asked.clear()

    prove_inclusion(index=40_000, size=66_000, hashes=tree.at(66_000))

    assert len(set(tree.asked)) == len(tree.asked) <= 6
    assert all(is_in_tree(tile, size=66_000) for tile in tree.asked)
    tree.asked.clear()


def test_a_tile_with_a_byte_too_few_is_refused() -> None:
    class Short:
        def read_tiles(self, tiles: Any, /) -> list[bytes]:
            return [bytes(tile.width * 32 - 1) for tile in tiles]

    with pytest.raises(TileMalformed, match=r"tile/0/000\.p/9"):
        root_of(9, TileHashes(size=9, tiles=Short()))


def test_a_node_that_the_tree_does_not_have_is_not_read() -> None:
    with pytest.raises(OutsideTree):
        TileHashes(size=9, tiles=grown_tree()).read_hashes([Node(1, 4)])
    with pytest.raises(OutsideTree):
        bundle_of(index=9, size=9)


def test_the_longest_record_fits_a_bundle_and_none_longer() -> None:
    longest = bytes(RECORD_LIMIT)

    assert [longest, b""] == decode_bundle(encode_bundle([longest, b""]), width=2)
    with pytest.raises(RecordTooLong):
        encode_bundle([longest + b"x"])


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_round_trip(records: list[bytes]) -> None:
    assert records == decode_bundle(encode_bundle(records), width=len(records))


def test_a_bundle_that_is_cut_or_too_long_is_refused() -> None:
    bundle = encode_bundle([b"one", b"two", b"three"])
    for end in range(1, len(bundle)):
        with pytest.raises(TileMalformed):
            decode_bundle(bundle[:end], width=3)
    with pytest.raises(TileMalformed, match="3 records, not 2"):
        decode_bundle(bundle, width=2)
