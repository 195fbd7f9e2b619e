"""Choose the clocks that a report shows when there are too many: the late ones first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from compliance.report_content import LISTED, Clock


def listed_clocks(clocks: Iterable[Clock]) -> tuple[tuple[Clock, ...], tuple[str, ...]]:
    """Return at most LISTED clocks by their start, and a sentence if there are more.

    Late ones come before running ones, and these before those that ended in time.
    """
    found = list(clocks)
    urgent = sorted(found, key=lambda one: (not one.is_late, one.ended_at != "", _order(one)))
    listed = tuple(sorted(urgent[:LISTED], key=_order))
    if len(found) <= LISTED:
        return listed, ()
    return listed, (
        f"Clocks: {LISTED:,} of {len(found):,} are shown, late and running ones first.",
    )


def _order(clock: Clock) -> tuple[str, str, str, str]:
    return (clock.started_at, clock.due_at, clock.case, clock.label)
