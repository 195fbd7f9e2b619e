"""Hash a tree, prove what is in it, check such proofs. Owns the tree of RFC 6962 and RFC 9162.

    root of no leaves   = SHA-256 of nothing
    leaf                = SHA-256(0x00 ‖ record)                     record.py
    node                = SHA-256(0x01 ‖ left ‖ right)
    root of n > 1       = node(root of the first k, root of the rest)
                          k = the largest power of two below n

A *perfect subtree* is a `Node`: level 3, position 5 is the root over leaves 40 to 47. It never
changes once its leaves are there, so any range of leaves has the hash of the few perfect subtrees
that `cover()` it; those are what a `HashReader` is asked for, all at once.

Three proofs, each a list of 32-byte hashes and a pair prove/check:

- inclusion: the sibling of the leaf first, the root's child last (RFC 9162 section 2.1.3);
- consistency: that a newer tree begins with an older one (section 2.1.4);
- range: that neighbouring leaves stand where they are said to stand. First the perfect subtrees
  left of the range, then those right of it, each from left to right, as `cover()` names them.

A check returns nothing when the proof holds and raises `ProofRefused` when it does not. A root is
only worth as much as the signature over it: checkpoint.py. Where hashes are kept: tiles.py.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import NamedTuple, Protocol

from audit.ledger.errors import (
    NotConsistent,
    NotIncluded,
    OutsideTree,
    ProofMalformed,
    RangeNotIncluded,
)

HASH_SIZE = 32
"""Bytes of every hash: SHA-256."""

EMPTY_ROOT = sha256().digest()
"""The root of the tree without leaves."""


class Node(NamedTuple):
    """The root of a perfect subtree: over `1 << level` leaves from `position << level` on."""

    level: int
    """0 for a leaf; a node of level n is over 2^n leaves."""
    position: int
    """Counted from the left among the nodes of its level."""


class HashReader(Protocol):
    """Where the hashes of perfect subtrees are read."""

    def read_hashes(self, nodes: Sequence[Node], /) -> Sequence[bytes]:
        """Return the hash of each node, in the order asked. Raises rather than return fewer."""


def node_hash(*, left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours, RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 1, 2, 4, 8 … hashes of one level."""
    assert len(hashes).bit_count() == 1, "a perfect subtree has 2^n leaves"
    while len(hashes) > 1:
        pairs = iter(hashes)
        # Written out: this line runs once for every entry that is ever chained.
        hashes = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(pairs, pairs, strict=True)
        ]
    return hashes[0]


def cover(start: int, end: int) -> list[Node]:
    """Return the largest perfect subtrees over leaves `start` to `end - 1`, from left to right."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the one hash over perfect subtrees that shrink from left to right."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left=left, right=root)
    return root


def root_of(size: int, hashes: HashReader) -> bytes:
    """Return the root of the first `size` leaves."""
    if size < 0:
        raise OutsideTree(asked=f"part of size {size}", size=size)
    return fold(hashes.read_hashes(cover(0, size))) if size else EMPTY_ROOT


class Frontier:
    """A tree that grows at the right, kept as the perfect subtrees that cover it.

    Holds at most one hash a level, so a million leaves pass through in flat memory.
    """

    def __init__(self, *, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Go on from a tree whose `cover(0, size)` has these hashes."""
        self.size = size
        self.peaks = [_hash(each) for each in peaks]
        if len(self.peaks) != size.bit_count():
            raise ProofMalformed(
                reason=f"a tree of size {size} is {size.bit_count()} perfect subtrees,"
                f" not {len(self.peaks)}"
            )

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes."""
        peaks, size = self.peaks, self.size
        for leaf in leaves:
            if len(leaf) != HASH_SIZE:
                raise ProofMalformed(reason=f"a leaf hash of {len(leaf)} bytes")
            place, root = size, leaf
            while place & 1:
                root = sha256(b"\x01" + peaks.pop() + root).digest()
                place >>= 1
            peaks.append(root)
            size += 1
            self.size = size

    def append_subtree(self, node: Node, root: bytes) -> None:
        """Append a whole perfect subtree, which must start where the tree ends."""
        assert node.position << node.level == self.size, "a subtree starts where the tree ends"
        place, root = node.position, _hash(root)
        while place & 1:
            root = node_hash(left=self.peaks.pop(), right=root)
            place >>= 1
        self.peaks.append(root)
        self.size += 1 << node.level

    def root(self) -> bytes:
        """Return the root of all that was appended."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT


def prove_inclusion(*, index: int, size: int, hashes: HashReader) -> list[bytes]:
    """Return the proof that the tree of `size` holds entry `index`. Raises OutsideTree."""
    if not 0 <= index < size:
        raise OutsideTree(asked=f"entry {index}", size=size)
    low, high = 0, size
    path = []
    while high - low > 1:
        middle = low + _left_size(high - low)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return _hashes_of(path[::-1], hashes)


def check_inclusion(
    proof: Sequence[bytes], *, size: int, root: bytes, index: int, leaf: bytes
) -> None:
    """Check that `leaf` is the hash of entry `index` in the tree of this size and root.

    Raises NotIncluded when leaf and proof lead to another root, ProofMalformed when the proof
    cannot be of this entry in a tree of this size. RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofMalformed(reason=f"a tree of size {size} has no entry {index}")
    found = _hash(leaf)
    place, last = index, size - 1
    for each in proof:
        if last == 0:
            raise ProofMalformed(reason=f"{len(proof)} hashes are too many")
        sibling = _hash(each)
        if place & 1 or place == last:
            found = node_hash(left=sibling, right=found)
            # At the right edge a node without sibling rises unchanged.
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            found = node_hash(left=found, right=sibling)
        place >>= 1
        last >>= 1
    if last:
        raise ProofMalformed(reason=f"{len(proof)} hashes are too few")
    if found != root:
        raise NotIncluded(index=index, size=size, expected=root, found=found)


def prove_consistency(*, old_size: int, new_size: int, hashes: HashReader) -> list[bytes]:
    """Return the proof that the tree of `new_size` begins with that of `old_size`.

    Empty when both are one size. Raises OutsideTree, also for an old size of 0: every tree
    begins with the empty one, and there is nothing to prove.
    """
    if not 0 < old_size <= new_size:
        raise OutsideTree(asked=f"older tree of size {old_size} to prove", size=new_size)
    low, high = 0, new_size
    path = []
    while old_size != high:
        middle = low + _left_size(high - low)
        if old_size <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    if low:  # a subtree from leaf 0 is the old tree itself, whose root is known
        path.append((low, high))
    return _hashes_of(path[::-1], hashes)


def check_consistency(
    proof: Sequence[bytes], *, old_size: int, old_root: bytes, new_size: int, new_root: bytes
) -> None:
    """Check that the newer tree begins with the older one.

    Raises NotConsistent when the proof leads to other roots, ProofMalformed when it cannot be of
    these sizes. An old size of 0 is refused: any tree would pass. RFC 9162 section 2.1.4.2.
    """
    if not 0 < old_size <= new_size:
        raise ProofMalformed(reason=f"from size {old_size} to size {new_size} there is none")
    if old_size == new_size:
        if proof:
            raise ProofMalformed(reason="between trees of one size a proof is empty")
        found_old, found_new = new_root, old_root
    else:
        found_old, found_new = _follow(proof, old_size, new_size, old_root)
    for expected, found in ((old_root, found_old), (new_root, found_new)):
        if found != expected:
            raise NotConsistent(
                old_size=old_size, new_size=new_size, expected=expected, found=found
            )


def _follow(
    proof: Sequence[bytes], old_size: int, new_size: int, old_root: bytes
) -> tuple[bytes, bytes]:
    """Return the roots of the older and the newer tree to which a consistency proof leads."""
    if not proof:
        raise ProofMalformed(reason="no hashes")
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place >>= 1
        last >>= 1
    # An old tree of 2^n leaves is a subtree of the newer one: its root starts the way up.
    steps = iter(proof if place else [old_root, *proof])
    old = new = _hash(next(steps))
    for each in steps:
        if last == 0:
            raise ProofMalformed(reason=f"{len(proof)} hashes are too many")
        sibling = _hash(each)
        if place & 1 or place == last:
            old = node_hash(left=sibling, right=old)
            new = node_hash(left=sibling, right=new)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            new = node_hash(left=new, right=sibling)
        place >>= 1
        last >>= 1
    if last:
        raise ProofMalformed(reason=f"{len(proof)} hashes are too few")
    return old, new


def prove_range(*, start: int, end: int, size: int, hashes: HashReader) -> list[bytes]:
    """Return the proof that entries `start` to `end - 1` stand in the tree of `size`.

    Raises OutsideTree, also for an empty range.
    """
    if not 0 <= start < end <= size:
        raise OutsideTree(asked=f"entries {start} to {end - 1}", size=size)
    return list(hashes.read_hashes([*cover(0, start), *cover(end, size)]))


def check_range(
    proof: Sequence[bytes], *, size: int, root: bytes, start: int, leaves: Iterable[bytes]
) -> int:
    """Check that `leaves` are the hashes of the entries from `start` on; return how many.

    Reads `leaves` once, holding none of them. Raises RangeNotIncluded when they lead to another
    root; ProofMalformed when there are none, more than the tree has, or a wrong number of hashes.
    """
    if not 0 <= start < size:
        raise ProofMalformed(reason=f"a tree of size {size} has no entry {start}")
    left = start.bit_count()
    tree = Frontier(size=start, peaks=proof[:left])
    # One more than fits is enough to know that there are too many.
    tree.extend(islice(leaves, size - start + 1))
    end = tree.size
    if not start < end <= size:
        reason = "no leaves" if end == start else "more leaves than the tree has"
        raise ProofMalformed(reason=reason)
    nodes = cover(end, size)
    if len(proof) != left + len(nodes):
        raise ProofMalformed(reason=f"{len(proof)} hashes, not {left + len(nodes)}")
    for node, each in zip(nodes, proof[left:], strict=True):
        tree.append_subtree(node, each)
    found = tree.root()
    if found != root:
        raise RangeNotIncluded(start=start, end=end, size=size, expected=root, found=found)
    return end - start


def _left_size(size: int) -> int:
    """Return how many of `size` > 1 leaves stand in the left subtree."""
    return 1 << (size - 1).bit_length() - 1


def _hashes_of(ranges: Iterable[tuple[int, int]], hashes: HashReader) -> list[bytes]:
    """Return the hash of each subtree, given by its leaves, with a single read."""
    covers = [cover(start, end) for start, end in ranges]
    found: Iterator[bytes] = iter(hashes.read_hashes([node for each in covers for node in each]))
    return [fold(list(islice(found, len(each)))) for each in covers]


def _hash(given: bytes) -> bytes:
    if len(given) != HASH_SIZE:
        raise ProofMalformed(reason=f"a hash of {len(given)} bytes")
    return given
