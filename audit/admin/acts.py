"""What pages with acts share: a guard for POST, the ledger that an address names, tabs of a list.

Acts are POST with Django's token, by a person who holds the permission; the verb they call leaves
the entry. Pages that only read: audit.readonly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import QueryDict

from audit.readonly import ReadOnlyModelAdmin
from audit.state import LedgerState, ledger_states


@dataclass(frozen=True, kw_only=True, slots=True)
class Tab:
    """One way to look at a list."""

    word: str
    url: str
    is_shown: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What the address of a list asks for: one ledger, one tab, a place in the list."""

    ledgers: list[LedgerState]
    ledger: LedgerState | None
    """None when the address names a ledger that is none."""
    show: str
    """The tab's name."""
    tabs: list[Tab]
    places: dict[str, int]
    """`after` or `before`, for keyset_page."""
    errors: dict[str, str]
    """What could not be read; nothing is listed then."""
    address: str

    def url(self, **place: int | None) -> str:
        """Return this list's address at another place; empty where there is none."""
        query = QueryDict(mutable=True)
        if self.ledger is not None:
            query["ledger"] = self.ledger.name
        query["show"] = self.show
        for name, value in place.items():
            if value is None:
                return ""
            query[name] = str(value)
        return f"{self.address}?{query.urlencode()}"


def read_look(request: HttpRequest, *, shows: dict[str, str], beside: Collection[str] = ()) -> Look:
    """Read the address of a list. `shows` names its tabs and their words, the usual one first.

    `beside` names what the caller reads of the address himself.
    """
    asked = request.GET
    ledgers = ledger_states(also=asked.get("ledger", ""))
    wanted = asked.get("ledger") or (ledgers[0].name if ledgers else "")
    shown = next((one for one in ledgers if one.name == wanted), None)
    show = asked.get("show") or next(iter(shows))
    errors = {
        name: "is no filter of this list"
        for name in asked
        if name not in {"ledger", "show", "after", "before", *beside}
    }
    if show not in shows:
        errors["show"] = f"is one of {', '.join(shows)}"
    places = {}
    for name in ("after", "before"):
        value = asked.get(name)
        if value is None:
            continue
        if value.isascii() and value.isdigit() and len(value) < 19:
            places[name] = int(value)
        else:
            errors[name] = "is a number; remove it to begin at the newest"
    look = Look(
        ledgers=ledgers,
        ledger=shown,
        show=show,
        tabs=[],
        places=places,
        errors=errors,
        address=request.path,
    )
    for name, word in shows.items():
        query = QueryDict(mutable=True)
        query["ledger"] = wanted
        query["show"] = name
        look.tabs.append(
            Tab(word=word, url=f"{request.path}?{query.urlencode()}", is_shown=name == show)
        )
    return look


def act(
    page: ReadOnlyModelAdmin, view: Callable[..., HttpResponse], *, permission: str
) -> Callable[..., HttpResponse]:
    """Wrap an act: log-in first, then the permission, then POST alone."""

    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return view(request, *args, **kwargs)

    wrapped: Callable[..., HttpResponse] = page.admin_site.admin_view(guarded)
    return wrapped


def number(object_id: str) -> int:
    """Return the number in an address; 404 for what is none."""
    if not (object_id.isascii() and object_id.isdigit() and len(object_id) < 19):
        raise Http404("a run or a quarantined event is known by its number")
    return int(object_id)


def say(request: HttpRequest, text: str, *, is_good: bool) -> None:
    """Put a line onto the next page."""
    (messages.success if is_good else messages.warning)(request, text)
