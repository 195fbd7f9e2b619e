"""Tell whether entries are kept no longer than policies say: row 61 of the requirements."""

from __future__ import annotations

from audit.models import Ledger
from audit.overdue import overdue
from metrics.facts import Facts, every
from metrics.ledger_families import RETENTION, RETENTION_OVERDUE


@every(300)
def retention() -> Facts:
    """Return overdue entries and the share of all that are not, by policy and ledger.

    The share of a policy is 1 less its overdue entries by all entries of the ledger; of an empty
    ledger it is 1.
    """
    facts: Facts = {}
    for ledger in Ledger.objects.order_by("id"):
        found = overdue(ledger)
        for policy, entries in found.by_policy.items():
            facts[RETENTION.name, (policy, ledger.name)] = (
                1 - entries / found.kept if found.kept else 1.0
            )
            facts[RETENTION_OVERDUE.name, (policy, ledger.name)] = entries
    return facts
