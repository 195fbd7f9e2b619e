"""Make the lens that shows whether a guarded activity existed at all. Pure.

A check with `exposure` may be empty only when what it guards took place: without any such entry
the answer is no_data. The entries are counted by a lens of their own, of the kind `each`, that
every one of them passes, so that tallies hold them by day, agent and environment like any item.
Judged by judge.py; listed beside the others by lenses.py.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from compliance.definitions import Lens
from compliance.result import canonical


def exposure_lens(lens: Lens) -> Lens | None:
    """Return the lens that counts a lens' exposure; None when it asks for none."""
    exposure = lens.definition.get("exposure")
    if exposure is None:
        return None
    definition: dict[str, Any] = {
        "kind": "each",
        "population": {name: part for name, part in exposure.items() if name != "min"},
        "pass_when": {"all": []},
    }
    name = sha256(canonical(definition)).hexdigest()[:32]
    return Lens(id=name, check=lens.check, kind="each", definition=definition)


def least(lens: Lens) -> int:
    """Return how many entries the exposure needs."""
    return int(lens.definition["exposure"].get("min", 1))
