"""Say whether a ledger's hash tiles and checkpoints are for everyone. Leaves an entry each time.

Hashes tell nobody what an entry says, only how many there are and when. Entry bundles stay with
those who hold a key of the ledger, whatever is said here. Serving them: tlog.py.
"""

from __future__ import annotations

from django.db import transaction

from audit.models import Ledger
from audit.receive import receive_own


def set_public(ledger: Ledger, *, is_public: bool, reason: str, by: str) -> bool:
    """Open or close the public log of a ledger; False when it was so already.

    `by` is the person's user name. The change and its entry `audit.config_changed` are kept or lost
    together.
    """
    with transaction.atomic():
        changed = Ledger.objects.filter(id=ledger.id, is_public=not is_public).update(
            is_public=is_public
        )
        if changed != 1:
            return False  # somebody else got there first
        receive_own(
            ledger,
            "audit.config_changed",
            by=by,
            reason=reason,
            target={"type": "ledger", "id": ledger.name},
            details={"setting": "is_public", "before": not is_public, "after": is_public},
        )
    return True
