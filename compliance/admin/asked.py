"""Read what the address of a score page asks for: a ledger, a framework, a period, a narrower look.

A page draws a sealed result, the newest posture unless the address names another; it never computes
a score itself. An agent, an environment or days of one's own are in no sealed result: then the verb
of evaluate.py computes it now, and the page says so. Pages: scores.py, controls.py, checks.py,
items.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, QueryDict
from django.urls import reverse
from django.utils import timezone

from audit.admin.entry_form import Chip
from audit.models import Agent, Ledger
from audit.state import LedgerState, ledger_states
from compliance.admin.words import first_command, short_name
from compliance.definitions import Framework
from compliance.evaluate import evaluate_framework
from compliance.in_force import UnknownFramework, catalogue_in_force
from compliance.models import Snapshot
from compliance.posture import posture_days
from compliance.result import as_json
from compliance.tallied import LensNotTallied

SENT: Final = "form"
"""What a sent form carries, so that its blanks can be left out of the address."""
NARROWING: Final = ("agent", "environment", "from", "to")
"""What no sealed result answers."""
ENVIRONMENTS: Final = ("prod", "staging", "test", "dev")
_YEARS: Final = range(1970, 3000)
"""A day of any other year is a slip of the keyboard, and its neighbours may be no days at all."""
LONGEST_DAYS: Final = 1_100
"""The longest period that is computed while a reader waits: three years."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What one address asks for, and the result that answers it."""

    ledgers: list[LedgerState]
    ledger: LedgerState | None
    """None when the address names a ledger that is none."""
    framework: str
    definition: Framework | None
    """What the catalogue in force says of it; None when it says nothing any more."""
    snapshot: Snapshot | None
    """The sealed row; None when it was computed now, or when there is nothing yet."""
    result: dict[str, Any] | None
    """compliance.result.as_json, or None before the first posture."""
    chips: list[Chip]
    errors: dict[str, str]
    """What could not be read; nothing is shown then."""
    waits: str = ""
    """Why nothing can be computed now; empty: it can."""
    period: tuple[date, date]
    """The first day, and the day after the last."""
    kept: QueryDict = field(default_factory=QueryDict)
    """The part of the address that every page below has too."""

    @property
    def name(self) -> str:
        """Return the framework's name, its id when the catalogue has none."""
        return short_name(self.definition.name) if self.definition else self.framework

    @property
    def own_ledger(self) -> Ledger:
        """Return the ledger as verbs take it."""
        assert self.ledger is not None, "only a page that has a ledger asks for it"
        return Ledger(id=self.ledger.id, name=self.ledger.name)

    @property
    def is_computed_now(self) -> bool:
        """Tell whether nobody sealed this result."""
        return self.result is not None and self.snapshot is None

    @property
    def query(self) -> str:
        """Return `?ledger=…` for a link to a page of the same look; may be empty."""
        return f"?{self.kept.urlencode()}" if self.kept else ""

    def url(self, page: str, *arguments: str, **more: str) -> str:
        """Return the address of a score page in the same look."""
        query = self.kept.copy()
        for name, value in more.items():
            query[name] = value
        text = f"?{query.urlencode()}" if query else ""
        return reverse(f"admin:compliance_score_{page}", args=arguments) + text

    @property
    def first_line(self) -> str:
        """Return the shell line that computes what the first posture will say."""
        return first_command(self.framework, self.own_ledger.name, *self.period)

    @property
    def controls(self) -> list[dict[str, Any]]:
        """Return the controls of the result."""
        return [] if self.result is None else list(self.result["controls"])

    def control(self, wanted: str) -> dict[str, Any]:
        """Return one control of the result. Raises Http404."""
        for control in self.controls:
            if control["id"] == wanted:
                return control
        raise Http404(f"{self.framework} has no control {wanted!r} in this result")


def read(request: HttpRequest, framework: str, *, beside: Collection[str] = ()) -> Asked:
    """Read the address of a page of one framework. `beside` names what the caller reads himself.

    Raises Http404 for a framework that neither the catalogue nor any sealed result knows.
    """
    if "\0" in framework:
        raise Http404("no framework has such a name")
    asked = request.GET
    ledgers = ledger_states(also=asked.get("ledger", ""))
    wanted = asked.get("ledger") or settings.LEDGER
    ledger = next((one for one in ledgers if one.name == wanted), None)
    definition = catalogue_in_force().frameworks.get(framework)
    errors = {
        name: "is no filter of this page"
        for name in asked
        if name not in {"ledger", "snapshot", SENT, *NARROWING, *beside}
    }
    snapshot = None
    if ledger is not None:
        snapshot = _snapshot(asked.get("snapshot", ""), ledger, framework, errors)
    if definition is None and snapshot is None and not errors:
        raise Http404(f"no framework is named {framework!r}")
    start, end = _days(asked, snapshot, errors)
    if ledger is not None:
        _check_narrowing(asked, ledger, errors)
    result: dict[str, Any] | None = None
    waits = ""
    is_narrow = any(asked.get(name) for name in NARROWING)
    if ledger is not None and not errors and ledger.size:
        if is_narrow:
            snapshot = None
            try:
                result = as_json(
                    evaluate_framework(
                        Ledger(id=ledger.id, name=ledger.name),
                        framework,
                        start=start,
                        end=end,
                        environment=asked.get("environment") or "prod",
                        agent=asked.get("agent") or None,
                    )
                )
            except UnknownFramework as error:
                raise Http404(str(error)) from error
            except LensNotTallied as error:
                waits = str(error)
        elif snapshot is not None:
            result = snapshot.as_json()
    kept = QueryDict(mutable=True)
    for name in ("ledger", "snapshot", *NARROWING):
        if asked.get(name):
            kept[name] = asked[name]
    return Asked(
        ledgers=ledgers,
        ledger=ledger,
        framework=framework,
        definition=definition,
        snapshot=snapshot,
        result=result,
        chips=chips(request, errors),
        errors=errors,
        waits=waits,
        period=(start, end),
        kept=kept,
    )


def clean_address(request: HttpRequest) -> str:
    """Return the address that a sent form asks for, without its blanks."""
    query = QueryDict(mutable=True)
    for name, values in request.GET.lists():
        said = [value for value in (str(each).strip() for each in values) if value]
        if name != SENT and said:
            query.setlist(name, said)
    return f"{request.path}?{query.urlencode()}" if query else request.path


def chips(request: HttpRequest, errors: Mapping[str, str]) -> list[Chip]:
    """Return a chip for all that the address says, with the address without it."""
    found = []
    for name, values in request.GET.lists():
        if name in {"ledger", "after", "before", "control"} and name not in errors:
            continue
        for value in values:
            rest = request.GET.copy()
            rest.setlist(name, [other for other in values if other != value])
            for place in ("after", "before"):
                rest.pop(place, None)
            found.append(
                Chip(
                    name=name,
                    value=_short(name, str(value)),
                    without=f"{request.path}?{rest.urlencode()}",
                    error=errors.get(name, ""),
                )
            )
    return found


def day(text: str) -> date | None:
    """Return the day that a text names as 2026-10-04; None when it names none."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.isoformat() == text and found.year in _YEARS else None


def _short(name: str, value: str) -> str:
    return value[:8] if name == "snapshot" else value


def _snapshot(
    wanted: str, ledger: LedgerState, framework: str, errors: dict[str, str]
) -> Snapshot | None:
    if not wanted:
        return Snapshot.objects.postures(Ledger(id=ledger.id), framework).first()
    rows = Snapshot.objects.filter(ledger_id=ledger.id, framework=framework)
    try:
        found = rows.filter(id=uuid.UUID(wanted)).first()
    except ValueError:
        found = None
    if found is None:
        errors["snapshot"] = "is the id of a sealed result of this framework and ledger"
    return found


def _days(asked: QueryDict, snapshot: Snapshot | None, errors: dict[str, str]) -> tuple[date, date]:
    """Return the period: of the address, else of the sealed result, else the last 30 days."""
    start, end = posture_days(timezone.now().astimezone(UTC).date())
    if snapshot is not None:
        start, end = snapshot.start_day, snapshot.end_day
    read_days = {name: day(asked.get(name, "")) for name in ("from", "to")}
    for name, found in read_days.items():
        if asked.get(name) and found is None:
            errors[name] = "is a day such as 2026-10-04, in UTC"
    if read_days["to"] is not None:
        end = read_days["to"]
        start = min(start, end - timedelta(days=1))
    start = read_days["from"] or start
    if not errors.keys() & {"from", "to"}:
        if start >= end:
            errors["to"] = f"is a day after {start}; it is not part of the period itself"
        elif (end - start).days > LONGEST_DAYS:
            errors["from"] = f"is at most {LONGEST_DAYS:,} days before the end"
    return start, end


def _check_narrowing(asked: QueryDict, ledger: LedgerState, errors: dict[str, str]) -> None:
    """Refuse an agent that has sent nothing: all its controls would read "no data", misspelt."""
    environment, agent = asked.get("environment", ""), asked.get("agent", "")
    if environment and environment not in ENVIRONMENTS:
        errors["environment"] = f"is one of {', '.join(ENVIRONMENTS)}"
    if agent:
        known = Agent.objects.filter(ledger_id=ledger.id, agent_id=agent)
        if "\0" in agent or not known.exists():
            errors["agent"] = f"has sent nothing to {ledger.name}; it is named as events name it"


def instant(text: str) -> datetime:
    """Return a time that a result holds as text."""
    return datetime.fromisoformat(text)
