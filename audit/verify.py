"""Verify a ledger: derive everything again from the stored bytes and compare.

Three results, never two: `intact`, `tampered` (first bad seq, which field, expected and found) and
`not_proven` (nothing was checked, or a checkpoint or an anchor that there was is gone). One pass
over a range at a fixed size checks

- in verify_entries.py: record → hash, `prev` and `seq` links, `ledger`, every copied column and the
  event key of each entry;
- here: that the chain ends at the head, and that no entry and no event key is where none can be;
- in verify_tree.py: every full tile in which an entry of the range is, each hash and its root;
- in verify_seals.py: every checkpoint of the range and the first one that covers it, its note, its
  signature and root, the keys, and what others hold (held.py);
- in verify_purges.py: that what is pruned was let go by an entry that says so.

Below the minimum index there are no entries any more. There the leaves come from the tiles, so that
every root that was ever signed is still derived; the first entry that is kept must name the last of
them as its `prev`. A run over all of a ledger is as good as it was before; one that was told to
begin below the minimum index is *not proven*.

It streams in keyset chunks, a short transaction each, in flat memory. A run that goes on where
another one stopped reads the right edge of the tree from the tiles that were checked: whatever was
changed in them meanwhile leads to other roots. Writes nothing; who keeps what it found: runs.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from audit.database import rows
from audit.errors import TilesMissing
from audit.fault import Fault
from audit.fill import filled
from audit.held import Holder, all_held
from audit.ledger.errors import TileMalformed
from audit.ledger.note import VerifierKey
from audit.ledger.record import GENESIS
from audit.models import Ledger
from audit.pruned import minimum_index
from audit.verify_entries import Walk, no_entry, read_rows
from audit.verify_purges import Purged, check_purges
from audit.verify_seals import NO_CHECKPOINT, Seals
from audit.verify_tree import TreeWalk, leaf_of_tile, leaves_of_tiles, missing_fault, tiles_beyond

__all__ = ["NO_CHECKPOINT", "Progress", "Report", "Result", "verify", "verify_stepwise"]

Result: TypeAlias = Literal["intact", "tampered", "not_proven"]

CHUNK = 20_480
"""Entries read in one statement, so in one short transaction. They stream: few are held at once."""


# A swapped or added row can share a seq with another one, so a chunk may hold more rows than seqs.


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a run found."""

    ledger: str
    result: Result
    from_seq: int
    to_seq: int
    """One past the last seq that was to be checked."""
    checked: int
    """Entries read and compared."""
    pruned: int
    """Seqs of pruned entries that were gone over: there only the tiles could be compared."""
    broken: int
    """Entries, tiles, checkpoints and keys with a fault, and entries and tiles that are missing."""
    first: Fault | None
    """Of the faults the one at the lowest seq."""
    sealed_to: int
    """Entries of the range below this seq are under a checkpoint that was checked."""
    note: str
    """What was proven and what was not; for a ledger that was tampered with, empty."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report for `--json`."""
        return {name: msgspec.to_builtins(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run is, and all it takes to go on from there."""

    checked: int
    total: int
    seconds: float
    next_seq: int
    """The seq that comes next."""
    broken: int
    """As in `Report`, so far."""
    first: Fault | None
    """The fault at the lowest seq so far."""


def verify(
    ledger: Ledger,
    *,
    from_seq: int | None = None,
    to_seq: int | None = None,
    keys: Sequence[VerifierKey] = (),
    holders: Sequence[Holder] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Check the entries from `from_seq` up to, not including, `to_seq` (default: the head).

    Without `from_seq` it goes over all of the ledger: the tiles of what was pruned, then every
    entry there is. One that lies below the minimum index makes the result *not proven*.
    `keys` are the ledger's and its witnesses', known from outside the database; without them its
    own word for them is used, and the note says so. `holders` are asked what they hold of it.
    `on_progress` is called after each chunk; what it raises ends the run. Raises HeldUnusable.
    """
    steps = verify_stepwise(ledger, from_seq=from_seq, to_seq=to_seq, keys=keys, holders=holders)
    for said in steps:
        if isinstance(said, Report):
            return said
        if on_progress is not None:
            on_progress(said)
    raise AssertionError("a run ends with its report")


def verify_stepwise(
    ledger: Ledger,
    *,
    from_seq: int | None = None,
    to_seq: int | None = None,
    least: int | None = None,
    after: Progress | None = None,
    keys: Sequence[VerifierKey] = (),
    holders: Sequence[Holder] = (),
) -> Iterator[Progress | Report]:
    """Check as `verify` does: yield how far it is after each chunk, and the report at the end.

    `least` is the minimum index as it stood when the run was asked for (default: as it stands):
    what is pruned after that is nothing against the run. With `after`, what an earlier run over
    the same range said last, it goes on from there; a run over all of a ledger must then be given
    the same `least`.
    """
    started = time.perf_counter()
    held = all_held(ledger, holders)  # before the head, which may grow meanwhile
    size, head = _head(ledger)
    end = size if to_seq is None else min(to_seq, size)
    least = minimum_index(ledger.id) if least is None else least
    run = _Run(
        ledger=ledger,
        seals=Seals(ledger, keys=keys, held=held),
        from_seq=from_seq,
        end=end,
        size=size,
        least=least,
        after=after,
    )
    start = least if from_seq is None else from_seq
    total = max(end - start, 0)
    while run.seq < end:
        run.check_chunk()
        yield Progress(
            checked=run.checked,
            total=total,
            seconds=time.perf_counter() - started,
            next_seq=max(run.seq, start),
            broken=run.broken,
            first=run.first,
        )
    run.check_end(head)
    yield run.report(seconds=time.perf_counter() - started)


_NEXT = """
SELECT min(seq)
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
"""


class _Run:
    """One pass over a range: the walk along the chain, the tree beside it, and what was found."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        seals: Seals,
        from_seq: int | None,
        end: int,
        size: int,
        least: int,
        after: Progress | None,
    ) -> None:
        self.ledger, self.seals = ledger, seals
        self.from_seq, self.end, self.size, self.least = from_seq, end, size, least
        self.base = from_seq or 0
        """The first seq that is gone over, be it pruned."""
        self.minimum = minimum_index(ledger.id)
        """As far as this run has seen it; purges go on meanwhile."""
        self.seq = self.base
        if after is not None and after.next_seq > (least if from_seq is None else from_seq):
            self.seq = after.next_seq
        self.pruned = 0
        self.purges = Purged()
        self.broken = 0 if after is None else after.broken
        self.first = None if after is None else after.first
        is_any = end > self.base
        prev = _hash_before(ledger, self.seq, self.minimum) if is_any else GENESIS.hex()
        checked = 0 if after is None else after.checked
        self.walk = Walk(ledger_name=ledger.name, seq=self.seq, prev=prev, checked=checked)
        self.unmade_from = _without_tiles_from(ledger, seals) if is_any else None
        self.edge_fault: Fault | None = None
        self.tree = self._begin_tree() if is_any else None

    @property
    def checked(self) -> int:
        """Return how many entries were read."""
        return self.walk.checked

    def blame(self, fault: Fault, *, times: int = 1) -> None:
        """Count a fault, and keep it when none stands at a lower seq."""
        self.broken += times
        if self.first is None or fault.seq < self.first.seq:
            self.first = fault

    def _begin_tree(self) -> TreeWalk | None:
        try:
            return TreeWalk(
                self.ledger.id, start=self.seq, size=self.size, excused_from=self.unmade_from
            )
        except (TilesMissing, TileMalformed) as problem:
            if self.unmade_from is None or self.seq <= self.unmade_from:
                self.edge_fault = missing_fault(problem, seq=self.seq)
            return None

    def check_chunk(self) -> None:
        """Check the next entries, then the tree and what was stated about it as far as they go."""
        if self.seq < self.minimum:
            self._check_pruned()
        else:
            self._check_entries()

    def _check_pruned(self) -> None:
        """Go over what was pruned: the leaves are those that the tiles kept."""
        start, stop = self.seq, min(self.seq + CHUNK, self.minimum, self.end)
        leaves, missing = leaves_of_tiles(self.ledger.id, start, stop)
        for fault in (*missing, *_missing_keys(self.ledger, start, stop)):
            self.blame(fault)
        self._check_tree(leaves, frozenset(), start, stop)
        last = leaves[-1]
        self.walk.begin(stop, prev="" if last is None else last.hex())
        self.pruned += stop - start
        self.seq = stop

    def _check_entries(self) -> None:
        start, stop = self.seq, min(self.seq + CHUNK, self.end)
        leaves: list[bytes | None] = [None] * (stop - start)
        walk = copy(self.walk)
        faults = list(walk.check(read_rows(self.ledger, start, stop), start, leaves))
        if (faults or walk.seq < stop) and self._is_overtaken(start):
            return  # a purge took what this chunk was to hold
        named = {fault.seq for fault in faults}
        for fault in faults:
            self.blame(fault)
        is_empty = walk.checked == self.walk.checked
        self.walk = walk
        if is_empty:
            stop = self._skip(start)
        else:
            for missing in range(walk.seq, stop):
                named.add(missing)
                self.blame(no_entry(missing))
            walk.go_on(stop)
        self._check_tree(leaves, frozenset(named), start, stop)
        self.seq = stop

    def _is_overtaken(self, start: int) -> bool:
        """Tell whether a purge has moved the minimum index beyond a seq since it was read."""
        self.minimum = minimum_index(self.ledger.id)
        return start < self.minimum

    def _check_tree(
        self, leaves: Sequence[bytes | None], named: frozenset[int], start: int, stop: int
    ) -> None:
        self._blame_edge()
        stated, faults = self.seals.stated(start, stop)
        for fault in faults:
            self.blame(fault)
        if self.tree is not None:
            for fault in self.tree.take(leaves, named=named, stated=stated):
                self.blame(fault)

    def _blame_edge(self) -> None:
        """Blame a tree without its edge: after the entries, which say more about one seq."""
        if self.edge_fault is not None:
            self.blame(self.edge_fault)
            self.edge_fault = None

    def _skip(self, start: int) -> int:
        """Return where the next entry is when a whole chunk is gone: a head may say any size."""
        ((found,),) = rows(_NEXT, (self.ledger.id, start, self.end))
        stop = self.end if found is None else int(found)
        self.blame(no_entry(start), times=stop - start)
        self.walk.go_on(stop)
        self.tree = None
        return stop

    def check_end(self, head: str) -> None:
        """Check what comes after the last entry: the head, strangers beyond it, the seals."""
        self._blame_edge()
        if self.tree is not None:
            for fault in self.tree.tiles_around_the_end():
                self.blame(fault)
        if self.end > self.base:
            for fault in self.seals.keys_of(self.base, self.end, minimum=self.minimum):
                self.blame(fault)
            self._check_covering()
        if self._covers_purges():
            self.purges = check_purges(self.ledger.id, self.minimum)
            for fault in self.purges.faults:
                self.blame(fault)
        if self.end != self.size:
            return
        is_whole = self.end > self.base and not self.walk.is_cut_off
        if is_whole and self.walk.prev != head:
            self.blame(Fault(seq=self.size - 1, field="head", expected=self.walk.prev, found=head))
        # A range that begins beyond the head holds nothing, and accuses nobody.
        for faults in (
            ()
            if self.walk.is_cut_off
            else _strangers(self.ledger, min(self.base, self.size), self.size),
            tiles_beyond(self.ledger.id, size=self.size),
            self.seals.beyond(self.size),
        ):
            for fault in faults:
                self.blame(fault)

    def _covers_purges(self) -> bool:
        """Tell whether the run answers for what was pruned, and not for a part that is kept."""
        reaches = self.minimum <= self.end or self.end == self.size
        return reaches and (self.from_seq is None or self.from_seq < self.least)

    def _check_covering(self) -> None:
        """Compare the first checkpoint that covers the range from beyond it."""
        covering = self.seals.covering(self.end)
        if isinstance(covering, Fault):
            if not self.base <= covering.seq < self.end:
                self.blame(covering)
        elif covering is not None and covering.stated.size > self.end and self.tree is not None:
            for fault in self.tree.covered_by(covering.stated):
                self.blame(fault)

    def report(self, *, seconds: float) -> Report:
        """Return what the run found."""
        result: Result = "tampered"
        sealed_to, note = 0, ""
        if self.first is None:
            covered = self.seals.covered(self.base, self.end)
            sealed_to = covered.sealed_to
            reasons = [*self._unchecked(), *self.purges.pending, *covered.gaps]
            result = "not_proven" if reasons else "intact"
            note = "; ".join(reasons) or "; ".join(filter(None, (covered.note, self.purges.said)))
            if self.unmade_from is not None and not reasons:
                note += f"; no tiles from #{self.unmade_from:,} on: run manage.py filltiles"
        return Report(
            ledger=self.ledger.name,
            result=result,
            from_seq=self.minimum if self.from_seq is None else self.from_seq,
            to_seq=self.end,
            checked=self.checked,
            pruned=self.pruned,
            broken=self.broken,
            first=self.first,
            sealed_to=sealed_to,
            note=note,
            seconds=seconds,
        )

    def _unchecked(self) -> Iterator[str]:
        """Yield what of the range was asked for and could not be read."""
        if self.from_seq is not None and self.from_seq < min(self.least, self.end):
            last = min(self.least, self.end) - 1
            yield (
                f"#{self.from_seq:,} to #{last:,} were pruned; their tiles and checkpoints agree, "
                f"and a run that begins at #{self.least:,} can prove the rest"
            )
        elif not self.checked:
            yield "nothing was checked"


def _without_tiles_from(ledger: Ledger, seals: Seals) -> int | None:
    """Return from which entry on tiles were never made; None when every one must be there.

    Nothing is signed before all are made, so a ledger that ever had a checkpoint has them.
    """
    found = filled(ledger)
    return None if found.entries >= found.total or seals.is_sealed() else found.entries


def _head(ledger: Ledger) -> tuple[int, str]:
    found = rows("SELECT size, hash FROM audit_head WHERE ledger_id = %s", (ledger.id,))
    if not found:
        return 0, GENESIS.hex()
    ((size, head),) = found
    return size, bytes(head).hex()


def _hash_before(ledger: Ledger, seq: int, minimum: int) -> str:
    """Return the hash that the entry `seq` must name as its `prev`; empty when that one is gone."""
    if seq == 0:
        return GENESIS.hex()
    if seq <= minimum:
        leaf = leaf_of_tile(ledger.id, seq - 1)
        return "" if leaf is None else leaf.hex()
    found = rows(
        "SELECT hash FROM audit_entry WHERE ledger_id = %s AND seq = %s LIMIT 1",
        (ledger.id, seq - 1),
    )
    return bytes(found[0][0]).hex() if found else ""


# Two index steps; with OR the planner may walk the whole index in the order of seq instead.
_BEYOND = """
(SELECT seq FROM {table} WHERE ledger_id = %(ledger)s AND seq < 0 ORDER BY seq LIMIT 10)
UNION ALL
(SELECT seq FROM {table} WHERE ledger_id = %(ledger)s AND seq >= %(size)s ORDER BY seq LIMIT 10)
"""


_KEYS = """
SELECT count(*)
FROM audit_eventkey
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
"""


def _strangers(ledger: Ledger, from_seq: int, size: int) -> Iterator[Fault]:
    """Yield entries and event keys that stand where none can be.

    A head that grew meanwhile explains rows past `size`, so it is read again first.
    """
    grown, _ = _head(ledger)
    for table in ("audit_entry", "audit_eventkey"):
        statement = _BEYOND.format(table=table)
        beyond = rows(statement, {"ledger": ledger.id, "size": max(grown, size)})
        now, _ = _head(ledger)
        for (seq,) in beyond:
            if seq < 0 or seq >= now:
                yield Fault(seq=seq, field="seq", expected=f"at most {now - 1}", found=str(seq))
    keys = _count_keys(ledger, from_seq, size)
    if keys > size - from_seq:
        yield Fault(
            seq=from_seq,
            field="event key",
            expected=f"{size - from_seq} keys",
            found=f"{keys} keys",
        )


def _missing_keys(ledger: Ledger, start: int, stop: int) -> Iterator[Fault]:
    """Yield that event keys of pruned entries are gone: an id must never be usable twice."""
    keys = _count_keys(ledger, start, stop)
    if keys < stop - start:
        yield Fault(
            seq=start, field="event key", expected=f"{stop - start} keys", found=f"{keys} keys"
        )


def _count_keys(ledger: Ledger, start: int, stop: int) -> int:
    ((keys,),) = rows(_KEYS, (ledger.id, start, stop))
    return int(keys)
