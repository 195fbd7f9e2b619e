"""Know whether spans of our own are made, and of how many traces. Pure.

Holds what the switches `tracing` and `sampling` say; whoever makes spans asks here at each. A
trace that a sender began is kept when the sender keeps it; of those that begin here the share is
drawn from the trace's id, so that each process of a trace decides alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_DRAWN_BITS: Final = 64
"""The lower bits of a trace id, which the standard has drawn at random."""


@dataclass(slots=True)
class _Asked:
    """What the switches say, in this process."""

    is_on: bool = True
    bound: int = 1 << _DRAWN_BITS
    """A trace whose drawn bits are below is kept."""


_asked: Final = _Asked()


def follow(switches: Mapping[str, str]) -> None:
    """Make spans, or none, of so many traces from now on: `tracing` and `sampling`."""
    _asked.is_on = switches["tracing"] == "on"
    _asked.bound = round(float(switches["sampling"]) * (1 << _DRAWN_BITS))


def is_on() -> bool:
    """Return whether spans are made at all."""
    return _asked.is_on


def is_kept(trace_id: int) -> bool:
    """Return whether a trace that begins here is kept."""
    return trace_id & ((1 << _DRAWN_BITS) - 1) < _asked.bound
