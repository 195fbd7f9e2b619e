"""Make all rows of a ledger again from its entries alone, in memory: whether the tallies are right.

`from_ledger` reads the ledger itself, and where entries were pruned begins with what the tallies
had counted of them, the carry (docs/operations.md). `from_bundle` reads an evidence bundle, which
anybody can do without the ledger: it is verified first, byte for byte, and must hold every entry of
its ledger. Either can stop at a size that the ledger once had, and then says what it said there.
Both need the lists and limits that people set before they can build the lenses, so acts are looked
for first. What comes out is a Source for judge.py. Never writes. The rows: memory.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from compliance.definitions import Catalogue
from compliance.engine import REGISTRY
from compliance.gather import (
    BATCH,
    RECORDS,
    Frozen,
    Ledger,
    Manifest,
    Member,
    Trust,
    leaf_hash,
    minimum_index,
    newest_carry,
    no_collecting,
    parse_verifier_key,
    read_members,
    read_rows,
    read_tables,
    rows,
    verify_bundle,
)
from compliance.language.reading import ToolRegistry, read_entry
from compliance.lenses import all_lenses
from compliance.memory import Memory, Rows
from compliance.people import ACTIONS, Act, act_of, settings_of
from compliance.tallied import day_of

NAME: Final = "tallies"
_SIGNER_UNKNOWN: Final = "it agrees with itself, signer unknown: no key was given from outside"

_READ = """
SELECT e.seq, e.record
FROM audit_entry AS e
JOIN audit_head AS h ON h.ledger_id = e.ledger_id
WHERE e.ledger_id = %s
  AND e.seq >= %s
  AND e.seq < %s
  AND e.seq < h.size
ORDER BY e.seq
"""
_READ_ACTS = """
SELECT e.seq, e.record
FROM audit_entry AS e
JOIN audit_head AS h ON h.ledger_id = e.ledger_id
WHERE e.ledger_id = %s
  AND e.action = ANY(%s)
  AND e.seq >= %s
  AND e.seq < %s
  AND e.seq < h.size
ORDER BY e.seq
"""
_SIZE = "SELECT size FROM audit_head WHERE ledger_id = %s"

Progress = Callable[[int, int], None]
"""Is told entries read and entries in all."""


class BundleRefused(ValueError):
    """A bundle is broken, or does not hold every entry. The message is one line."""


class PrunedSince(LookupError):
    """Entries that a ledger once had are needed, and were pruned. The message is one line."""


def from_ledger(
    ledger: Ledger,
    catalogue: Catalogue,
    *,
    until: int | None = None,
    on_progress: Progress | None = None,
) -> Memory:
    """Return all rows of a ledger, made from its entries, and from the carry where it was pruned.

    `until`: as they were when the ledger had so many entries. Raises CarryUnreadable, and
    PrunedSince when more than those before `until` were pruned.
    """
    minimum = minimum_index(ledger.id)
    if until is not None and until < minimum:
        raise PrunedSince(
            f"{ledger.name} was pruned up to entry {minimum - 1:,}, so what it said at {until:,} "
            "entries cannot be made again"
        )
    carry = newest_carry(ledger.id, NAME) if minimum else None
    carried = _memory_rows(carry) if carry is not None else {}
    ((size,),) = rows(_SIZE, (ledger.id,))
    size = size if until is None else min(size, until)
    acts = _acts_carried(carried)
    acts += _acts_in(rows(_READ_ACTS, (ledger.id, sorted(ACTIONS), minimum, size)))
    memory = _memory(ledger.name, catalogue, acts)
    if carried:
        memory.load(_known(carried, {*memory.lenses, REGISTRY}))
    return _fill(memory, _entries(ledger.id, minimum, size), size - minimum, on_progress)


def from_bundle(
    path: Path,
    catalogue: Catalogue,
    *,
    keys: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> Memory:
    """Return all rows of the ledger that a bundle holds, the same as the ledger itself gives.

    `keys` are verifier keys of the ledger; without any the bundle need only agree with itself.
    Raises BundleRefused, and OSError when it cannot be read.
    """
    with path.open("rb") as file:
        manifest = check_bundle(file, keys=keys)
        return from_checked(file, manifest, catalogue, on_progress=on_progress)


def from_checked(
    file: BinaryIO,
    manifest: Manifest,
    catalogue: Catalogue,
    *,
    until: int | None = None,
    on_progress: Progress | None = None,
) -> Memory:
    """Return all rows of a bundle that `check_bundle` has found whole.

    `until`: as they were when the ledger had so many entries.
    """
    size = manifest.count if until is None else min(manifest.count, until)
    acts = _acts_in(_with_acts(islice(read_bundle(file), size)))
    memory = _memory(manifest.ledger, catalogue, acts)
    return _fill(memory, islice(read_bundle(file), size), size, on_progress)


# --- Bundles --------------------------------------------------------------------------------------


def check_bundle(file: BinaryIO, *, keys: Sequence[str] = ()) -> Manifest:
    """Verify a bundle, and that it holds every entry of its ledger. Raises BundleRefused."""
    trust = Trust(keys=tuple(parse_verifier_key(key) for key in keys))
    verdict = verify_bundle(file, trust=trust)
    if verdict.finding is not None:
        raise BundleRefused(f"the bundle is broken: {verdict.finding}")
    reasons = [each for each in verdict.reasons if keys or each != _SIGNER_UNKNOWN]
    if reasons:
        raise BundleRefused(f"the bundle is not proven: {reasons[0]}")
    manifest = verdict.manifest
    assert manifest is not None, "a bundle in which all agrees has a manifest"
    if manifest.count != manifest.size:
        raise BundleRefused(
            f"the bundle holds {manifest.count:,} of the {manifest.size:,} entries of "
            f"{manifest.ledger}; export it without a filter, and evaluate a ledger that was pruned "
            "where it is"
        )
    return manifest


def read_bundle(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield `(seq, record)` of a bundle that `check_bundle` has found whole."""
    member = _records(file)
    file.seek(member.start())
    yield from enumerate(_lines(file, member.end() - member.start()))


def records_at(file: BinaryIO) -> int:
    """Return where the first record of a bundle begins, in bytes."""
    return _records(file).start()


def _records(file: BinaryIO) -> Member:
    (member,) = (each for each in read_members(file) if each.name == RECORDS)
    return member


def _lines(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        line = file.readline()
        size -= len(line)
        yield line[:-1]


def _with_acts(entries: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    # Records are canonical JSON, so an action is spelled in one way; what names one by chance is
    # sorted out when it is read.
    names = [b'"action":"%b"' % action.encode() for action in ACTIONS]
    for seq, record in entries:
        if b'"action":"audit.' in record and any(name in record for name in names):
            yield seq, record


# --- From entries to rows -------------------------------------------------------------------------


def _memory(ledger: str, catalogue: Catalogue, acts: Sequence[Act]) -> Memory:
    return Memory(all_lenses(catalogue, settings_of(acts)).values(), ledger=ledger)


def _fill(
    memory: Memory,
    entries: Iterable[tuple[int, bytes]],
    total: int,
    on_progress: Progress | None,
) -> Memory:
    reading = iter(entries)
    done = 0
    while batch := list(islice(reading, BATCH)):
        with no_collecting():
            for seq, record in batch:
                memory.read(seq, record, leaf_hash(record))
        done += len(batch)
        if on_progress is not None:
            on_progress(done, total)
    return memory


def _entries(ledger_id: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    for at in range(start, end, BATCH):
        yield from rows(_READ, (ledger_id, at, min(at + BATCH, end)))


def _acts_in(entries: Iterable[tuple[int, bytes]]) -> list[Act]:
    nothing_known = ToolRegistry()
    found = (act_of(read_entry(seq, record, None, nothing_known)) for seq, record in entries)
    return [each for each in found if each is not None]


# --- What a purge left ----------------------------------------------------------------------------


def _memory_rows(carry: Frozen) -> Rows:
    """Return the rows of a carry as `Memory.load` takes them."""
    tables = {
        table: [dict(zip(columns, row, strict=True)) for row in read_rows(body)]
        for table, columns, body in read_tables(carry)
    }
    return memory_rows(tables)


def memory_rows(tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> Rows:
    """Return rows of the tables as `Memory.dump` writes them; values are text as COPY writes them.

    Tables by name, rows by column, None for NULL. A lens that nobody runs any more stays.
    """
    return {
        "tally": sorted(_tally(row) for row in tables.get("compliance_tally", ())),
        "bucket": sorted(_bucket(row) for row in tables.get("compliance_bucket", ())),
        "item": sorted(
            (_item(row) for row in tables.get("compliance_item", ())), key=lambda row: row[:2]
        ),
        "state": sorted(
            (
                [row["lens_id"], row["name"], msgspec.json.decode(row["value"]), _int(row["due"])]
                for row in tables.get("compliance_state", ())
            ),
            key=lambda row: row[:2],
        ),
        "act": [
            list(msgspec.json.decode(row["act"]).values())
            for row in sorted(tables.get("compliance_act", ()), key=lambda row: int(row["seq"]))
        ],
        "day": sorted(
            [_day(row["day"]), int(row["entries"]), int(row["backfilled"])]
            for row in tables.get("compliance_day", ())
        ),
        "clock": [
            [
                int(row["clock"]),
                int(row["born"]),
                int(row["next_seq"]),
                row["head_hash"].removeprefix("\\x"),
            ]
            for row in tables.get("compliance_clock", ())
        ],
    }


def _tally(row: Mapping[str, Any]) -> list[Any]:
    return [
        row["lens_id"],
        _day(row["day"]),
        row["environment"],
        row["agent_id"],
        *(int(row[name]) for name in ("passed", "failed", "opened", "closed")),
        _int(row["latest"]),
        _int(row["restated_seq"]),
        *(f"{int(row[name]):064x}" for name in ("decided_sum", "open_sum")),
    ]


def _bucket(row: Mapping[str, Any]) -> list[Any]:
    return [
        row["lens_id"],
        _day(row["day"]),
        row["environment"],
        row["series"],
        row["agent_id"],
        int(row["numerator"]),
        int(row["denominator"]),
    ]


def _item(row: Mapping[str, Any]) -> list[Any]:
    return [
        row["lens_id"],
        row["item"],
        row["state"],
        _day(row["day"]),
        row["agent_id"],
        row["environment"],
        int(row["seq"]),
        _int(row["other_seq"]),
        _int(row["due"]),
        int(row["weight"]),
        row["why"],
        msgspec.json.decode(row["evidence"]),
        row["is_restated"] in {"t", True},
    ]


def _day(text: str) -> int:
    return day_of(date.fromisoformat(text))


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


def _known(carried: Rows, lenses: set[str]) -> Rows:
    """Leave out what lenses found that are in force no longer."""
    return {
        table: [row for row in found if row[0] in lenses]
        if table in {"tally", "bucket", "item", "state"}
        else found
        for table, found in carried.items()
    }


def _acts_carried(carried: Rows) -> list[Act]:
    return [Act(**dict(zip(_ACT, row, strict=True))) for row in carried.get("act", ())]


_ACT: Final = tuple(each.name for each in fields(Act))
