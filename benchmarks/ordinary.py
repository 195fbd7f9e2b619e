"""Events that pass every check that looks at them: the work of one agent that is registered.

The recorded sessions (sample.py) fail four or five checks with every event, since what they lack
was never recorded; this is the other end. One action over and over, which few checks look at: what
is measured with it is a lower bound of what checks cost, and no mix of work.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from audit.ledger.record import format_time
from audit.parse import parse_event
from benchmarks.sample import Post, fresh_ids

AGENT = "bench-agent"
_BATCH = 100


def event(action: str, category: str, **blocks: object) -> bytes:
    """Return an event of the agent as the inbox holds it, its id, number and time to be put in."""
    told = {
        "id": "00000000-0000-4000-8000-000000000000",
        "client_seq": 0,
        "occurred_at": "2026-01-01T00:00:00.000000Z",
        "category": category,
        "action": action,
        "outcome": "success",
        "agent": {
            "id": AGENT,
            "name": "Bench",
            "version": "1.0",
            "instance_id": "bench-1",
            "owner": "olga",
        },
        "actor": {"type": "agent", "id": AGENT},
        "run": {"id": "bench-run"},
    }
    return parse_event(json.dumps(told | blocks).encode(), default_id=None).canonical


def posts(template: bytes, numbers: Iterable[int]) -> Iterator[Post]:
    """Yield inbox rows of this event, one for each number of the instance, as sent now."""
    for ids, lines in _made(template, numbers):
        yield Post(
            event_ids=[UUID(each.decode()) for each in ids],
            digests=b"".join(sha256(line).digest() for line in lines),
            events=b"\n".join(lines),
        )


def batches(template: bytes, numbers: Iterable[int]) -> Iterator[list[bytes]]:
    """Yield the same events in lists of a hundred, to be posted."""
    return (lines for _, lines in _made(template, numbers))


def _made(template: bytes, numbers: Iterable[int]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    reading = iter(numbers)
    while some := list(itertools.islice(reading, _BATCH)):
        now = format_time(datetime.now(UTC)).encode()
        ids = fresh_ids(len(some))
        lines = [
            template.replace(b"00000000-0000-4000-8000-000000000000", each)
            .replace(b'"client_seq":0', b'"client_seq":%d' % number)
            .replace(b"2026-01-01T00:00:00.000000Z", now)
            for each, number in zip(ids, some, strict=True)
        ]
        yield ids, lines


def registered() -> Iterator[Post]:
    """Yield the row that registers the agent, for a sender who may speak for people."""
    target = {"type": "agent", "id": AGENT}
    first = event(
        "agent.registered", "agent_lifecycle", actor={"type": "human", "id": "olga"}, target=target
    )
    return posts(first, [1])


WORK = event("task.completed", "action", target={"type": "task", "id": "bench"})
"""A task that is done, number after number of one instance (from 2 on)."""
