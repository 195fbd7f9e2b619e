"""Write a report's OSCAL assessment-plan: what was looked at, and by which tests. Pure.

An assessment-results must import a plan. Nobody writes one here beforehand: the plan is the
catalogue in force, so it is written from the same content and says so. Each control has an
objective, each check an activity with its population and rule in words, and one task runs them all
over the period. The system's description is the report itself, not an SSP.
What came out: oscal_results.py. Pieces: oscal_parts.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compliance.renderers.oscal_parts import (
    Json,
    filled,
    line,
    prop,
    props,
    prose,
    start_of,
    tokens_of,
    uuid_of,
)
from compliance.report_content import CheckText, ReportContent

EVERYTHING: Json = {"type": "component", "include-all": {}}
"""All subjects: the agents of the period, which are components of the results."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A content, and the names that its parts have in OSCAL."""

    content: ReportContent
    digest: str
    """SHA-256 of the content, 64 hex."""
    tokens: Mapping[str, str]
    """A token for each control's id."""

    def uuid(self, path: str) -> str:
        """Return the UUID of a part of this report."""
        return uuid_of(self.content.cover.report_id, path)

    def objective(self, control: str) -> str:
        """Return the id of a control's objective."""
        return f"{self.tokens[control]}_obj"


def named(content: ReportContent, digest: str) -> Named:
    """Return a content with the OSCAL names of its controls."""
    ids = [control["id"] for control in content.result["controls"]]
    tokens = tokens_of(content.cover.framework, ids)
    return Named(content=content, digest=digest, tokens=tokens)


def plan_parts(report: Named) -> Json:
    """Return what stands in an assessment-plan beside its metadata and back matter."""
    return {
        "import-ssp": {
            "href": f"#{report.uuid('resource/report.json')}",
            "remarks": "There is no system security plan; the report's own scope section says what "
            "the agent system consists of.",
        },
        "local-definitions": filled(
            objectives_and_methods=[
                _objective(report, control) for control in report.content.result["controls"]
            ],
            activities=[_activity(report, check) for check in report.content.checks],
        ),
        "reviewed-controls": reviewed(report),
        "assessment-subjects": [EVERYTHING],
        "assessment-assets": assets(report),
        "tasks": [_task(report)],
    }


def reviewed(report: Named) -> Json:
    """Return the controls and objectives that are looked at: all of the framework."""
    tokens = [report.tokens[control["id"]] for control in report.content.result["controls"]]
    if not tokens:
        return {"control-selections": [{"include-all": {}}]}
    return {
        "control-selections": [{"include-controls": [{"control-id": each} for each in tokens]}],
        "control-objective-selections": [
            {"include-objectives": [{"objective-id": f"{each}_obj"} for each in tokens]}
        ],
    }


def assets(report: Named) -> Json:
    """Return what the tests are run with: this platform."""
    tool = report.uuid("component/platform")
    generator = report.content.cover.generator
    return {
        "components": [
            {
                "uuid": tool,
                "type": "software",
                "title": line(generator),
                "description": "Evaluates the entries of the ledger against the catalogue.",
                "status": {"state": "operational"},
            }
        ],
        "assessment-platforms": [
            {
                "uuid": report.uuid("platform"),
                "title": line(generator),
                "uses-components": [{"component-uuid": tool}],
            }
        ],
    }


def by_platform(report: Named) -> Json:
    """Return the origin of what the platform found."""
    return {"actors": [{"type": "tool", "actor-uuid": report.uuid("component/platform")}]}


def _objective(report: Named, control: Mapping[str, Any]) -> Json:
    return {
        "control-id": report.tokens[control["id"]],
        "description": line(control["title"]),
        "props": props(
            {
                "control": control["id"],
                "area": control["area"],
                "mode": control["mode"],
                "weight": control["weight"],
                "specification": control["spec"],
            }
        ),
        "parts": [
            {
                "id": report.objective(control["id"]),
                "name": "objective",
                "prose": prose(control["title"]),
            }
        ],
    }


def _activity(report: Named, check: CheckText) -> Json:
    tokens = [
        report.tokens[control["id"]]
        for control in report.content.result["controls"]
        if any(leg["lens"] == check.lens for leg in control["legs"])
    ]
    selected = [{"include-controls": [{"control-id": each} for each in tokens]}]
    steps = {
        "population": check.population,
        "rule": check.rule,
        "proves": check.proves,
        "cannot": check.cannot,
    }
    return filled(
        uuid=report.uuid(f"activity/{check.lens}"),
        title=line(f"{check.check}: {check.title}"),
        description=prose(check.rule or check.title),
        props=props(
            {
                "check": check.check,
                "version": check.version,
                "kind": check.kind,
                "severity": check.severity,
                "tested-type": check.tested_type,
                "lens": check.lens,
            }
        )
        + [prop("parameter", f"{name} = {value}") for name, value in check.limits],
        steps=[
            {
                "uuid": report.uuid(f"step/{check.lens}/{name}"),
                "title": name,
                "description": prose(text),
            }
            for name, text in steps.items()
            if text
        ],
        related_controls={"control-selections": selected} if tokens else None,
    )


def _task(report: Named) -> Json:
    cover = report.content.cover
    activities = [
        {"activity-uuid": report.uuid(f"activity/{check.lens}"), "subjects": [EVERYTHING]}
        for check in report.content.checks
    ]
    return filled(
        uuid=report.uuid("task"),
        type="action",
        title="Evaluate the period",
        description="Every check over every entry of the period.",
        timing={"within-date-range": {"start": start_of(cover.start), "end": start_of(cover.end)}},
        associated_activities=activities,
    )
