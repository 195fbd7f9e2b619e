"""Write a report's OSCAL result: observations and findings, and what belongs to them. Pure.

    observation   one a check and lens: TEST, with its counts, state and item digest as properties;
                  its evidence is the annex of items and the entries of the listed exceptions
    finding       one a control: satisfied only when it passes; else not-satisfied, with the reason
                  `fail` where something failed and `other` for all that cannot be told, its state
                  in a property and in words. A control that is out of scope says so as its
                  implementation status

Risks: oscal_risks.py. Statements of people and the log: oscal_people.py. The plan: oscal_plan.py.
Pieces: oscal_parts.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from compliance.renderers.oscal_parts import (
    Json,
    filled,
    line,
    prop,
    props,
    prose,
    refer,
    start_of,
)
from compliance.renderers.oscal_people import log_of, statements_of
from compliance.renderers.oscal_plan import Named, assets, by_platform, reviewed
from compliance.renderers.oscal_risks import risks_of, unwaived
from compliance.report_content import ITEMS, AgentLine, Deviation, Exceptions

_REASONS: Final = {"pass": "pass", "fail": "fail"}
_SAID: Final = {
    "pass": "No exceptions noted.",
    "fail": "Exceptions noted.",
    "no_data": "Insufficient evidence.",
    "not_occurred": "No occurrence in the period; not tested.",
    "pending": "Not decided yet: what is open has a deadline that lies ahead.",
    "waived": "Exceptions noted; all of them are covered by waivers in force, which earn nothing.",
    "error": "Not evaluated: the tallies contradict themselves.",
    "not_applicable": "Out of scope by an approved decision; not tested.",
}


def result_of(report: Named) -> Json:
    """Return the one result of an assessment-results."""
    content = report.content
    cover, result = content.cover, content.result
    return filled(
        uuid=report.uuid(f"result/{report.digest}"),
        title=line(f"{cover.framework_name}, {cover.start} up to {cover.end}"),
        description=(
            "Management's evidence package over the entries of a ledger. It is not an attestation "
            "report. Whole UTC days; the end is the day after the last."
        ),
        start=start_of(cover.start),
        end=start_of(cover.end),
        props=_numbers(report),
        local_definitions=filled(
            components=[_agent(report, agent) for agent in content.scope.agents],
            assessment_assets=assets(report),
        ),
        reviewed_controls=reviewed(report),
        attestations=list(statements_of(report)),
        assessment_log={"entries": list(log_of(report))},
        observations=[
            _observation(report, check, result_check)
            for check, result_check in zip(_texts(report), result["checks"], strict=True)
        ],
        risks=list(risks_of(report)),
        findings=[_finding(report, control) for control in result["controls"]],
        remarks=prose(result["numbers"]["reason"] or result["not_in_force"])
        if result["numbers"]["reason"] or result["not_in_force"]
        else None,
    )


def _numbers(report: Named) -> list[Json]:
    cover, result = report.content.cover, report.content.result
    numbers = result["numbers"]
    return props(
        {
            "report-id": cover.report_id,
            "snapshot": cover.snapshot,
            "snapshot-digest": cover.snapshot_digest,
            "content-sha256": report.digest,
            "ledger": cover.ledger,
            "origin": cover.origin,
            "environment": cover.environment,
            "observed-from": cover.observed_from,
            "as-of": cover.as_of,
            "head-seq": result["head_seq"],
            "head-hash": result["head_hash"],
            "entries": result["entries"],
            "backfilled": result["backfilled"],
            "evidenced": numbers["evidenced"],
            "tested": numbers["tested"],
            "coverage": numbers["coverage"],
            "cap": numbers["cap"],
            "band": numbers["band"],
            **{f"controls-{state}": count for state, count in result["states"].items()},
        }
    ) + [prop("looser-limit", each) for each in report.content.looser]


def _agent(report: Named, agent: AgentLine) -> Json:
    return filled(
        uuid=report.uuid(f"agent/{agent.agent}"),
        type="software",
        title=line(agent.name or agent.agent),
        description="An agent with entries in the period.",
        props=props(
            {
                "agent": agent.agent,
                "owner": agent.owner,
                "is-registered": "yes" if agent.is_registered else "no",
                "entries": agent.entries,
                "first-at": agent.first_at,
                "last-at": agent.last_at,
            }
        )
        + [prop("environment", each) for each in agent.environments]
        + [prop("version", each) for each in agent.versions],
        status={"state": "operational"},
    )


# --- Observations and findings --------------------------------------------------------------------


def _texts(report: Named) -> Iterator[Mapping[str, str]]:
    """Yield what is said of each lens, in the order of the result's checks."""
    texts = {check.lens: check for check in report.content.checks}
    for one in report.content.result["checks"]:
        text = texts.get(one["lens"])
        yield {
            "title": one["check"] if text is None else f"{one['check']}: {text.title}",
            "version": "" if text is None else text.version,
            "rule": "" if text is None else text.rule,
        }


def _observation(report: Named, text: Mapping[str, str], check: Mapping[str, Any]) -> Json:
    lens = check["lens"]
    found = next((one for one in report.content.exceptions if one.lens == lens), None)
    return filled(
        uuid=report.uuid(f"observation/{lens}"),
        title=line(text["title"]),
        description=prose(f"{text['rule']}\n{check['reason']}".strip()),
        props=props(
            {
                "check": check["check"],
                "version": text["version"],
                "state": check["state"],
                "N": check["n"],
                "F": check["f"],
                "waived": check["waived"],
                "pending": check["pending"],
                "lens": lens,
                "digest": check["digest"],
                "design-only": "yes" if check["design_only"] else None,
                "worst-agent": check["worst_agent"],
                "restated-days": check["restated"] or None,
            }
        )
        + [prop("open-guard", each) for each in check["open_guards"]],
        methods=["TEST"],
        types=["finding" if check["f"] else "control-objective"],
        origins=[by_platform(report)],
        relevant_evidence=[] if found is None else list(_evidence(report, found)),
        collected=report.content.cover.as_of,
    )


def _evidence(report: Named, found: Exceptions) -> Iterator[Json]:
    yield {
        "href": f"#{report.uuid(f'resource/{ITEMS}')}",
        "description": f"All {found.total:,} failing items, {found.waived:,} of them waived; "
        f"{len(found.listed):,} are listed here.",
    }
    for each in found.listed:
        yield _deviation(report, each)


def _deviation(report: Named, each: Deviation) -> Json:
    # A day or a bucket is about no single entry; its row in the annex tells of it.
    ledger = report.content.cover.ledger
    href = f"#{report.uuid(f'resource/{ITEMS}')}"
    if each.seq >= 0:
        href = f"/api/v1/entries/{ledger}/{each.seq}"
    return filled(
        href=href,
        description=prose(each.why),
        props=props(
            {
                "item": each.item,
                "day": each.day,
                "seq": each.seq if each.seq >= 0 else None,
                "entry-id": each.entry_id,
                "occurred-at": each.occurred_at,
                "agent": each.agent,
                "actor": each.actor,
                "action": each.action,
                "waiver": each.waiver,
                "finding": each.finding,
            }
        ),
    )


def _finding(report: Named, control: Mapping[str, Any]) -> Json:
    state = control["state"]
    lenses = [leg["lens"] for leg in control["legs"] if leg["lens"]]
    risks = [
        *(f"risk/{one.lens}" for one in unwaived(report) if one.lens in lenses),
        *(
            f"risk/waiver/{one.waiver}"
            for one in report.content.waivers
            if one.control == control["id"]
        ),
    ]
    return filled(
        uuid=report.uuid(f"finding/{control['id']}"),
        title=line(f"{control['id']} {control['title']}"),
        description="\n".join(line(f"{leg['id']}: {leg['reason']}") for leg in control["legs"])
        or _SAID[state],
        props=props(
            {"control": control["id"], "state": state, "score": control["score"]}
            | {"owner": dict(report.content.owners).get(control["id"])}
        ),
        origins=[by_platform(report)],
        target=_target(report, control),
        related_observations=refer(
            "observation-uuid", (report.uuid(f"observation/{lens}") for lens in lenses)
        ),
        related_risks=refer("risk-uuid", map(report.uuid, risks)),
    )


def _target(report: Named, control: Mapping[str, Any]) -> Json:
    state = control["state"]
    is_out = state == "not_applicable"
    return filled(
        type="objective-id",
        target_id=report.objective(control["id"]),
        status={
            "state": "satisfied" if state == "pass" else "not-satisfied",
            "reason": _REASONS.get(state, "other"),
            "remarks": _SAID[state],
        },
        implementation_status={"state": "not-applicable"} if is_out else None,
    )
