"""The one list of metrics: what is folded, exposed, documented and tested is what stands here.

Pure. The families themselves stand in three files by what they are about; the shape of one is in
family.py, and which row of the requirements it answers is its `row`. To add a family, write it
down there: fold, exposition, docs and tests take it from this list. Take none away and rename
none: rules and dashboards of others rest on the names.
"""

from __future__ import annotations

from typing import Final

from metrics import agent_families, ledger_families, platform_families
from metrics.family import Family

FAMILIES: Final[tuple[Family, ...]] = tuple(
    sorted(
        (*agent_families.FAMILIES, *ledger_families.FAMILIES, *platform_families.FAMILIES),
        key=lambda family: family.row or 82,  # guards that the table lacks stand with the others
    )
)
"""Every family, by row."""

BY_NAME: Final[dict[str, Family]] = {family.name: family for family in FAMILIES}

MOST_SERIES: Final = 10_000
"""What all families may cost together at their caps."""

BUDGET: Final = sum(family.budget for family in FAMILIES)
"""What they do cost, in series: caps times edges and 3."""


def folded() -> list[Family]:
    """Return the families that entries feed."""
    return [family for family in FAMILIES if "entries" in family.sources]
