"""Say that a person has reviewed activity records; the check LOG-10 counts such entries.

A review is done by the one who says so, names what was looked at and how much of it, and leaves
`audit.review_completed`. What was wrong becomes a finding: finding.py.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction

from compliance.acting import MOST_REASON, ActRefused, Person, read_text, refusals
from compliance.gather import Ledger, receive_own
from compliance.models import Review

MOST_SCOPE: Final = 500
"""Characters of what was reviewed."""


def complete_review(
    ledger: Ledger, *, scope: str, items: int, findings: int, note: str, by: Person
) -> Review:
    """Record a review of activity records that `by` has done. Raises ActRefused."""
    scope = read_text("scope", scope, missing="say which records were reviewed", most=MOST_SCOPE)
    note = read_text("note", note, missing="say what was looked for and seen", most=MOST_REASON)
    if items < 1:
        raise ActRefused(field="items", message="a review looks at one record at least")
    if findings > items:
        raise ActRefused(field="findings", message="no more findings than records were reviewed")
    with refusals(), transaction.atomic():
        made = Review.objects.create(
            ledger=ledger,
            scope=scope,
            items_count=items,
            findings_count=findings,
            note=note,
            done_by=by.name,
        )
        receive_own(
            ledger,
            "audit.review_completed",
            by=by.name,
            reason=note,
            target={"type": "ledger", "id": ledger.name},
            case={"id": f"review:{made.uid}"},
            review={"scope": scope, "items_count": items, "findings_count": findings},
        )
    return made
