"""Name the forms in which entries are written for people and SIEMs, beside the evidence. Pure.

A rendering is made of the record alone, so it is the same whoever makes it and when. Nothing here
decrypts `personal`: it is written as the record holds it. The forms: csv_lines.py, ocsf.py, cef.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from audit.cef import cef_line
from audit.csv_lines import csv_head, csv_line
from audit.errors import RecordUnreadable
from audit.ocsf import ocsf_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """One form, and the file that holds it."""

    name: str
    """`csv`, `ocsf` or `cef`."""
    file_name: str
    """Its name inside a bundle."""
    content_type: str
    head: bytes
    """What comes before the first entry."""
    line: Callable[..., bytes]
    """`line(record, entry_hash=…)` of a parsed record."""


RENDERINGS: Final[Mapping[str, Rendering]] = {
    each.name: each
    for each in (
        Rendering(
            name="csv",
            file_name="entries.csv",
            content_type="text/csv; charset=utf-8",
            head=csv_head(),
            line=csv_line,
        ),
        Rendering(
            name="ocsf",
            file_name="entries.ocsf.ndjson",
            content_type="application/x-ndjson",
            head=b"",
            line=ocsf_line,
        ),
        Rendering(
            name="cef",
            file_name="entries.cef",
            content_type="text/plain; charset=utf-8",
            head=b"",
            line=cef_line,
        ),
    )
}
"""Each by its name, in the order in which a bundle holds them."""


def parse_record(raw: bytes, *, seq: int) -> dict[str, Any]:
    """Return a stored record as values. Raises RecordUnreadable when it is no record any more."""
    try:
        record: dict[str, Any] = msgspec.json.decode(raw, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordUnreadable(seq=seq) from error
    return record


def render(rendering: Rendering, record: Mapping[str, Any], *, seq: int, entry_hash: str) -> bytes:
    """Return one entry in this form. Raises RecordUnreadable for a record without what all have."""
    try:
        return rendering.line(record, entry_hash=entry_hash)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Every chained record has these fields; one without them was rewritten in the database.
        raise RecordUnreadable(seq=seq) from error
