"""The pages of schedules: the list, the form, and one with its next runs, recipients and slots.

Auditors see everything but secrets, which nobody sees again, and change nothing. Each act leaves an
entry. Verbs: compliance.schedule, slots, deliver_report. The form: schedule_form.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from audit.admin.acts import act, number, say
from audit.models import Ledger
from audit.state import ledger_state
from compliance.acting import ActRefused
from compliance.admin.people_form import (
    Cell,
    Empty,
    PeopleAdmin,
    Shown,
    Way,
    entries_url,
    named_ledger,
    person_of,
    url_of,
    when_cell,
)
from compliance.admin.schedule_form import (
    Upcoming,
    boxes,
    first_values,
    format_choices,
    recipient_rows,
    secret_error,
    typed,
    upcoming,
    wanted_of,
)
from compliance.admin.words import short_name
from compliance.cron import PERIODS, PRESETS, CronRefused, zones
from compliance.deliver_report import send_test
from compliance.delivery_kinds import KINDS
from compliance.in_force import catalogue_in_force
from compliance.models import Schedule, Slot
from compliance.parcel import NotDelivered
from compliance.renderers import FORMATS
from compliance.schedule import (
    MOST_RECIPIENTS,
    change_schedule,
    first_run,
    make_schedule,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    shown_address,
)
from compliance.slots import try_slot_again

_MAY_MAKE, _MAY_CHANGE, _MAY_REMOVE = (
    f"compliance.{verb}_schedule" for verb in ("add", "change", "delete")
)
_SECRETS: Final = tuple(f"recipient-{row}-secret" for row in range(MOST_RECIPIENTS))
MOST_SLOTS: Final = 30
"""Slots that a page shows, the newest first."""
SLOT_BADGES: Final = {
    "waiting": ("queued", "waits"),
    "making": ("running", "being made"),
    "done": ("done", ""),
    "failed": ("failed", ""),
    "passed": ("cancelled", "passed over"),
}
"""The badge of each state of a slot, and its word where it is another one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotLine:
    """One slot as the page shows it."""

    row: Slot
    badge: str
    word: str
    report_url: str


@admin.register(Schedule)
class ScheduleAdmin(PeopleAdmin):
    """When reports are made by themselves, of what, and who gets them."""

    rows_of = Schedule
    title = "Schedules"
    lead = "A schedule makes a report at its times and sends it to its recipients."
    shows: ClassVar = {"used": "In use", "removed": "Removed"}
    where: ClassVar = {"used": {"removed_at": None}, "removed": {"removed_at__isnull": False}}
    empty: ClassVar = {
        "": Empty(
            icon="event_repeat",
            heading="No schedule yet",
            body="Make one, and the report of each month, week or quarter is made when it is over "
            "and sent to whom you name.",
        ),
        "removed": Empty(
            icon="event_busy",
            heading="None was removed",
            body="A schedule that is removed stays listed here, with its slots and reports.",
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add making, changing and the acts."""
        acts: dict[str, tuple[Callable[..., HttpResponse], str]] = {
            "pause": (self.pause, _MAY_CHANGE),
            "resume": (self.resume, _MAY_CHANGE),
            "test": (self.test, _MAY_CHANGE),
            "again": (self.again, _MAY_CHANGE),
            "remove": (self.remove, _MAY_REMOVE),
        }
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_page), name="compliance_schedule_new"),
            path("<str:object_id>/edit/", view(self.edit_page), name="compliance_schedule_edit"),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=permission),
                    name=f"compliance_schedule_{name}",
                )
                for name, (verb, permission) in acts.items()
            ),
            *super().get_urls(),
        ]

    # --- The list ------------------------------------------------------------------------------

    def found(self, show: str) -> QuerySet[Any]:
        """Return the rows of a tab, never with what is sealed."""
        return super().found(show).defer("secrets")

    def state(self, row: Schedule) -> str:
        """Return its state in a word."""
        if row.removed_at is not None:
            return "removed"
        return "live" if row.is_on else "paused"

    def cells(self, row: Schedule) -> tuple[Cell, ...]:
        """Return what the list says of a schedule."""
        last = _slots(row)[:1]
        runs = _upcoming(row)
        return (
            Cell(word="Name", value=row.name, url=self.url(row)),
            Cell(word="Framework", value=_framework(row.framework)),
            Cell(word="When", value=f"{_often(row.cron)}, {row.zone}"),
            when_cell("Next run", runs[0].due if runs else None),
            Cell(
                word="Last slot",
                value=SLOT_BADGES[last[0].state][0] if last else None,
                kind="badge",
            ),
            when_cell("Was due", last[0].due_at if last else None),
            Cell(word="Recipients", value=len(row.recipients), kind="number"),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer making one."""
        new = Way(
            word="Make a schedule",
            url=url_of("compliance_schedule_new", ledger=ledger.name),
            icon="add",
            is_main=True,
        )
        return (new,) if request.user.has_perm(_MAY_MAKE) else ()

    # --- One schedule --------------------------------------------------------------------------

    def shown(self, request: HttpRequest, row: Schedule) -> Shown:
        """Return what the page of a schedule says."""
        return Shown(
            title=f"Schedule {row.name}",
            sentence=_sentence(row),
            state=self.state(row),
            fields=(
                Cell(word="Framework", value=_framework(row.framework)),
                Cell(word="Ledger", value=row.ledger.name),
                Cell(word="Environment", value=row.environment or "all"),
                Cell(word="Times", value=row.cron, kind="code"),
                Cell(word="Zone", value=row.zone),
                Cell(word="Period", value=PERIODS[row.period]),
                Cell(word="Formats", value=", ".join(FORMATS[name].word for name in row.formats)),
                Cell(word="Made by", value=row.made_by),
                when_cell("Made", row.made_at),
                when_cell("Changed", row.changed_at),
                Cell(word="Changed by", value=row.changed_by),
                *((when_cell("Removed", row.removed_at),) if row.removed_at else ()),
                Cell(word="Removed by", value=row.removed_by),
            ),
            ways=(
                Way(
                    word="Entries about changes of the set-up",
                    url=entries_url(row.ledger, "audit.config_changed"),
                ),
                Way(
                    word="Entries about deliveries",
                    url=entries_url(row.ledger, "audit.report_delivered"),
                ),
            ),
        )

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show its next runs, its recipients, its slots, and what may be done."""
        return self._page(request, self.row(object_id))

    def _page(
        self,
        request: HttpRequest,
        row: Schedule,
        *,
        answer: str | None = None,
        is_taken: bool = False,
        refused: ActRefused | None = None,
    ) -> HttpResponse:
        shown = self.shown(request, row)
        is_used = row.removed_at is None
        context = self.frame(
            request,
            title=shown.title,
            object=row,
            strip=ledger_state(ledger_id=row.ledger_id),
            row=row,
            shown=shown,
            runs=_upcoming(row),
            recipients=[
                (KINDS[each["kind"]].word, shown_address(each["kind"], each["address"]))
                for each in row.recipients
            ],
            slots=[_line(slot) for slot in _slots(row)[:MOST_SLOTS]],
            most_slots=MOST_SLOTS,
            answer=answer,
            is_taken=is_taken,
            refused=refused,
            may_change=is_used and request.user.has_perm(_MAY_CHANGE),
            may_remove=is_used and request.user.has_perm(_MAY_REMOVE),
        )
        status = 409 if refused else 200
        return TemplateResponse(request, "compliance/schedule.html", context, status=status)

    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make nothing more until it is resumed."""
        said = "It is paused; this is an entry. What is due meanwhile is not made up."
        return self._act(request, object_id, pause_schedule, said)

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let it run again from now on."""
        said = "It runs again from now on; this is an entry."
        return self._act(request, object_id, resume_schedule, said)

    def again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Try a slot that failed again."""
        due = request.POST.get("due", "")

        def verb(row: Schedule, *, by: Any) -> None:
            slot = next((one for one in _slots(row) if one.due_at.isoformat() == due), None)
            if slot is None:
                raise ActRefused(field="act", message="this schedule has no such slot")
            try_slot_again(slot, by=by)

        said = "Its report is asked for again within half a minute; this is an entry."
        return self._act(request, object_id, verb, said)

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Remove it, once its name was typed."""
        row = self.row(object_id)
        if request.POST.get("confirm", "").strip() != row.name:
            say(request, f"Nothing was changed: type {row.name} to confirm.", is_good=False)
            return HttpResponseRedirect(self.url(row))
        said = f"{row.name} is removed and its secrets forgotten; this is an entry."
        return self._act(request, object_id, remove_schedule, said)

    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a marked test to one recipient and show what came back."""
        row = self.row(object_id)
        try:
            answer = send_test(row, number(request.POST.get("position", "")), by=person_of(request))
        except NotDelivered as failure:
            return self._page(request, row, answer=str(failure), is_taken=False)
        except ActRefused as refused:
            return self._page(request, row, refused=refused)
        return self._page(request, row, answer=answer, is_taken=True)

    def _act(
        self, request: HttpRequest, object_id: str, verb: Callable[..., object], said: str
    ) -> HttpResponse:
        row = self.row(object_id)
        try:
            verb(row, by=person_of(request))
        except ActRefused as refused:
            return self._page(request, self.row(object_id), refused=refused)
        say(request, said, is_good=True)
        return HttpResponseRedirect(self.url(row))

    # --- The form ------------------------------------------------------------------------------

    @method_decorator(sensitive_post_parameters(*_SECRETS))
    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a schedule, then make it."""
        if not request.user.has_perm(_MAY_MAKE):
            raise PermissionDenied
        return self._form_page(request, named_ledger(request), None)

    @method_decorator(sensitive_post_parameters(*_SECRETS))
    def edit_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what is set up, and change it."""
        if not request.user.has_perm(_MAY_CHANGE):
            raise PermissionDenied
        row = self.row(object_id)
        if row.removed_at is not None:
            raise Http404("it was removed")
        return self._form_page(request, row.ledger, row)

    def _form_page(
        self, request: HttpRequest, ledger: Ledger, row: Schedule | None
    ) -> HttpResponse:
        values, refused, runs = first_values(row), None, list[Upcoming]()
        wants = request.POST.get("do", "") if request.method == "POST" else ""
        if request.method == "POST":
            values = typed(request.POST)
            wanted, by = wanted_of(values, request.POST), person_of(request)
            try:
                if wants == "save" and row is None:
                    made = make_schedule(ledger, wanted, by=by)
                    said = f"{made.name} is made; this is an entry. Send a test now."
                    say(request, said, is_good=True)
                    return HttpResponseRedirect(self.url(made))
                if wants == "save" and row is not None:
                    change_schedule(row, wanted, by=by)
                    say(request, "It is changed; this is an entry in the ledger.", is_good=True)
                    return HttpResponseRedirect(self.url(row))
                if wants == "check":
                    first_run(wanted.cron, wanted.zone, timezone.now())
            except ActRefused as error:
                refused = error
        if wants in {"check", "save"}:
            runs = _typed_runs(values)
        rows = recipient_rows(values, refused, blank=3 if wants == "more" else 1)
        shown = boxes(values, refused)
        named = {*shown, "zone", "formats", *(box.name for one in rows for box in one.boxes)}
        named |= {box.name for one in rows for box in one.more}
        named |= {f"recipient-{one.number}-secret" for one in rows}
        context = self.frame(
            request,
            title=f"Change {row.name}" if row else "Make a schedule",
            opts=None if row is None else self.opts,
            object=row,
            strip=ledger_state(ledger_id=ledger.id),
            ledger=ledger,
            row=row,
            boxes=shown,
            zone=values["zone"],
            zones=zones(),
            runs=runs,
            formats=format_choices(values["formats"]),
            rows=[(one, secret_error(one.number, refused)) for one in rows],
            refused=refused,
            other=refused if refused and refused.field not in named else None,
            kinds=list(KINDS.values()),
            back=self.url(row) if row else url_of("compliance_schedule_changelist"),
        )
        status = 400 if refused else 200
        return TemplateResponse(request, "compliance/schedule_form.html", context, status=status)


def _typed_runs(values: dict[str, Any]) -> list[Upcoming]:
    """Return the next runs of what was typed; none while it says none, which its field tells."""
    if values["period"] not in PERIODS:
        return []
    try:
        return upcoming(values["cron"], values["zone"], values["period"], timezone.now())
    except CronRefused:
        return []


def _slots(row: Schedule) -> QuerySet[Slot]:
    return Slot.objects.filter(ledger_id=row.ledger_id, schedule_id=row.id).order_by("-due_at")


def _line(slot: Slot) -> SlotLine:
    badge, word = SLOT_BADGES[slot.state]
    url = url_of("compliance_report_change", slot.report_id) if slot.report_id else ""
    return SlotLine(row=slot, badge=badge, word=word, report_url=url)


def _upcoming(row: Schedule, now: datetime | None = None) -> list[Upcoming]:
    """Return its next runs; none while it is paused or removed, or when its zone is gone."""
    if not row.is_on:
        return []
    try:
        return upcoming(row.cron, row.zone, row.period, now or timezone.now())
    except CronRefused:
        return []  # the page says so in its sentence


def _sentence(row: Schedule) -> str:
    if row.removed_at is not None:
        return "It was removed: it makes nothing more. Its slots and reports stay listed."
    if not row.is_on:
        return "It is paused: nothing is made until somebody resumes it, and nothing is made up."
    runs = _upcoming(row)
    if not runs:
        return f"It never runs: {row.cron} in {row.zone} is no time any more. Change it."
    first = runs[0]
    return f"It runs next on {first.local}, and covers {first.start} to {first.last_day} in UTC."


def _often(cron: str) -> str:
    return PRESETS[cron][0] if cron in PRESETS else cron


def _framework(framework: str) -> str:
    known = catalogue_in_force().frameworks.get(framework)
    return short_name(known.name) if known else framework
