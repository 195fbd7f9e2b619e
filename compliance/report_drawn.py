"""List the samples that were drawn of a snapshot, with what people found, out of their entries.

Pure. A sample is drawn after its snapshot was sealed, so these entries alone may lie behind the
head of the report: audit.sample_drawn, of act `drawn` and, once a person has concluded,
`concluded`. Drawing: draw_sample.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from compliance.report_content import SampleItemLine, SampleLine
from compliance.report_evidence import Evidence, Record
from compliance.report_reading import text_said

DRAWN: Final = "audit.sample_drawn"
EVER: Final = 2**62
"""Past every head."""


def samples_of(snapshot: str, evidence: Evidence) -> tuple[SampleLine, ...]:
    """Return the samples drawn of a snapshot, by the seq of their drawing; none for no snapshot."""
    if not snapshot:
        return ()
    drawn: dict[str, Record] = {}
    concluded: dict[str, Record] = {}
    for record in evidence.records([DRAWN], to_seq=EVER):
        said = _said(record)
        name = text_said(said, "sample")
        if said.get("act") == "drawn" and said.get("snapshot") == snapshot:
            drawn.setdefault(name, record)
        elif said.get("act") == "concluded" and name in drawn:
            concluded[name] = record
    return tuple(_sample(one, concluded.get(name), evidence) for name, one in drawn.items())


def _sample(drawn: Record, concluded: Record | None, evidence: Evidence) -> SampleLine:
    said = _said(drawn)
    found = {} if concluded is None else _said(concluded)
    return SampleLine(
        sample=text_said(said, "sample"),
        control=text_said(said, "control"),
        check=text_said(said, "check"),
        lens=text_said(said, "lens"),
        number=text_said(said, "number"),
        seed=text_said(said, "seed"),
        population=int(said.get("population") or 0),
        rule=text_said(said, "rule"),
        drawn_by=_actor(drawn),
        drawn_at=drawn.occurred_at,
        concluded_by="" if concluded is None else _actor(concluded),
        conclusion=text_said(found, "conclusion"),
        items=_items(said.get("items") or [], found.get("verdicts") or [], evidence),
    )


def _items(
    drawn: Sequence[Sequence[Any]], verdicts: Sequence[Sequence[Any]], evidence: Evidence
) -> tuple[SampleItemLine, ...]:
    named = evidence.named([int(seq) for seq, _, _ in drawn])
    verdict_of = {int(position): rest for position, *rest in verdicts}
    found = []
    for position, (seq, item, stratum) in enumerate(drawn, FIRST_POSITION):
        entry = named.get(int(seq))
        verdict, note, file_name, file_sha256 = verdict_of.get(position, ("", "", "", ""))
        found.append(
            SampleItemLine(
                seq=int(seq),
                item=str(item),
                stratum=str(stratum),
                entry_id="" if entry is None else entry.entry_id,
                entry_hash="" if entry is None else entry.hash,
                occurred_at="" if entry is None else entry.occurred_at,
                verdict=str(verdict),
                note=str(note),
                attachment=f"{file_name} {file_sha256}".strip(),
            )
        )
    return tuple(found)


FIRST_POSITION: Final = 1
"""Items of a sample are counted from one, as people read a work paper."""


def _actor(record: Record) -> str:
    return str(record.event["actor"]["id"])


def _said(record: Record) -> Mapping[str, Any]:
    said: Mapping[str, Any] = record.event.get("details") or {}
    return said
