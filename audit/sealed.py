"""Say how far a ledger is sealed: up to where a signed checkpoint covers it. Reads only.

Signing: seal.py, in a process of its own.
"""

from __future__ import annotations

from audit.database import rows

_SIZE = "SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE ledger_id = %s"


def sealed_size(ledger_id: int) -> int:
    """Return the size of the newest checkpoint, so every seq below it is sealed; 0 for none."""
    ((size,),) = rows(_SIZE, (ledger_id,))
    return int(size)
