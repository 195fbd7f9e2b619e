"""What a law asks to be shown beside its controls, made of the entries. Pure.

    hipaa.py      specifications, breach log, accounting of disclosures, six years
    gdpr.py       record of processing, requests, decisions, assessments, breach register
    told.py       one entry, read whatever it holds or lacks; window.py which of them count
    cases.py      entries by case; duties.py what was due by when; clocks.py which are shown
    breaches.py   whom each law has told; breach_tables.py the same as tables
    observed.py   what entries show of an activity; activities.py beside what is declared

Nothing here judges a control: deadlines are counted by the code of the checks, and where a table
and a check look at one thing they agree. The order in which entries come does not matter. What a
report says is in compliance/report_content/ (`Law`); how it looks, renderers/law_sections.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from compliance.kinds.base import DAY_US
from compliance.law import gdpr, hipaa
from compliance.law.observed import USES
from compliance.law.told import Recorded, Told
from compliance.law.window import Window
from compliance.people import Act
from compliance.report_content import Family, Law

ACTIONS: Final[frozenset[str]] = gdpr.ACTIONS | hipaa.ACTIONS
"""Every action whose entries some law looks at."""
_OF: Final[Mapping[Family, frozenset[str]]] = {"gdpr": gdpr.ACTIONS, "hipaa": hipaa.ACTIONS}


def actions_of(family: Family) -> frozenset[str]:
    """Return the actions whose entries a law looks at; none for families without such a law."""
    return _OF.get(family, frozenset())


def law_facts(
    family: Family,
    records: Iterable[Recorded],
    *,
    start: int,
    end: int,
    as_of: int,
    acts: Sequence[Act],
    result: Mapping[str, Any],
) -> Law:
    """Return what a law asks to be shown of a period.

    `records` are the entries up to the head, in any order; those of other actions than
    `actions_of(family)` are passed over. `start` and `end` are days since 1970, the period is
    [start, end); `as_of` is us. `result` is the sealed result as `result.as_json` gives it: its
    environment bounds what is looked at.
    """
    window = Window(
        start=start * DAY_US,
        end=end * DAY_US,
        as_of=as_of,
        environment=result.get("environment") or None,
    )
    if family == "hipaa":
        hipaa_facts = hipaa.HipaaFacts(window)
        takers = hipaa_facts.takers()
        for record in records:
            take = takers.get(record.event.get("action", ""))
            if take is not None:
                take(Told(record))
        return hipaa_facts.found(acts, result)
    if family == "gdpr":
        gdpr_facts = gdpr.GdprFacts(window)
        takers = gdpr_facts.takers()
        see_use = gdpr_facts.observed.see
        for record in records:
            action = record.event.get("action", "")
            # Uses of data are most of a ledger: they are counted without being read whole.
            if action in USES:
                see_use(record.seq, record.event)
                continue
            take = takers.get(action)
            if take is not None:
                take(Told(record))
        return gdpr_facts.found(acts, result)
    return Law()
