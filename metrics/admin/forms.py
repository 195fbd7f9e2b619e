"""What the pages of metrics share: inputs, tabs of a list, and the way to the entries of changes.

These things belong to the installation and to no ledger, so no page asks for one; entries about
them stand in the platform's own ledger. Template of an input: templates/metrics/box.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import QueryDict
from django.urls import reverse

from audit.admin.acts import Look, Tab
from audit.admin.entry_form import address


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One input of a form."""

    name: str
    word: str
    help: str = ""
    kind: str = "text"
    """`text`, `area`, `number`, `choice` or `file`."""
    value: str = ""
    error: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their words; of a text, what the browser offers."""
    is_needed: bool = True
    rows: int = 3
    """Lines of an area."""


def filled(boxes: Sequence[Box], values: Mapping[str, str], errors: Mapping[str, str]) -> list[Box]:
    """Return the inputs with what was typed and what is wrong with it."""
    return [
        replace(box, value=values.get(box.name, box.value), error=errors.get(box.name, ""))
        for box in boxes
    ]


def other_errors(boxes: Sequence[Box], errors: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong and belongs to no input."""
    named = {box.name for box in boxes}
    return {name: said for name, said in errors.items() if name not in named}


def url_of(name: str, /, *args: Any, **query: str) -> str:
    """Return the address of an admin page, with a query of what is not empty."""
    asked = QueryDict(mutable=True)
    asked.update({key: value for key, value in query.items() if value})
    found = reverse(f"admin:{name}", args=args)
    return f"{found}?{asked.urlencode()}" if asked else found


def entries_url() -> str:
    """Return the list of the entries about changes of the set-up."""
    return address(QueryDict(), ledger=settings.LEDGER, action="audit.config_changed")


def read_tab(request: HttpRequest, shows: Mapping[str, str]) -> Look:
    """Read the address of a list: one tab, a place in it. `shows`: tabs and words, the usual first.

    What cannot be read stands in `errors`, and nothing is listed then.
    """
    asked = request.GET
    show = asked.get("show") or next(iter(shows))
    errors = {
        name: "is no filter of this list"
        for name in asked
        if name not in {"show", "after", "before"}
    }
    if show not in shows:
        errors["show"] = f"is one of {', '.join(shows)}"
    places = {}
    for name in ("after", "before"):
        value = asked.get(name, "")
        if value.isascii() and value.isdigit() and len(value) < 19:
            places[name] = int(value)
        elif name in asked:
            errors[name] = "is a number; remove it to begin at the newest"
    tabs = [
        Tab(word=word, url=f"{request.path}?show={name}", is_shown=name == show)
        for name, word in shows.items()
    ]
    return Look(
        ledgers=[],
        ledger=None,
        show=show,
        tabs=tabs,
        places=places,
        errors=errors,
        address=request.path,
    )
