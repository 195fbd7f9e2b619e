"""Write a report as NIST OSCAL 1.2.1: assessment-results.json and assessment-plan.json. Pure.

For GRC tools. Both say less than the content does, and nothing else: its SHA-256 stands in both.
UUIDs are made of the report's id, those of the two documents and the result also of the content, so
that the same report gives the same bytes and a report with newer samples is another document.
Titles of controls are the catalogue's own short words; no owner's text of a framework stands here.

The parts: oscal_plan.py, oscal_results.py, oscal_risks.py, oscal_people.py, oscal_parts.py. What
our properties mean: docs/reports.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from compliance.renderers.oscal_parts import VERSION, Json, line, props
from compliance.renderers.oscal_people import people
from compliance.renderers.oscal_plan import Named, named, plan_parts
from compliance.renderers.oscal_results import result_of
from compliance.renderers.stored_zip import zip_of
from compliance.report_content import ReportContent, content_bytes, content_digest

RESULTS: Final = "assessment-results.json"
PLAN: Final = "assessment-plan.json"


def oscal_files(content: ReportContent) -> Mapping[str, bytes]:
    """Return both documents as UTF-8 JSON, by the name of their file."""
    report = named(content, content_digest(content_bytes(content)))
    return {RESULTS: _json(_results(report)), PLAN: _json(_plan(report))}


def render_oscal(content: ReportContent) -> bytes:
    """Return a ZIP of determined bytes with both documents; they refer to each other by name."""
    return zip_of(oscal_files(content))


def _results(report: Named) -> Json:
    return {
        "assessment-results": {
            "uuid": report.uuid(f"assessment-results/{report.digest}"),
            "metadata": _metadata(report, f"Results: {report.content.cover.framework_name}"),
            "import-ap": {"href": PLAN},
            "results": [result_of(report)],
            "back-matter": {"resources": _resources(report)},
        }
    }


def _plan(report: Named) -> Json:
    return {
        "assessment-plan": {
            "uuid": report.uuid(f"assessment-plan/{report.digest}"),
            "metadata": _metadata(report, f"Plan: {report.content.cover.framework_name}"),
            **plan_parts(report),
            "back-matter": {"resources": _resources(report)},
        }
    }


def _metadata(report: Named, title: str) -> Json:
    cover = report.content.cover
    return {
        "title": line(f"{title}, ledger {cover.ledger}"),
        "last-modified": cover.issued_at,
        "version": line(cover.framework_version),
        "oscal-version": VERSION,
        "props": props({"report-id": cover.report_id, "content-sha256": report.digest}),
        "roles": [
            {"id": "signer", "title": "Who signed a statement"},
            {"id": "management", "title": "Whose evidence this is"},
        ],
        "parties": [
            {
                "uuid": report.uuid("organization"),
                "type": "organization",
                "name": line(cover.origin),
                "remarks": "Named as the origin of its ledger.",
            },
            *(
                {"uuid": uuid, "type": "person", "name": line(name)}
                for name, uuid in people(report).items()
            ),
        ],
        "responsible-parties": [
            {"role-id": "management", "party-uuids": [report.uuid("organization")]}
        ],
        "remarks": "Management's evidence package. It is not an attestation report.",
    }


def _resources(report: Named) -> list[Json]:
    return [
        _file(
            report,
            "report.json",
            report.digest,
            "application/json",
            "The whole report, of which this is made; its scope section describes the system.",
        ),
        *(
            _file(
                report,
                each.name,
                each.sha256,
                "text/csv",
                f"Every failing, waived and pending item: {each.rows:,} rows.",
            )
            for each in report.content.annexes
        ),
    ]


def _file(report: Named, name: str, sha256: str, media_type: str, about: str) -> Json:
    hashes = [{"algorithm": "SHA-256", "value": sha256}]
    return {
        "uuid": report.uuid(f"resource/{name}"),
        "title": line(name),
        "description": about,
        "rlinks": [{"href": name, "media-type": media_type, "hashes": hashes}],
    }


def _json(document: Json) -> bytes:
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode()
