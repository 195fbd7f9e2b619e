"""What the pages of reports show: rows of the archive, files, notes on a period, lines of shell.

Reads rows and the catalogue; decides nothing. Pages: reports.py.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from audit.admin.acts import Look
from audit.models import Entry, SigningKey
from compliance import report as reports
from compliance.admin.words import BAND_STATES, NO_SCORE, short_name
from compliance.in_force import catalogue_in_force
from compliance.models import Delivery, Report, ReportFile, Snapshot
from compliance.renderers import FORMATS
from compliance.report_files import address_of, files_of, make_link, path_of

MOST_COMPARED: Final = 50
"""Other reports that a page offers to compare with, the newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row of the archive."""

    report: Report
    name: str
    band: str
    """The badge of its score; empty before there is one."""
    size: int
    """Bytes of all its files."""
    delivered: str
    """To how many of how many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileLine:
    """One file on the page of a report."""

    file: ReportFile
    word: str
    about: str
    url: str
    link: str
    is_missing: bool


def name_of(framework: str) -> str:
    """Return a framework's short name; its id when the catalogue has it no more."""
    found = catalogue_in_force().frameworks.get(framework)
    return short_name(found.name) if found else framework


# --- The archive's rows ---------------------------------------------------------------------------


def archive_lines(found: Sequence[Report]) -> list[Line]:
    """Return the rows of a page of the archive, in two statements however many there are."""
    numbers = [each.id for each in found]
    sizes: dict[int, int] = defaultdict(int)
    for report_id, size in ReportFile.objects.filter(report_id__in=numbers).values_list(
        "report_id", "size"
    ):
        sizes[report_id] += size
    states: dict[int, list[str]] = defaultdict(list)
    for report_id, state in Delivery.objects.filter(report_id__in=numbers).values_list(
        "report_id", "state"
    ):
        states[report_id].append(state)
    return [
        Line(
            report=each,
            name=name_of(each.framework),
            band=_band(each),
            size=sizes[each.id],
            delivered=_delivered(states[each.id]),
        )
        for each in found
    ]


def _band(report: Report) -> str:
    if report.state != "done":
        return ""
    return BAND_STATES[report.band] if report.band else NO_SCORE


def _delivered(states: Sequence[str]) -> str:
    return f"{states.count('sent')} of {len(states)}" if states else ""


def narrowed(url: str, framework: str) -> str:
    """Return the address of a list for one framework; empty stays empty."""
    return f"{url}&{urlencode({'framework': framework})}" if url and framework else url


def framework_choices(look: Look, chosen: str) -> list[tuple[str, str, bool]]:
    """Return the frameworks to narrow the list to: word, address, whether it is chosen."""
    known = catalogue_in_force().frameworks.values()
    found = [("All frameworks", look.url(), not chosen)]
    for one in sorted(known, key=lambda each: each.name.casefold()):
        found.append((short_name(one.name), narrowed(look.url(), one.id), one.id == chosen))
    return found


def new_url(**asked: str) -> str:
    """Return the address of the form, filled with what is asked."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{reverse('admin:compliance_report_new')}?{query}"


# --- What the page of one says --------------------------------------------------------------------


def period_notes(report: Report) -> list[str]:
    """Return what the reader must know of the period."""
    notes = []
    if not reports.is_over(report.end_day, now=report.asked_at):
        notes.append(
            "The period was not over when this was asked for: entries of its last days may still "
            "come. Ask again when it is over; that is another result, and both stay."
        )
    born = reports.born_on(report.ledger)
    if born is not None and born > report.start_day:
        notes.append(
            f"The ledger was born on {born}: days before it are not observed, and the report says "
            "so."
        )
    return notes


def entry_of(report: Report) -> Entry | None:
    """Return the entry that says it was made, or failed; None while it waits to be chained."""
    if report.event_id is None:
        return None
    return Entry.objects.filter(ledger_id=report.ledger_id, event_id=report.event_id).first()


def restated_by(report: Report) -> Snapshot | None:
    """Return the sealed result that restates the report's; None for none."""
    found = Snapshot.objects.filter(ledger_id=report.ledger_id, restates=report.snapshot_id)
    return found.defer("result").first()


def others_of(report: Report) -> list[Report]:
    """Return reports of the same framework to compare with, the newest first."""
    found = Report.objects.filter(
        ledger_id=report.ledger_id, framework=report.framework, state="done"
    ).exclude(id=report.id)
    return list(found.newest_first()[:MOST_COMPARED])


def why_not_comparable(before: Report, after: Report) -> str:
    """Return why two reports are not comparable; empty when they are."""
    if before.id == after.id:
        return "Both are the same report. Choose another one to compare it with."
    if (before.ledger_id, before.framework) != (after.ledger_id, after.framework):
        return "They are of two frameworks or ledgers: only reports of one are compared."
    if {before.state, after.state} != {"done"}:
        return "Both must be done; one of them has no result yet."
    return ""


def file_lines(request: HttpRequest, report: Report) -> list[FileLine]:
    """Return the files of a report with fresh links."""
    return [
        FileLine(
            file=file,
            word=FORMATS[file.format].word,
            about=FORMATS[file.format].about,
            url=address_of(report, file),
            link=request.build_absolute_uri(make_link(report, file)),
            is_missing=not path_of(report, file).is_file(),
        )
        for file in files_of(report)
    ]


def again_url(report: Report) -> str:
    """Return the form that asks for the same report, of its sealed result if it has one."""
    if report.snapshot_id is not None:
        return new_url(snapshot=str(report.snapshot_id))
    return new_url(
        ledger=report.ledger.name,
        framework=report.framework,
        **{"from": str(report.start_day), "to": str(report.end_day)},
    )


def command_of(report: Report) -> str:
    """Return the shell line that makes the same report again."""
    words = [
        "manage.py writereport",
        report.framework,
        f"--from {report.start_day}",
        f"--to {report.end_day}",
        f"--ledger {report.ledger.name}",
    ]
    if report.environment != "prod":
        words.append(f"--environment {report.environment or 'all'}")
    return " ".join((*words, f"--format {','.join(report.formats)}", "--out ."))


def newest_key(report: Report) -> str:
    """Return the ledger's newest verifier key, quoted for a shell; VKEY when it has none."""
    keys = SigningKey.objects.filter(ledger_id=report.ledger_id)
    vkey = keys.order_by("-first_used_at", "vkey").values_list("vkey", flat=True).first()
    return shlex.quote(vkey or "VKEY")


def verifying(report: Report) -> str:
    """Return the lines of shell that verify an archive with the ledger's newest key."""
    names = [each.name for each in files_of(report) if each.format == "zip"]
    if not names:
        return ""
    name = shlex.quote(names[0])
    return f"unzip -o {name} verify.py\npython3 verify.py report {name} --key {newest_key(report)}"
