"""The form over the lists of traces and lines, their chips, and the address a sent form leads to.

The address is the filter (tracing.filters). A sent form carries `form=1`: its blanks are left out,
a time span becomes a beginning, and the browser is sent on to the address that is left. Template:
templates/tracing/filter.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.utils import timezone

from audit.admin.entry_form import SENT, SPAN, SPANS, Box, Chip, Choice
from audit.query import Unreadable, read_time
from audit.state import LedgerState, ledger_states

PAGING: Final = ("after", "before")
_TIMES: Final = {"from": "From", "to": "Until, not included"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What the template needs to draw the form as the address says it."""

    path: str
    ledger: str
    times: list[Box]
    texts: list[Box]
    choices: list[Choice]
    spans: list[tuple[str, str]]
    hidden: list[tuple[str, str]]
    """What the address says beside the filter, such as a tab."""
    active: int
    is_open: bool


def sent_on(request: HttpRequest) -> HttpResponseRedirect | None:
    """Return where a sent form leads; None when none was sent."""
    if SENT not in request.GET:
        return None
    query = QueryDict(mutable=True)
    for name, values in request.GET.lists():
        kept = [value for value in (str(each).strip() for each in values) if value]
        if name not in {SENT, SPAN} and kept:
            query.setlist(name, kept)
    span = SPANS.get(request.GET.get(SPAN, ""))
    if span is not None:
        query.pop("to", None)
        began = (timezone.now() - span[1]).replace(microsecond=0)
        query["from"] = began.isoformat().replace("+00:00", "Z")
    return HttpResponseRedirect(url(request.path, query))


def url(path: str, query: QueryDict, **more: str | None) -> str:
    """Return an address with these filters; what is None or empty is taken out."""
    query = query.copy()
    for name, value in more.items():
        if value:
            query[name] = value
        else:
            query.pop(name, None)
    return f"{path}?{query.urlencode()}" if query else path


def place_url(request: HttpRequest, **place: str | None) -> str:
    """Return this list at another place; empty where there is none."""
    if not any(place.values()):
        return ""
    query = request.GET.copy()
    for name in PAGING:
        query.pop(name, None)
    return url(request.path, query, **place)


def newest_url(request: HttpRequest) -> str:
    """Return this list from its beginning."""
    return url(request.path, request.GET, after=None, before=None)


def read_ledger(request: HttpRequest) -> tuple[list[LedgerState], LedgerState | None]:
    """Return the ledgers there are and the one that the address names, the first where it does not.

    None when it names one that is not there.
    """
    ledgers = ledger_states(also=request.GET.get("ledger", ""))
    wanted = request.GET.get("ledger") or (ledgers[0].name if ledgers else "")
    return ledgers, next((each for each in ledgers if each.name == wanted), None)


def chips(
    request: HttpRequest, errors: Mapping[str, str], *, beside: Sequence[str] = ()
) -> list[Chip]:
    """Return a chip for every value in the address, those that cannot be read too."""
    found = []
    for name, values in request.GET.lists():
        if (name in PAGING and name not in errors) or name in beside:
            continue
        for value in values:
            rest = request.GET.copy()
            rest.setlist(name, [other for other in values if other != value])
            for place in PAGING:
                rest.pop(place, None)
            found.append(
                Chip(
                    name=name,
                    value=str(value),
                    without=url(request.path, rest),
                    error=errors.get(name, ""),
                    moment=_moment(name, str(value)),
                )
            )
    return found


def _moment(name: str, value: str) -> datetime | None:
    if name not in _TIMES:
        return None
    try:
        return read_time(value)
    except Unreadable:
        return None  # the chip shows the text as it is; its error stands beside it


def form(
    request: HttpRequest,
    errors: Mapping[str, str],
    *,
    ledger: str,
    texts: Mapping[str, tuple[str, str]],
    choices: Mapping[str, tuple[str, Sequence[str]]],
    hidden: Sequence[str] = (),
) -> Form:
    """Return the form filled with what the address asks for.

    `texts`: by filter, its label and a hint; `choices`: its label and the words it may be.
    """
    asked = request.GET
    aside = {"ledger", *PAGING, *hidden}
    return Form(
        path=request.path,
        ledger=ledger,
        times=[
            Box(name=name, label=label, hint="", values=asked.getlist(name)[:1] or [""],
                error=errors.get(name, ""))
            for name, label in _TIMES.items()
        ],
        texts=[
            Box(name=name, label=label, hint=hint, values=asked.getlist(name) or [""],
                error=errors.get(name, ""))
            for name, (label, hint) in texts.items()
        ],
        choices=[
            Choice(name=name, label=label, error=errors.get(name, ""),
                   options=[(word, word, word in asked.getlist(name)) for word in words])
            for name, (label, words) in choices.items()
        ],
        spans=[(name, label) for name, (label, _) in SPANS.items()],
        hidden=[(name, str(asked[name])) for name in hidden if name in asked],
        active=sum(len(values) for name, values in asked.lists() if name not in aside),
        is_open=bool(errors),
    )  # fmt: skip
