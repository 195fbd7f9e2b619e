"""A conversation as its page shows it: one block a moment, each with the span it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tracing.admin.addresses import trace_url
from tracing.conversation import Conversation, Moment
from tracing.durations import format_duration
from tracing.models import Trace

ICONS: Final = {
    "system": "settings",
    "developer": "settings",
    "user": "person",
    "assistant": "smart_toy",
    "tool": "build",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One moment, ready to be shown."""

    moment: Moment
    icon: str
    at: datetime
    after: str
    """How long after the trace began."""
    duration: str
    url: str
    """Of its span in the waterfall."""


def told(talk: Conversation, ledger: str, trace: Trace) -> list[Block]:
    """Return the blocks of a conversation, in time."""
    begins = int((trace.started_at - _EPOCH) / timedelta(microseconds=1)) * 1_000
    return [
        Block(
            moment=each,
            icon=ICONS.get(each.role, "chat_bubble"),
            at=_EPOCH + timedelta(microseconds=each.at_ns // 1_000),
            after=format_duration(max(each.at_ns - begins, 0)),
            duration=format_duration(each.duration_ns) if each.duration_ns else "",
            url=trace_url(ledger, trace.trace_id, span=each.span_id),
        )
        for each in talk.moments
    ]
