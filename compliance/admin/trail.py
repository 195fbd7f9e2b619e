"""The way from the scores down to a page, as links above it. Pure but for addresses."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode

from compliance.admin.asked import Asked


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One page on the way, the last one being where the reader is."""

    word: str
    url: str


def trail(look: Asked, *, control: str = "", check: str = "", item: str = "") -> list[Step]:
    """Return the steps to a page of a framework; what is empty is not on the way."""
    ledger = f"?{urlencode({'ledger': look.ledger.name})}" if look.ledger else ""
    steps = [
        Step(word="Scores", url=reverse("admin:compliance_score_changelist") + ledger),
        Step(word=look.name, url=look.url("framework", look.framework)),
    ]
    if control:
        steps.append(Step(word=control, url=look.url("control", look.framework, control)))
    if check:
        more = {"control": control} if control else {}
        steps.append(Step(word=check, url=look.url("check", look.framework, check, **more)))
    if item:
        steps.append(Step(word=f"item {item}", url=""))
    return steps
