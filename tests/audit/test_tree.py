"""The tree beside the chain: full tiles are rows, the edge is read, and both say the same root."""

from __future__ import annotations

import json
import random

import pytest

from audit import append, fill
from audit.append import append_pending
from audit.database import rows
from audit.errors import EntriesMissing, TilesMissing
from audit.ledger.merkle import (
    Frontier,
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
    root_of,
)
from audit.ledger.tiles import Tile, full_tiles_between, partial_tiles
from audit.models import Head, Ledger
from audit.tree import LedgerTiles, load_edge, tree_of
from tests.audit.tampering import Connection, tampering
from tests.audit.test_append import _put_into_inbox as put_into_inbox
from tests.conftest import make_event, post


def grow_to(ledger: Ledger, size: int, *, batch: int = 5000) -> list[bytes]:
    """Chain events until the ledger has this size; return all leaf hashes."""
    missing = size - Head.objects.get(ledger=ledger).size
    for start in range(0, missing, 1000):
        post(ledger, [make_event() for _ in range(min(1000, missing - start))])
    append_pending(ledger.id, batch=batch)
    return leaves_of(ledger)


def leaves_of(ledger: Ledger) -> list[bytes]:
    found = rows("SELECT hash FROM audit_entry WHERE ledger_id = %s ORDER BY seq", (ledger.id,))
    return [leaf for (leaf,) in found]


def root_by_hand(leaves: list[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


def stored(ledger: Ledger) -> list[tuple[int, int]]:
    return [
        (level, index)
        for level, index in rows(
            "SELECT level, index FROM audit_tile WHERE ledger_id = %s ORDER BY level, index",
            (ledger.id,),
        )
    ]


def test_chaining_stores_each_tile_when_it_is_full_and_no_sooner(ledger: Ledger) -> None:
    for size in (1, 255, 256, 257, 511, 512, 700):
        grow_to(ledger, size, batch=97)

        expected = [(t.level, t.index) for t in full_tiles_between(old_size=0, new_size=size)]
        assert stored(ledger) == sorted(expected)


def test_the_edge_that_was_kept_and_the_edge_that_is_read_have_the_same_root(
    ledger: Ledger,
) -> None:
    for size in (3, 256, 300, 1000):
        leaves = grow_to(ledger, size)
        _, kept = append._edges[ledger.id]

        assert kept is not None
        assert kept == load_edge(ledger.id, size=size)
        assert kept.root() == root_by_hand(leaves) == root_of(size, tree_of(ledger.id, size=size))


def test_a_writer_that_takes_over_goes_on_where_the_other_one_stood(ledger: Ledger) -> None:
    grow_to(ledger, 300)
    append._edges.clear()  # as in another process
    leaves = grow_to(ledger, 600)
    stale = append._edges[ledger.id]
    leaves = grow_to(ledger, 700)
    append._edges[ledger.id] = stale  # as in a process that has not written for a while

    leaves = grow_to(ledger, 1100)

    assert load_edge(ledger.id, size=1100).root() == root_by_hand(leaves)
    assert len(stored(ledger)) == 4


def test_a_refused_event_leaves_the_tree_as_the_chain_is(ledger: Ledger) -> None:
    post(ledger, [make_event() for _ in range(150)])
    put_into_inbox(ledger, json.dumps(make_event(action="a\0b")).encode())
    post(ledger, [make_event() for _ in range(150)])
    append_pending(ledger.id)

    leaves = leaves_of(ledger)
    assert len(leaves) == 300
    assert load_edge(ledger.id, size=300).root() == root_by_hand(leaves)


def test_every_index_and_size_of_a_ledger_can_be_proven_from_its_tiles(ledger: Ledger) -> None:
    leaves = grow_to(ledger, 600)
    chance = random.Random(7)
    for size in (1, 2, 255, 256, 257, 512, 513, 600):
        tree = tree_of(ledger.id, size=size)
        root = root_by_hand(leaves[:size])
        for index in {0, size - 1, chance.randrange(size)}:
            proof = prove_inclusion(index=index, size=size, hashes=tree)
            check_inclusion(proof, size=size, root=root, index=index, leaf=leaves[index])
        old = chance.randrange(1, size + 1)
        check_consistency(
            prove_consistency(old_size=old, new_size=size, hashes=tree),
            old_size=old,
            old_root=root_by_hand(leaves[:old]),
            new_size=size,
            new_root=root,
        )


def test_partial_tiles_of_an_older_size_are_still_read(ledger: Ledger) -> None:
    leaves = grow_to(ledger, 600)
    reader = LedgerTiles(ledger_id=ledger.id)

    for size in (1, 200, 256, 300, 599):
        for tile, found in zip(
            partial_tiles(size), reader.read_tiles(partial_tiles(size)), strict=True
        ):
            assert len(found) == 32 * tile.width
            if tile.level == 0:
                at = tile.index * 256
                assert found == b"".join(leaves[at : at + tile.width])


def test_a_tile_that_is_not_there_is_missing_and_says_what_to_do(ledger: Ledger) -> None:
    grow_to(ledger, 10)

    with pytest.raises(TilesMissing, match="filltiles"):
        LedgerTiles(ledger_id=ledger.id).read_tiles([Tile(level=0, index=3, width=5)])
    with pytest.raises(TilesMissing, match="tile/1/000"):
        LedgerTiles(ledger_id=ledger.id).read_tiles([Tile(level=1, index=0)])


# --- What came before tiles ----------------------------------------------------------------------


def without_tiles(ledger: Ledger, size: int, superuser: Connection) -> list[bytes]:
    """Make a ledger as it was before there were tiles: a superuser takes them away."""
    leaves = grow_to(ledger, size)
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_tile WHERE ledger_id = %s", (ledger.id,))
    append._edges.clear()
    return leaves


def test_tiles_of_what_came_before_are_made_in_parts_and_are_the_same(
    ledger: Ledger, superuser: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = without_tiles(ledger, 1100, superuser)
    monkeypatch.setattr(fill, "PART", 512)

    parts = [each.entries for each in fill.fill_tiles(ledger)]

    assert parts == [512, 1024]
    assert len(stored(ledger)) == 4
    assert load_edge(ledger.id, size=1100).root() == root_by_hand(leaves)
    assert list(fill.fill_tiles(ledger)) == []


def test_chaining_goes_on_without_tiles_and_makes_them_again_once_they_are_filled(
    ledger: Ledger, superuser: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_tiles(ledger, 600, superuser)
    grow_to(ledger, 700)
    assert stored(ledger) == []

    monkeypatch.setattr(fill, "PART", 256)
    filling = fill.fill_tiles(ledger)
    next(filling)
    grow_to(ledger, 900)  # between two parts
    assert fill.filled(ledger) == fill.Filled(entries=256, total=768)
    list(filling)
    leaves = grow_to(ledger, 1300)

    assert len(stored(ledger)) == 5
    assert load_edge(ledger.id, size=1300).root() == root_by_hand(leaves)


def test_no_tile_is_made_over_a_gap(ledger: Ledger, superuser: Connection) -> None:
    without_tiles(ledger, 600, superuser)
    with tampering(superuser):
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 100", (ledger.id,)
        )

    with pytest.raises(EntriesMissing, match=r"511 entries from #0 to #511, not 512; run .*verify"):
        list(fill.fill_tiles(ledger))
    assert stored(ledger) == []
