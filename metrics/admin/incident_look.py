"""Read the address of the list of incidents: one state, and a ledger and a severity or all of them.

What cannot be read is named and nothing is listed then. Page: metrics.admin.incidents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.request import QueryDict

from audit.admin.acts import Tab
from audit.admin.entry_form import Chip
from audit.models import Ledger
from metrics.incidents.acts import SEVERITIES
from metrics.models import Incident

STATES: Final = {"open": "Open", "acknowledged": "Acknowledged", "resolved": "Resolved"}
_FILTERS: Final = ("ledger", "severity")
_PLACES: Final = ("after", "before")


@dataclass(kw_only=True, slots=True)
class IncidentLook:
    """What the address asks for."""

    address: str
    show: str
    filters: dict[str, str]
    """By name, those that narrow the list."""
    places: dict[str, int] = field(default_factory=dict)
    """`after` or `before`, for keyset_page."""
    errors: dict[str, str] = field(default_factory=dict)
    ledgers: list[str] = field(default_factory=list)
    """Names to choose from."""

    @property
    def tabs(self) -> list[Tab]:
        """Return a tab a state, with the same filters."""
        return [
            Tab(word=word, url=self.url(show=name), is_shown=name == self.show)
            for name, word in STATES.items()
        ]

    @property
    def chips(self) -> list[Chip]:
        """Return the filters that narrow the list, each with the address without it."""
        return [
            Chip(name=name, value=value, without=self._url(self.show, self._others(name)))
            for name, value in self.filters.items()
        ]

    @property
    def clear_url(self) -> str:
        """Return the address without any filter."""
        return self._url(self.show, {})

    def url(self, *, show: str = "", **place: int | None) -> str:
        """Return this list at another state or place; empty where there is none."""
        if None in place.values():
            return ""
        return self._url(show or self.show, self.filters | {n: str(v) for n, v in place.items()})

    def rows(self) -> QuerySet[Incident]:
        """Return the incidents that are asked for."""
        found = Incident.objects.filter(**Incident.IN_STATE[self.show])
        if "ledger" in self.filters:
            found = found.filter(ledger__name=self.filters["ledger"])
        if "severity" in self.filters:
            found = found.filter(severity=self.filters["severity"])
        return found

    def _others(self, name: str) -> dict[str, str]:
        return {other: value for other, value in self.filters.items() if other != name}

    def _url(self, show: str, asked: Mapping[str, str]) -> str:
        query = QueryDict(mutable=True)
        query["show"] = show
        query.update(asked)
        return f"{self.address}?{query.urlencode()}"


def read_look(request: HttpRequest) -> IncidentLook:
    """Read the address."""
    asked = request.GET
    look = IncidentLook(
        address=request.path,
        show=asked.get("show") or next(iter(STATES)),
        filters={name: asked[name] for name in _FILTERS if asked.get(name)},
        ledgers=list(Ledger.objects.order_by("id").values_list("name", flat=True)),
    )
    look.errors = {
        name: "is no filter of this list"
        for name in asked
        if name not in {"show", *_FILTERS, *_PLACES}
    }
    if look.show not in STATES:
        look.errors["show"] = f"is one of {', '.join(STATES)}"
    if look.filters.get("severity", "warning") not in SEVERITIES:
        look.errors["severity"] = f"is one of {', '.join(SEVERITIES)}"
    if look.filters.get("ledger", "") not in {"", *look.ledgers}:
        look.errors["ledger"] = "is none that this installation has"
    for name in _PLACES:
        value = asked.get(name, "")
        if value.isascii() and value.isdigit() and len(value) < 19:
            look.places[name] = int(value)
        elif name in asked:
            look.errors[name] = "is a number; remove it to begin at the newest"
    return look
