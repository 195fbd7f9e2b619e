"""People at the desk and the small catalogue that they decide about, for tests of people's part."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any

from django.contrib.auth.models import Group, User

from audit.append import append_pending
from audit.models import Ledger
from compliance.acting import Person, today
from compliance.definitions import Catalogue
from compliance.language.reading import ToolRegistry, read_entry
from compliance.models import Statement
from compliance.people import Act, act_of
from compliance.statement import Draft, prepare_statement
from tests.compliance.judging import a_catalogue, a_check, a_control, a_framework
from tests.conftest import entries

CRITICAL = a_check("SAFE-01", severity="critical", nil_return=True, on_empty="not_occurred")
POLICY = a_check(
    "PACE-01",
    "cadence",
    match={"all": [["action", "eq", "audit.review_completed"]]},
    params={"every": "P7D"},
    every="$every",
)
CATALOGUE: Catalogue = a_catalogue(
    CRITICAL,
    POLICY,
    framework=a_framework(
        a_control("C1", "SAFE-01", attest="A policy", weight="high"),
        a_control("C2", "PACE-01"),
        a_control("C3", "PACE-01", attest="A plan", spec="A", flag="privacy"),
        scope_flags=("privacy", "security"),
        always_flags=("security",),
        gate="a high-risk system is recorded",
    ),
)


def account(*groups: str, **fields: Any) -> User:
    """Make an account that may enter the desk, in these groups."""
    made = User.objects.create_user(f"p-{uuid.uuid4().hex[:8]}", is_staff=True, **fields)
    made.groups.set(Group.objects.filter(name__in=groups))
    return made


def officer() -> Person:
    """Return somebody who prepares and asks."""
    return as_person(account("compliance officer"))


def administrator() -> Person:
    """Return somebody who signs and approves as well."""
    return as_person(account("administrator"))


def as_person(user: User) -> Person:
    """Return an account as verbs know it."""
    return Person(id=user.pk, name=user.get_username())


def in_days(days: int) -> date:
    """Return the day so many days from today."""
    return today() + timedelta(days=days)


def a_draft(**fields: Any) -> Draft:
    """Return a statement for C1 that speaks of the year from today."""
    said: dict[str, Any] = {
        "framework": "house",
        "control": "C1",
        "text": "We keep a policy.",
        "role": "security official",
        "effective_from": today(),
        "effective_to": in_days(300),
    }
    return Draft(**said | fields)


def a_statement(ledger: Ledger, *, by: Person | None = None, **fields: Any) -> Statement:
    """Prepare a statement."""
    return prepare_statement(ledger, CATALOGUE, a_draft(**fields), by=by or officer())


def acts(ledger: Ledger) -> list[Act]:
    """Chain what waits and return people's acts as an evaluation reads them."""
    append_pending(ledger.id)
    registry = ToolRegistry()
    read = [
        read_entry(each.seq, bytes(each.record), bytes.fromhex(each.hash), registry)
        for each in entries(ledger)
    ]
    return [act for act in map(act_of, read) if act is not None]


def standing_day(day: date) -> int:
    """Return a day as days since 1970."""
    return (day - date(1970, 1, 1)).days
