"""Tell how complete the trail of each ledger is: row 59 of the requirements, a fact for /metrics.

Two checks of the catalogue know it, and their tallies are added up: LOG-08 looks whether an entry
has the fields that are expected of its action, LOG-03 whether numbers of an agent's own count are
missing. Numbers that are missing are entries that should be there. The newest 30 days count.
Asked by metrics.facts through settings.METRICS_FACTS.
"""

from __future__ import annotations

from typing import Final

from compliance.gather import rows
from compliance.in_force import catalogue_in_force
from compliance.lenses import lens_of
from metrics.facts import Facts, every
from metrics.ledger_families import COMPLETENESS

FIELDS: Final = "LOG-08"
NUMBERS: Final = "LOG-03"
DAYS: Final = 30

_COUNTS = """
SELECT ledger.name,
    coalesce(sum(t.passed) FILTER (WHERE t.lens_id = %(fields)s), 0)::bigint,
    coalesce(sum(t.failed) FILTER (WHERE t.lens_id = %(fields)s), 0)::bigint,
    coalesce(sum(t.failed) FILTER (WHERE t.lens_id = %(numbers)s), 0)::bigint
FROM audit_ledger AS ledger
JOIN compliance_tally AS t
  ON t.ledger_id = ledger.id
 AND t.lens_id IN (%(fields)s, %(numbers)s)
 AND t.day > (clock_timestamp() AT TIME ZONE 'UTC')::date - %(days)s
GROUP BY ledger.id, ledger.name
ORDER BY ledger.id
"""


@every(60)
def completeness() -> Facts:
    """Return the share of entries that lack nothing among those that should be there, by ledger.

    Of a ledger without such entries nothing is said, nor where the catalogue in force has not both
    checks.
    """
    catalogue = catalogue_in_force()
    if not {FIELDS, NUMBERS} <= catalogue.checks.keys():
        return {}
    lenses = {
        "fields": lens_of(catalogue, FIELDS).id,
        "numbers": lens_of(catalogue, NUMBERS).id,
    }
    return {
        (COMPLETENESS.name, (ledger,)): whole / (whole + lacking + lost)
        for ledger, whole, lacking, lost in rows(_COUNTS, {**lenses, "days": DAYS})
        if whole + lacking + lost
    }
