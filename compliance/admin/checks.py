"""The page of one check as a control uses it: what it asks, what it found, which items failed.

Its definition in words and as data, its limits and whose they are, counts a day, failing and open
items, all of them as CSV. Drawn from a result (asked.py) and the tallies (found.py); the page
above: controls.py; below: items.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.template.response import TemplateResponse

from audit.csv_lines import BOM, safe
from audit.readonly import ReadOnlyModelAdmin
from compliance.admin import asked
from compliance.admin.asked import Asked
from compliance.admin.found import (
    Day,
    Kept,
    KeptPage,
    Narrowed,
    RunningLens,
    all_items,
    items_page,
    reach,
    running_lenses,
)
from compliance.admin.strips import READ_LATE, failing_late, late_page, strips
from compliance.admin.trail import trail
from compliance.admin.ways import ways_of_check
from compliance.admin.words import check_line, command, period
from compliance.definitions import Catalogue, Check
from compliance.in_force import catalogue_in_force
from compliance.lenses import params_of
from compliance.people import settings_of
from compliance.result import time_text
from compliance.tallied import Tallied
from compliance.wording import in_words

BESIDE: Final = ("control", "show", "after", "before")
SHOWS: Final = {"fail": "Failing", "pending": "Open"}
CHART_HEIGHT: Final = 96
BAR: Final = 20
GAP: Final = 4
COLUMNS: Final = (
    "check", "item", "state", "day", "agent", "environment", "ledger", "seq", "other_seq", "due",
    "weight", "why", "restated", "evidence",
)  # fmt: skip
"""The names in the first line of the CSV, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One parameter of the check as this control uses it."""

    name: str
    value: str
    whose: str
    """The article that sets it, or that it is our policy."""
    is_law: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One day of the chart, in its own units."""

    day: Day
    x: int
    height: float
    bad_height: float

    @property
    def top(self) -> float:
        """Return where the bar begins, from above."""
        return CHART_HEIGHT - self.height

    @property
    def bad_top(self) -> float:
        """Return where its failures begin."""
        return CHART_HEIGHT - self.bad_height


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """A check as one control of a result uses it."""

    check: str
    control: str
    """Empty: beside any control, as a guard or a gate."""
    leg: dict[str, Any]
    """The leg, or what the result says of the check when no control is named."""
    lens: str


def check_page(
    pages: ReadOnlyModelAdmin, request: HttpRequest, framework: str, check: str
) -> HttpResponse:
    """Show one check of a framework, as the control in `?control=` uses it."""
    look = asked.read(request, framework, beside=BESIDE)
    control = request.GET.get("control", "")
    show = request.GET.get("show") or "fail"
    if show not in SHOWS:
        look.errors["show"] = f"is one of {', '.join(SHOWS)}"
    catalogue = catalogue_in_force()
    context = pages.frame(
        request,
        title=f"{look.name}, {check}"[:120],
        opts=None,
        strip=look.ledger,
        asked=look,
        trail=trail(look, control=control, check=check),
    )
    if look.result is not None:
        used = used_by(look, check, control)
        lens = running_lenses(look.own_ledger.id, [used.lens]).get(used.lens)
        context |= _facts(look, used, catalogue, lens)
        context |= _listed(request, look, used, show, lens)
        known = catalogue.checks.get(check)
        context["ways"] = ways_of_check(request, look, known, control=control, leg=used.leg)
    elif check not in catalogue.checks:
        raise Http404(f"no check is named {check!r}")
    return TemplateResponse(request, "compliance/check.html", context)


def items_file(
    pages: ReadOnlyModelAdmin, request: HttpRequest, framework: str, check: str
) -> StreamingHttpResponse:
    """Give all failing and open items of the check as CSV."""
    look = asked.read(request, framework, beside=BESIDE)
    if look.result is None:
        raise Http404("there is no result to list items of")
    used = used_by(look, check, request.GET.get("control", ""))
    answer = StreamingHttpResponse(_csv(look, used), content_type="text/csv; charset=utf-8")
    name = f"{look.result['ledger']}-{framework}-{check}-{look.result['from']}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def used_by(look: Asked, check: str, control: str) -> Used:
    """Return the check as a control uses it. Raises Http404 when the result knows no such use."""
    assert look.result is not None, "only a result uses checks"
    if control:
        for leg in look.control(control)["legs"]:
            if leg["id"] == check:
                return Used(check=check, control=control, leg=leg, lens=leg["lens"])
    else:
        for found in (*look.result["gate"], *look.result["checks"]):
            if found["check"] == check:
                return Used(check=check, control="", leg=found, lens=found["lens"])
    raise Http404(f"{check!r} has no part in {control or look.framework}")


def rows_of(look: Asked) -> Narrowed:
    """Return which rows of the tallies the result is about."""
    assert look.ledger is not None, "a result is of a ledger"
    assert look.result is not None, "a page without a result draws nothing"
    return Narrowed.of(look.ledger.id, look.result)


def _facts(
    look: Asked, used: Used, catalogue: Catalogue, lens: RunningLens | None
) -> dict[str, Any]:
    assert look.result is not None, "a page without a result draws nothing"
    check = catalogue.checks.get(used.check)
    in_force = _in_force(look, used, check) if check else {}
    found = next((one for one in look.result["checks"] if one["lens"] == used.lens), used.leg)
    days = strips(look.own_ledger, rows_of(look), {used.lens: lens} if lens else {})
    drawn = days.get(used.lens, [])
    return {
        "result": look.result,
        "period": period(look.result),
        "used": used,
        "found": found,
        "check": check,
        "headline": check_line(used.check, check.title if check else "", used.leg),
        "words": in_words(replace(check, params=in_force), catalogue) if check else "",
        "data": json.dumps(_data(lens, check), indent=2, ensure_ascii=False),
        "lens": lens,
        "limits": _limits(check, in_force) if check else [],
        "days": drawn,
        "bars": _bars(drawn),
        "chart_width": max(len(drawn), 1) * (BAR + GAP),
        "chart_height": CHART_HEIGHT,
        "bar_width": BAR,
        "most": max((day.passed + day.failed for day in drawn), default=0),
        "guards": [_guard(look, guard) for guard in (check.guards if check else ())],
        "reach": reach(look.own_ledger.id),
        "scratch": command(look.result, from_scratch=True),
        "also": [
            (
                control["id"],
                leg,
                look.url("check", look.framework, used.check, control=control["id"]),
            )
            for control in look.controls
            for leg in control["legs"]
            if leg["id"] == used.check and control["id"] != used.control
        ],
    }


def _in_control(look: Asked, check: str, control: str) -> str:
    return look.url("check", look.framework, check, control=control)


def _listed(
    request: HttpRequest, look: Asked, used: Used, show: str, lens: RunningLens | None
) -> dict[str, Any]:
    """Return one page of items and the addresses beside it."""
    more = {"control": used.control} if used.control else {}
    here = look.url("check", look.framework, used.check, **more)
    page = _page(request, look, used, show, lens)
    return {
        "show": show,
        "page": page,
        "tabs": [
            (name, word, f"{here}{'&' if '?' in here else '?'}show={name}#items", name == show)
            for name, word in SHOWS.items()
        ],
        "lines": [(item, item_url(look, used, item.item)) for item in page.rows],
        "newer_url": _place(request, before=page.newer),
        "older_url": _place(request, after=page.older),
        "pending_url": f"{here}{'&' if '?' in here else '?'}show=pending#items",
        "csv_url": look.url("items", look.framework, used.check, **more),
    }


def _page(
    request: HttpRequest, look: Asked, used: Used, show: str, lens: RunningLens | None
) -> KeptPage:
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    if show not in SHOWS:
        return KeptPage(rows=[], newer=None, older=None)
    try:
        if show == "fail" and lens is not None and lens.kind in READ_LATE:
            late = failing_late(look.own_ledger, rows_of(look), used.lens, lens)
            return late_page(late, after=after, before=before)
        return items_page(used.lens, rows_of(look), state=show, after=after, before=before)
    except ValueError:
        look.errors["after" if after else "before"] = "is a place in this list; remove it"
        return KeptPage(rows=[], newer=None, older=None)


def item_url(look: Asked, used: Used, item: str) -> str:
    """Return the page of an item."""
    more = {"control": used.control} if used.control else {}
    return look.url("item", look.framework, used.check, item=item, **more)


def _place(request: HttpRequest, **place: str | None) -> str:
    query = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    for name, value in place.items():
        if value is None:
            return ""
        query[name] = value
    return f"{request.path}?{_encoded(query)}#items"


def _encoded(query: QueryDict) -> str:
    return query.urlencode()


def _data(lens: RunningLens | None, check: Check | None) -> Any:
    if lens is not None:
        return lens.definition
    return dict(check.definition) if check else {}


def _in_force(look: Asked, used: Used, check: Check) -> Mapping[str, Any]:
    """Return the parameters of the check as they are in force for this use."""
    controls = look.definition.controls if look.definition else ()
    return params_of(
        check,
        framework=look.definition,
        control=next((one for one in controls if one.id == used.control), None),
        settings=settings_of(Tallied(look.own_ledger).acts()),
    )


def _limits(check: Check, in_force: Mapping[str, Any]) -> list[Limit]:
    """Return these parameters in words, and whose they are."""
    return [
        Limit(
            name=name,
            value=_value(value),
            whose=check.law.get(name, "our policy"),
            is_law=name in check.law,
        )
        for name, value in in_force.items()
    ]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _guard(look: Asked, guard: str) -> tuple[str, str, str]:
    """Return a guard with its state in the result and its page."""
    assert look.result is not None, "only a result has guards"
    found = next((one for one in look.result["checks"] if one["check"] == guard), None)
    url = look.url("check", look.framework, guard) if found else ""
    return guard, found["state"] if found else "", url


def _bars(days: list[Day]) -> list[Bar]:
    most = max((day.passed + day.failed for day in days), default=0) or 1
    scale = CHART_HEIGHT / most
    return [
        Bar(
            day=day,
            x=place * (BAR + GAP),
            # A day with one item beside one with thousands is still to be seen.
            height=max(round((day.passed + day.failed) * scale, 2), 1.5)
            if day.passed or day.failed
            else 0,
            bad_height=max(round(day.failed * scale, 2), 1.5) if day.failed else 0,
        )
        for place, day in enumerate(days)
    ]


def _csv(look: Asked, used: Used) -> Iterator[bytes]:
    assert look.ledger is not None, "a result is of a ledger"
    yield BOM + _line(COLUMNS)
    lens = running_lenses(look.ledger.id, [used.lens]).get(used.lens)
    rows = rows_of(look)
    if lens is not None and lens.kind in READ_LATE:
        for item in failing_late(look.own_ledger, rows, used.lens, lens):
            yield _line(_cells(look.ledger.name, used.check, item))
    else:
        for item in all_items(used.lens, rows, state="fail"):
            yield _line(_cells(look.ledger.name, used.check, item))
    for item in all_items(used.lens, rows, state="pending"):
        yield _line(_cells(look.ledger.name, used.check, item))


def _cells(ledger: str, check: str, item: Kept) -> list[str]:
    return [
        check,
        item.item,
        item.state,
        item.day.isoformat(),
        item.agent,
        item.environment,
        ledger,
        "" if item.seq is None else str(item.seq),
        "" if item.other_seq is None else str(item.other_seq),
        "" if item.due is None else time_text(_us(item)),
        str(item.weight),
        item.why,
        "yes" if item.is_restated else "no",
        json.dumps(item.evidence, ensure_ascii=False, sort_keys=True),
    ]


def _us(item: Kept) -> int:
    assert item.due is not None, "only what is due has a time"
    return int(item.due.timestamp() * 1_000_000)


def _line(cells: tuple[str, ...] | list[str]) -> bytes:
    quoted = ",".join('"' + safe(cell).replace('"', '""') + '"' for cell in cells)
    return f"{quoted}\r\n".encode()
