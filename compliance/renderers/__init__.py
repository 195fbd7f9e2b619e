"""The forms of a report. Each is a pure function of the content: the same content, the same bytes.

    document.py    the content as headings, sentences, facts, tables and charts, section by section
    pdf.py         the document as PDF/A, tagged; executive.py one page of it
    html.py        the document as one self-contained HTML file
    charts.py      the charts as SVG, for both
    csv_files.py   items, controls, population as CSV
    oscal.py       OSCAL assessment-results and its assessment-plan
    archive.py     all files as a ZIP of determined bytes, with a manifest to sign

The content: compliance/report_content/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One form in which a report is handed out."""

    name: str
    word: str
    """As a person reads it."""
    suffix: str
    """What follows the stem of a file's name, dot included."""
    content_type: str
    about: str
    """What it is for, in a sentence."""


FORMATS: Final[Mapping[str, Format]] = {
    each.name: each
    for each in (
        Format(
            name="pdf",
            word="PDF",
            suffix=".pdf",
            content_type="application/pdf",
            about="The whole report to read and to file: PDF/A, tagged.",
        ),
        Format(
            name="executive",
            word="Executive page",
            suffix="-executive.pdf",
            content_type="application/pdf",
            about="One page: the four numbers, what holds them down, what changed.",
        ),
        Format(
            name="html",
            word="HTML",
            suffix=".html",
            content_type="text/html; charset=utf-8",
            about="The whole report as one file for a browser; loads nothing from elsewhere.",
        ),
        Format(
            name="csv",
            word="CSV",
            suffix="-items.csv",
            content_type="text/csv; charset=utf-8",
            about="Every failing, waived and pending item, one a row.",
        ),
        Format(
            name="json",
            word="JSON",
            suffix=".json",
            content_type="application/json",
            about="All that the report says, for programs; its SHA-256 names the content.",
        ),
        Format(
            name="oscal",
            word="OSCAL",
            suffix="-oscal.zip",
            content_type="application/zip",
            about="NIST OSCAL assessment-results and assessment-plan, for GRC tools.",
        ),
        Format(
            name="zip",
            word="ZIP with signature",
            suffix=".zip",
            content_type="application/zip",
            about="All of it with a manifest signed by the ledger's key.",
        ),
    )
}
"""Each by its name, in the order in which they are offered."""
