"""Compare a ledger's checkpoints with the keys that signed them and with what others hold.

Verification (verify.py) derives the roots; here is what was stated about them, and by whom. Every
checkpoint of the range is opened with the ledger's keys and must say what its row says. A note that
somebody else holds states a root too. A key counts when an entry announced it and the checkpoint of
its first use carries its signature.

What is missing is not what was changed: where the ledger, a key, a receipt or somebody outside says
that there was a checkpoint and there is none, the range is *not proven*. Keys that the verifier
brought himself are what makes a result more than the database's word. Writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.database import rows
from audit.fault import Fault
from audit.held import Held
from audit.ledger.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    SignedCheckpoint,
    open_checkpoint,
    parse_checkpoint,
)
from audit.ledger.errors import LedgerFact, NotSigned
from audit.ledger.note import COSIGNATURE, Signature, VerifierKey, parse_note, parse_verifier_key
from audit.models import Ledger
from audit.verify_tree import Stated

NO_CHECKPOINT = "no checkpoint yet: a rewrite by the database's owner would not show"

OWN_WORD = "by the database's own word for its keys; --key VKEY checks them"

_CHECKPOINTS = """
SELECT size, root, note
FROM audit_checkpoint
WHERE ledger_id = %s
  AND size > %s
  AND size <= %s
ORDER BY size
"""
_COVERING = """
(SELECT size, root, note FROM audit_checkpoint
 WHERE ledger_id = %(ledger)s AND size >= %(end)s ORDER BY size LIMIT 1)
UNION ALL
(SELECT size, root, note FROM audit_checkpoint
 WHERE ledger_id = %(ledger)s AND size < %(end)s ORDER BY size DESC LIMIT 1)
"""
_HEAD = "SELECT coalesce(max(size), 0) FROM audit_head WHERE ledger_id = %s"
_BEYOND = """
SELECT size
FROM audit_checkpoint
WHERE ledger_id = %s
  AND size > %s
ORDER BY size
LIMIT 10
"""
_KEYS = "SELECT vkey, first_size FROM audit_signingkey WHERE ledger_id = %s ORDER BY first_size"
_WAITS = "SELECT EXISTS (SELECT FROM audit_inbox WHERE ledger_id = %s)"
_ANNOUNCED = """
SELECT seq, record
FROM audit_entry
WHERE ledger_id = %s
  AND action = 'audit.key_announced'
ORDER BY seq
"""
# Receipts and cosignatures of a checkpoint stand only where one stood.
_RECEIVED = """
SELECT a.sink, r.size, r.root, c.root
FROM audit_anchor AS a
CROSS JOIN LATERAL (
    SELECT size, root
    FROM audit_anchorreceipt
    WHERE ledger_id = a.ledger_id
      AND sink = a.sink
      AND size > %(start)s
      AND size <= %(end)s
    OFFSET 0  -- down the index of each sink
) AS r
JOIN audit_checkpoint AS c ON c.ledger_id = a.ledger_id AND c.size = r.size
WHERE a.ledger_id = %(ledger)s
  AND c.root <> r.root
ORDER BY r.size
"""
_EVIDENCE = """
SELECT sink, size
FROM audit_anchor
WHERE ledger_id = %(ledger)s
  AND size IS NOT NULL
UNION ALL
(SELECT 'a cosignature of ' || witness, size FROM audit_cosignature
 WHERE ledger_id = %(ledger)s ORDER BY size DESC LIMIT 1)
"""
_EXISTS = "SELECT size, note FROM audit_checkpoint WHERE ledger_id = %s AND size = %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """Up to where a range is under a checkpoint, and what that is worth."""

    sealed_to: int
    """Entries of the range below this seq are under a checkpoint that was checked."""
    note: str
    gaps: tuple[str, ...]
    """Why the range is not proven; empty when nothing stands against it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Covering:
    """A checkpoint whose row, note and signature agree."""

    stated: Stated
    signed: SignedCheckpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class _Key:
    key: VerifierKey
    vkey: str
    first_size: int


class Seals:
    """What was stated about one ledger, for the length of one run."""

    def __init__(self, ledger: Ledger, *, keys: Sequence[VerifierKey], held: Held) -> None:
        """Read the ledger's keys; `keys` and `held` are what the verifier brings."""
        self._ledger = ledger
        self._held = held
        self._given = tuple(key for key in keys if key.algorithm != COSIGNATURE)
        self._witnesses = tuple(key for key in keys if key.algorithm == COSIGNATURE)
        self._gaps = list(held.missing)
        self._read_keys()
        # What was signed a moment ago may not be stored yet.
        self._fresh = {each.place for each in held.heads if not each.is_settled}
        self._outside = self._open_held()

    def _read_keys(self) -> None:
        self._own: list[_Key] = []
        self._odd_keys: list[Fault] = []
        for vkey, first_size in rows(_KEYS, (self._ledger.id,)):
            try:
                key = parse_verifier_key(vkey)
                odd = "" if key.name == self._ledger.origin else f"a key of {key.name}"
            except LedgerFact as problem:
                odd = str(problem)
            if odd:
                expected = f"a key of {self._ledger.origin}"
                self._odd_keys.append(_key_fault(first_size, expected=expected, found=odd))
            else:
                self._own.append(_Key(key=key, vkey=vkey, first_size=first_size))
        self._log_keys = tuple(dict.fromkeys((*(each.key for each in self._own), *self._given)))

    def _open_held(self) -> list[Stated]:
        """Return what others hold, by size.

        A note that none of our keys signed states its root all the same: whoever rewrote a ledger
        has put other keys in its table.
        """
        stated = [
            Stated(size=each.size, root=each.root, place=each.place) for each in self._held.heads
        ]
        for each in self._held.notes:
            try:
                found = self._open_held_note(each.note)
            except LedgerFact as problem:
                self._gaps.append(f"{each.place}: {problem}")
                continue
            stated.append(Stated(size=found.size, root=found.root, place=each.place))
        return sorted((each for each in stated if each.size), key=lambda each: each.size)

    def _open_held_note(self, note: bytes) -> Checkpoint:
        origin = self._ledger.origin
        try:
            keys = self._given or self._log_keys
            return open_checkpoint(note, origin=origin, keys=keys).checkpoint
        except NotSigned as unsigned:
            found = parse_checkpoint(parse_note(note).text)
            if self._given or found.origin != origin:
                raise unsigned
            return found

    # --- The range --------------------------------------------------------------------------------

    def stated(self, start: int, end: int) -> tuple[list[Stated], list[Fault]]:
        """Return what was stated about the sizes from `start + 1` to `end`, and what is wrong."""
        stated = [each for each in self._outside if start < each.size <= end]
        faults = []
        for size, root, note in rows(_CHECKPOINTS, (self._ledger.id, start, end)):
            fault = self._check_row(size, root, note)
            if fault is None:
                stated.append(Stated(size=size, root=root, place=f"checkpoint {size}"))
            else:
                faults.append(fault)
        at = {"ledger": self._ledger.id, "start": start, "end": end}
        for sink, size, took, has in rows(_RECEIVED, at):
            faults.append(
                Fault(
                    seq=size - 1,
                    field=f"checkpoint {size} root",
                    expected=f"{took.hex()}, which {sink} took",
                    found=has.hex(),
                )
            )
        return sorted(stated, key=lambda each: each.size), faults

    def _check_row(self, size: int, root: bytes, note: bytes) -> Fault | None:
        """Compare a checkpoint's row with its note, and the note with the keys."""
        field = f"checkpoint {size}"
        try:
            found = self._open(note).checkpoint
        except LedgerFact as problem:
            return Fault(
                seq=size - 1,
                field=f"{field} note",
                expected="a note signed by " + (_names(self._log_keys) or "a key of the ledger"),
                found=str(problem),
            )
        for name, says, has in (("size", found.size, size), ("root", found.root, root)):
            if says != has:
                return Fault(
                    seq=size - 1, field=f"{field} {name}", expected=_hex(says), found=_hex(has)
                )
        return None

    def _open(self, note: bytes) -> SignedCheckpoint:
        try:
            return self._open_now(note)
        except NotSigned:
            self._read_keys()  # a ledger may get its first key, or another, while it is verified
            return self._open_now(note)

    def _open_now(self, note: bytes) -> SignedCheckpoint:
        return open_checkpoint(
            note, origin=self._ledger.origin, keys=self._log_keys, witnesses=self._witnesses
        )

    def is_sealed(self) -> bool:
        """Tell whether anything says that this ledger has had a checkpoint."""
        return bool(
            self._own
            or self._odd_keys
            or self._outside
            or self._evidence()
            or rows(_CHECKPOINTS + "LIMIT 1", (self._ledger.id, 0, MAX_SIZE))
        )

    # --- The end ----------------------------------------------------------------------------------

    def beyond(self, size: int) -> Iterator[Fault]:
        """Yield checkpoints, here and elsewhere, of a ledger longer than it is."""
        beyond = [(f"checkpoint {n}", n) for (n,) in rows(_BEYOND, (self._ledger.id, size))]
        beyond += [(each.place, each.size) for each in self._outside if each.size > size]
        if not beyond:
            return
        ((now,),) = rows(_HEAD, (self._ledger.id,))
        for place, stated in beyond:
            if stated > now:
                yield Fault(
                    seq=now,
                    field=f"{place} size",
                    expected=f"{stated} entries",
                    found=f"{now}: cut off, or restored to an earlier time",
                )

    def keys_of(self, start: int, end: int, *, minimum: int = 0) -> Iterator[Fault]:
        """Yield what is wrong with the keys that signed first in this range.

        The entry that announced a key of below the minimum index may have been pruned since.
        """
        if start == 0:
            yield from self._odd_keys
        # In this order: an announcement comes with its key, waits in the inbox, then is chained.
        waits = rows(_WAITS, (self._ledger.id,))[0][0]
        announced = {vkey for vkey, _ in self._announced()}
        for each in self._own:
            if not start < each.first_size <= end:
                continue
            is_kept = each.first_size >= minimum
            if is_kept and not waits and each.vkey not in announced:
                yield _key_fault(
                    each.first_size, expected=f"an entry that announces {each.key}", found="none"
                )
            for _, note in rows(_EXISTS, (self._ledger.id, each.first_size)):
                yield from self._check_first_use(each, note)

    def _check_first_use(self, key: _Key, note: bytes) -> Iterator[Fault]:
        signatures = {(one.name, one.key_id) for one in _signatures(note)}
        if (key.key.name, key.key.key_id) not in signatures:
            yield _key_fault(
                key.first_size,
                expected=f"checkpoint {key.first_size} signed by {key.key}",
                found="not signed by it",
            )

    def _announced(self) -> list[tuple[str, int]]:
        """Return the keys that entries announce, each with the size of its first checkpoint."""
        found = []
        for _, record in rows(_ANNOUNCED, (self._ledger.id,)):
            try:
                said = json.loads(record)
                details = said["event"]["details"]
                if said["source"]["via"] == "server":
                    found.append((str(details["vkey"]), int(details["size"])))
            except (ValueError, KeyError, TypeError):
                continue  # no record any more, which the entry's own check says
        return found

    def _evidence(self) -> list[tuple[str, int]]:
        """Return who says that there was a checkpoint, and of which size."""
        return [
            *((f"the signing key {each.key}", each.first_size) for each in self._own),
            *((f"the entry that announces {vkey}", size) for vkey, size in self._announced()),
            *((each.place, each.size) for each in self._outside if each.place not in self._fresh),
            *rows(_EVIDENCE, {"ledger": self._ledger.id}),
        ]

    def covering(self, end: int) -> Covering | Fault | None:
        """Return the first checkpoint over all entries below `end`, else the newest there is."""
        found = rows(_COVERING, {"ledger": self._ledger.id, "end": end})
        if not found:
            return None
        # The first checkpoint that reaches so far; the other one is smaller.
        size, root, note = max(found, key=lambda each: each[0])
        fault = self._check_row(size, root, note)
        if fault is not None:
            return fault
        stated = Stated(size=size, root=root, place=f"checkpoint {size}")
        return Covering(stated=stated, signed=self._open(note))

    def covered(self, start: int, end: int) -> Covered:
        """Say what checkpoints prove about a range in which nothing was found wrong."""
        evidence = self._evidence()  # before the checkpoints, which may grow meanwhile
        covering = self.covering(end)
        if isinstance(covering, Fault):  # changed since the run looked at it a moment ago
            gaps = (*self._gaps, f"{covering.field}: {covering.found}")
            return Covered(sealed_to=0, note="", gaps=gaps)
        reach = covering.stated.size if covering else 0
        gone = [
            f"there was a checkpoint of size {size:,}, as {who} says; it is gone"
            for who, size in evidence
            if size > start and min(size, end) > reach
        ]
        missing = [*self._gaps, *gone[:1]]
        if covering is None:
            return Covered(sealed_to=0, note=NO_CHECKPOINT, gaps=tuple(missing))
        signers = [one.key for one in covering.signed.opened.signed]
        if self._given and not any(key in self._given for key in signers):
            missing.append(
                f"checkpoint {reach:,} is signed by {_names(signers)}, by no key that was given"
            )
        said = self._said(covering.signed, sealed_to=min(reach, end), start=start, end=end)
        return Covered(sealed_to=min(reach, end), note="; ".join(said), gaps=tuple(missing))

    def _said(
        self, signed: SignedCheckpoint, *, sealed_to: int, start: int, end: int
    ) -> Iterator[str]:
        """Yield the parts of the sentence about what is proven."""
        if sealed_to > start:
            log = [one.key for one in signed.opened.signed if one.key.algorithm != COSIGNATURE]
            yield f"sealed up to #{sealed_to - 1:,} by {_names(log)}"
            if not self._given:
                yield OWN_WORD
            yield self._witnessed(signed)
        agree = [each for each in self._outside if start < each.size <= end]
        if agree:
            yield f"continues what is held by {_places(agree)}"
        yield from self._held.silent
        if sealed_to < end:
            yield f"no checkpoint covers #{max(sealed_to, start):,} to #{end - 1:,} yet"

    def _witnessed(self, signed: SignedCheckpoint) -> str:
        seen = sorted({one.key.name for one in signed.opened.signed if one.moment is not None})
        own = {(key.name, key.key_id) for key in self._log_keys}
        others = {
            one.name
            for one in signed.opened.note.signatures
            if (one.name, one.key_id) not in own and one.name not in seen
        }
        if seen:
            return f"witnessed by {', '.join(seen)}"
        if others:
            names = ", ".join(sorted(others))
            return f"cosignatures of {names} not checked, for want of their keys"
        return "witnessed by nobody"


def _signatures(note: bytes) -> Sequence[Signature]:
    try:
        return parse_note(note).signatures
    except LedgerFact:
        return ()  # the row's own check says so


def _key_fault(first_size: int, *, expected: str, found: str) -> Fault:
    return Fault(seq=max(first_size - 1, 0), field="signing key", expected=expected, found=found)


def _names(keys: Sequence[VerifierKey]) -> str:
    return " and ".join(dict.fromkeys(map(str, keys)))


def _places(stated: Sequence[Stated]) -> str:
    newest = {each.place: each.size for each in stated}
    return ", ".join(f"{place} (size {size:,})" for place, size in newest.items())


def _hex(value: int | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
