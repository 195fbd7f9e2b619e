"""What the operations of compliance.api share: parameters, what is looked up, what is refused.

Reads the catalogue in force and the key's ledger; writes nothing. Used by compliance.api and
compliance.api_catalogue.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import Annotated, Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query
from pydantic import Field

from compliance.definitions import Catalogue, Check, Framework
from compliance.gather import (
    MOST_LIMIT,
    Ledger,
    grant_of,
    not_found,
    problem,
    unreadable,
)
from compliance.tallied import LensNotTallied

POSTURE_DAYS: Final = 30
"""Days of a period that nobody names: today and the 29 before it, as a posture has them."""
MOST_DAYS: Final = 3_653
"""Ten years; a longer period is a mistake."""
_RETRY_SECONDS: Final = 60
"""When to ask again while tallies are rebuilt."""

View = Callable[..., HttpResponseBase]
Limit = Annotated[int, Query(ge=1, le=MOST_LIMIT)]
Name = Annotated[str, Field(max_length=200)]
FirstDay = Annotated[
    date | None, Query(alias="from", description="First day, UTC; left out: 30 days before `to`.")
]
EndDay = Annotated[
    date | None, Query(alias="to", description="The day after the last; left out: tomorrow.")
]
AgentId = Annotated[str | None, Query(min_length=1, max_length=200)]

MAY_WAIT: Final[dict[str, Any]] = {
    "responses": {
        409: {
            "description": "What was counted of the ledger is counted again; ask later.",
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
            "headers": {
                "Retry-After": {
                    "description": "Seconds to wait.",
                    "schema": {"type": "integer", "minimum": 0},
                }
            },
        }
    }
}
"""What an operation that reads tallies may answer besides the usual problems."""


class Refused(Exception):
    """A parameter cannot be read: its name, and what it must be."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name, self.message = name, message


class Absent(Exception):
    """There is no such thing; the sentence says where to look."""


def answering(*names: str) -> Callable[[View], View]:
    """Wrap a view: these are its parameters and no other, and what it may raise is answered."""

    def wrap(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            wrong = _misused(request, names)
            if wrong:
                return unreadable(wrong)
            try:
                return view(request, *args, **kwargs)
            except Refused as refused:
                return unreadable({refused.name: refused.message})
            except Absent as absent:
                return not_found(str(absent))
            except LensNotTallied as waiting:
                headers = {"Retry-After": str(_RETRY_SECONDS)}
                return problem(409, "not-tallied", detail=f"{waiting}.", headers=headers)

        # Resolved here: ninja would look for the names of a view's types in this module.
        answer.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
        return answer

    return wrap


def _misused(request: HttpRequest, names: tuple[str, ...]) -> dict[str, str]:
    """Return what is wrong with the names of the query string; nothing is ignored in silence."""
    known = ", ".join(names) or "none"
    wrong = {
        name: f"is no parameter here; known: {known}" for name in request.GET if name not in names
    }
    for name in names:
        if len(request.GET.getlist(name)) > 1:
            wrong[name] = "is given more than once"
    return wrong


def ledger_of(request: HttpRequest) -> Ledger:
    """Return the ledger of the request's key."""
    return Ledger.objects.get(id=grant_of(request).ledger_id)


def framework_of(catalogue: Catalogue, name: str) -> Framework:
    """Return a framework in force. Raises Absent."""
    found = catalogue.frameworks.get(name)
    if found is None:
        raise Absent("No framework in force has this id; GET /api/v1/frameworks lists them.")
    return found


def check_of(catalogue: Catalogue, name: str) -> Check:
    """Return a check in force. Raises Absent."""
    found = catalogue.checks.get(name)
    if found is None:
        raise Absent("No check in force has this id; GET /api/v1/checks lists them.")
    return found


def period(first: date | None, end: date | None) -> tuple[date, date]:
    """Return the days [start, stop) that are asked for. Raises Refused."""
    stop = end or datetime.now(UTC).date() + timedelta(days=1)
    if first is None and stop <= date.min + timedelta(days=POSTURE_DAYS):
        raise Refused("to", "is a day of our time")
    start = first or stop - timedelta(days=POSTURE_DAYS)
    if start >= stop:
        raise Refused("to", "is a later day than `from`; left out it is tomorrow")
    if (stop - start).days > MOST_DAYS:
        raise Refused("to", f"is at most {MOST_DAYS:,} days after `from`")
    return start, stop


def text(name: str, value: str | None) -> str | None:
    """Return a text that Postgres can compare. Raises Refused."""
    if value is not None and "\0" in value:
        raise Refused(name, "holds a character that no name has")
    return value
