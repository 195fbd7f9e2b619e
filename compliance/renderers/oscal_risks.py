"""Write the risks of a report's OSCAL result: exceptions and waivers. Pure.

One a lens with exceptions that nobody waived: open, until the first of its findings is due. One a
waiver: an approved deviation until it expires, closed once it was revoked; its compensating control
is a mitigating factor. A deadline given as a day ends with that day.
"""

from __future__ import annotations

from collections.abc import Iterator

from compliance.renderers.oscal_parts import Json, end_of, filled, line, prop, props, prose, refer
from compliance.renderers.oscal_plan import Named, by_platform
from compliance.report_content import Exceptions, WaiverLine


def unwaived(report: Named) -> list[Exceptions]:
    """Return the lenses with failing items that no waiver covers."""
    return [one for one in report.content.exceptions if one.total > one.waived]


def risks_of(report: Named) -> Iterator[Json]:
    """Yield a risk for each lens with exceptions that nobody waived, and for each waiver."""
    for one in unwaived(report):
        yield _exception_risk(report, one)
    for waiver in report.content.waivers:
        yield _waiver_risk(report, waiver)


def _exception_risk(report: Named, found: Exceptions) -> Json:
    findings = [
        one
        for one in report.content.findings
        if one.check == found.check and one.control in ("", *found.controls)
    ]
    due = [one.due for one in findings if one.due and not one.closed_at]
    return filled(
        uuid=report.uuid(f"risk/{found.lens}"),
        title=line(f"Exceptions of {found.check}"),
        description=f"{found.total - found.waived:,} failing items that no waiver covers, "
        f"and {found.waived:,} that one does.",
        statement=line(f"Bears on {', '.join(found.controls)}"),
        props=[
            *props({"check": found.check, "lens": found.lens}),
            *(prop("finding", one.finding) for one in findings),
        ],
        status="open",
        origins=[by_platform(report)],
        deadline=end_of(min(due)) if due else None,
        remediations=[
            filled(
                uuid=report.uuid(f"response/{one.finding}/{found.lens}"),
                lifecycle="completed" if one.closed_at else "planned",
                title=line(one.title),
                description=prose(one.response),
                props=props({"owner": one.owner, "due": one.due, "severity": one.severity}),
            )
            for one in findings
        ],
        related_observations=refer("observation-uuid", [report.uuid(f"observation/{found.lens}")]),
    )


def _waiver_risk(report: Named, waiver: WaiverLine) -> Json:
    lenses = [
        leg["lens"]
        for control in report.content.result["controls"]
        for leg in control["legs"]
        if control["id"] == waiver.control and leg["id"] == waiver.check and leg["lens"]
    ]
    return filled(
        uuid=report.uuid(f"risk/waiver/{waiver.waiver}"),
        title=line(f"Waiver of {waiver.check} in {waiver.control}"),
        description=prose(waiver.reason),
        statement=prose(waiver.risk),
        props=props(
            {
                "waiver": waiver.waiver,
                "control": waiver.control,
                "check": waiver.check,
                "asked-by": waiver.asked_by,
                "approved-by": waiver.approved_by,
                "starts-on": waiver.starts_on,
                "revoked-at": waiver.revoked_at,
                "seq": waiver.seq,
            }
        )
        + [prop("item", each) for each in waiver.items],
        status="closed" if waiver.revoked_at else "deviation-approved",
        origins=[by_platform(report)],
        mitigating_factors=[
            {
                "uuid": report.uuid(f"mitigation/{waiver.waiver}"),
                "description": prose(waiver.compensating),
            }
        ]
        if waiver.compensating
        else [],
        deadline=end_of(waiver.expires_on) if waiver.expires_on else None,
        related_observations=refer(
            "observation-uuid", (report.uuid(f"observation/{lens}") for lens in lenses)
        ),
    )
