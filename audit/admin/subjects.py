"""The pages of data subjects: look one up, erase it, the list of erasures, and one erasure.

A subject's id travels in the body of a POST alone, never in an address or a log, and stands on no
page that a GET gives. Auditors see that and how much was erased; administrators look up, confirm
and hand out. Erasing: audit.erase and audit.erasing.
"""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.http.request import QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from audit import erase
from audit.admin.acts import act, number, read_look, say
from audit.admin.lines import lines
from audit.certificate import certificate_pdf, certificate_text
from audit.errors import EntriesPruned, NoLivingKey, NotErased, RecordUnreadable
from audit.hold import holds_over_subject
from audit.models import Entry, Erasure, Hold, Ledger, SubjectEntry
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state
from audit.subject_access import CONTENT_TYPE, access_file_name, write_access

SHOWS = {"all": "All", "open": "Open"}
_IN_MEMORY = 8 << 20  # bytes of an access file


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyModelAdmin):
    """Looking up a data subject, the list of erasures, and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add looking up, handing out, and the acts of an erasure."""
        ask, confirm = "audit.add_erasure", "audit.change_erasure"

        def post(address: str, view: Any, name: str, permission: str) -> URLPattern:
            # Django's own report of an error would show what was posted.
            hidden = sensitive_post_parameters("subject")(act(self, view, permission=permission))
            return path(address, hidden, name=f"audit_erasure_{name}")

        def get(address: str, view: Any, name: str) -> URLPattern:
            return path(address, self.page(view), name=f"audit_erasure_{name}")

        one = "<str:object_id>"
        return [
            post("find/", self.find, "find", ask),
            post("ask/", self.ask, "ask", ask),
            post("access/", self.access, "access", "audit.access_subject"),
            get("entries/", self.entries_page, "entries"),
            get(f"{one}/progress/", self.progress, "progress"),
            post(f"{one}/confirm/", self.confirm, "confirm", confirm),
            post(f"{one}/cancel/", self.cancel, "cancel", confirm),
            get(f"{one}/certificate.txt", self.certificate_as_text, "certificate_text"),
            get(f"{one}/certificate.pdf", self.certificate_as_pdf, "certificate_pdf"),
            *super().get_urls(),
        ]

    # --- The list ---------------------------------------------------------------------------

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 erasures of one ledger, newest first, and the box to look somebody up."""
        look = read_look(request, shows=SHOWS)
        context = self.frame(
            request,
            title="Data subjects",
            look=look,
            strip=look.ledger,
            may_ask=request.user.has_perm("audit.add_erasure"),
        )
        if look.ledger is not None and not look.errors:
            rows = Erasure.objects.filter(ledger_id=look.ledger.id).defer("typed")
            if look.show == "open":
                rows = rows.filter(state__in=tuple(Erasure.OPEN))
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "erasures": page.rows,
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "audit/subjects.html", context)

    # --- One subject ------------------------------------------------------------------------

    @sensitive_variables("subject_id")
    def find(self, request: HttpRequest) -> HttpResponse:
        """Look a subject up by the id that was typed. Leaves an entry when there is one."""
        ledger, subject_id = _ledger(request), request.POST.get("subject", "")
        found = erase.find_subject(ledger, subject_id) if subject_id else None
        if found is None:
            return _nobody(request, ledger)
        by = request.user.get_username()
        erase.tell_search(ledger, found, by=by, purpose="search")
        return self._found_page(request, ledger, subject_id, found)

    @sensitive_variables("subject_id")
    def ask(self, request: HttpRequest) -> HttpResponse:
        """Have a worker count what erasing the subject would make unreadable."""
        ledger, subject_id = _ledger(request), request.POST.get("subject", "")
        case_id, reason = request.POST.get("case", ""), request.POST.get("reason", "")
        try:
            erasure = erase.ask_for_erasure(
                ledger,
                subject_id,
                case_id=case_id,
                reason=reason,
                by=request.user.get_username(),
            )
        except NotErased as refused:
            found = erase.find_subject(ledger, subject_id)
            if found is None:
                return _nobody(request, ledger)
            return self._found_page(
                request,
                ledger,
                subject_id,
                found,
                refusal=str(refused),
                case_id=case_id,
                reason=reason,
            )
        return HttpResponseRedirect(_address(erasure))

    @sensitive_variables("subject_id")
    def _found_page(
        self,
        request: HttpRequest,
        ledger: Ledger,
        subject_id: str,
        found: erase.FoundSubject,
        *,
        refusal: str = "",
        case_id: str = "",
        reason: str = "",
    ) -> HttpResponse:
        count = erase.count_entries(ledger, found.pseudonym)
        context = self.frame(
            request,
            title="Data subject",
            strip=ledger_state(ledger_id=ledger.id),
            ledger=ledger,
            subject=subject_id,
            found=found,
            count=min(count, erase.MOST_COUNTED),
            count_is_exact=count <= erase.MOST_COUNTED,
            entries_url=_entries_url(ledger, found.pseudonym),
            holds=holds_over_subject(ledger, pseudonym=found.pseudonym),
            open_erasure=erase.open_erasure(ledger, found.key_id),
            may_access=request.user.has_perm("audit.access_subject"),
            most_reason=erase.MOST_REASON,
            most_case=erase.MOST_CASE,
            refusal=refusal,
            case_id=case_id,
            reason=reason,
        )
        answer = TemplateResponse(
            request, "audit/subject.html", context, status=409 if refusal else 200
        )
        answer["Cache-Control"] = "no-store"
        return answer

    @sensitive_variables("subject_id")
    def access(self, request: HttpRequest) -> HttpResponseBase:
        """Hand out what is kept about a subject, in clear, as a file. Leaves an entry."""
        ledger, subject_id = _ledger(request), request.POST.get("subject", "")
        if erase.find_subject(ledger, subject_id) is None:
            return _nobody(request, ledger)
        # Given to nobody before all of it is written; a large one has no name on the disk.
        out = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # the answer closes it
        try:
            facts = write_access(ledger, subject_id, out, by=request.user.get_username())
        except (EntriesPruned, NoLivingKey, RecordUnreadable) as refused:
            out.close()
            say(request, f"No file was made: {refused}.", is_good=False)
            return HttpResponseRedirect(_list_url(ledger))
        out.seek(0)
        answer = FileResponse(
            out,
            as_attachment=True,
            filename=access_file_name(ledger, facts.made_at),
            content_type=CONTENT_TYPE,
        )
        answer["Cache-Control"] = "no-store"
        return answer

    def entries_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 entries that name a pseudonym, newest first."""
        look = read_look(request, shows={"entries": "Entries"}, beside=("pseudonym",))
        pseudonym = request.GET.get("pseudonym", "")
        context = self.frame(
            request, title="Entries of a data subject", look=look, strip=look.ledger
        )
        if look.ledger is not None and not look.errors:
            named = SubjectEntry.objects.filter(ledger_id=look.ledger.id, pseudonym=pseudonym)
            page = keyset_page(named, **look.places)
            seqs = [each.seq for each in page.rows]
            entries = Entry.objects.filter(ledger_id=look.ledger.id, seq__in=seqs)
            context |= {
                "pseudonym": pseudonym,
                "lines": lines(entries.order_by("-seq"), look.ledger),
                "shown": look.ledger,
                "newer_url": _at(look.url(before=page.newer), pseudonym),
                "older_url": _at(look.url(after=page.older), pseudonym),
            }
        return TemplateResponse(request, "audit/subject_entries.html", context)

    # --- One erasure ------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one erasure: how far it is, what it would do, or what it did."""
        return self._page(request, _erasure(object_id))

    def _page(
        self, request: HttpRequest, erasure: Erasure, *, refusal: str = "", reason: str = ""
    ) -> HttpResponse:
        may_act = request.user.has_perm("audit.change_erasure")
        pseudonym = erase.pseudonym_of(erasure)
        held_by = Hold.objects.filter(ledger_id=erasure.ledger_id, id__in=erasure.held_by)
        ready = erasure.state == "ready"
        context = self.frame(
            request,
            title=f"Erasure {erasure.id:,}",
            object=erasure,
            strip=ledger_state(ledger_id=erasure.ledger_id),
            erasure=erasure,
            reach=_reach(erasure),
            is_going=erasure.is_going(),
            reload_each=5 if erasure.is_going() else 0,
            entries_url=_entries_url(erasure.ledger, pseudonym) if pseudonym else "",
            holds=erase.standing_holds(erasure) if ready else list(held_by.order_by("id")),
            completed_seq=_completed_seq(erasure),
            clear_left_out=erasure.clear_entries - len(erasure.clear_seqs),
            may_confirm=may_act and ready,
            may_cancel=may_act and erasure.may_cancel(),
            most_reason=erase.MOST_REASON,
            reason=reason or erasure.reason,
            refusal=refusal,
        )
        return TemplateResponse(
            request, "audit/erasure.html", context, status=409 if refusal else 200
        )

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer how far an erasure is, for the script on its page."""
        erasure = _erasure(object_id)
        answer = JsonResponse({"word": erasure.state, **_reach(erasure)})
        answer["Cache-Control"] = "no-store"
        return answer

    @sensitive_variables("subject_id")
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have a worker erase the subject, when the id was typed again."""
        erasure, reason = _erasure(object_id), request.POST.get("reason", "")
        subject_id = request.POST.get("subject", "")
        by = request.user.get_username()
        try:
            erase.confirm_erasure(erasure, subject_id, reason=reason, by=by)
        except NotErased as refused:
            return self._page(request, erasure, refusal=str(refused), reason=reason)
        return HttpResponseRedirect(_address(erasure))

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Call an erasure off."""
        erasure = _erasure(object_id)
        done = erase.cancel_erasure(erasure, by=request.user.get_username())
        said = "It is cancelled; nothing was erased." if done else "It is too late to cancel it."
        say(request, said, is_good=done)
        return HttpResponseRedirect(_address(erasure))

    def certificate_as_text(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the certificate as text."""
        erasure = _erasure(object_id)
        said = certificate_text(_facts(erasure)).encode()
        return _file(said, "text/plain; charset=utf-8", f"erasure-{erasure.id}.txt")

    def certificate_as_pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the certificate as a PDF."""
        erasure = _erasure(object_id)
        said = certificate_pdf(_facts(erasure))
        return _file(said, "application/pdf", f"erasure-{erasure.id}.pdf")


def _ledger(request: HttpRequest) -> Ledger:
    found = Ledger.objects.filter(name=request.POST.get("ledger", "").replace("\0", "")).first()
    if found is None:
        raise Http404("no ledger has this name")
    return found


def _erasure(object_id: str) -> Erasure:
    found = Erasure.objects.select_related("ledger").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no erasure has this number")
    return found


def _facts(erasure: Erasure) -> Any:
    try:
        return erase.certificate_facts(erasure)
    except NotErased as error:
        raise Http404(str(error)) from error


def _nobody(request: HttpRequest, ledger: Ledger) -> HttpResponse:
    say(
        request,
        f"Nobody of this id has a living key in {ledger.name}: no event has named it there in "
        "data.subject_ids, or it was erased before. Ids count letter for letter.",
        is_good=False,
    )
    return HttpResponseRedirect(_list_url(ledger))


def _list_url(ledger: Ledger) -> str:
    query = QueryDict(mutable=True)
    query["ledger"] = ledger.name
    return f"{reverse('admin:audit_erasure_changelist')}?{query.urlencode()}"


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    answer = HttpResponse(content, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _address(erasure: Erasure) -> str:
    return reverse("admin:audit_erasure_change", args=[erasure.id])


def _entries_url(ledger: Ledger, pseudonym: str) -> str:
    query = QueryDict(mutable=True)
    query["ledger"], query["pseudonym"] = ledger.name, pseudonym
    return f"{reverse('admin:audit_erasure_entries')}?{query.urlencode()}"


def _at(url: str, pseudonym: str) -> str:
    query = QueryDict(mutable=True)
    query["pseudonym"] = pseudonym
    return f"{url}&{query.urlencode()}" if url else ""


def _completed_seq(erasure: Erasure) -> int | None:
    if erasure.state != "done":
        return None
    return erase.certificate_facts(erasure).completed_seq


def _reach(erasure: Erasure) -> dict[str, Any]:
    """Return how far the look is, in numbers; None for what cannot be said."""
    is_looking = erasure.size > 0 and erasure.is_going()
    return {
        "checked": erasure.next_seq,
        "total": erasure.size or None,
        "percent": erasure.percent() if is_looking else None,
        "rate": 0,
        "left": None,
    }
