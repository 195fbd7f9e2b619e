"""What is kept of an entry that failed, as its own item. Pure.

Entries that fail many checks are common where agents do much and record little, so this is on the
path of every entry: which of the shown fields are there is found once for a shape, not with each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from compliance.kinds.base import Book, Entry, Failing, Item
from compliance.kinds.narrowing import Known


def evidence_in(fields: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return those of the fields that a check shows; the missing ones are left out."""
    return {path: fields[path] for path in paths if path in fields}


def evidence_by(
    paths: Sequence[str], known: Known | None = None
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what takes these out of the fields of an entry; of a shape, when one is given."""
    if known is None or not all(known.is_there(one) or known.is_missing(one) for one in paths):
        return partial(evidence_in, paths=paths)
    there = tuple(path for path in paths if known.is_there(path))
    return lambda fields: {path: fields[path] for path in there}


def failed_item(
    entry: Entry, failing: Failing, *, item: str, day: int, environment: str, is_late: bool
) -> Item:
    """Return what is kept of an entry that failed on this day."""
    return Item(
        item=item,
        state="fail",
        day=day,
        agent=entry.agent,
        environment=environment,
        seq=entry.seq,
        other_seq=failing.other_seq,
        why=failing.why,
        evidence=failing.evidence(entry.fields),
        is_restated=is_late,
    )


def fail(entry: Entry, book: Book, failing: Failing, *, day: int, environment: str) -> None:
    """Count an entry as failed on this day, and keep that."""
    item = str(entry.seq)
    book.decide(day, entry.agent, environment, item, passed=False)
    is_late = book.is_late(day)
    book.keep(
        failed_item(entry, failing, item=item, day=day, environment=environment, is_late=is_late)
    )
