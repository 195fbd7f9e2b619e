"""What tests of prior share: a moment to begin with, and why items failed."""

from __future__ import annotations

from compliance.memory import Memory
from tests.compliance.building import us

AT = "2026-10-04T10:00:00Z"
SECOND = 1_000_000
T0 = us(AT)


def whys(memory: Memory) -> list[str]:
    (lens_id,) = memory.lenses
    return [item.why for item in memory.books[lens_id].items.values()]
