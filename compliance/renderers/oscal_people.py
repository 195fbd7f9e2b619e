"""Write what people said, and the log, of a report's OSCAL result. Pure.

Each management statement and nil return is an `attestation`, which is OSCAL's word for a set of
statements, with who signed it; one that counts for nothing is there and says so. The log has the
newest verification of the chain, the evaluation, and each sample that was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compliance.renderers.oscal_parts import Json, filled, line, props, prose
from compliance.renderers.oscal_plan import Named
from compliance.report_content import NilReturnLine, StatementLine


def people(report: Named) -> dict[str, str]:
    """Return the UUID of each person who signed something, by the name they signed with."""
    statements = {one.signed_by for one in report.content.statements}
    names = sorted(statements | {one.signed_by for one in report.content.nil_returns})
    return {name: report.uuid(f"person/{name}") for name in names}


def statements_of(report: Named) -> Iterator[Json]:
    """Yield what people signed: management statements, then nil returns."""
    for statement in report.content.statements:
        yield _statement(report, statement)
    for nil_return in report.content.nil_returns:
        yield _nil_return(report, nil_return)


def _statement(report: Named, one: StatementLine) -> Json:
    return _signed(
        report,
        f"statement/{one.statement}",
        one.signed_by,
        name="reasoning" if one.is_reasoning else "statement",
        title=f"{one.control}: statement of management",
        text=one.text,
        facts={
            "control": one.control,
            "role": one.role,
            "prepared-by": one.prepared_by,
            "signed-at": one.signed_at,
            "effective-from": one.effective_from,
            "effective-to": one.effective_to,
            "expires-on": one.expires_on,
            "file-name": one.file_name,
            "file-sha256": one.file_sha256,
            "counts": "yes" if one.counts else "no",
            "seq": one.seq,
        },
    )


def _nil_return(report: Named, one: NilReturnLine) -> Json:
    return _signed(
        report,
        f"nil-return/{one.check}/{one.seq}",
        one.signed_by,
        name="nil-return",
        title=f"{one.check}: nothing of the kind happened",
        text=one.text,
        facts={
            "check": one.check,
            "starts-on": one.starts_on,
            "ends-on": one.ends_on,
            "signed-at": one.signed_at,
            "seq": one.seq,
        },
    )


def _signed(
    report: Named,
    path: str,
    signed_by: str,
    *,
    name: str,
    title: str,
    text: str,
    facts: Mapping[str, str | int | None],
) -> Json:
    party = report.uuid(f"person/{signed_by}")
    part = {
        "uuid": report.uuid(path),
        "name": name,
        "title": line(title),
        "props": props(facts),
        "prose": prose(text),
    }
    return {
        "responsible-parties": [{"role-id": "signer", "party-uuids": [party]}],
        "parts": [part],
    }


def log_of(report: Named) -> Iterator[Json]:
    """Yield what was done: the newest verification, the evaluation, each sample."""
    content = report.content
    run = content.integrity.last_verification
    if run is not None:
        yield filled(
            uuid=report.uuid(f"log/verification/{run.seq}"),
            title="The newest verification of the chain",
            description=prose(run.note or run.outcome),
            start=run.at,
            props=props(
                {
                    "seq": run.seq,
                    "outcome": run.outcome,
                    "from-seq": run.from_seq,
                    "to-seq": run.to_seq,
                    "runs-in-period": content.integrity.verifications,
                    "runs-failed": content.integrity.verifications_failed,
                }
            ),
        )
    yield filled(
        uuid=report.uuid("log/evaluation"),
        title="Evaluation of the period",
        description="Every check over the entries up to the head."
        + (" The result was sealed." if content.cover.snapshot else ""),
        start=content.cover.as_of,
        end=content.cover.issued_at if content.cover.issued_at >= content.cover.as_of else None,
        props=props({"head-seq": content.integrity.head_seq}),
    )
    for sample in content.samples:
        yield filled(
            uuid=report.uuid(f"log/sample/{sample.sample}"),
            title=line(f"Sample of {len(sample.items)} of {sample.population:,}, {sample.check}"),
            description=prose(sample.conclusion or "Not concluded yet."),
            start=sample.drawn_at,
            props=props(
                {
                    "sample": sample.sample,
                    "control": sample.control,
                    "check": sample.check,
                    "lens": sample.lens,
                    "number": sample.number,
                    "seed": sample.seed,
                    "drawn-by": sample.drawn_by,
                    "concluded-by": sample.concluded_by,
                }
            ),
        )
