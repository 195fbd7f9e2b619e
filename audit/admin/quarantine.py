"""The pages of quarantine: what was accepted and could not be chained, and what to do about it.

What an agent sent is shown as text and never as anything else. The acts, resolve and replay, are
audit.settle.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from audit import settle
from audit.admin.acts import act, number, read_look, say
from audit.admin.contents import MOST_DIFFERENCES, differences, show
from audit.errors import NotSettled
from audit.kept import kept_entries
from audit.models import Entry, EventKey, Quarantine
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state

SHOWS = {"open": "Open", "settled": "Settled", "all": "All"}

WHAT_IT_IS: dict[str, tuple[str, str]] = {
    Quarantine.CONFLICT: (
        "Its id was used before, by an event with other content. An id is never usable twice, so "
        "the first one is in the ledger and this one is kept here.",
        "Compare the two below. Mostly a client makes ids that repeat: mend it and let it send "
        "this event again under a new id. Then resolve this with a note. If somebody tried to "
        "replace what was recorded, treat it as an incident.",
    ),
    Quarantine.UNREADABLE: (
        "It was accepted and stored, but the writer could not read what the inbox held.",
        "This is a defect of the platform or a damaged row, not of the agent. Keep the log line of "
        "its request, mend the cause, then replay it; or let the sender send it again and resolve "
        "this with a note.",
    ),
    Quarantine.REFUSED: (
        "Postgres refused to store it as an entry. Its neighbours of the same POST were chained.",
        "The error below says which rule it broke. Once the cause is mended, replay it: it keeps "
        "its id and the time when it was received. If the content itself is at fault, let the "
        "sender send a corrected event under a new id and resolve this with a note.",
    ),
}
"""For each reason: what happened, and what to do."""


@admin.register(Quarantine)
class QuarantineAdmin(ReadOnlyModelAdmin):
    """The list of what is in quarantine and the page of one event."""

    def get_urls(self) -> list[URLPattern]:
        """Add the stored bytes and the two acts."""
        may = "audit.change_quarantine"
        return [
            path(
                "<str:object_id>/content/", self.page(self.content), name="audit_quarantine_content"
            ),
            path(
                "<str:object_id>/resolve/",
                act(self, self.resolve, permission=may),
                name="audit_quarantine_resolve",
            ),
            path(
                "<str:object_id>/replay/",
                act(self, self.replay, permission=may),
                name="audit_quarantine_replay",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 events of one ledger, newest first; at first those that nobody settled."""
        look = read_look(request, shows=SHOWS)
        context = self.frame(request, title="Quarantine", look=look, strip=look.ledger)
        if look.ledger is not None and not look.errors:
            rows = Quarantine.objects.filter(ledger_id=look.ledger.id).defer("event", "source")
            if look.show == "open":
                rows = rows.filter(state="open")
            elif look.show == "settled":
                rows = rows.exclude(state="open")
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": page.rows,
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "audit/quarantines.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one event: why it is here, its content, what holds its id, what to do."""
        return self._page(request, _held(object_id))

    def content(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the stored bytes, exactly, as a file that no browser opens."""
        held = _held(object_id)
        answer = HttpResponse(bytes(held.event), content_type="application/octet-stream")
        answer["Content-Disposition"] = f'attachment; filename="quarantine-{held.id}.bin"'
        return answer

    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Mark it as dealt with."""
        return self._settle(request, object_id, settle.resolve, "It is resolved")

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put it back into the inbox."""
        return self._settle(request, object_id, settle.replay, "It is back in the inbox")

    def _settle(self, request: HttpRequest, object_id: str, verb: Any, said: str) -> HttpResponse:
        held = _held(object_id)
        note = request.POST.get("note", "")
        try:
            verb(held, note=note, by=request.user.get_username())
        except NotSettled as refusal:
            return self._page(request, _held(object_id), note=note, refusal=str(refusal))
        say(request, f"{said}; this is an entry in the ledger.", is_good=True)
        return HttpResponseRedirect(reverse("admin:audit_quarantine_change", args=[held.id]))

    def _page(
        self, request: HttpRequest, held: Quarantine, *, note: str = "", refusal: str = ""
    ) -> HttpResponse:
        shown = ledger_state(ledger_id=held.ledger_id)
        content = show(bytes(held.event))
        holder, is_same = _holder(held)
        parted = differences(_event_of(holder), content.event) if holder and not is_same else []
        may_settle = request.user.has_perm("audit.change_quarantine") and held.state == "open"
        happened, to_do = WHAT_IT_IS[held.reason]
        context = self.frame(
            request,
            title=f"Quarantine {held.id:,}",
            object=held,
            strip=shown,
            held=held,
            happened=happened,
            to_do=to_do,
            content=content,
            source=show(bytes(held.source)),
            holder=holder,
            is_same=is_same,
            differences=parted[:MOST_DIFFERENCES],
            differences_left_out=max(len(parted) - MOST_DIFFERENCES, 0),
            may_settle=may_settle,
            no_replay=settle.why_no_replay(held) if may_settle else "",
            most_note=settle.MOST_NOTE,
            note=note,
            refusal=refusal,
        )
        return TemplateResponse(
            request, "audit/quarantine.html", context, status=409 if refusal else 200
        )


def _held(object_id: str) -> Quarantine:
    held = Quarantine.objects.select_related("ledger").filter(id=number(object_id)).first()
    if held is None:
        raise Http404("nothing in quarantine has this number")
    return held


def _holder(held: Quarantine) -> tuple[Entry | None, bool]:
    """Return the entry that holds the id, and whether it is this very event."""
    key = EventKey.objects.filter(ledger_id=held.ledger_id, event_id=held.event_id).first()
    if key is None:
        return None, False
    entry = kept_entries(held.ledger_id).filter(seq=key.seq).first()
    return entry, bytes(key.digest).hex() == held.digest


def _event_of(entry: Entry) -> dict[str, Any]:
    """Return the event of a record; empty when somebody made the record unreadable."""
    try:
        event = entry.parsed().get("event")
    except (ValueError, AttributeError):
        return {}
    return event if isinstance(event, dict) else {}
