"""The pages of the catalogue: uploaded frameworks with their versions, and limits and lists.

A framework that is not sound is refused with file and line, and the one before stays in force.
Verbs: compliance.uploaded, compliance.limits. What is in force: compliance.in_force.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.admin.acts import act, number, say
from audit.models import Ledger
from audit.readonly import ReadOnlyModelAdmin
from audit.state import ledger_state
from compliance.acting import ActRefused
from compliance.admin.decisions import MAY_ASK, DecisionAdmin, shown_value
from compliance.admin.people_form import (
    Box,
    Form,
    named_ledger,
    person_of,
    reason_box,
    url_of,
)
from compliance.in_force import catalogue_in_force, catalogue_problems
from compliance.limits import Limit, find_limit, limits_of, set_in_force, set_limit
from compliance.models import Decision, UploadedFramework
from compliance.uploaded import MOST, UploadRefused, end_framework, upload_framework

_MAY_UPLOAD = "compliance.add_uploadedframework"
VERSIONS = 200
"""Uploads that the page lists, the newest first."""


@admin.register(UploadedFramework)
class CatalogueAdmin(ReadOnlyModelAdmin):
    """Which frameworks are in force, uploads, and limits and lists."""

    def get_urls(self) -> list[URLPattern]:
        """Add uploading, an upload's text, taking one out of force, and limits."""
        view = self.admin_site.admin_view
        named = "compliance_uploadedframework"
        return [
            path(
                "upload/",
                act(self, self.upload, permission=_MAY_UPLOAD),
                name=f"{named}_upload",
            ),
            path("limits/", self.page(self.limits_page), name=f"{named}_limits"),
            path("limits/set/", view(self.limit_page), name=f"{named}_limit"),
            path("<str:object_id>/text/", self.page(self.text), name=f"{named}_text"),
            path(
                "<str:object_id>/end/",
                act(self, self.end, permission=_MAY_UPLOAD),
                name=f"{named}_end",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show the frameworks in force and every upload."""
        return self._page(request)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the list: an upload has its text and nothing else to show."""
        _upload(object_id)
        return self._page(request)

    def _page(self, request: HttpRequest, problems: tuple[str, ...] = ()) -> HttpResponse:
        catalogue = catalogue_in_force()
        uploads = list(UploadedFramework.objects.defer("body").order_by("-id")[:VERSIONS])
        context = self.frame(
            request,
            title="Catalogue",
            opts=None,
            catalogue=catalogue,
            frameworks=[(one, len(one.controls)) for one in catalogue.frameworks.values()],
            uploads=uploads,
            problems=problems,
            standing_problems=catalogue_problems(),
            may_upload=request.user.has_perm(_MAY_UPLOAD),
            most=MOST // 1024,
        )
        status = 400 if problems else 200
        return TemplateResponse(request, "compliance/people_catalogue.html", context, status=status)

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Put a framework into force when it is sound; else say why, by file and line."""
        sent = request.FILES.get("file")
        try:
            made = upload_framework(_own(), _body(sent), by=person_of(request))
        except UploadRefused as refused:
            return self._page(request, refused.problems)
        said = f"{made.name} {made.version} is in force; this is an entry in the ledger."
        say(request, said, is_good=True)
        return HttpResponseRedirect(url_of("compliance_uploadedframework_changelist"))

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take an uploaded framework out of force."""
        row = _upload(object_id)
        try:
            end_framework(_own(), row, by=person_of(request))
        except ActRefused as refused:
            say(request, f"Nothing was changed: {refused.message}.", is_good=False)
        else:
            said = f"{row.name} is in force no more; this is an entry in the ledger."
            say(request, said, is_good=True)
        return HttpResponseRedirect(url_of("compliance_uploadedframework_changelist"))

    def text(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the YAML of an upload as it came, to be kept."""
        row = _upload(object_id)
        answer = HttpResponse(bytes(row.body), content_type="application/octet-stream")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Disposition"] = f'attachment; filename="{row.name}-{row.id}.yaml"'
        return answer

    # --- Limits and lists ----------------------------------------------------------------------

    def limits_page(self, request: HttpRequest) -> HttpResponse:
        """Show every limit and list with what is shipped and what is set."""
        ledger = named_ledger(request)
        standing = set_in_force(ledger)
        context = self.frame(
            request,
            title="Limits and lists",
            opts=None,
            strip=ledger_state(ledger_id=ledger.id),
            ledger=ledger,
            ledgers=list(Ledger.objects.order_by("id")),
            limits=[
                (
                    limit,
                    shown_value(limit.shipped),
                    _standing(standing.get(limit.key)),
                    _form_url(ledger, limit),
                )
                for limit in limits_of(catalogue_in_force())
            ],
            may_ask=request.user.has_perm(MAY_ASK),
        )
        return TemplateResponse(request, "compliance/people_limits.html", context)

    def limit_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for another value of one limit or list."""
        if not request.user.has_perm(MAY_ASK):
            raise PermissionDenied
        ledger = named_ledger(request)
        limit = _limit(request)
        standing = set_in_force(ledger).get(limit.key)
        form = Form(
            title=f"Set {limit.name} of {limit.check}" if limit.check else f"Set {limit.name}",
            lead=_lead(limit),
            boxes=(
                Box(
                    name="after",
                    word="Value",
                    help="Values of a list with commas between. Empty: what is shipped.",
                    kind="area" if isinstance(limit.shipped, list) else "text",
                    value=shown_value(standing if standing is not None else limit.shipped),
                    is_needed=False,
                ),
                reason_box("Reason"),
            ),
            button="Set it",
            icon="tune",
            back=url_of("compliance_uploadedframework_limits", ledger=ledger.name),
        )

        def make(values: Mapping[str, str]) -> Decision:
            after = _typed(limit, values.get("after", ""))
            return set_limit(
                ledger,
                catalogue_in_force(),
                limit,
                after,
                reason=values.get("reason", ""),
                by=person_of(request),
            )

        said = "It is set, or waits for another person: its page says which."
        return DecisionAdmin(Decision, self.admin_site).form_page(
            request, ledger, form, make, said=said
        )


def _upload(object_id: str) -> UploadedFramework:
    found = UploadedFramework.objects.filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no upload has this number")
    return found


def _own() -> Ledger:
    """Return the platform's own ledger: a catalogue belongs to the whole installation."""
    return Ledger.objects.get(name=settings.LEDGER)


def _body(sent: Any) -> bytes:
    if not isinstance(sent, UploadedFile):
        raise UploadRefused(("choose the YAML file of a framework",))
    return bytes(sent.read(MOST + 1))


def _limit(request: HttpRequest) -> Limit:
    asked = request.GET
    try:
        return find_limit(
            catalogue_in_force(),
            asked.get("what", ""),
            asked.get("name", ""),
            check=asked.get("check", ""),
            framework=asked.get("framework", ""),
        )
    except ActRefused as refused:
        raise Http404(f"no such limit: {refused}") from refused


def _form_url(ledger: Ledger, limit: Limit) -> str:
    return url_of(
        "compliance_uploadedframework_limit",
        ledger=ledger.name,
        what=limit.what,
        name=limit.name,
        check=limit.check,
        framework=limit.framework,
    )


def _standing(value: Any) -> str:
    return "" if value is None else shown_value(value)


def _lead(limit: Limit) -> str:
    shipped = f"Shipped is {shown_value(limit.shipped)}. "
    if limit.law:
        return f"{shipped}{limit.law} sets it: it can be tighter, never looser."
    if limit.what == "list":
        return f"{shipped}Any change needs another person and is listed with every result."
    return f"{shipped}A tighter value holds at once; a looser one needs another person."


def _typed(limit: Limit, text: str) -> Any:
    """Return what was typed as a value of the limit's kind; None gives back what is shipped."""
    text = text.strip()
    if not text:
        return None
    if isinstance(limit.shipped, list):
        words = [each.strip() for each in text.replace("\n", ",").split(",")]
        is_numbers = any(isinstance(each, int) for each in limit.shipped)
        return [_scalar(each) if is_numbers else each for each in words if each]
    return text if isinstance(limit.shipped, str) else _scalar(text)


def _scalar(text: str) -> Any:
    """Return a number or true or false as JSON writes it; any other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int) else text
