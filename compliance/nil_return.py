"""Nil returns: the owner's signed word that nothing of a kind happened in a period.

Only for checks that ask for one, never for a day to come, and not while an item of the check is
pending: whatever is pending did happen. Signing and withdrawing leave `audit.nil_return_signed`.
What counts of it: people.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from compliance.acting import MOST_REASON, ActRefused, Person, read_text, refusals, today
from compliance.definitions import Catalogue
from compliance.found_rows import pending_items
from compliance.gather import Ledger, receive_own
from compliance.models import NilReturn
from compliance.named import find_check

MOST_NAMED: Final = 3
"""Pending items that a refusal names."""


def sign_nil_return(
    ledger: Ledger,
    catalogue: Catalogue,
    *,
    check: str,
    first: date,
    last: date,
    text: str,
    by: Person,
) -> NilReturn:
    """Sign that nothing which the check looks at happened from `first` to `last`.

    Raises ActRefused: a check that asks for none, a day to come, an item that is pending.
    """
    if not find_check(catalogue, check).nil_return:
        raise ActRefused(field="check", message=f"{check} asks for no nil return")
    if last < first:
        raise ActRefused(field="last", message="it cannot end before it begins")
    if last > today():
        raise ActRefused(field="last", message="nobody can sign for a day to come; today at most")
    text = read_text("text", text, missing="say what did not happen", most=MOST_REASON)
    _check_nothing_pends(ledger, check, last)
    with refusals(), transaction.atomic():
        made = NilReturn.objects.create(
            ledger=ledger,
            check_id=check,
            first_day=first,
            end_day=last + timedelta(days=1),
            text=text,
            signed_by=by.name,
        )
        _leave(made, "signed", by=by)
    return made


def withdraw_nil_return(signed: NilReturn, *, reason: str, by: Person) -> NilReturn:
    """Take a nil return back: something did happen after all. Raises ActRefused."""
    reason = read_text("reason", reason, missing="say why it does not hold", most=MOST_REASON)
    with refusals(), transaction.atomic():
        updated = NilReturn.objects.filter(
            ledger_id=signed.ledger_id, id=signed.id, withdrawn_at=None
        ).update(withdrawn_at=timezone.now(), withdrawn_by=by.name, withdraw_reason=reason)
        if updated != 1:
            raise ActRefused(field="act", message="it was withdrawn before")
        withdrawn = NilReturn.objects.select_related("ledger").get(
            ledger_id=signed.ledger_id, id=signed.id
        )
        _leave(withdrawn, "withdrawn", by=by, reason=reason)
    return withdrawn


def _check_nothing_pends(ledger: Ledger, check: str, last: date) -> None:
    pending = pending_items(ledger.id, check, last)
    if pending:
        named = ", ".join(pending[:MOST_NAMED]) + (" …" if len(pending) > MOST_NAMED else "")
        raise ActRefused(
            field="check",
            message=f"{check} has items that are not decided yet ({named}); what is pending did "
            "happen. Wait until it is decided",
        )


def _leave(signed: NilReturn, act: str, *, by: Person, reason: str = "") -> None:
    receive_own(
        signed.ledger,
        "audit.nil_return_signed",
        by=by.name,
        target={"type": "check", "id": signed.check_id},
        details={
            "act": act,
            "nil_return": str(signed.uid),
            "check": signed.check_id,
            "from": signed.first_day.isoformat(),
            "to": signed.end_day.isoformat(),
            "text": signed.text,
        },
        **({"reason": reason} if reason else {}),
    )
