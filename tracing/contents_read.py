"""Leave an entry when a person reads what was said in a trace.

What people and models said may hold anything about anybody, so reading it is an act: it needs a
reason, and `audit.log_viewed` says who read which trace and why. Pages ask for it once an hour:
tracing.admin.one_trace.
"""

from __future__ import annotations

from typing import Final

from audit.models import Ledger
from audit.receive import receive_own
from tracing.models import Trace

MOST_REASON: Final = 500
"""Characters of a reason, as in events."""


class NotRead(Exception):
    """The reason for reading contents is missing or unusable; the text says which."""


def tell_reading(ledger: Ledger, trace: Trace, *, by: str, reason: str) -> None:
    """Leave the entry about a reading, in the ledger of the trace. Raises NotRead."""
    reason = reason.strip()
    if not reason:
        raise NotRead("Say why: the entry carries it.")
    if len(reason) > MOST_REASON:
        raise NotRead(f"A reason has at most {MOST_REASON} characters.")
    if "\0" in reason or any("\ud800" <= each <= "\udfff" for each in reason):
        raise NotRead("It holds a character that no entry can hold.")
    receive_own(
        ledger,
        "audit.log_viewed",
        by=by,
        target={"type": "trace", "id": trace.trace_id},
        reason=reason,
        details={"purpose": "contents", "spans": trace.spans},
    )
