"""Compare what is pruned with who let it go: the purges of a ledger and the entries that name them.

Two people approve a purge, the one function of the database deletes, and an entry `audit.purged`
says what went: its range, the minimum index, the hash of the last entry that is gone, and who
approved. Whoever deletes entries and writes a row of audit_purge himself has no such entry, and is
found by it. While the entry waits to be chained, nothing is proven and nobody is accused.

Of several purges the newest must have its entry: those of older ones may have been pruned by now.
That two people really agreed is what their own entries, and they, say. Writes nothing. Pruning:
retain.py and audit/sql/0012_retention.sql. The walk along the tiles: verify.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from audit.database import rows
from audit.fault import Fault
from audit.verify_tree import leaf_of_tile

FIELD: Final = "purge"
"""What a fault of a purge is called."""

PENDING_FOR: Final = timedelta(hours=1)
"""A purge that goes on for longer than this without its entry is none that two people began."""

SETTLED_AFTER: Final = timedelta(minutes=1)
"""From a purge until its entry has come to the inbox, and from there to the chain, at most."""

_PURGES = """
SELECT p.from_seq, p.to_seq, p.begun_at, p.first_approver, p.second_approver, p.plan_id,
       coalesce(plan.state, ''), plan.finished_at
FROM audit_purge AS p
LEFT JOIN audit_purgeplan AS plan ON plan.ledger_id = p.ledger_id AND plan.id = p.plan_id
WHERE p.ledger_id = %s
  AND p.to_seq <= %s
ORDER BY p.to_seq
"""
_ENTRIES = """
SELECT record
FROM audit_entry
WHERE ledger_id = %s
  AND action = 'audit.purged'
  AND seq >= %s
ORDER BY seq
"""
_LEFT_OVER = """
SELECT seq
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= 0
  AND seq < %s
ORDER BY seq
LIMIT 1
"""
_NAMES: Final = ("from_seq", "to_seq", "oldest_seq", "head_hash")
_WAITS = "SELECT EXISTS (SELECT FROM audit_inbox WHERE ledger_id = %s AND received_at <= %s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """What a run found about a ledger's purges."""

    faults: tuple[Fault, ...] = ()
    pending: tuple[str, ...] = ()
    """Why it cannot be said yet whether a purge was right; each a sentence."""
    said: str = ""
    """What was pruned and by whom; empty when nothing was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Purge:
    from_seq: int
    to_seq: int
    begun_at: datetime
    approvers: tuple[str, str]
    plan_id: int
    state: str
    finished_at: datetime | None

    def is_going(self) -> bool:
        return self.state == "pruning"

    def __str__(self) -> str:
        return f"purge {self.plan_id:,} of #{self.from_seq:,} to #{self.to_seq - 1:,}"


def check_purges(ledger_id: int, minimum: int) -> Purged:
    """Return what speaks for and against the purges below a minimum index."""
    purges = _purges(ledger_id, minimum)
    if not purges:
        return Purged()
    newest = purges[-1]
    entries = _entries(ledger_id, minimum)
    faults = [*_gaps(purges), *_left_over(ledger_id, newest)]
    pending = []
    leaf = leaf_of_tile(ledger_id, newest.to_seq - 1)
    wanted = _wanted(newest, head_hash="" if leaf is None else leaf.hex())
    if wanted not in entries:
        if _is_young(newest, ledger_id):
            pending.append(f"the entry that names {newest} is not chained yet")
        else:
            faults.append(
                Fault(
                    seq=newest.from_seq,
                    field=FIELD,
                    expected=f"an entry audit.purged that says {_shown(wanted)}",
                    found=f"one that says {_shown(entries[-1])}" if entries else "none",
                )
            )
    return Purged(faults=tuple(faults), pending=tuple(pending), said=_said(newest))


def _purges(ledger_id: int, minimum: int) -> list[_Purge]:
    return [
        _Purge(
            from_seq=from_seq,
            to_seq=to_seq,
            begun_at=begun_at,
            approvers=(first, second),
            plan_id=plan_id,
            state=state,
            finished_at=finished_at,
        )
        for from_seq, to_seq, begun_at, first, second, plan_id, state, finished_at in rows(
            _PURGES, (ledger_id, minimum)
        )
    ]


def _gaps(purges: Sequence[_Purge]) -> Iterator[Fault]:
    """Yield purges that do not begin where the one before ended."""
    reached = 0
    for each in purges:
        if each.from_seq != reached:
            yield Fault(
                seq=min(each.from_seq, reached),
                field=FIELD,
                expected=f"one that begins at #{reached:,}",
                found=str(each),
            )
        reached = each.to_seq


def _left_over(ledger_id: int, newest: _Purge) -> Iterator[Fault]:
    """Yield the first entry below the minimum index, where no purge is about to take it."""
    for (seq,) in rows(_LEFT_OVER, (ledger_id, newest.to_seq)):
        if not newest.is_going():
            yield Fault(
                seq=seq, field="seq", expected=f"no entry, since {newest}", found="an entry"
            )


def _entries(ledger_id: int, minimum: int) -> list[dict[str, Any]]:
    """Return what each entry of a purge says of it, as far as it can be read."""
    found = []
    for (record,) in rows(_ENTRIES, (ledger_id, minimum)):
        try:
            said = json.loads(record)
            event = said["event"]
            if said["source"]["via"] in {"server", "admin"}:
                integrity = {name: event["integrity"][name] for name in _NAMES}
                found.append(integrity | {"approvers": event["details"]["approvers"][:2]})
        except (ValueError, KeyError, TypeError):
            continue  # another kind of purge, or no record any more, which its own check says
    return found


def _wanted(purge: _Purge, *, head_hash: str) -> dict[str, Any]:
    return {
        "from_seq": purge.from_seq,
        "to_seq": purge.to_seq - 1,
        "oldest_seq": purge.to_seq,
        "head_hash": head_hash,
        "approvers": list(purge.approvers),
    }


def _is_young(purge: _Purge, ledger_id: int) -> bool:
    """Tell whether the entry of a purge may still be on its way."""
    now = timezone.now()
    ended = purge.finished_at or purge.begun_at
    if ended > now:
        return False
    if purge.is_going() and now < purge.begun_at + PENDING_FOR:
        return True
    settled = ended + SETTLED_AFTER
    # Entries are chained as they came: while an older one waits, this one may wait too.
    ((waits,),) = rows(_WAITS, (ledger_id, settled))
    return bool(waits) or now < settled


def _shown(said: Mapping[str, Any]) -> str:
    shown = {
        name: _and(value) if isinstance(value, list) else value for name, value in said.items()
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _and(names: Sequence[Any]) -> str:
    return " and ".join(map(str, names))


def _said(newest: _Purge) -> str:
    return (
        f"#0 to #{newest.to_seq - 1:,} were pruned, last by {_and(newest.approvers)} on "
        f"{newest.begun_at:%Y-%m-%d}; their tiles are kept"
    )
