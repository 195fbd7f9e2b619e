"""Know what was pruned: a ledger's minimum index and who let go of what lies below it.

The minimum index is a multiple of 256; entries below it are gone for every reader from the moment
their purge has begun, while tiles and event keys stay. Deciding and pruning: retain.py.
"""

from __future__ import annotations

from audit.database import rows
from audit.models import Purge

_MINIMUM = """
SELECT max(to_seq)
FROM audit_purge
WHERE ledger_id = %s
"""


def minimum_index(ledger_id: int) -> int:
    """Return the lowest seq that a reader may find; 0 when nothing was ever pruned."""
    ((found,),) = rows(_MINIMUM, (ledger_id,))
    return int(found or 0)


def purge_of(ledger_id: int, seq: int) -> Purge | None:
    """Return the purge that covers a seq, or None."""
    return Purge.objects.filter(ledger_id=ledger_id, from_seq__lte=seq, to_seq__gt=seq).first()
