"""Let a new ledger follow one that can no longer be signed: restored, rewritten, or its key lost.

The old one stays as it is, read-only, for ever verifiable as far as it was signed. The first entry
of the new one names the old head and the newest checkpoint of it, so the break is on record in the
chain that goes on. API keys move over, so agents go on without a change.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from audit.database import rows
from audit.errors import NotSucceeded
from audit.ledger.record import GENESIS
from audit.ledgers import open_ledger
from audit.models import Head, Ledger
from audit.receive import receive_own

_NEWEST = """
SELECT size, root, note
FROM audit_checkpoint
WHERE ledger_id = %s
ORDER BY size DESC
LIMIT 1
"""
_STOP = """
UPDATE audit_ledger
SET is_read_only = true,
    succeeded_by = %s,
    read_only_reason = CASE WHEN read_only_reason = '' THEN %s ELSE read_only_reason END
WHERE id = %s
RETURNING id
"""
_MOVE_KEYS = """
UPDATE audit_agentkey
SET ledger_id = %s
WHERE ledger_id = %s
  AND revoked_at IS NULL
RETURNING key_id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Succeeded:
    """What became of a ledger."""

    new: Ledger
    size: int
    """Entries of the old one."""
    signed_size: int
    """How many of them a checkpoint covers."""
    keys: int
    """API keys that moved over."""


def succeed(old: Ledger, *, name: str, reason: str, by: str = "") -> Succeeded:
    """Make the ledger `name` and let it follow `old`. Needs the owner's role.

    Raises NotSucceeded when there is a ledger of that name already, or no reason is given.
    """
    if not reason.strip():
        raise NotSucceeded("say why: --reason is part of the new ledger's first entry")
    if Ledger.objects.filter(name=name).exists():
        raise NotSucceeded(f"there is a ledger {name} already; choose another name with --name")
    with transaction.atomic():
        head = Head.objects.get(ledger=old)
        newest = rows(_NEWEST, (old.id,))
        size, root, note = newest[0] if newest else (0, GENESIS, b"")
        new = open_ledger(name)
        receive_own(
            new,
            "audit.ledger_succeeded",
            by=by,
            target={"type": "ledger", "id": old.name},
            details={
                "reason": reason,
                "size": head.size,
                "head": head.hash,
                "signed_size": size,
                "signed_root": bytes(root).hex(),
                "checkpoint": bytes(note).decode(),
                "origin": old.origin,
            },
        )
        rows(_STOP, (new.name, f"succeeded by {new.name}: {reason}", old.id))
        moved = rows(_MOVE_KEYS, (new.id, old.id))
    return Succeeded(new=new, size=head.size, signed_size=size, keys=len(moved))
