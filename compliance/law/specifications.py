"""The table of HIPAA's specifications, and the reasonings for addressable ones. Pure.

One row a control of the result, in its order: required, addressable or standard, the criterion in
our words (criteria.py), what the result rests on, its state, and whether a signed reasoning stands
in place of the specification (45 CFR 164.306(d)(3)). The states are the result's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from compliance.law import told as words
from compliance.law.criteria import CRITERIA
from compliance.people import STATEMENT, Act
from compliance.report_content import LISTED, LawTable
from compliance.result import day_text
from compliance.standing import Standing, Statement

COLUMNS: Final = ("Section", "Kind", "Criterion", "Evidence", "State", "Addressable: reasoning")
REASON_COLUMNS: Final = (
    "Section", "Reasoning", "Signed by", "Signed on", "Speaks of", "In the result",
)  # fmt: skip
KINDS: Final = {
    "S": "standard",
    "R": "required",
    "A": "addressable",
    "N": "outside the Security Rule",
}
_UNUSED: Final = "signed, and not covering the period"


def specifications(result: Mapping[str, Any], standing: Standing) -> LawTable:
    """Return the table of all controls of a result (`result.as_json`)."""
    controls = list(_maps(result.get("controls")))
    return LawTable(
        id="specifications",
        title="Standards and implementation specifications",
        article="45 CFR 164.308 to 164.316, 164.400 to 164.414, 164.502(b), 164.528",
        intro=(
            "Each section with what it asks in our words, what the result rests on, and its state. "
            "Addressable is not optional: it is met as written, or a signed reasoning under "
            "164.306(d)(3) says why not and what is done in its place."
        ),
        columns=COLUMNS,
        rows=tuple(_row(one, standing) for one in controls[:LISTED]),
        total=len(controls),
        seqs=tuple(_seqs(one) for one in controls[:LISTED]),
    )


def reasonings(result: Mapping[str, Any], standing: Standing, acts: Sequence[Act]) -> LawTable:
    """Return the signed reasonings that stand, by section."""
    texts = {act.seq: words.words(act.details.get("text")) for act in acts}
    controls = {words.words(one.get("id")): one for one in _maps(result.get("controls"))}
    signed = [
        statement
        for control in sorted(standing.statements)
        for statement in standing.statements[control]
        if statement.is_reasoning
    ]
    rows = tuple(
        (
            one.control,
            words.or_not_recorded(texts.get(one.seq, "")),
            words.or_not_recorded(one.signer),
            day_text(one.signed_on),
            f"{day_text(one.first)} to {day_text(one.last)}",
            "stands in place of the checks"
            if _is_used(controls.get(one.control, {}), one)
            else _UNUSED,
        )
        for one in signed[:LISTED]
    )
    return LawTable(
        id="reasonings",
        title="Reasonings for addressable specifications",
        article="45 CFR 164.306(d)(3)",
        intro=(
            "Why an addressable specification is met in another way, signed by a person who did "
            "not prepare it. An empty table: no reasoning is signed, so each addressable "
            "specification is judged as written."
        ),
        columns=REASON_COLUMNS,
        rows=rows,
        total=len(signed),
        seqs=tuple((one.seq,) for one in signed[:LISTED]),
    )


def _row(control: Mapping[str, Any], standing: Standing) -> tuple[str, ...]:
    section = words.words(control.get("id"))
    spec = words.words(control.get("spec"))
    title = words.words(control.get("title"))
    criterion = CRITERIA.get(section, "")
    return (
        section,
        KINDS.get(spec, spec) or words.NOT_RECORDED,
        f"{title}. {criterion}" if criterion else title,
        words.joined((_leg(leg) for leg in _maps(control.get("legs"))), between="; "),
        words.or_not_recorded(words.words(control.get("state")).replace("_", " ")),
        _reasoning(control, spec, standing.statements.get(section, ())),
    )


def _leg(leg: Mapping[str, Any]) -> str:
    """Return what one leg rests on: `BRE-03 1 of 2 failing`, `statement, entry 812`."""
    name, state = words.words(leg.get("id")), words.words(leg.get("state")).replace("_", " ")
    seq = leg.get("act_seq")
    entry = f", entry {seq:,}" if isinstance(seq, int) else ""
    if name == STATEMENT:
        return f"management statement: {state}{entry}"
    tested, failing = leg.get("n"), leg.get("f")
    counts = ""
    if isinstance(tested, int) and isinstance(failing, int) and tested:
        counts = f", {failing:,} of {tested:,} failing"
    shown = ", shown only" if leg.get("shown_only") is True else ""
    return f"{name}: {state}{counts}{entry}{shown}"


def _reasoning(control: Mapping[str, Any], spec: str, signed: Iterable[Statement]) -> str:
    if spec != "A":
        return ""
    reasoned = [one for one in signed if one.is_reasoning]
    if not reasoned:
        return "none signed; judged as written"
    newest = max(reasoned, key=lambda one: one.seq)
    if not _is_used(control, newest):
        return f"{_UNUSED} (entry {newest.seq:,})"
    return f"{newest.signer}, {day_text(newest.signed_on)} (entry {newest.seq:,})"


def _is_used(control: Mapping[str, Any], statement: Statement) -> bool:
    """Tell whether the result rests on a reasoning: its checks are shown only, or it is the leg."""
    return any(
        leg.get("id") == STATEMENT and leg.get("act_seq") == statement.seq
        for leg in _maps(control.get("legs"))
    )


def _seqs(control: Mapping[str, Any]) -> tuple[int, ...]:
    found = {leg.get("act_seq") for leg in _maps(control.get("legs"))}
    return tuple(sorted(seq for seq in found if isinstance(seq, int)))


def _maps(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
