"""Events to measure with: real agents' sessions, each time under fresh ids.

Read from `airline_agent_sessions.ndjson.gz` in the folder that OBS_SAMPLES names. Ids are random
(UUIDv4), the order that costs an index most.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from audit.ledger.record import format_time
from audit.parse import parse_event
from benchmarks.figures import CannotMeasure

_SESSION = re.compile(rb"airline-assistant-task\d+-trial\d+")
_INSTANCE = re.compile(rb'"instance_id":"([^"]+)"')
_NUMBER = re.compile(rb'"client_seq":\d+')
_WHEN = re.compile(rb'"occurred_at":"[^"]+"')
# The first of the event's own level: keys are sorted, so those of its blocks may come before it.
_ID = re.compile(rb'"id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"')
FILE = "airline_agent_sessions.ndjson.gz"


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """An event cut where its id stands."""

    before: bytes
    after: bytes

    def under(self, event_id: bytes) -> bytes:
        """Return the event with this id."""
        return self.before + event_id + self.after


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """What the inbox holds of one POST."""

    event_ids: list[UUID]
    digests: bytes
    events: bytes


def read_lines() -> list[bytes]:
    """Return the sample's events as they were sent. Raises CannotMeasure when there is none."""
    folder = os.environ.get("OBS_SAMPLES", "")
    if not folder:
        raise CannotMeasure(f"OBS_SAMPLES names no folder that holds {FILE}")
    path = Path(folder) / FILE
    if not path.exists():
        raise CannotMeasure(f"{path} does not exist; OBS_SAMPLES must name its folder")
    return gzip.decompress(path.read_bytes()).splitlines()


def as_sent() -> list[Template]:
    """Return the events as an agent sends them."""
    return [_cut(line, parse_event(line, default_id=None).id) for line in read_lines()]


def as_stored() -> list[Template]:
    """Return the events as the inbox holds them: canonical; those about data subjects left out."""
    parsed = [parse_event(line, default_id=None) for line in read_lines()]
    return [_cut(one.canonical, one.id) for one in parsed if not one.subject_ids]


def _cut(event: bytes, event_id: UUID | None) -> Template:
    before, found, after = event.partition(b'"id":"%b"' % str(event_id).encode())
    assert found, "each event of the sample has an id of its own"
    return Template(before=before + b'"id":"', after=b'"' + after)


def fresh_ids(count: int) -> list[bytes]:
    """Return so many random UUIDs (version 4) as text."""
    chance = os.urandom(16 * count).hex().encode()
    return [
        b"%b-%b-4%b-8%b-%b" % (h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
        for h in (chance[i : i + 32] for i in range(0, 32 * count, 32))
    ]


def batches(templates: list[Template], *, events: int, batch: int) -> Iterator[list[bytes]]:
    """Yield `events` events in lists of `batch`, each under a fresh id."""
    endless = itertools.cycle(templates)
    for start in range(0, events, batch):
        ids = fresh_ids(min(batch, events - start))
        yield [template.under(each) for each, template in zip(ids, endless, strict=False)]


def live_batches(events: int, *, batch: int, as_stored: bool = False) -> Iterator[list[bytes]]:
    """Yield `events` events in lists of `batch`, as agents at work would send them.

    The sessions of the sample are gone through again and again, each time as other sessions: their
    names are fresh, the numbers of each instance go up by one without a hole, and what is sent has
    just happened. Replayed as they stand, the same numbers come twice, and weeks late.
    `as_stored`: canonical, those about data subjects left out.
    """
    lines = read_lines()
    if as_stored:
        parsed = [parse_event(line, default_id=None) for line in lines]
        lines = [one.canonical for one in parsed if not one.subject_ids]
    endless = ((turn, line) for turn in itertools.count() for line in lines)
    sent: Counter[bytes] = Counter()
    call = os.urandom(4).hex().encode()

    def made(event_id: bytes, turn: int, event: bytes) -> bytes:
        event = _SESSION.sub(lambda found: b"%b-%b-%d" % (found[0], call, turn), event)
        instance = _INSTANCE.search(event)
        assert instance is not None, "each event of the sample names its instance"
        sent[instance[1]] += 1
        event = _NUMBER.sub(b'"client_seq":%d' % sent[instance[1]], event, count=1)
        event = _WHEN.sub(b'"occurred_at":"%b"' % format_time(datetime.now(UTC)).encode(), event, 1)
        return _ID.sub(b'"id":"%b"' % event_id, event, count=1)

    for start in range(0, events, batch):
        ids = fresh_ids(min(batch, events - start))
        yield [made(each, *next(endless)) for each in ids]


def live_posts(events: int, *, batch: int) -> Iterator[Post]:
    """Yield inbox rows for `events` events as agents at work would send them."""
    return map(_post, live_batches(events, batch=batch, as_stored=True))


def _post(lines: list[bytes]) -> Post:
    found = [_ID.search(line) for line in lines]
    return Post(
        event_ids=[UUID(one[1].decode()) for one in found if one is not None],
        digests=b"".join(sha256(line).digest() for line in lines),
        events=b"\n".join(lines),
    )


def posts(templates: list[Template], *, events: int, batch: int) -> Iterator[Post]:
    """Yield inbox rows for `events` events; `templates` must be stored ones."""
    endless = itertools.cycle(templates)
    for start in range(0, events, batch):
        ids = fresh_ids(min(batch, events - start))
        made = [template.under(each) for each, template in zip(ids, endless, strict=False)]
        yield Post(
            event_ids=[UUID(each.decode()) for each in ids],
            digests=b"".join(sha256(event).digest() for event in made),
            events=b"\n".join(made),
        )
