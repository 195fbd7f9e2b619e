"""The pages of profiles: what is caught now, starting and ending it, what was slow, one profile.

Only administrators see them. Catching is tracing.capture; what a profile holds, and what its page
makes of it, tracing.profile_tree.
"""

from __future__ import annotations

from typing import Final

from django.contrib import admin
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit.admin.acts import act, number, say
from audit.admin.entry_form import Chip
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from tracing import capture
from tracing.admin.addresses import listed
from tracing.models import Capture, Profile
from tracing.profile_tree import read_report

MAY_START, MAY_END = "tracing.add_capture", "tracing.change_capture"
SORTS: Final = {
    "request": "slow requests",
    "task": "slow tasks",
    "query": "slow statements",
}
MOST_MINUTES: Final = 24 * 60
MOST_SLOWER_MS: Final = 600_000
_USUAL: Final = {"sort": "request", "slower": "500", "minutes": "15"}
_FIELDS: Final = {"slower_ms": "slower"}
"""What a field of the form is called where captures are started."""


@admin.register(Profile)
class ProfileAdmin(ReadOnlyModelAdmin):
    """What was slow."""

    def get_urls(self) -> list[URLPattern]:
        """Add starting and ending a capture."""
        return [
            path(
                "start/", act(self, self.start, permission=MAY_START), name="tracing_capture_start"
            ),
            path(
                "captures/<str:object_id>/end/",
                act(self, self.end, permission=MAY_END),
                name="tracing_capture_end",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show what is caught now, the form that starts it, and 25 profiles, newest first."""
        return self._list(request, typed=_USUAL, refused={})

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show where the time of one slow thing went."""
        profile = Profile.objects.filter(id=number(object_id)).first()
        if profile is None:
            raise Http404("no profile has this number")
        context = self.frame(
            request,
            title=f"Profile {profile.id:,}",
            object=profile,
            profile=profile,
            word=SORTS[profile.sort],
            report=read_report(profile.report, profile.duration_ms),
            lines_url=listed("tracing_line_changelist", show="own", request=profile.request_id)
            if profile.request_id
            else "",
            trace_page=reverse("admin:tracing_trace_change", args=[profile.trace_id])
            if profile.trace_id
            else "",
        )
        return TemplateResponse(request, "tracing/profile.html", context)

    def start(self, request: HttpRequest) -> HttpResponse:
        """Begin to catch what is slow."""
        typed = {name: request.POST.get(name, "").strip() for name in _USUAL}
        refused = _refused(typed)
        if not refused:
            try:
                capture.start_capture(
                    typed["sort"],
                    int(typed["slower"]),
                    int(typed["minutes"]),
                    request.user.get_username(),
                )
            except capture.NotCaptured as refusal:
                refused = {_FIELDS.get(name, name): said for name, said in refusal.errors.items()}
        if refused:
            answer = self._list(request, typed=typed, refused=refused)
            answer.status_code = 400
            return answer
        say(request, "What is slow is caught from now on; this is an entry.", is_good=True)
        return HttpResponseRedirect(reverse("admin:tracing_profile_changelist"))

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop catching."""
        try:
            capture.end_capture(number(object_id), request.user.get_username())
        except Capture.DoesNotExist:
            raise Http404("no capture has this number") from None
        except capture.NotCaptured as refusal:
            say(request, f"The {refusal}.", is_good=False)
        else:
            say(request, "It is ended; this is an entry.", is_good=True)
        return HttpResponseRedirect(reverse("admin:tracing_profile_changelist"))

    def _list(
        self, request: HttpRequest, *, typed: dict[str, str], refused: dict[str, str]
    ) -> HttpResponse:
        asked, errors = _read_list(request)
        now = timezone.now()
        rows = Profile.objects.defer("report")
        if "sort" in asked:
            rows = rows.filter(sort=asked["sort"])
        places = {name: int(asked[name]) for name in ("after", "before") if name in asked}
        page = keyset_page(rows.annotate(seq=F("id")), **places) if not errors else None
        here = {"sort": asked.get("sort", "")}
        context = self.frame(
            request,
            title="Profiles",
            opts=None,
            lines=page.rows if page else [],
            newer_url=_url(here, before=page.newer) if page else "",
            older_url=_url(here, after=page.older) if page else "",
            in_force=list(Capture.objects.filter(ends_at__gt=now).order_by("ends_at")),
            sorts=SORTS,
            asked=asked,
            errors=errors,
            typed=typed,
            refused=refused,
            most_minutes=MOST_MINUTES,
            may_start=request.user.has_perm(MAY_START),
            may_end=request.user.has_perm(MAY_END),
            chips=[Chip(name="sort", value=asked["sort"], without=_url({}))]
            if "sort" in asked
            else [],
            clear_url=_url({}),
        )
        return TemplateResponse(request, "tracing/profiles.html", context)


def _read_list(request: HttpRequest) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the address of the list says, and what of it cannot be read."""
    asked, errors = dict[str, str](), dict[str, str]()
    for name, value in request.GET.items():
        text = str(value)
        if name == "sort":
            if text not in SORTS:
                errors[name] = f"is one of {', '.join(SORTS)}"
        elif name in {"after", "before"}:
            if not (text.isascii() and text.isdigit() and len(text) < 19):
                errors[name] = "is a number; remove it to begin at the newest"
        else:
            errors[name] = "is no filter of this list"
        if name not in errors:
            asked[name] = text
    return asked, errors


def _refused(typed: dict[str, str]) -> dict[str, str]:
    """Return what is wrong with what was typed into the form."""
    refused = {}
    if typed["sort"] not in SORTS:
        refused["sort"] = f"is one of {', '.join(SORTS)}"
    for name, least, most, unit in (
        ("slower", 1, MOST_SLOWER_MS, "milliseconds"),
        ("minutes", 1, MOST_MINUTES, "minutes"),
    ):
        text = typed[name]
        if not (text.isascii() and text.isdigit() and len(text) < 8 and least <= int(text) <= most):
            refused[name] = f"is a whole number of {unit} from {least:,} to {most:,}"
    return refused


def _url(query: dict[str, str], **place: int | None) -> str:
    """Return the list's address at a place; empty where there is none."""
    if any(value is None for value in place.values()):
        return ""
    return listed("tracing_profile_changelist", **query, **place)
