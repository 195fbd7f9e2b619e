"""The pages of samples: the list, drawing one, and the work paper with its ticks and conclusion.

An auditor types the number after the period was sealed; a worker draws; the paper shows each item
with its entry and what the check found, and takes a tick, a note and a file. Verbs:
compliance.draw_sample, compliance.work_paper. How anybody draws it again: docs/sampling.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header

from audit.admin.acts import act, number
from audit.models import Entry, Ledger
from audit.state import ledger_state
from compliance.acting import ActRefused
from compliance.admin.people_form import (
    Box,
    Cell,
    Empty,
    Form,
    PeopleAdmin,
    Shown,
    Way,
    entries_url,
    person_of,
    url_of,
    when_cell,
)
from compliance.definitions import Lens
from compliance.draw_sample import ask_again, ask_sample, legs_of_snapshot
from compliance.in_force import catalogue_in_force
from compliance.models import Snapshot
from compliance.models.reports import Sample, SampleItem
from compliance.sample import NO_ENTRY
from compliance.sample_lines import ACTION
from compliance.sample_population import words
from compliance.work_paper import (
    MOST_FILE,
    MOST_NOTE,
    VERDICTS,
    Attached,
    EngineFound,
    Ticked,
    conclude_sample,
    found_of,
    items_of,
    tick_item,
    ticked,
)

_MAY_DRAW, _MAY_TICK = "compliance.add_sample", "compliance.change_sample"
_REFRESH: Final = 2
"""Seconds after which the page of a draw loads again."""
_BETWEEN: Final = "|"
"""Parts control and check in the choice of a leg; no id holds it."""
_BY_NAME: Final = frozenset({"cadence", "rate"})
"""Kinds whose items are days and buckets: the check keeps no row of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One item of a paper, as its row shows it."""

    item: SampleItem
    name: str
    """The item's own name; empty when it is its entry."""
    found: EngineFound | None
    entry_url: str
    file_url: str
    tick_url: str
    error: str
    """What was refused of a tick that was just sent."""
    typed_verdict: str
    typed_note: str


@admin.register(Sample)
class SampleAdmin(PeopleAdmin):
    """Samples and their work papers."""

    rows_of = Sample
    title = "Samples"
    lead = (
        "Items drawn of a sealed period, for a person to look at with their own eyes. The number "
        "comes after the seal, so nobody can choose them, and anybody can draw them again."
    )
    shows: ClassVar = {"open": "Open", "concluded": "Concluded", "all": "All"}
    where: ClassVar = {
        "open": {"state__in": ("queued", "drawing", "open", "failed")},
        "concluded": {"state": "concluded"},
        "all": {},
    }
    empty: ClassVar = {
        "": Empty(
            icon="casino",
            heading="No sample here",
            body="Open a sealed period and draw one of a check: you type a number, the items "
            "follow from it and from the seal.",
        ),
        "concluded": Empty(
            icon="casino",
            heading="No paper is concluded",
            body="A paper is concluded when each of its items is ticked; then nothing of it "
            "changes any more.",
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add drawing, the files and the acts."""
        acts = {
            "again": (self.again, _MAY_DRAW),
            "conclude": (self.conclude, _MAY_TICK),
        }
        return [
            path("new/", self.admin_site.admin_view(self.new_page), name="compliance_sample_new"),
            path(
                "<str:object_id>/<int:position>/file/",
                self.page(self.file),
                name="compliance_sample_file",
            ),
            path(
                "<str:object_id>/<int:position>/tick/",
                act(self, self.tick, permission=_MAY_TICK),
                name="compliance_sample_tick",
            ),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=permission),
                    name=f"compliance_sample_{name}",
                )
                for name, (verb, permission) in acts.items()
            ),
            *super().get_urls(),
        ]

    # --- The list ------------------------------------------------------------------------------

    def state(self, row: Sample) -> str:
        """Return its state in a word."""
        return str(row.state)

    def cells(self, row: Sample) -> tuple[Cell, ...]:
        """Return what the list says of a sample."""
        return (
            Cell(word="Framework", value=row.framework),
            Cell(word="Control", value=row.control),
            Cell(word="Check", value=row.check_id),
            Cell(word="Population", value=row.population, kind="number"),
            Cell(word="Ticked", value=_progress(ticked([row])[row.id])),
            when_cell("Asked", row.asked_at),
            Cell(word="By", value=row.asked_by),
            Cell(word="Concluded by", value=row.concluded_by),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer the periods that samples are drawn of."""
        sealed = Way(
            word="Choose a sealed period",
            url=url_of("compliance_snapshot_changelist", ledger=ledger.name, show="period"),
            icon="inventory",
            is_main=request.user.has_perm(_MAY_DRAW),
        )
        return (sealed, Way(word="Entries", url=entries_url(ledger, ACTION)))

    def shown(self, request: HttpRequest, row: Sample) -> Shown:
        """Return what stands above the items of a paper."""
        snapshot = Snapshot.objects.defer("result").get(id=row.snapshot_id)
        period = f"{snapshot.start_day} to {snapshot.end_day}, the last day not included"
        return Shown(
            title=f"Sample {row.id}: {row.check_id}",
            sentence=_sentence(row),
            state=self.state(row),
            fields=(
                Cell(word="Framework", value=row.framework),
                Cell(word="Control", value=row.control),
                Cell(word="Check", value=row.check_id),
                Cell(
                    word="Sealed result",
                    value=period,
                    url=url_of("compliance_snapshot_change", snapshot.id),
                ),
                Cell(word="Environment", value=snapshot.environment or "all"),
                Cell(word="Population", value=row.population, kind="number"),
                Cell(word="Rule", value=row.rule),
                Cell(word="Number", value=row.number, kind="code"),
                Cell(word="Seed", value=row.seed, kind="code"),
                when_cell("Asked", row.asked_at),
                Cell(word="Asked by", value=row.asked_by),
                *((when_cell("Drawn", row.drawn_at),) if row.drawn_at else ()),
                *((when_cell("Concluded", row.concluded_at),) if row.concluded_at else ()),
                Cell(word="Concluded by", value=row.concluded_by),
            ),
            texts=(("Conclusion", row.conclusion),),
        )

    # --- One paper -----------------------------------------------------------------------------

    def page_of(
        self, request: HttpRequest, row: Any, *, refused: ActRefused | None = None, act: str = ""
    ) -> HttpResponse:
        """Show a paper, and what was refused when an act was."""
        shown = self.shown(request, row)
        items = items_of(row)
        progress = ticked([row])[row.id]
        drawn_by = Entry.objects.filter(ledger_id=row.ledger_id, event_id=row.event_id).first()
        context = self.frame(
            request,
            title=shown.title,
            object=row,
            strip=ledger_state(ledger_id=row.ledger_id),
            shown=shown,
            sample=row,
            is_going=row.state in ("queued", "drawing"),
            reload_each=_REFRESH,
            percent=min(100 * row.done // row.total, 100) if row.total else None,
            progress=progress,
            is_ticked=progress.ticked == progress.items,
            lines=_lines(request, row, items, refused, act),
            verdicts=VERDICTS,
            most_note=MOST_NOTE,
            most_file=MOST_FILE // 1024**2,
            population=_words(row),
            keeps_items=_kind(row) not in _BY_NAME,
            entry=drawn_by,
            may_tick=row.state == "open" and request.user.has_perm(_MAY_TICK),
            may_again=row.state == "failed" and request.user.has_perm(_MAY_DRAW),
            refused=refused if not act.isdigit() else None,
            typed=request.POST.get("conclusion", ""),
            command=f"manage.py redrawsample {row.uid} --ledger {row.ledger.name}",
        )
        status = 409 if refused else 200
        return TemplateResponse(request, "compliance/sample.html", context, status=status)

    def tick(self, request: HttpRequest, object_id: str, position: int) -> HttpResponse:
        """Note what was found of one item."""
        by, sent = person_of(request), request.POST

        def verb(row: Sample) -> None:
            tick_item(
                row,
                position,
                verdict=sent.get("verdict", ""),
                note=sent.get("note", ""),
                by=by,
                attached=_attached(request.FILES.get("file")),
            )

        answer = self.do(
            request, object_id, verb, act=str(position), said=f"Item {position} is ticked."
        )
        if answer.status_code == 302:
            answer["Location"] += f"#item-{position}"
        return answer

    def conclude(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Conclude the paper."""
        by, conclusion = person_of(request), request.POST.get("conclusion", "")
        return self.do(
            request,
            object_id,
            lambda row: conclude_sample(row, conclusion=conclusion, by=by),
            act="conclude",
            said="It is concluded; this is an entry in the ledger.",
        )

    def again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Draw again what failed."""
        return self.do(
            request, object_id, ask_again, act="again", said="It waits for a worker again."
        )

    def file(self, request: HttpRequest, object_id: str, position: int) -> HttpResponse:
        """Send a file as it was attached, to be kept and never to be shown in the browser."""
        found = SampleItem.objects.filter(
            ledger_id=self.row(object_id).ledger_id, sample_id=number(object_id), position=position
        ).first()
        if found is None or found.file is None:
            raise Http404("this item has no file")
        answer = HttpResponse(bytes(found.file), content_type="application/octet-stream")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Disposition"] = (
            content_disposition_header(as_attachment=True, filename=found.file_name) or "attachment"
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    # --- Drawing -------------------------------------------------------------------------------

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for check and number, then have it drawn."""
        if not request.user.has_perm(_MAY_DRAW):
            raise PermissionDenied
        snapshot = _snapshot(request.GET.get("snapshot", ""))
        form = Form(
            title="Draw a sample",
            lead="The items follow from this number and from the head of the sealed result, so "
            "take a number that nobody could foresee: dice, or a lottery's draw of today.",
            boxes=_boxes(request, snapshot),
            button="Draw it",
            icon="casino",
            back=url_of("compliance_snapshot_change", snapshot.id),
        )

        def make(values: Mapping[str, str]) -> Sample:
            control, _, check = values.get("leg", "").partition(_BETWEEN)
            return ask_sample(
                snapshot,
                control=control,
                check=check,
                number=values.get("number", ""),
                by=person_of(request),
            )

        said = "A worker draws it; the items and their entry come together."
        return self.form_page(request, snapshot.ledger, form, make, said=said)


def _snapshot(wanted: str) -> Snapshot:
    try:
        found = Snapshot.objects.select_related("ledger").filter(id=uuid.UUID(wanted)).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404("no sealed result has this id; choose one of the list of sealed results")
    return found


def _boxes(request: HttpRequest, snapshot: Snapshot) -> tuple[Box, ...]:
    wanted = request.GET.get("control", "")
    checks = catalogue_in_force().checks
    legs = tuple(
        (
            f"{leg.control}{_BETWEEN}{leg.check}",
            f"{leg.control}, {leg.check}: {checks[leg.check].title if leg.check in checks else ''} "
            f"({leg.n:,} items, {leg.f:,} failed)",
        )
        for leg in legs_of_snapshot(snapshot)
        if not wanted or leg.control == wanted
    )
    return (
        Box(
            name="leg",
            word="Control and check",
            help=f"Of {snapshot.framework}, {snapshot.start_day} to {snapshot.end_day}. Statements "
            "are read whole and never sampled.",
            kind="choice",
            choices=legs,
        ),
        Box(
            name="number",
            word="Your number",
            help="1 to 40 digits, typed now; zeros in front count. It stands in the ledger for "
            "ever.",
            kind="number",
            most=40,
        ),
    )


def _lines(
    request: HttpRequest,
    sample: Sample,
    items: list[SampleItem],
    refused: ActRefused | None,
    act: str,
) -> list[Line]:
    found = found_of(sample, items)
    lines = []
    for item in items:
        is_sent = refused is not None and act == str(item.position)
        lines.append(
            Line(
                item=item,
                name="" if item.item == str(item.seq) else item.item,
                found=found.get(item.position),
                entry_url=""
                if item.seq == NO_ENTRY
                else reverse("admin:audit_entry_at", args=[sample.ledger.name, item.seq]),
                file_url=url_of("compliance_sample_file", sample.id, item.position)
                if item.file_sha256
                else "",
                tick_url=url_of("compliance_sample_tick", sample.id, item.position),
                error=refused.message if refused is not None and is_sent else "",
                typed_verdict=request.POST.get("verdict", "") if is_sent else item.verdict,
                typed_note=request.POST.get("note", "") if is_sent else item.note,
            )
        )
    return lines


def _kind(sample: Sample) -> str:
    known = catalogue_in_force().checks.get(sample.check_id)
    return known.kind if known else ""


def _words(sample: Sample) -> str:
    """Return what the population is; empty when the catalogue has the check no more."""
    known = catalogue_in_force().checks.get(sample.check_id)
    if known is None:
        return ""
    return words(Lens(id="", check=known.id, kind=known.kind, definition={}))


def _attached(sent: Any) -> Attached | None:
    if not isinstance(sent, UploadedFile):
        return None
    if sent.size is None or sent.size > MOST_FILE:
        raise ActRefused(field="file", message=f"at most {MOST_FILE:,} bytes")
    return Attached(name=sent.name or "", content=sent.read())


def _progress(found: Ticked) -> str:
    return f"{found.ticked:,} of {found.items:,}" if found.items else ""


def _sentence(row: Sample) -> str:
    about = f"{row.check_id} in {row.framework} {row.control}"
    said = {
        "queued": f"A sample of {about} waits for a worker.",
        "drawing": f"A sample of {about} is being drawn.",
        "open": f"{row.asked_by} had a sample of {about} drawn: look at each item and tick it.",
        "concluded": f"{row.concluded_by} concluded the paper on {about}; nothing of it changes "
        "any more.",
        "failed": f"Nothing was drawn of {about}: {row.note}.",
    }
    return said[row.state]
