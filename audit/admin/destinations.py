"""The pages of destinations: the list, making and changing one, and one with what it has had.

Auditors see everything but secrets, which nobody sees again, and change nothing. The acts are
audit.destination; each leaves an entry. Sending: audit.deliver.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from audit import destination as destinations
from audit.admin.acts import act, number, read_look, say
from audit.admin.destination_form import STARTS, boxes, options_of, typed, values_of
from audit.destinations import NotDelivered
from audit.destinations.kinds import KINDS, DestinationRefused, Kind
from audit.models import Destination, Ledger
from audit.query import Unreadable, read_time
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import LedgerState, ledger_state

SHOWS = {"used": "In use", "removed": "Removed"}
MAY_MAKE, MAY_CHANGE, MAY_REMOVE = (
    f"audit.{verb}_destination" for verb in ("add", "change", "delete")
)
MOST_GAPS = 50
"""Gaps that a page shows, the newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Entries that were pruned before they were sent."""

    first: int
    last: int
    count: int
    at: datetime


@admin.register(Destination)
class DestinationAdmin(ReadOnlyModelAdmin):
    """The list of destinations, the page of one, and the acts."""

    def get_urls(self) -> list[URLPattern]:
        """Add making, changing and the acts."""
        acts = {
            "pause": (self.pause, MAY_CHANGE),
            "resume": (self.resume, MAY_CHANGE),
            "replay": (self.replay, MAY_CHANGE),
            "test": (self.test, MAY_CHANGE),
            "remove": (self.remove, MAY_REMOVE),
        }
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_page), name="audit_destination_new"),
            path("<str:object_id>/edit/", view(self.edit_page), name="audit_destination_edit"),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=permission),
                    name=f"audit_destination_{name}",
                )
                for name, (verb, permission) in acts.items()
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 destinations of one ledger, the newest first."""
        look = read_look(request, shows=SHOWS)
        context = self.frame(
            request,
            title="Destinations",
            look=look,
            strip=look.ledger,
            may_make=request.user.has_perm(MAY_MAKE),
        )
        if look.ledger is not None and not look.errors:
            rows = Destination.objects.filter(
                ledger_id=look.ledger.id, removed_at__isnull=look.show == "used"
            ).defer("secret")
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [
                    (row, row.word(), KINDS[row.kind].word, _lag(row, look.ledger))
                    for row in page.rows
                ],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "audit/destinations.html", context)

    # --- Making and changing ----------------------------------------------------------------

    @method_decorator(sensitive_post_parameters("secret"))
    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for the kind, then for what it needs, then make it."""
        if not request.user.has_perm(MAY_MAKE):
            raise PermissionDenied
        ledger, kind = _named_ledger(request), KINDS.get(request.GET.get("kind", ""))
        if ledger is None or kind is None:
            return self._kinds_page(request, ledger)
        values, errors = values_of(kind, None), dict[str, str]()
        if request.method == "POST":
            values = typed(kind, request.POST)
            try:
                made = self._make(request, ledger, kind, values)
            except DestinationRefused as refusal:
                errors = refusal.errors
            else:
                said = f"{made.name} is made; this is an entry in the ledger. Send a test line now."
                say(request, said, is_good=True)
                return HttpResponseRedirect(_address(made))
        context = {
            "starts": [(name, *said) for name, said in STARTS.items()],
            "start": request.POST.get("start", "now"),
            "kinds_url": f"{reverse('admin:audit_destination_new')}?ledger={ledger.name}",
        }
        return self._form_page(request, ledger, kind, None, values, errors, context)

    def _make(
        self, request: HttpRequest, ledger: Ledger, kind: Kind, values: dict[str, str]
    ) -> Destination:
        start = request.POST.get("start", "now")
        if start not in STARTS:
            raise DestinationRefused({"start": f"is one of {', '.join(STARTS)}"})
        return destinations.make(
            ledger,
            name=values["name"],
            kind=kind.name,
            address=values["address"],
            options=options_of(kind, values),
            secret=request.POST.get("secret", ""),
            from_seq=None if start == "now" else destinations.first_kept(ledger),
            by=request.user.get_username(),
        )

    def _kinds_page(self, request: HttpRequest, ledger: Ledger | None) -> HttpResponse:
        context = self.frame(
            request,
            title="Make destination",
            strip=ledger_state(name=ledger.name) if ledger else None,
            ledger=ledger,
            kinds=list(KINDS.values()),
        )
        return TemplateResponse(request, "audit/destination_kinds.html", context)

    @method_decorator(sensitive_post_parameters("secret"))
    def edit_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what is set up, and change it."""
        if not request.user.has_perm(MAY_CHANGE):
            raise PermissionDenied
        row = _destination(object_id)
        if row.removed_at is not None:
            raise Http404("it was removed")
        kind = KINDS[row.kind]
        values, errors = values_of(kind, row), dict[str, str]()
        if request.method == "POST":
            values = typed(kind, request.POST)
            try:
                self._change(request, row, kind, values)
            except DestinationRefused as refusal:
                errors = refusal.errors
            else:
                say(request, "It is changed; this is an entry in the ledger.", is_good=True)
                return HttpResponseRedirect(_address(row))
        return self._form_page(request, row.ledger, kind, row, values, errors, {})

    @sensitive_variables("secret")
    def _change(
        self, request: HttpRequest, row: Destination, kind: Kind, values: dict[str, str]
    ) -> None:
        secret = request.POST.get("secret", "")
        destinations.change(
            row,
            address=values["address"],
            options=options_of(kind, values),
            secret=secret or None,
            by=request.user.get_username(),
        )

    def _form_page(
        self,
        request: HttpRequest,
        ledger: Ledger,
        kind: Kind,
        row: Destination | None,
        values: dict[str, str],
        errors: dict[str, str],
        more: dict[str, Any],
    ) -> HttpResponse:
        shown = boxes(kind, values=values, errors=errors, is_new=row is None)
        named = {box.name.removeprefix("option-") for box in shown}
        context = self.frame(
            request,
            title=f"Change {row.name}" if row else "Make destination",
            object=row,
            strip=ledger_state(name=ledger.name),
            ledger=ledger,
            kind=kind,
            row=row,
            boxes=shown,
            errors=errors,
            other_errors={name: said for name, said in errors.items() if name not in named},
            **more,
        )
        return TemplateResponse(
            request, "audit/destination_form.html", context, status=400 if errors else 200
        )

    # --- One destination --------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show how far it is, how it does, what it never got, and what may be done."""
        return self._page(request, _destination(object_id))

    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop sending to it."""
        row = _destination(object_id)
        done = destinations.pause(row, by=request.user.get_username())
        said = (
            "It is paused; this is an entry in the ledger. Nothing is lost: it goes on from here."
            if done
            else "It was not going, so nothing was changed."
        )
        say(request, said, is_good=done)
        return HttpResponseRedirect(_address(row))

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let it go on, also when it was dead."""
        row = _destination(object_id)
        done = destinations.resume(row, by=request.user.get_username())
        said = (
            "It goes on from where it stopped; this is an entry in the ledger."
            if done
            else "It was going or was removed, so nothing was changed."
        )
        say(request, said, is_good=done)
        return HttpResponseRedirect(_address(row))

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send again from a seq or a time on."""
        row = _destination(object_id)
        try:
            from_seq = _from(row, request.POST.get("from", ""))
            destinations.replay(row, from_seq=from_seq, by=request.user.get_username())
        except DestinationRefused as refusal:
            said = refusal.errors.get("from_seq") or str(refusal)
            say(request, f"Nothing is sent again: the beginning {said}.", is_good=False)
        else:
            said = f"Everything from #{from_seq:,} on is sent again; this is an entry."
            say(request, said, is_good=True)
        return HttpResponseRedirect(_address(row))

    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send one marked line and show what came back."""
        row = _destination(object_id)
        if row.removed_at is not None:
            raise Http404("it was removed")
        try:
            answer = destinations.test(row, by=request.user.get_username())
        except NotDelivered as failure:
            return self._page(request, row, answer=str(failure), is_taken=False)
        return self._page(request, row, answer=answer, is_taken=True)

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Remove it, once its name was typed."""
        row = _destination(object_id)
        if request.POST.get("confirm", "").strip() != row.name:
            say(request, f"Nothing was changed: type {row.name} to confirm.", is_good=False)
            return HttpResponseRedirect(_address(row))
        try:
            destinations.remove(row, by=request.user.get_username())
        except DestinationRefused:
            say(request, "It was removed before.", is_good=False)
        else:
            said = f"{row.name} is removed and its secret forgotten; this is an entry."
            say(request, said, is_good=True)
        return HttpResponseRedirect(_address(row))

    def _page(
        self,
        request: HttpRequest,
        row: Destination,
        *,
        answer: str | None = None,
        is_taken: bool = False,
    ) -> HttpResponse:
        shown = ledger_state(ledger_id=row.ledger_id)
        kind = KINDS[row.kind]
        context = self.frame(
            request,
            title=f"Destination {row.name}",
            object=row,
            strip=shown,
            row=row,
            word=row.word(),
            kind=kind,
            lag=_lag(row, shown),
            options=[
                (option.word, row.options.get(option.name, option.default), option.kind)
                for option in kind.options
            ],
            has_secret=row.secret is not None,
            gaps=_gaps(row),
            gaps_left_out=max(len(row.gaps) - MOST_GAPS, 0),
            answer=answer,
            is_taken=is_taken,
            may_change=row.removed_at is None and request.user.has_perm(MAY_CHANGE),
            may_remove=row.removed_at is None and request.user.has_perm(MAY_REMOVE),
            last_sent=row.next_seq - 1,
        )
        return TemplateResponse(request, "audit/destination.html", context)


def _destination(object_id: str) -> Destination:
    found = Destination.objects.select_related("ledger").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no destination has this number")
    return found


def _address(row: Destination) -> str:
    return reverse("admin:audit_destination_change", args=[row.id])


def _named_ledger(request: HttpRequest) -> Ledger | None:
    """Return the ledger that the address names, or the first there is."""
    name = request.GET.get("ledger")
    ledgers = Ledger.objects.order_by("id")
    return (ledgers.filter(name=name) if name else ledgers).first()


def _lag(row: Destination, ledger: LedgerState | None) -> int:
    return max((ledger.size if ledger is not None else 0) - row.next_seq, 0)


def _gaps(row: Destination) -> list[Gap]:
    return [
        Gap(
            first=each["from"],
            last=each["to"] - 1,
            count=each["to"] - each["from"],
            at=datetime.fromisoformat(each["at"]),
        )
        for each in reversed(row.gaps[-MOST_GAPS:])
    ]


def _from(row: Destination, said: str) -> int:
    """Return the seq that was typed, or that of the first entry since the time that was."""
    digits = said.strip().removeprefix("#").replace(",", "")
    if digits.isascii() and digits.isdigit() and len(digits) < 18:
        return int(digits)
    try:
        moment = read_time(said.strip())
    except Unreadable as problem:
        raise DestinationRefused(
            {"from_seq": f"is a seq such as 41, or a time: as a time it {problem}"}
        ) from problem
    seq = destinations.seq_since(row.ledger, moment)
    if seq is None:
        raise DestinationRefused({"from_seq": "is later than every entry"})
    return seq
