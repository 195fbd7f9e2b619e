"""The page of switches: how each stands, what decided it, and what observing costs.

Auditors see it, administrators switch; each change asks for a reason and leaves an entry. Verb:
metrics.switches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, say
from audit.readonly import ReadOnlyModelAdmin
from metrics import overhead, switches
from metrics.acting import ChangeRefused
from metrics.admin.forms import Box, entries_url, filled, url_of
from metrics.models import Switch

MAY_SWITCH: Final = "metrics.change_switch"
_COMPONENTS: Final = {
    "metrics": "Metrics",
    "logging": "Logging",
    "tracing": "Tracing",
    "audit": "Audit",
    overhead.ALL: "All together",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One switch as the page shows it."""

    state: switches.State
    boxes: list[Box]
    is_refused: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CostLine:
    """What one component takes, as the page says it."""

    word: str
    milliseconds: str
    """Of it in a second of the clock."""
    percent: str
    """Of the processor time of all roles; empty without a figure."""


@admin.register(Switch)
class SwitchAdmin(ReadOnlyModelAdmin):
    """The switches, all on one page."""

    def get_urls(self) -> list[URLPattern]:
        """Add switching."""
        return [
            path(
                "<str:object_id>/switch/",
                act(self, self.switch, permission=MAY_SWITCH),
                name="metrics_switch_switch",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show how each stands."""
        return self._page(request)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the list, where the switch stands among its likes."""
        _known(object_id)
        return HttpResponseRedirect(f"{url_of('metrics_switch_changelist')}#{object_id}")

    def switch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Switch one, with the reason that was typed."""
        known = _known(object_id)
        try:
            done = switches.switch(
                known.name,
                request.POST.get("value", ""),
                reason=request.POST.get("reason", ""),
                by=request.user.get_username(),
            )
        except ChangeRefused as refused:
            return self._page(request, known.name, refused)
        said = f"{known.word}: {done.value}. Every process follows within 5 s; this is an entry."
        say(request, said, is_good=True)
        return HttpResponseRedirect(url_of("metrics_switch_changelist"))

    def _page(
        self, request: HttpRequest, name: str = "", refused: ChangeRefused | None = None
    ) -> HttpResponse:
        lines = [
            _line(state, request, refused if state.known.name == name else None)
            for state in switches.states()
        ]
        context = self.frame(
            request,
            title="Switches",
            opts=None,
            lines=lines,
            refused=refused,
            may_switch=request.user.has_perm(MAY_SWITCH),
            costs=[_cost(each) for each in overhead.costs(timezone.now())],
            minutes=int(overhead.WINDOW.total_seconds() // 60),
            entries_url=entries_url(),
        )
        status = 409 if refused else 200
        return TemplateResponse(request, "metrics/switches.html", context, status=status)


def _known(name: str) -> switches.Known:
    if name not in switches.KNOWN:
        raise Http404("there is no such switch")
    return switches.KNOWN[name]


def _line(state: switches.State, request: HttpRequest, refused: ChangeRefused | None) -> Line:
    boxes = [
        _value_box(state),
        Box(
            name="reason",
            word="Why",
            help="The entry carries it, with your name: no personal data.",
        ),
    ]
    typed = request.POST.dict() if refused else {}
    errors = refused.errors if refused else {}
    return Line(state=state, boxes=filled(boxes, typed, errors), is_refused=refused is not None)


def _value_box(state: switches.State) -> Box:
    """Return the input for another value: a choice, or what is typed."""
    if state.known.read is None:
        others = tuple((value, value) for value in state.known.values if value != state.value)
        return Box(name="value", word="Switch to", kind="choice", choices=others)
    return Box(
        name="value",
        word="Switch to",
        value=state.value,
        help=f"For example {state.known.example}",
        is_needed=False,
    )


def _cost(cost: overhead.Cost) -> CostLine:
    return CostLine(
        word=_COMPONENTS.get(cost.component, cost.component),
        milliseconds=f"{cost.per_second * 1000:,.3f}",
        percent="" if cost.ratio is None else f"{cost.ratio * 100:,.2f}",
    )
