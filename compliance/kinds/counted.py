"""What stands in a span, for kinds whose items are counted day by day. Pure."""

from __future__ import annotations

from compliance.items import MODULUS
from compliance.kinds.base import Counts, Tested, View

_NOTHING = Counts()


def counted(view: View) -> Tested:
    """Sum the span's decided items, and those that are open at its end."""
    within, before = view.counts(), view.before()
    n = f = pending = digests = 0
    by_agent: dict[str, tuple[int, int]] = {}
    for agent in sorted(within.keys() | before.keys()):
        now, then = within.get(agent, _NOTHING), before.get(agent, _NOTHING)
        decided = now.passed + now.failed
        n, f = n + decided, f + now.failed
        pending += then.opened - then.closed + now.opened - now.closed
        digests += now.decided_sum + now.open_sum + then.open_sum
        if decided:
            by_agent[agent] = (decided, now.failed)
    return Tested(n=n, f=f, pending=pending, by_agent=by_agent, item_sum=digests % MODULUS)
