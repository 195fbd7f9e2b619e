"""The register of breaches, and the notices with their clocks, as tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from compliance.law.breaches import (
    NOTICE_COLUMNS,
    REGISTER_COLUMNS,
    Regime,
    notice_row,
    notices,
    register_row,
    unconfirmed,
)
from compliance.law.cases import Case
from compliance.report_content import LISTED, Clock, LawTable

_REGISTER: Final = {
    "gdpr": ("Breach register", "GDPR Art. 33(5)"),
    "hipaa": ("Breach log", "45 CFR 164.408, 164.414(b)"),
}
_NOTICES: Final = {
    "gdpr": ("Who was told of a breach", "GDPR Art. 33 and 34"),
    "hipaa": ("Notices of a breach", "45 CFR 164.404 to 164.412"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BreachTables:
    """What a report shows of breaches under one law."""

    register: LawTable
    notices: LawTable
    clocks: tuple[Clock, ...]
    notes: tuple[str, ...]
    """Sentences about breaches for which no clock runs."""


def breach_tables(cases: Sequence[Case], regime: Regime, *, as_of: int) -> BreachTables:
    """Return the tables of the breaches of a period, in their order."""
    duties = [duty for case in cases for duty in notices(case, regime, as_of=as_of)]
    title, article = _REGISTER[regime]
    register = LawTable(
        id="breaches",
        title=title,
        article=article,
        intro=(
            "Each breach that stood open or had an entry in the period, by when it became known; "
            "suspected ones too. Times are those that people gave; Arrived: on which day the "
            "record came, where that is more than a day apart. An empty table: none was recorded, "
            "which does not say that there was none."
        ),
        columns=REGISTER_COLUMNS,
        rows=tuple(register_row(case, as_of=as_of) for case in cases[:LISTED]),
        total=len(cases),
        seqs=tuple(case.seqs(until=as_of) for case in cases[:LISTED]),
    )
    title, article = _NOTICES[regime]
    told = LawTable(
        id="breach-notices",
        title=title,
        article=article,
        intro=(
            "Each notice that the law asks for once a breach is confirmed, with its limit. When "
            "somebody became aware is their claim, and never later than the first entry of the "
            "case. Arrived: on which day the record came, where that is more than a "
            "day apart. An empty table: no breach of the register is confirmed under this law."
        ),
        columns=NOTICE_COLUMNS,
        rows=tuple(notice_row(duty) for duty in duties[:LISTED]),
        total=len(duties),
        seqs=tuple(duty.seqs for duty in duties[:LISTED]),
    )
    clocks = tuple(clock for duty in duties if (clock := duty.clock("breach")) is not None)
    notes = tuple(note for case in cases if (note := unconfirmed(case, regime, as_of=as_of)))
    return BreachTables(register=register, notices=told, clocks=clocks, notes=notes[:LISTED])
