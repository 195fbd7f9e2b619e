"""Write what was drawn and found into entries, and read what the seal before them says. Pure.

Both acts are entries `audit.sample_drawn`. `drawn` names the snapshot, the auditor's number, the
seed, and each item as `[seq, item, stratum]`; `concluded` names what a person found of each item as
`[position, verdict, note, file name, SHA-256 of the file]`, positions counting from 1. An entry
holds 32 KiB: where the notes of a paper are longer, the longest are cut to one length that fits,
the entry says how many were, and the paper itself keeps all of each. Reports read them out of the
entries again: report_drawn.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from compliance.kinds.base import DAY_US
from compliance.language.reading import us_of
from compliance.result import canonical
from compliance.sample import Drawn
from compliance.sample_population import Within

ACTION: Final = "audit.sample_drawn"
SEALED: Final = "audit.snapshot_sealed"
DRAWN: Final = "drawn"
CONCLUDED: Final = "concluded"
MOST_DETAILS: Final = 32 * 1024
"""Bytes that the details of an event may have."""
CUT: Final = " …"
"""Ends a note that is longer in the paper."""


class TooLarge(ValueError):
    """An entry has no room for this. The message is one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """What a sample is of: what its entry says beside the items."""

    sample: str
    snapshot: str
    framework: str
    control: str
    check: str
    lens: str
    number: str
    seed: str
    """64 hex."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """What the entry of a snapshot says, as far as a draw needs it."""

    seq: int
    snapshot: str
    framework: str
    within: Within
    head_seq: int
    head_hash: str
    """64 hex."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a person found of one item."""

    position: int
    """From 1."""
    verdict: str
    """`no exception`, `exception` or `not available`."""
    note: str = ""
    file_name: str = ""
    file_sha256: str = ""


def sealed_in(seq: int, details: Mapping[str, Any]) -> Sealed:
    """Return what the details of an entry audit.snapshot_sealed say."""
    return Sealed(
        seq=seq,
        snapshot=details["snapshot"],
        framework=details["framework"],
        within=Within(
            start=_day(details["from"]),
            end=_day(details["to"]),
            observed_from=_day(details["observed_from"]),
            as_of=us_of(details["as_of"]),
            environment=details["environment"],
        ),
        head_seq=details["head_seq"],
        head_hash=details["head_hash"],
    )


def drawn_details(paper: Paper, drawn: Drawn) -> dict[str, Any]:
    """Return the details of the entry of a draw. Raises TooLarge."""
    details = {
        "act": DRAWN,
        "sample": paper.sample,
        "snapshot": paper.snapshot,
        "framework": paper.framework,
        "control": paper.control,
        "check": paper.check,
        "lens": paper.lens,
        "number": paper.number,
        "seed": paper.seed,
        "population": drawn.population,
        "rule": drawn.rule,
        "items": drawn.named(),
    }
    size = len(canonical(details))
    if size > MOST_DETAILS:
        raise TooLarge(
            f"the names of {len(drawn.items):,} items are {size:,} bytes and an entry holds "
            f"{MOST_DETAILS:,}; agents or series with shorter names can be sampled"
        )
    return details


def concluded_details(
    sample: str, snapshot: str, conclusion: str, verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    """Return the details of the entry of a conclusion, long notes cut. Raises TooLarge."""

    def details(most: int) -> dict[str, Any]:
        cut = sum(len(one.note) > most for one in verdicts)
        told: dict[str, Any] = {
            "act": CONCLUDED,
            "sample": sample,
            "snapshot": snapshot,
            "conclusion": conclusion,
            "verdicts": [
                [one.position, one.verdict, _cut(one.note, most), one.file_name, one.file_sha256]
                for one in verdicts
            ],
        }
        return told | ({"notes_cut": cut, "notes_to": most} if cut else {})

    longest = max((len(one.note) for one in verdicts), default=0)
    if _fits(details(longest)):
        return details(longest)
    if not _fits(details(0)):
        raise TooLarge(
            f"what was found of {len(verdicts):,} items is more than an entry of "
            f"{MOST_DETAILS:,} bytes holds; shorten the conclusion or the names of files"
        )
    # The longest length that fits: details(low) fits, details(high) does not.
    low, high = 0, longest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(details(middle)) else (low, middle)
    return details(low)


def _day(text: str) -> int:
    return us_of(f"{text}T00:00:00Z") // DAY_US


def _cut(note: str, most: int) -> str:
    return note if len(note) <= most else note[:most] + CUT


def _fits(details: Mapping[str, Any]) -> bool:
    return len(canonical(details)) <= MOST_DETAILS
