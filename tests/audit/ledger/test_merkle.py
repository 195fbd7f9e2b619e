"""Trees: roots, proofs, and that no proof of anything else passes."""

from __future__ import annotations

import pickle
import random
from base64 import b64decode
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from audit.ledger.errors import (
    NotConsistent,
    NotIncluded,
    OutsideTree,
    ProofMalformed,
    ProofRefused,
    RangeNotIncluded,
)
from audit.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    check_consistency,
    check_inclusion,
    check_range,
    cover,
    fold,
    node_hash,
    perfect_root,
    prove_consistency,
    prove_inclusion,
    prove_range,
    root_of,
)
from audit.ledger.record import leaf_hash
from tests.audit.ledger.trees import VECTORS, MemoryTree, numbered
from tests.sizes import size as times

SEED = 20261120
LEAVES = numbered(300)
TREE = MemoryTree(LEAVES)
SMALL = times(17, 32)  # to here each bit is flipped; beyond it one of each hash
ROOTS = [root_of(size, TREE) for size in range(len(LEAVES) + 1)]


def by_definition(leaves: list[bytes]) -> bytes:
    """Return the root as RFC 6962 section 2.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256().digest()
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha256(b"\x01" + by_definition(leaves[:left]) + by_definition(leaves[left:])).digest()


def inclusion(index: int, size: int) -> list[bytes]:
    return prove_inclusion(index=index, size=size, hashes=TREE)


def consistency(old_size: int, new_size: int) -> list[bytes]:
    return prove_consistency(old_size=old_size, new_size=new_size, hashes=TREE)


def is_included(proof: list[bytes], *, index: int, size: int, leaf: bytes, root: bytes) -> bool:
    try:
        check_inclusion(proof, size=size, root=root, index=index, leaf=leaf)
    except ProofRefused:
        return False
    return True


def is_consistent(
    proof: list[bytes], *, sizes: tuple[int, int], roots: tuple[bytes, bytes]
) -> bool:
    try:
        check_consistency(
            proof, old_size=sizes[0], new_size=sizes[1], old_root=roots[0], new_root=roots[1]
        )
    except ProofRefused:
        return False
    return True


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def each_bit_flipped(hashes: list[bytes]) -> Iterator[list[bytes]]:
    for place, each in enumerate(hashes):
        for bit in range(256):
            yield [*hashes[:place], flipped(each, bit), *hashes[place + 1 :]]


def one_bit_flipped(hashes: list[bytes], chance: random.Random) -> Iterator[list[bytes]]:
    for place, each in enumerate(hashes):
        yield [*hashes[:place], flipped(each, chance.randrange(256)), *hashes[place + 1 :]]


@pytest.mark.parametrize("vectors", VECTORS)
def test_hashes_are_those_of_RFC_6962(vectors: dict[str, Any]) -> None:
    vectors = vectors["hash"]
    assert vectors["empty_root"] == EMPTY_ROOT.hex()
    assert vectors["leaf_empty"] == leaf_hash(b"").hex()
    assert vectors["leaf_L123456"] == leaf_hash(b"L123456").hex()
    assert vectors["node_N123_N456"] == node_hash(left=b"N123", right=b"N456").hex()
    assert b64decode(vectors["leaf_hello_world_b64"]) == leaf_hash(b"hello world")


@pytest.mark.parametrize("vectors", VECTORS)
def test_tree_of_certificate_transparency_has_its_roots(vectors: dict[str, Any]) -> None:
    vectors = vectors["ct_tree"]
    leaves = [leaf_hash(bytes.fromhex(each)) for each in vectors["leaf_inputs_hex"]]
    tree = MemoryTree(leaves)

    roots = [root_of(size, tree).hex() for size in range(len(leaves) + 1)]

    assert vectors["leaf_hashes_hex"] == [leaf.hex() for leaf in leaves]
    assert vectors["roots_hex"] == roots


def test_roots_are_those_of_the_definition() -> None:
    for size in range(len(LEAVES) + 1):
        assert by_definition(LEAVES[:size]) == ROOTS[size]


def test_frontier_has_the_root_of_every_size() -> None:
    tree = Frontier()
    for size, leaf in enumerate(LEAVES):
        assert ROOTS[size] == tree.root()
        tree.extend([leaf])
    assert ROOTS[-1] == tree.root()


def test_frontier_goes_on_from_any_size() -> None:
    for start in range(0, 300, 7):
        peaks = TREE.read_hashes(cover(0, start))
        tree = Frontier(size=start, peaks=peaks)

        tree.extend(LEAVES[start:])

        assert ROOTS[-1] == tree.root()
        assert TREE.read_hashes(cover(0, 300)) == tree.peaks


def test_frontier_refuses_peaks_of_another_size() -> None:
    with pytest.raises(ProofMalformed):
        Frontier(size=3, peaks=[LEAVES[0]])


def test_cover_is_gapless_and_as_large_as_it_can_be() -> None:
    for start in range(70):
        for end in range(start, 140):
            nodes = cover(start, end)
            edges = [start]
            for node in nodes:
                assert node.position << node.level == edges[-1]
                edges.append((node.position + 1) << node.level)
            assert end == edges[-1]
            for left, right in pairwise(nodes):
                are_siblings = left.level == right.level and left.position % 2 == 0
                assert not are_siblings, "two that one node could cover"


def test_perfect_root_is_the_root_of_two_to_the_n_leaves() -> None:
    assert [ROOTS[1 << level] for level in range(9)] == [
        perfect_root(LEAVES[: 1 << level]) for level in range(9)
    ]


def test_inclusion_is_proven_for_every_entry_of_every_size() -> None:
    for size in range(1, len(LEAVES) + 1):
        for index in range(size):
            check_inclusion(
                inclusion(index, size), size=size, root=ROOTS[size], index=index, leaf=LEAVES[index]
            )


def test_inclusion_with_any_bit_flipped_is_refused_to_a_small_size() -> None:
    for size in range(1, SMALL + 1):
        for index in range(size):
            proof, leaf, root = inclusion(index, size), LEAVES[index], ROOTS[size]
            for wrong in each_bit_flipped(proof):
                assert not is_included(wrong, index=index, size=size, leaf=leaf, root=root)
            for bit in range(256):
                other = flipped(leaf, bit)
                assert not is_included(proof, index=index, size=size, leaf=other, root=root)
        for bit in range(256):
            other = flipped(root, bit)
            assert not is_included(proof, index=index, size=size, leaf=leaf, root=other)


def test_inclusion_with_one_bit_of_a_hash_flipped_is_refused_to_size_300() -> None:
    chance = random.Random(SEED)
    for size in range(SMALL + 1, len(LEAVES) + 1):
        edges = {*range(3), *range(size - 3, size), *(1 << n for n in range(size.bit_length() - 1))}
        for index in edges | set(chance.sample(range(size), times(min(size, 10), size))):
            proof, leaf, root = inclusion(index, size), LEAVES[index], ROOTS[size]
            for wrong in one_bit_flipped(proof, chance):
                assert not is_included(wrong, index=index, size=size, leaf=leaf, root=root)


def test_inclusion_of_another_entry_or_with_another_number_of_hashes_is_refused() -> None:
    for size in range(1, 33):
        for index in range(size):
            proof, leaf, root = inclusion(index, size), LEAVES[index], ROOTS[size]
            for other in range(-1, size + 2):
                expected = other == index
                assert expected == is_included(proof, index=other, size=size, leaf=leaf, root=root)
            for wrong in (proof[:-1], proof[1:], [*proof, root], [root, *proof], [*proof, b""]):
                if wrong != proof:
                    assert not is_included(wrong, index=index, size=size, leaf=leaf, root=root)


def test_consistency_is_proven_between_all_sizes_to_64() -> None:
    for new in range(1, 65):
        for old in range(1, new + 1):
            check_consistency(
                consistency(old, new),
                old_size=old,
                old_root=ROOTS[old],
                new_size=new,
                new_root=ROOTS[new],
            )


def test_consistency_with_any_bit_flipped_is_refused_to_size_16_then_with_one() -> None:
    chance = random.Random(SEED)
    for new in range(1, 65):
        for old in range(1, new + 1):
            sizes, roots, proof = (old, new), (ROOTS[old], ROOTS[new]), consistency(old, new)
            wrongs = each_bit_flipped(proof) if new <= 16 else one_bit_flipped(proof, chance)
            for wrong in wrongs:
                assert not is_consistent(wrong, sizes=sizes, roots=roots)
            bit = chance.randrange(256)
            assert not is_consistent(proof, sizes=sizes, roots=(flipped(roots[0], bit), roots[1]))
            assert not is_consistent(proof, sizes=sizes, roots=(roots[0], flipped(roots[1], bit)))


def test_consistency_with_other_sizes_or_another_number_of_hashes_is_refused() -> None:
    for new in range(1, 65):
        for old in range(1, new + 1):
            sizes, roots, proof = (old, new), (ROOTS[old], ROOTS[new]), consistency(old, new)
            for wrong in ([*proof, roots[0]], [roots[0], *proof], proof[:-1], proof[1:]):
                if wrong != proof:
                    assert not is_consistent(wrong, sizes=sizes, roots=roots)
            assert old == new or not is_consistent(proof, sizes=sizes, roots=roots[::-1])
            assert not is_consistent(proof, sizes=(old - 1, new), roots=roots)


def test_a_proof_begins_with_no_empty_tree() -> None:
    assert not is_consistent([], sizes=(0, 0), roots=(EMPTY_ROOT, EMPTY_ROOT))
    assert not is_consistent([], sizes=(0, 5), roots=(EMPTY_ROOT, ROOTS[5]))
    with pytest.raises(OutsideTree):
        consistency(0, 5)


def test_range_is_proven_for_every_range_to_size_40() -> None:
    for size in range(1, 41):
        for start in range(size):
            for end in range(start + 1, size + 1):
                proof = prove_range(start=start, end=end, size=size, hashes=TREE)

                checked = check_range(
                    proof, size=size, root=ROOTS[size], start=start, leaves=LEAVES[start:end]
                )

                assert end - start == checked


def test_range_with_anything_changed_is_refused() -> None:
    chance = random.Random(SEED)
    for size in range(2, 41):
        for start in range(size):
            end = chance.randrange(start + 1, size + 1)
            proof = prove_range(start=start, end=end, size=size, hashes=TREE)
            leaves = LEAVES[start:end]

            def refuses(
                proof: list[bytes],
                leaves: list[bytes],
                start: int = start,
                size: int = size,
                root: bytes = ROOTS[size],
            ) -> bool:
                try:
                    check_range(proof, size=size, root=root, start=start, leaves=iter(leaves))
                except ProofRefused:
                    return True
                return False

            assert all(refuses(wrong, leaves) for wrong in one_bit_flipped(proof, chance))
            assert all(refuses(proof, wrong) for wrong in one_bit_flipped(leaves, chance))
            assert refuses(proof, leaves[:-1])
            assert refuses(proof, [*leaves, LEAVES[299]])
            assert refuses(proof, leaves * 50)
            assert refuses([*proof, leaves[0]], leaves)
            assert not proof or refuses(proof[:-1], leaves)
            assert refuses(proof, leaves, start=start + 1)
            assert refuses(proof, leaves, root=flipped(ROOTS[size], chance.randrange(256)))
            if len(leaves) > 1:
                assert refuses(proof, [leaves[1], leaves[0], *leaves[2:]])


def test_range_without_leaves_proves_nothing() -> None:
    with pytest.raises(ProofMalformed, match="no leaves"):
        check_range(TREE.read_hashes(cover(0, 8)), size=8, root=ROOTS[8], start=0, leaves=[])
    with pytest.raises(OutsideTree):
        prove_range(start=3, end=3, size=8, hashes=TREE)


def test_refusals_say_what_was_expected_and_found() -> None:
    with pytest.raises(NotIncluded) as included:
        check_inclusion(inclusion(3, 9), size=9, root=ROOTS[10], index=3, leaf=LEAVES[3])
    with pytest.raises(NotConsistent) as consistent:
        check_consistency(
            consistency(5, 9), old_size=5, old_root=ROOTS[5], new_size=9, new_root=ROOTS[8]
        )
    with pytest.raises(RangeNotIncluded) as ranged:
        check_range(
            prove_range(start=2, end=4, size=9, hashes=TREE),
            size=9, root=ROOTS[8], start=2, leaves=LEAVES[2:4],
        )  # fmt: skip

    assert (3, 9, ROOTS[10], ROOTS[9]) == (
        included.value.index, included.value.size, included.value.expected, included.value.found
    )  # fmt: skip
    assert (ROOTS[8], ROOTS[9]) == (consistent.value.expected, consistent.value.found)
    assert (ROOTS[8], ROOTS[9]) == (ranged.value.expected, ranged.value.found)
    assert str(pickle.loads(pickle.dumps(included.value))) == str(included.value)  # noqa: S301


@pytest.mark.parametrize(
    "prove",
    [
        lambda: inclusion(9, 9),
        lambda: inclusion(-1, 9),
        lambda: inclusion(0, 0),
        lambda: consistency(9, 8),
        lambda: prove_range(start=2, end=10, size=9, hashes=TREE),
        lambda: root_of(-1, TREE),
    ],
)
def test_what_a_tree_does_not_hold_is_not_proven(prove: Callable[[], object]) -> None:
    with pytest.raises(OutsideTree):
        prove()


@pytest.mark.parametrize("name", ["inclusion_probes", "consistency_probes"])
@pytest.mark.parametrize("vectors", VECTORS)
def test_probes_are_judged_as_they_say(vectors: dict[str, Any], name: str) -> None:
    for probe in vectors[name]:
        assert probe["holds"] == judge(name, probe), probe["desc"]


def judge(name: str, probe: dict[str, Any]) -> bool:
    def binary(key: str) -> bytes:
        return b64decode(probe[key] or "")

    proof = [b64decode(each) for each in probe["proof"] or []]
    if name == "inclusion_probes":
        return is_included(
            proof,
            index=probe["leafIdx"],
            size=probe["treeSize"],
            leaf=binary("leafHash"),
            root=binary("root"),
        )
    return is_consistent(
        proof, sizes=(probe["size1"], probe["size2"]), roots=(binary("root1"), binary("root2"))
    )


@pytest.mark.parametrize("vectors", VECTORS)
def test_consistency_from_7_to_15_is_the_worked_one(vectors: dict[str, Any]) -> None:
    tree = MemoryTree([leaf_hash(each.encode()) for each in vectors["log"]["entries"]])

    proof = prove_consistency(old_size=7, new_size=15, hashes=tree)

    assert [b64decode(each) for each in vectors["consistency_7_15"]] == proof


def test_fold_of_a_cover_is_the_root_of_its_leaves() -> None:
    assert ROOTS[200] == fold(TREE.read_hashes(cover(0, 200)))
    assert [Node(2, 0), Node(0, 4)] == cover(0, 5)
