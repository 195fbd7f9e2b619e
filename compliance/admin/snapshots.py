"""The pages of sealed results: the list, and one with its digest, its entry and how to rerun it.

A snapshot is never changed; a period that is sealed again restates the older one, and both stay.
Sealing: snapshot.py. The score it holds: scores.py, with `?snapshot=`.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from audit.admin.acts import read_look
from audit.models import Entry
from audit.readonly import PAGE_ROWS, ReadOnlyModelAdmin
from audit.state import ledger_state
from compliance.admin.asked import instant
from compliance.admin.cards import cap_lines
from compliance.admin.words import band_badge, changes, command, headline, period, short_name
from compliance.in_force import catalogue_in_force
from compliance.models import Snapshot

SHOWS = {"all": "All", "period": "Periods", "posture": "Daily postures"}


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyModelAdmin):
    """The list of sealed results and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add the result's own bytes."""
        return [
            path(
                "<str:object_id>/result.json",
                self.page(self.result_file),
                name="compliance_snapshot_result",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 sealed results of one ledger, the newest first."""
        look = read_look(request, shows=SHOWS, beside=("framework", "older"))
        context = self.frame(
            request, title="Sealed results", opts=None, look=look, strip=look.ledger
        )
        if look.ledger is not None and not look.errors:
            rows = Snapshot.objects.filter(ledger_id=look.ledger.id)
            if look.show != "all":
                rows = rows.filter(kind=look.show)
            framework = request.GET.get("framework", "").replace("\0", "?")
            if framework:
                rows = rows.filter(framework=framework)
            older = _known(request.GET.get("older", ""))
            if older is not None:
                rows = rows.filter(made_at__lt=older.made_at)
            found = list(rows.newest_first().defer("result")[: PAGE_ROWS + 1])
            query = request.GET.copy()
            if len(found) > PAGE_ROWS:
                query["older"] = str(found[PAGE_ROWS - 1].id)
            context |= {
                "rows": found[:PAGE_ROWS],
                "names": _names(),
                "older_url": f"?{query.urlencode()}" if len(found) > PAGE_ROWS else "",
                "newest_url": look.url() if older is not None else "",
                "framework": request.GET.get("framework", ""),
            }
        return TemplateResponse(request, "compliance/snapshots.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one sealed result: what it says, what it rests on, how to compute it again."""
        snapshot = _snapshot(object_id)
        result = snapshot.as_json()
        ledger = snapshot.ledger
        restates = _known(str(snapshot.restates)) if snapshot.restates else None
        name = _names().get(snapshot.framework, snapshot.framework)
        query = urlencode({"ledger": ledger.name, "snapshot": str(snapshot.id)})
        sealed_by = Entry.objects.filter(ledger_id=ledger.id, event_id=snapshot.event_id).first()
        score = reverse("admin:compliance_score_framework", args=[snapshot.framework])
        context = self.frame(
            request,
            title=f"{name}, {period(result)}",
            object=snapshot,
            strip=ledger_state(ledger_id=ledger.id),
            snapshot=snapshot,
            result=result,
            badge=band_badge(result),
            headline=headline(name, result),
            period=period(result),
            as_of=instant(result["as_of"]),
            caps=cap_lines(result, query),
            score_url=f"{score}?{query}",
            entry=sealed_by,
            hashes=sorted(result["hashes"].items()),
            restates=restates,
            changed=changes(restates.as_json(), result) if restates else [],
            restated_by=Snapshot.objects.filter(restates=snapshot.id).defer("result").first(),
            command=command(result),
            scratch=command(result, from_scratch=True),
            bundled=f"{command(result)} --bundle FILE",
        )
        return TemplateResponse(request, "compliance/snapshot.html", context)

    def result_file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the stored bytes of the result, exactly."""
        snapshot = _snapshot(object_id)
        answer = HttpResponse(bytes(snapshot.result), content_type="application/json")
        name = f"{snapshot.framework}-{snapshot.start_day}-{snapshot.end_day}.json"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _known(wanted: str) -> Snapshot | None:
    try:
        return Snapshot.objects.filter(id=uuid.UUID(wanted)).first()
    except ValueError:
        return None


def _snapshot(object_id: str) -> Snapshot:
    found = _known(object_id)
    if found is None:
        raise Http404("no sealed result has this id")
    return found


def _names() -> dict[str, Any]:
    return {each.id: short_name(each.name) for each in catalogue_in_force().frameworks.values()}
