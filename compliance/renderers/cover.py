"""Write what stands on the cover of a report, and its foot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compliance.renderers import written
from compliance.renderers.blocks import Document, Fact, Section
from compliance.renderers.fitting import measure
from compliance.renderers.integrity_section import DISCLAIMER
from compliance.renderers.result_section import figures_of
from compliance.report_content import ReportContent, content_bytes, content_digest

PACKAGE: Final = "Management's evidence package"
FOOT: Final = 395.0
"""Points that the foot has beside the page's number, on an upright page."""
FOOT_SIZE: Final = 7.6
"""Points of its letters; look.typ sets the same."""


def document_with(
    content: ReportContent, sections: Sequence[Section], *, digest: str = ""
) -> Document:
    """Return a document of these sections under the report's cover.

    `digest` is the SHA-256 of the content, 64 hex; without it, it is computed.
    """
    cover = content.cover
    period = written.period(cover.start, cover.end)
    name = written.short_name(cover.framework_name)
    digest = digest or digest_of(content)
    return Document(
        title=name,
        subtitle=f"{PACKAGE}, {period}",
        issuer=cover.origin,
        running=_running(name, period, cover.report_id),
        issued_at=cover.issued_at,
        disclaimer=DISCLAIMER,
        facts=_facts(content, digest),
        figures=figures_of(content),
        sections=tuple(sections),
    )


def _running(name: str, period: str, report: str) -> str:
    """Return the foot of each page on one line: what it is first gives way, then the name."""
    behind = f"{period} · report {report}"
    for told in (f"{PACKAGE} · {name} · {behind}", f"{name} · {behind}"):
        if measure(told, FOOT_SIZE) <= FOOT:
            return told
    kept = len(name)
    while kept and measure(f"{name[:kept]}… · {behind}", FOOT_SIZE) > FOOT:
        kept -= 1
    return f"{name[:kept].rstrip()}… · {behind}" if kept else behind


def digest_of(content: ReportContent) -> str:
    """Return the SHA-256 of the content, 64 hex: what `content_bytes` and format `json` have."""
    return content_digest(content_bytes(content))


def _facts(content: ReportContent, digest: str) -> tuple[Fact, ...]:
    cover = content.cover
    observed = (
        (Fact(name="Observed from", value=written.day(cover.observed_from)),)
        if cover.observed_from > cover.start
        else ()
    )
    restates = (
        (Fact(name="Restates", value=cover.restates, is_code=True),) if cover.restates else ()
    )
    return (
        Fact(name="Ledger", value=f"{cover.ledger} ({cover.origin})"),
        Fact(
            name="Framework",
            value=f"{cover.framework_name}, version {cover.framework_version}",
        ),
        Fact(name="Period", value=f"{written.period(cover.start, cover.end)}, whole UTC days"),
        *observed,
        Fact(name="Environment", value=cover.environment or "all"),
        Fact(name="Judged as of", value=written.time(cover.as_of)),
        Fact(name="Issued", value=written.time(cover.issued_at)),
        Fact(name="Report", value=cover.report_id, is_code=True),
        Fact(name="Snapshot", value=cover.snapshot or written.NONE, is_code=True),
        *restates,
        Fact(name="SHA-256 of the content", value=digest, is_code=True),
    )
