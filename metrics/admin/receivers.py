"""The pages of receivers: who is told of incidents, making one, trying it out, ending it.

No page shows what a secret's file holds: its name, and whether this process can read it. Verbs:
metrics.notifying.receivers.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.admin.acts import act, number, say
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from metrics.acting import ChangeRefused
from metrics.admin.forms import Box, entries_url, filled, other_errors, read_tab, url_of
from metrics.models import Receiver
from metrics.notifying import receivers, secret_files
from metrics.notifying.deliver import PAUSES, TRIES
from metrics.notifying.kinds import KINDS, PAGERDUTY

MAY_MAKE, MAY_END = "metrics.add_receiver", "metrics.delete_receiver"
_SHOWS: Final = {"standing": "Standing", "ended": "Ended"}
_LIST, _ROW = "metrics_receiver_changelist", "metrics_receiver_change"
_FIELDS: Final = ("name", "kind", "severity", "target", "secret")
_NEWEST: Final = 25
"""Messages that a page shows."""


@admin.register(Receiver)
class ReceiverAdmin(ReadOnlyModelAdmin):
    """Who is told of incidents."""

    def get_urls(self) -> list[URLPattern]:
        """Add making, trying out and ending."""
        return [
            path("new/", self.admin_site.admin_view(self.new_page), name="metrics_receiver_new"),
            path(
                "<str:object_id>/try/",
                act(self, self.try_out, permission=MAY_MAKE),
                name="metrics_receiver_try",
            ),
            path(
                "<str:object_id>/end/",
                act(self, self.end, permission=MAY_END),
                name="metrics_receiver_end",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 receivers, the newest first."""
        look = read_tab(request, _SHOWS)
        context = self.frame(
            request,
            title="Receivers",
            opts=None,
            look=look,
            may_make=request.user.has_perm(MAY_MAKE),
            entries_url=entries_url(),
            folder=settings.SECRETS_DIR,
        )
        if not look.errors:
            rows = Receiver.objects.filter(ended_at__isnull=look.show == "standing")
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [(each, KINDS[each.kind], _secret_problem(each)) for each in page.rows],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "metrics/receivers.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what it is, what was sent to it, and what may be done with it."""
        row = _receiver(object_id)
        is_standing = row.ended_at is None
        context = self.frame(
            request,
            title=f"Receiver {row.name}",
            object=row,
            row=row,
            kind=KINDS[row.kind],
            hears=receivers.SEVERITIES[row.severity],
            secret_problem=_secret_problem(row),
            folder=settings.SECRETS_DIR,
            sent=receivers.messages_to(row, most=_NEWEST),
            newest=_NEWEST,
            tries=TRIES,
            span=sum(PAUSES),
            may_make=is_standing and request.user.has_perm(MAY_MAKE),
            may_end=is_standing and request.user.has_perm(MAY_END),
            entries_url=entries_url(),
        )
        return TemplateResponse(request, "metrics/receiver.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a receiver, and make it."""
        if not request.user.has_perm(MAY_MAKE):
            raise PermissionDenied
        errors: dict[str, str] = {}
        typed = dict.fromkeys(_FIELDS, "") | {"kind": "slack", "severity": "warning"}
        if request.method == "POST":
            typed |= {name: request.POST.get(name, "") for name in _FIELDS}
            try:
                made = receivers.make(receivers.Draft(**typed), by=request.user.get_username())
            except ChangeRefused as refused:
                errors = refused.errors
            else:
                said = f"{made.name} is told from now on; this is an entry. Send it a trial."
                say(request, said, is_good=True)
                return HttpResponseRedirect(url_of(_ROW, made.id))
        boxes = filled(_boxes(), typed, errors)
        context = self.frame(
            request,
            title="Make a receiver",
            opts=None,
            lead="Who is told when an incident opens and when it ends. Secrets are files that "
            "whoever runs the platform puts into a folder; none is typed here.",
            boxes=boxes,
            errors=errors,
            other_errors=other_errors(boxes, errors),
            button="Make it",
            back=url_of(_LIST),
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/form.html", context, status=status)

    def try_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send it a marked trial."""
        row = _receiver(object_id)
        try:
            receivers.try_out(row, by=request.user.get_username())
        except ChangeRefused as refused:
            say(request, f"Nothing is sent: {refused}.", is_good=False)
        else:
            said = "A trial is on its way; below is how it goes. This is an entry."
            say(request, said, is_good=True)
        return HttpResponseRedirect(url_of(_ROW, row.id))

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell it nothing more."""
        row = _receiver(object_id)
        try:
            receivers.end(row, by=request.user.get_username())
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            say(request, f"{row.name} is told nothing more; this is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_LIST))


def _receiver(object_id: str) -> Receiver:
    found = Receiver.objects.filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no receiver has this number")
    return found


def _secret_problem(row: Receiver) -> str:
    """Return why this process cannot read its secret; empty where it can, or needs none."""
    return secret_files.problem_of(row.secret) if row.secret else ""


def _boxes() -> tuple[Box, ...]:
    files = tuple((each, each) for each in secret_files.names())
    return (
        Box(
            name="name",
            word="Name",
            help="Small letters, digits and _ . -. Timelines and entries call it so; it stays.",
        ),
        Box(
            name="kind",
            word="Kind",
            kind="choice",
            choices=tuple((each.name, each.word) for each in KINDS.values()),
            help=" ".join(f"{each.word}: {each.what}" for each in KINDS.values()),
        ),
        Box(
            name="severity",
            word="Hears of",
            kind="choice",
            choices=tuple(receivers.SEVERITIES.items()),
        ),
        Box(
            name="target",
            word="Address",
            is_needed=False,
            help=f"Of a webhook where it is posted to; of PagerDuty {PAGERDUTY} unless said "
            "otherwise; of e-mail the mailboxes, with commas between; of Slack nothing.",
        ),
        Box(
            name="secret",
            word="Secret's file",
            is_needed=False,
            choices=files,
            help=f"The name of a file in {settings.SECRETS_DIR}: for Slack it holds the webhook's "
            "whole address, for PagerDuty the routing key, for a webhook the key of the signature.",
        ),
    )
