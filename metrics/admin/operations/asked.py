"""Read what the address of a page under Operations asks for: a range, a ledger, filters.

The address is the state: `last` or `from` and `to`, `ledger`, and one value a filter. A form that
was sent carries `form=1`; its blanks are left out and the browser is sent on to what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.utils import timezone

from audit.admin.entry_form import Chip
from audit.query import Unreadable, read_time
from audit.state import LedgerState, ledger_states
from metrics.operations.series_read import Scope
from metrics.operations.who import offered
from metrics.operations.window import SPANS, TooLong, Window, own_window, span_window

SENT: Final = "form"
ALL: Final = "_all"
"""The ledger that stands for all of them together."""
USUAL: Final = "24h"
_RANGE: Final = ("last", "from", "to")
_LONGEST: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One range that a click chooses."""

    word: str
    url: str
    is_shown: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One filter with what it may be."""

    name: str
    word: str
    value: str
    values: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What one address asks for."""

    path: str
    window: Window
    scope: Scope
    ledgers: Sequence[LedgerState]
    ledger: LedgerState | None
    """None: all of them together."""
    spans: Sequence[Span]
    choices: Sequence[Choice]
    chips: Sequence[Chip]
    errors: Mapping[str, str]
    """What could not be read; nothing is shown then."""
    first: str
    """`from` as it stands in the address."""
    last: str
    query: QueryDict = field(default_factory=QueryDict)

    @property
    def is_all(self) -> bool:
        """Tell whether all ledgers count together."""
        return self.ledger is None

    @property
    def links_to(self) -> LedgerState | None:
        """Return the ledger that links to entries lead to: a list has one."""
        return self.ledger or next(iter(self.ledgers), None)

    def url(self, path: str = "", **more: str) -> str:
        """Return an address with this range and these filters; an empty value takes one out."""
        query = self.query.copy()
        for name, value in more.items():
            if value:
                query[name] = value
            else:
                query.pop(name, None)
        return f"{path or self.path}?{query.urlencode()}" if query else path or self.path


def sent_on(request: HttpRequest) -> HttpResponseRedirect | None:
    """Return where a sent form leads: its own address without blanks; None when none was sent."""
    if SENT not in request.GET:
        return None
    query = QueryDict(mutable=True)
    for name, value in request.GET.items():
        if name != SENT and str(value).strip():
            query[name] = str(value).strip()
    if "from" in query or "to" in query:
        query.pop("last", None)
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")


def read_asked(
    request: HttpRequest,
    filters: tuple[str, ...],
    *,
    beside: tuple[str, ...] = (),
    now: datetime | None = None,
) -> Asked:
    """Read the address. `filters`: labels that may narrow it; `beside`: read by the caller."""
    now = now or timezone.now()
    asked, errors = request.GET, dict[str, str]()
    known = {*_RANGE, "ledger", *filters, *beside}
    errors |= {name: "is no filter of this page" for name in asked if name not in known}
    window, said = _window(asked, now)
    errors |= said
    ledgers = ledger_states(also=asked.get("ledger", ""))
    wanted = asked.get("ledger") or (ledgers[0].name if ledgers else ALL)
    ledger = next((each for each in ledgers if each.name == wanted), None)
    if ledger is None and wanted != ALL:
        errors["ledger"] = "is no ledger here"
    counted = ledgers if ledger is None else [ledger]
    narrowed = {name: str(asked[name])[:_LONGEST] for name in filters if asked.get(name)}
    values = offered(filters)
    return Asked(
        path=request.path,
        window=window,
        scope=Scope(ledgers={each.id: each.name for each in counted}, filters=narrowed),
        ledgers=ledgers,
        ledger=ledger,
        spans=_spans(request),
        choices=[
            Choice(
                name=name,
                word=name.capitalize(),
                value=narrowed.get(name, ""),
                values=sorted({*values[name], *filter(None, [narrowed.get(name)])}),
            )
            for name in filters
        ],
        chips=_chips(request, errors),
        errors=errors,
        first=asked.get("from", ""),
        last=asked.get("to", ""),
        query=asked.copy(),
    )


def _window(asked: QueryDict, now: datetime) -> tuple[Window, dict[str, str]]:
    """Return the range, the usual one where it cannot be read, and what is wrong with it."""
    usual = span_window(USUAL, now)
    if "from" not in asked and "to" not in asked:
        span = asked.get("last", USUAL)
        if span not in SPANS:
            return usual, {"last": f"is one of {', '.join(SPANS)}"}
        return span_window(span, now), {}
    if "last" in asked:
        return usual, {"last": "and a range from and to are two ranges; remove one"}
    errors = {}
    read: dict[str, datetime] = {}
    for name in ("from", "to"):
        try:
            read[name] = read_time(str(asked[name])) if asked.get(name) else now
        except Unreadable as wrong:
            errors[name] = str(wrong)
    if not asked.get("from"):
        errors["from"] = "is needed; where does the range begin?"
    if errors:
        return usual, errors
    try:
        return own_window(read["from"], read["to"], now), {}
    except TooLong as wrong:
        return usual, {"to": str(wrong)}


def _spans(request: HttpRequest) -> list[Span]:
    asked = request.GET
    is_own = "from" in asked or "to" in asked
    found = []
    for name, (word, _, _) in SPANS.items():
        query = asked.copy()
        for each in _RANGE:
            query.pop(each, None)
        query["last"] = name
        found.append(
            Span(
                word=word,
                url=f"{request.path}?{query.urlencode()}",
                is_shown=not is_own and asked.get("last", USUAL) == name,
            )
        )
    return found


def _chips(request: HttpRequest, errors: Mapping[str, str]) -> list[Chip]:
    found = []
    for name, value in request.GET.items():
        rest = request.GET.copy()
        rest.pop(name)
        if name == "from":
            rest.pop("to", None)
        moment = None
        if name in {"from", "to"} and name not in errors and value:
            moment = read_time(str(value))
        found.append(
            Chip(
                name=name,
                value="all together" if value == ALL else str(value),
                without=f"{request.path}?{rest.urlencode()}" if rest else request.path,
                error=errors.get(name, ""),
                moment=moment,
            )
        )
    return found
