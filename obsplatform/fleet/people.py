"""The people of Meridian Mutual: who owns, approves, handles cases, is on call. All invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who acts under a name of their own."""

    id: str
    role: str
    """As one would say it; `roles` of the actor is this in lower case with hyphens."""
    unit: str
    ip: str

    def actor(self) -> dict[str, Any]:
        """Return the person as the actor of an event."""
        return {
            "type": "human",
            "id": self.id,
            "roles": [self.role.lower().replace(" ", "-")],
            "org_unit": self.unit,
        }


def _person(name: str, role: str, unit: str, desk: int) -> Person:
    return Person(id=name, role=role, unit=unit, ip=f"10.20.{desk // 100}.{desk % 100}")


MIRA = _person("mira.k", "Head of support", "support", 111)
JONAS = _person("jonas.p", "Case handler", "support", 112)
THEO = _person("theo.b", "Head of claims", "claims", 211)
GRACE = _person("grace.o", "Claims nurse", "claims", 212)
LENA = _person("lena.s", "Engineering lead", "engineering", 311)
RAVI = _person("ravi.n", "Developer", "engineering", 312)
INGRID = _person("ingrid.h", "Treasurer", "finance", 411)
PAUL = _person("paul.m", "Accountant", "finance", 412)
SOFIA = _person("sofia.r", "Head of research", "research", 511)
DARIO = _person("dario.f", "Operations engineer", "operations", 611)
YUKI = _person("yuki.t", "On call engineer", "operations", 612)
VERA = _person("vera.a", "Administrator", "it", 711)
OMAR = _person("omar.j", "Case handler", "support", 113)
NORA = _person("nora.d", "Data protection officer", "compliance", 811)
EDWIN = _person("edwin.c", "Privacy officer", "compliance", 812)
HELEN = _person("helen.w", "Internal auditor", "audit", 911)

PEOPLE = (
    MIRA,
    JONAS,
    THEO,
    GRACE,
    LENA,
    RAVI,
    INGRID,
    PAUL,
    SOFIA,
    DARIO,
    YUKI,
    VERA,
    OMAR,
    NORA,
    EDWIN,
    HELEN,
)
PRIVILEGED = (LENA, DARIO, YUKI, VERA, INGRID)
"""Those whose sign-in needs a second factor."""
