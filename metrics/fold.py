"""Fold chained entries into what they add to metrics, each exactly once. Pure.

`fold` takes a batch of one ledger in the order of seq, and what was remembered of it: the ledger's
`FoldState` and the installation's `Names`. Both are changed in place; whoever calls keeps them, the
increments and the cursor in one transaction, or drops all of it. Cut a stream as you like: the sums
and what is remembered come out the same. Rules: rules.py; sums: increments.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from metrics.folding import Folding, Seen
from metrics.increments import Increments
from metrics.known import Known
from metrics.labels import Names
from metrics.rules import RULES, every
from metrics.states import FoldState

NOTHING_KNOWN: Final = Known()
"""No custom metric is allowed and no price is known."""


def fold(
    batch: Iterable[Seen], state: FoldState, *, names: Names, known: Known = NOTHING_KNOWN
) -> Increments:
    """Return what the entries add. Never raises over what an admitted event says."""
    folding = Folding(state, names=names, known=known)
    for seen in batch:
        folding.look_at(seen)
        every(folding)
        rule = RULES.get(seen.event["action"])
        if rule is not None:
            rule(folding)
        folding.count_overflows()
    return folding.increments()


__all__ = ["NOTHING_KNOWN", "FoldState", "Increments", "Known", "Names", "Seen", "fold"]
