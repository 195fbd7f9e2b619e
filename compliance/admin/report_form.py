"""The form that asks for a report: a framework over a period, or a result that is sealed already.

The address may fill it (`?framework=`, `?from=`, `?to=`, `?snapshot=`); what was typed wins. What
may not be asked for is the verb's to say (report.py). Page: reports.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.http import Http404, HttpRequest, QueryDict

from audit.models import Ledger
from compliance.acting import ActRefused, read_day, read_text
from compliance.admin.people_form import frameworks_to_choose, named_ledger
from compliance.models import Snapshot
from compliance.report import (
    ENVIRONMENTS,
    WantedReport,
    born_on,
    want_report,
    want_report_of,
)

OWN_DAYS: Final = "own"
EVERYWHERE: Final = "all"
PRESELECTED: Final = ("pdf", "json")
"""Forms that are ticked before anybody has chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A period by its name."""

    id: str
    word: str
    start: date
    end: date
    note: str
    """What the reader must know of it; empty: nothing."""

    @property
    def last_day(self) -> date:
        """Return its last day; `end` is the day after."""
        return self.end - timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class AskForm:
    """What the form shows."""

    ledger: Ledger
    ledgers: list[Ledger]
    frameworks: tuple[tuple[str, str], ...]
    snapshot: Snapshot | None
    """The sealed result to report; the rest of the form is fixed then."""
    presets: list[Preset]
    born: date | None
    today: date
    environments: tuple[str, ...] = (*ENVIRONMENTS, EVERYWHERE)
    given: Mapping[str, str] = field(default_factory=dict)
    """What stands in each input."""
    formats: tuple[str, ...] = PRESELECTED
    """What is ticked."""


def presets(today: date, born: date | None) -> list[Preset]:
    """Return the periods that are over, whole UTC days: month, quarter and year before today."""
    month = today.replace(day=1)
    quarter = month.replace(month=3 * ((today.month - 1) // 3) + 1)
    year = month.replace(month=1)
    return [
        _preset("month", "Last month", (month - timedelta(days=1)).replace(day=1), month, born),
        _preset("quarter", "Last quarter", _months_before(quarter, 3), quarter, born),
        _preset("year", "Last year", year.replace(year=year.year - 1), year, born),
    ]


def _preset(id_: str, word: str, start: date, end: date, born: date | None) -> Preset:
    note = ""
    if born is None:
        note = "the ledger has no entry yet"
    elif born >= end:
        note = f"nothing of it: the ledger was born on {born}"
    elif born > start:
        note = f"observed from {born}, when the ledger was born"
    return Preset(id=id_, word=word, start=start, end=end, note=note)


def _months_before(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def read_form(request: HttpRequest) -> AskForm:
    """Read what address and form say; 404 for a ledger or sealed result that is none."""
    snapshot = _snapshot(request.POST.get("snapshot") or request.GET.get("snapshot") or "")
    ledger = snapshot.ledger if snapshot is not None else named_ledger(request)
    today = datetime.now(UTC).date()
    born = born_on(ledger)
    given = _given(request)
    ticked = tuple(request.POST.getlist("format")) if request.method == "POST" else PRESELECTED
    return AskForm(
        ledger=ledger,
        ledgers=list(Ledger.objects.order_by("name")),
        frameworks=frameworks_to_choose(),
        snapshot=snapshot,
        presets=presets(today, born),
        born=born,
        today=today,
        given=given,
        formats=ticked,
    )


def _given(request: HttpRequest) -> dict[str, str]:
    sent: QueryDict = request.POST if request.method == "POST" else request.GET
    names = ("framework", "from", "to", "environment", "reason", "period")
    given = {name: sent.get(name, "") for name in names}
    given["environment"] = given["environment"] or "prod"
    if request.method != "POST":
        given["period"] = OWN_DAYS if given["from"] or given["to"] else "month"
        given["reason"] = given["reason"] or "evidence package"
    return given


def sent(form: AskForm, posted: QueryDict) -> WantedReport:
    """Return what a sent form asks for. Raises ActRefused with the name of the input."""
    reason = read_text(
        "reason",
        posted.get("reason", ""),
        missing="say why: the entry that this leaves names who and why",
    )
    formats = posted.getlist("format")
    if form.snapshot is not None:
        return want_report_of(form.snapshot, formats=formats, reason=reason)
    start, end = _days(form, posted)
    environment = posted.get("environment", "prod")
    return want_report(
        form.ledger,
        posted.get("framework", ""),
        start=start,
        end=end,
        environment="" if environment == EVERYWHERE else environment,
        formats=formats,
        reason=reason,
    )


def _days(form: AskForm, posted: QueryDict) -> tuple[date, date]:
    wanted = posted.get("period", OWN_DAYS)
    for preset in form.presets:
        if preset.id == wanted:
            return preset.start, preset.end
    if wanted != OWN_DAYS:
        raise ActRefused(field="period", message="choose one of the periods, or days of your own")
    return read_day("from", posted.get("from", "")), read_day("to", posted.get("to", ""))


def _snapshot(wanted: str) -> Snapshot | None:
    if not wanted:
        return None
    try:
        found = Snapshot.objects.select_related("ledger").filter(id=uuid.UUID(wanted)).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404("the address names a sealed result that is none")
    return found
