"""Events of the demo fleet, sent as if its agents and people were at work right now.

The recorded sessions (sample.py) hold no approval and no registration and fail nearly every check;
one task over and over (ordinary.py) fails none and is looked at by few. A fleet that asks people,
registers what it uses and loses an event now and then is the ordinary load between them.

Thirty days of work are too slow to be waited for, so many sites work side by side and without a
pause: each is the same fleet with another chance, under instances of its own. What happens now gets
the time at which it is made; other times of an event (until when an approval holds) stay as far
from it as they were. A site's events keep their order, since an approval must stand before the call
that it allows: one connection sends all of a site, and waits for each answer.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from audit.ledger.record import format_time
from benchmarks.sample import fresh_ids
from benchmarks.sender import Parcel
from obsplatform.fleet.deliver import deliveries
from obsplatform.fleet.history import SEED, history

SITES: Final = 16
PARCEL: Final = 200
"""Events of a POST at most; the few that people decide go in POSTs of their own between them."""

_TIME = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z)"')
_ID = re.compile(rb'"id":"00000000-0000-4000-8000-000000000000"')


def streams(events: int, *, connections: int) -> list[list[Parcel]]:
    """Return so many events as the POSTs of each connection, in the order they must keep."""
    assert SITES % connections == 0, "every connection sends for as many sites"
    return [
        list(_parcels(range(first, SITES, connections), events // connections))
        for first in range(connections)
    ]


def in_order(events: int) -> Iterator[Parcel]:
    """Yield so many events as POSTs over one connection."""
    return _parcels(range(SITES), events)


def _parcels(sites: Iterable[int], events: int) -> Iterator[Parcel]:
    left = events
    for governed, lines in _by_turns([_site(each) for each in sites]):
        for start in range(0, len(lines), PARCEL):
            some = lines[start : start + min(PARCEL, left)]
            now = datetime.now(UTC)
            ids = fresh_ids(len(some))
            yield Parcel(
                governed=governed,
                events=len(some),
                body=b"\n".join(_made(*each, now) for each in zip(some, ids, strict=True)),
            )
            left -= len(some)
            if not left:
                return


def _by_turns(sites: Sequence[Iterator[tuple[bool, list[bytes]]]]) -> Iterator[tuple[bool, Any]]:
    """Yield what agents of all sites say until each waits for people, then what these decide."""
    heads = [next(each) for each in sites]
    for governed in itertools.cycle((False, True)):
        lines: list[bytes] = []
        for place, site in enumerate(sites):
            if heads[place][0] == governed:
                lines += heads[place][1]
                heads[place] = next(site)
        if lines:
            yield governed, lines


def _site(site: int) -> Iterator[tuple[bool, list[bytes]]]:
    """Yield for ever what a site sends by either key; each thirty days have another chance."""
    sent: defaultdict[str, int] = defaultdict(int)
    for seed in itertools.count(SEED + site, SITES):
        before = dict(sent)
        for post in deliveries(history(now=datetime.now(UTC), seed=seed)):
            lines = []
            for event in post.events:
                agent = event["agent"]
                if "client_seq" in event:
                    instance = agent["instance_id"] = f"{agent['instance_id']}-{site}"
                    event["client_seq"] += before.get(instance, 0)
                    sent[instance] = event["client_seq"]
                event["id"] = "00000000-0000-4000-8000-000000000000"
                lines.append(msgspec.json.encode(event))
            yield post.needs_governance, lines


def _made(line: bytes, event_id: bytes, now: datetime) -> bytes:
    """Return an event under this id, moved to this moment with all times that it names."""
    occurred = msgspec.json.decode(line, type=_Occurred).occurred_at
    moved = now - occurred

    def later(found: re.Match[bytes]) -> bytes:
        return b'"%b"' % format_time(datetime.fromisoformat(found[1].decode()) + moved).encode()

    return _ID.sub(b'"id":"%b"' % event_id, _TIME.sub(later, line), count=1)


class _Occurred(msgspec.Struct):
    occurred_at: datetime
