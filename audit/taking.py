"""Take events out of the inbox, and tell which are new. Writes nothing; who does: append.py.

The oldest posts of a ledger are read under the lock of its head and split into events. An event
whose id is chained already is a duplicate, or a conflict when it says something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from audit.database import raw_cursor, rows
from audit.ledger.columns import columns_of_source
from audit.ledger.record import event_of, format_time
from audit.subjects import erased_keys, personal_key

_NO_ID = UUID(int=0)  # RFC 9562 section 5.9, for a post that names none

# Rows that are visible, never `id > last`: ids are handed out before commit. One statement is one
# snapshot, so `id <= last taken` holds exactly the rows that were counted. A row is never updated,
# so its ctid stays what it is until we delete it.
_TAKE = """
WITH taken AS (
    SELECT max(id) AS last
    FROM (
        SELECT id, sum(count) OVER (ORDER BY id) - count AS before
        FROM (
            SELECT id, count
            FROM audit_inbox
            WHERE ledger_id = %(ledger)s
            ORDER BY id
            LIMIT %(batch)s
        ) AS oldest
    ) AS counted
    WHERE before < %(batch)s
)
SELECT i.ctid::text, i.received_at, i.digests, i.source, i.source_ids, i.request_id, i.traceparent,
       i.events, i.event_ids
FROM audit_inbox AS i, taken
WHERE i.ledger_id = %(ledger)s
  AND i.id <= taken.last
ORDER BY i.id
"""
# Row by row, then id by id: each OFFSET 0 keeps the planner from turning the order round, which
# with a long inbox means to look up every id that waits, and with young statistics the whole index.
_KNOWN = """
SELECT k.event_id, k.digest
FROM unnest(%s::tid[]) AS t(row_id),
     LATERAL (
         SELECT event_ids
         FROM audit_inbox
         WHERE ctid = t.row_id
           AND ledger_id = %s
         OFFSET 0
     ) AS i,
     LATERAL unnest(i.event_ids) AS u(event_id),
     LATERAL (
         SELECT event_id, digest
         FROM audit_eventkey
         WHERE ledger_id = %s
           AND event_id = u.event_id
         OFFSET 0
     ) AS k
"""
_TAKEN_BY = """
SELECT u.event_id, e.record
FROM unnest(%s::uuid[]) AS u(event_id),
     LATERAL (
         SELECT seq
         FROM audit_eventkey
         WHERE ledger_id = %s
           AND event_id = u.event_id
         OFFSET 0
     ) AS k
LEFT JOIN LATERAL (
         SELECT record
         FROM audit_entry
         WHERE ledger_id = %s
           AND seq = k.seq
         OFFSET 0
     ) AS e ON true
"""


@dataclass(slots=True)
class Post:
    """An inbox row: what its events have in common."""

    row_id: str
    received_at: datetime
    received_text: str
    source: bytes
    key_id: str | None
    is_backfill: bool
    request_id: str
    traceparent: str
    _around_id: tuple[bytes, bytes] | None = None

    def source_around_id(self) -> tuple[bytes, bytes]:
        """Return what stands before and after the id in the source of an event that has one."""
        if self._around_id is None:
            said: dict[str, Any] = msgspec.json.decode(self.source)
            before = {name: value for name, value in said.items() if name < "id"}
            after = {name: value for name, value in said.items() if name > "id"}
            begin = msgspec.json.encode(before, order="sorted")[:-1] + (b"," if before else b"")
            end = msgspec.json.encode(after, order="sorted")
            self._around_id = begin + b'"id":', b"," + end[1:] if after else b"}"
        return self._around_id


@dataclass(slots=True)
class Waiting:
    """One event on its way into the chain."""

    post: Post
    event: bytes
    event_id: UUID
    digest: bytes
    source_id: str | None

    def source(self) -> bytes:
        """Return the record's source, with the sender's own id when it was no UUID."""
        if self.source_id is None:
            return self.post.source
        begin, end = self.post.source_around_id()
        return begin + msgspec.json.encode(self.source_id) + end


def take(ledger_id: int, batch: int) -> tuple[list[Waiting], list[tuple[Waiting, str]], list[Post]]:
    """Read the oldest posts and split them into events; what cannot be read is told apart."""
    waiting: list[Waiting] = []
    unreadable: list[tuple[Waiting, str]] = []
    posts: list[Post] = []
    with raw_cursor() as cursor:
        # Planned anew each time: a plan kept for any batch sorts the whole inbox for the oldest.
        cursor.execute(_TAKE, {"ledger": ledger_id, "batch": batch}, prepare=False, binary=True)
        taken = cursor.fetchall()
    for row in taken:
        (
            row_id,
            received_at,
            digests,
            source,
            source_ids,
            request_id,
            traceparent,
            joined,
            event_ids,
        ) = row
        post = Post(
            row_id,
            received_at,
            format_time(received_at),
            source,
            None,
            False,
            request_id,
            traceparent,
        )
        posts.append(post)
        events = joined.split(b"\n")
        own = [
            Waiting(
                post,
                event,
                event_id,
                digests[32 * i : 32 * i + 32],
                source_ids[i] if source_ids else None,
            )
            for i, (event, event_id) in enumerate(zip(events, event_ids, strict=False))
        ]
        try:
            if not len(events) == len(event_ids) == len(digests) // 32:
                raise ValueError("events, ids and digests of the post differ in number")
            post.key_id, post.is_backfill = columns_of_source(source)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            # Kept by its content: no id and no digest in it need be right, or be there at all.
            event_id = event_ids[0] if event_ids else _NO_ID
            whole = Waiting(post, joined, event_id, sha256(joined).digest(), None)
            unreadable.append((whole, str(error)))
            continue
        waiting += own
    return waiting, unreadable, posts


def sort(
    waiting: list[Waiting], posts: list[Post], ledger_id: int
) -> tuple[list[Waiting], list[Waiting], int]:
    """Return fresh events, conflicts, and how many were dropped as duplicates."""
    known: dict[UUID, bytes] = dict(
        rows(_KNOWN, ([post.row_id for post in posts], ledger_id, ledger_id))
    )
    fresh: list[Waiting] = []
    conflicts: list[Waiting] = []
    for one in waiting:
        earlier = known.setdefault(one.event_id, one.digest)
        if earlier is one.digest:
            fresh.append(one)
        elif bytes(earlier) != one.digest:
            conflicts.append(one)
    if conflicts:
        conflicts = _comparable(conflicts, fresh, ledger_id)
    return fresh, conflicts, len(waiting) - len(fresh) - len(conflicts)


def _comparable(conflicts: list[Waiting], fresh: list[Waiting], ledger_id: int) -> list[Waiting]:
    """Leave out what is a duplicate by its id alone: the first one's key was erased meanwhile.

    Its digest was made with that key, so nothing tells whether this one says the same.
    """
    ids = {one.event_id for one in conflicts if personal_key(one.event) is not None}
    if not ids:
        return conflicts
    taken: dict[UUID, bytes | None] = {one.event_id: one.event for one in fresh}
    taken |= {
        # None where the record was pruned: then nothing tells under which key it was.
        event_id: None if record is None else event_of(record)
        for event_id, record in rows(_TAKEN_BY, (list(ids), ledger_id, ledger_id))
    }
    keys = {event_id: personal_key(taken[event_id] or b"") for event_id in ids}
    erased = erased_keys(ledger_id, {key for key in keys.values() if key is not None})
    lost = {each for each in ids if taken[each] is None or keys[each] in erased}
    return [one for one in conflicts if one.event_id not in lost or personal_key(one.event) is None]
