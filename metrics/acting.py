"""What every change of metrics by a person has in common: its entry, and how it is refused.

The change and its entry `audit.config_changed`, in the platform's own ledger, are kept or lost
together. The changes themselves: switches.py, custom.py, prices.py, budgets.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from django.conf import settings
from django.db import IntegrityError
from psycopg.errors import UniqueViolation

from audit.models import Ledger
from audit.receive import receive_own

MOST_REASON: Final = 500
"""Characters of a reason, as in events."""


class ChangeRefused(Exception):
    """A change was not made. `errors` names each field and says what is wrong with it."""

    def __init__(self, errors: Mapping[str, str], *, problems: Sequence[str] = ()) -> None:
        super().__init__(dict(errors), tuple(problems))
        self.errors = dict(errors)
        self.problems = tuple(problems)
        """Lines about what was sent as one text, each with its place."""

    def __str__(self) -> str:
        """Read as a line."""
        said = [f"{field} {message}" for field, message in self.errors.items()]
        return "; ".join((*said, *self.problems))


def leave(
    kind: str,
    name: str,
    *,
    by: str,
    change: str,
    details: Mapping[str, object],
    reason: str = "",
) -> None:
    """Store the entry about a change, in the caller's transaction. `kind` and `name`: of what."""
    ledger, target = Ledger.objects.get(name=settings.LEDGER), {"type": kind, "id": name}
    said = {"change": change, **details}
    action = "audit.config_changed"
    if reason:
        receive_own(ledger, action, by=by, target=target, details=said, reason=reason)
    else:
        receive_own(ledger, action, by=by, target=target, details=said)


def read_reason(reason: str) -> str:
    """Return why somebody changes something. Raises ChangeRefused when nothing is said."""
    reason = reason.strip()
    if not reason:
        raise ChangeRefused({"reason": "is needed; the entry carries it"})
    if len(reason) > MOST_REASON:
        raise ChangeRefused({"reason": f"has at most {MOST_REASON} characters"})
    check_characters("reason", reason)
    return reason


def check_characters(field: str, text: str) -> None:
    """Refuse what neither Postgres nor an entry can hold. Raises ChangeRefused."""
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise ChangeRefused({field: "holds a character that no entry can hold"})


@contextmanager
def told_when_taken(constraint: str, errors: Mapping[str, str]) -> Iterator[None]:
    """Say in words what the database refuses because it is there already."""
    try:
        yield
    except (UniqueViolation, IntegrityError) as error:
        cause = error if isinstance(error, UniqueViolation) else error.__cause__
        if not isinstance(cause, UniqueViolation) or cause.diag.constraint_name != constraint:
            raise
        raise ChangeRefused(errors) from error
