"""The kinds of checks: one file each. What they are given and must offer: base.py. Pure."""

from __future__ import annotations

from compliance.kinds.base import Kind
from compliance.kinds.burst import Burst
from compliance.kinds.cadence import Cadence
from compliance.kinds.each import Each
from compliance.kinds.fact import Fact
from compliance.kinds.followup import Followup
from compliance.kinds.forbid import Forbid
from compliance.kinds.gap import Gap
from compliance.kinds.prior import Prior
from compliance.kinds.rate import Rate

KINDS: dict[str, type[Kind]] = {
    "each": Each,
    "prior": Prior,
    "followup": Followup,
    "cadence": Cadence,
    "gap": Gap,
    "burst": Burst,
    "rate": Rate,
    "forbid": Forbid,
    "fact": Fact,
}
"""Each kind by the name that definitions use."""
