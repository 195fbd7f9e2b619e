"""The pages of exports: the list, asking for one, and one while it is made and after.

An export's row is its truth: the page shows it, a small script asks for it each second, and cancel
and resume change its state alone. Exporting is reading, so auditors may; whoever asked for one may
stop it, and an administrator any. Exports: audit.export. Their files: audit.download.
"""

from __future__ import annotations

import shlex
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit import export as exports
from audit.admin.acts import act, number, read_look, say
from audit.admin.entry_form import PAGING, address
from audit.download import PERMISSIONS
from audit.errors import NoCheckpoint, NotExported
from audit.export import MOST_REASON
from audit.exportfile import make_token, path_of, shown_name
from audit.models import CheckpointNote, Export, Ledger, SigningKey
from audit.query import EntryFilter
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.renderings import RENDERINGS
from audit.state import ledger_state

SHOWS = {"all": "All", "going": "Unfinished"}
_FILTERS: dict[str, dict[str, Any]] = {"all": {}, "going": {"state__in": tuple(Export.GOING)}}
FORMATS = {
    "bundle": (
        "Evidence bundle",
        "Records, proofs and a verifier, in one ZIP that a stranger can check.",
    ),
    "csv": ("CSV", "A table for a spreadsheet. Proves nothing by itself."),
    "ocsf": ("OCSF", "One JSON event a line, for a SIEM. Proves nothing by itself."),
    "cef": ("CEF", "One line of text an entry, for a SIEM. Proves nothing by itself."),
    "ndjson": ("Raw records", "Each record as it was hashed, one a line."),
}
"""Each format: its word, and what it is for."""


@admin.register(Export)
class ExportAdmin(ReadOnlyModelAdmin):
    """The list of exports, asking for one, and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add asking, progress, cancel and resume."""
        may = "audit.add_export"
        return [
            path("new/", self.admin_site.admin_view(self.new_page), name="audit_export_new"),
            path(
                "<str:object_id>/progress/", self.page(self.progress), name="audit_export_progress"
            ),
            path(
                "<str:object_id>/cancel/",
                act(self, self.cancel, permission=may),
                name="audit_export_cancel",
            ),
            path(
                "<str:object_id>/resume/",
                act(self, self.resume, permission=may),
                name="audit_export_resume",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 exports of one ledger, newest first."""
        now = timezone.now()
        look = read_look(request, shows=SHOWS)
        context = self.frame(request, title="Bundles", look=look, strip=look.ledger)
        if look.ledger is not None and not look.errors:
            rows = Export.objects.filter(ledger_id=look.ledger.id, **_FILTERS[look.show])
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [
                    (each, each.word(now), FORMATS[each.format][0], _narrowed(each))
                    for each in page.rows
                ],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
                "entries_url": address(QueryDict(), ledger=look.ledger.name),
            }
        return TemplateResponse(request, "audit/bundles.html", context)

    # --- Asking -----------------------------------------------------------------------------

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask in which form, then put the export of the address's filter into the queue."""
        if not request.user.has_perms(("audit.add_export", *PERMISSIONS)):
            raise PermissionDenied
        params = request.GET.copy()
        for name in PAGING:
            params.pop(name, None)
        asked = EntryFilter.parse(params)
        ledger = Ledger.objects.filter(name=asked.ledger[0]).first()
        problem = ""
        if request.method == "POST" and ledger is not None:
            try:
                return self._ask(request, ledger, asked)
            except (NoCheckpoint, NotExported) as error:
                problem = str(error)
        newest = None
        if ledger is not None:
            notes = CheckpointNote.objects.filter(ledger=ledger)
            newest = notes.order_by("-size").first()
        context = self.frame(
            request,
            title="Export entries",
            strip=ledger_state(name=asked.ledger[0]),
            ledger=ledger,
            newest=newest,
            asked=[(name, value) for name, value in asked.active() if name != "ledger"],
            errors=asked.errors,
            problem=problem,
            formats=[(name, *said) for name, said in FORMATS.items()],
            renderings=[(name, FORMATS[name][0]) for name in RENDERINGS],
            chosen=request.POST.get("format", "bundle"),
            chosen_renderings=request.POST.getlist("with"),
            chosen_size=request.POST.get("size", ""),
            reason=request.POST.get("reason", ""),
            most_reason=MOST_REASON,
            entries_url=address(params),
        )
        return TemplateResponse(
            request, "audit/bundle_new.html", context, status=400 if problem else 200
        )

    def _ask(self, request: HttpRequest, ledger: Ledger, asked: EntryFilter) -> HttpResponse:
        format_ = request.POST.get("format", "")
        reason = request.POST.get("reason", "").strip()
        wanted = exports.want(
            ledger,
            asked,
            format=format_,
            # What stands ticked under a bundle says nothing when another format is chosen.
            renderings=request.POST.getlist("with") if format_ == "bundle" else (),
            size=_size(request.POST.get("size", "")),
            reason=reason,
        )
        if not reason:
            raise NotExported("say why: the entry that this leaves names who and why")
        export_id = exports.ask_for_export(
            wanted, via="admin", requested_by=request.user.get_username()
        )
        return HttpResponseRedirect(reverse("admin:audit_export_change", args=[export_id]))

    # --- One export -------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one export: how far it is, or its file and what to do with it."""
        now = timezone.now()
        export = _export(object_id)
        has_file = export.has_file(now)
        may_have = has_file and request.user.has_perms(PERMISSIONS)
        file = reverse("export-file", args=[export.id])
        query = QueryDict(mutable=True)
        for name, values in export.parsed_query().items():
            query.setlist(name, values)
        may_act = _may_act(request, export)
        context = self.frame(
            request,
            title=f"Bundle {export.id:,}" if export.format == "bundle" else f"Export {export.id:,}",
            object=export,
            strip=ledger_state(ledger_id=export.ledger_id),
            export=export,
            word=export.word(now),
            format=FORMATS[export.format][0],
            renderings=[FORMATS[name][0] for name in export.renderings],
            narrowed=_narrowed(export),
            entries_url=address(query),
            again_url=f"{reverse('admin:audit_export_new')}?{query.urlencode()}",
            is_going=export.is_going(),
            reload_each=5 if export.is_going() else 0,
            reach=_reach(export),
            has_file=has_file,
            is_missing=has_file and not path_of(export).is_file(),
            file_url=file if may_have else "",
            link=request.build_absolute_uri(f"{file}?link={make_token(export)}")
            if may_have
            else "",
            commands=_commands(export),
            may_cancel=may_act and export.is_going(),
            may_resume=may_act and export.may_resume(),
        )
        return TemplateResponse(request, "audit/bundle.html", context)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer how far an export is, for the script on its page."""
        export = _export(object_id)
        answer = JsonResponse({"word": export.word(timezone.now()), **_reach(export)})
        answer["Cache-Control"] = "no-store"
        return answer

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop an export."""
        export = _export(object_id)
        if not _may_act(request, export):
            raise PermissionDenied
        done = exports.cancel_export(export, by=request.user.get_username())
        said = (
            "The export is cancelled; nothing of it is kept. It can be resumed."
            if done
            else "The export had ended before it could be cancelled."
        )
        say(request, said, is_good=done)
        return HttpResponseRedirect(reverse("admin:audit_export_change", args=[export.id]))

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put an export that stopped early back into the queue."""
        export = _export(object_id)
        if not _may_act(request, export):
            raise PermissionDenied
        if not exports.resume_export(export):
            say(request, "There is nothing to resume: it goes on or has ended.", is_good=False)
        return HttpResponseRedirect(reverse("admin:audit_export_change", args=[export.id]))


def _export(object_id: str) -> Export:
    found = Export.objects.select_related("ledger").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no export has this number")
    return found


def _may_act(request: HttpRequest, export: Export) -> bool:
    """Tell whether this person may stop and resume it: who asked for it, or an administrator."""
    own = export.via == "admin" and export.requested_by == request.user.get_username()
    return request.user.has_perm("audit.change_export") or (
        own and request.user.has_perm("audit.add_export")
    )


def _narrowed(export: Export) -> list[tuple[str, str]]:
    """Return the filters besides the ledger, a pair for each value."""
    return [
        (name, value)
        for name, values in export.parsed_query().items()
        for value in values
        if name != "ledger"
    ]


def _size(typed: str) -> int | None:
    digits = typed.strip().replace(",", "")
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise NotExported("a tree size is a whole number; leave it empty for the newest")
    return int(digits)


def _reach(export: Export) -> dict[str, Any]:
    """Return how far the export is, in numbers; None for what cannot be said yet."""
    left = export.seconds_left()
    return {
        "checked": export.entries,
        "total": None,
        "percent": export.percent() if export.is_going() and export.state != "queued" else None,
        "rate": round(export.rate()),
        "left": None if left is None else round(left, 1),
    }


def _commands(export: Export) -> str:
    """Return the lines of shell that verify a bundle with the ledger's newest key."""
    if export.format != "bundle":
        return ""
    keys = SigningKey.objects.filter(ledger_id=export.ledger_id)
    vkey = keys.order_by("-first_used_at", "vkey").values_list("vkey", flat=True).first() or "VKEY"
    name = shlex.quote(shown_name(export))
    return f"unzip -o {name} verify.py\npython3 verify.py {name} --key {shlex.quote(vkey)}"
