"""Re-derive a ledger from its rows, sharing no line with the platform. Standard library and SQL.

Written from the format alone (docs/ledger-format.md), so that a mistake in the platform's own code
cannot hide itself here. Says nothing about who was promised what: conditions.py does.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import psycopg

_ENTRIES = """
SELECT e.seq, e.hash, e.record, e.event_id::text, k.seq, k.digest
FROM audit_entry AS e
LEFT JOIN audit_eventkey AS k ON k.ledger_id = e.ledger_id AND k.event_id = e.event_id
WHERE e.ledger_id = %s
ORDER BY e.seq
"""
_QUARANTINE = "SELECT event_id::text, digest, event FROM audit_quarantine WHERE ledger_id = %s"
_OPENING = '{"event":'
_read_json = json.JSONDecoder().raw_decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an event lies, and what lies there."""

    seq: int | None
    """Its number in the chain, or None in quarantine."""
    event_sha256: str
    is_sealed: bool
    """Whether it holds `personal`, encrypted anew at each delivery, so that only digests agree."""


@dataclass(slots=True)
class Verified:
    """A ledger that holds together, and every event in it by (id, digest)."""

    size: int = 0
    head: str = "0" * 64
    leaves: list[bytes] = field(default_factory=list)
    checkpoints: int = 0
    """Signed checkpoints, each with the root of the tree at its size."""
    entries: dict[tuple[str, str], Place] = field(default_factory=dict)
    quarantine: dict[tuple[str, str], Place] = field(default_factory=dict)


def verify(connection: psycopg.Connection[Any], ledger: str) -> Verified:
    """Read the whole ledger in one snapshot; AssertionError names the first thing that is wrong."""
    with connection.transaction(), connection.cursor("entries") as entries:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        ((ledger_id, size, head),) = connection.execute(
            """
            SELECT h.ledger_id, h.size, encode(h.hash, 'hex')
            FROM audit_head AS h
            JOIN audit_ledger AS l ON l.id = h.ledger_id
            WHERE l.name = %s
            """,
            [ledger],
        ).fetchall()
        found = Verified()
        entries.execute(_ENTRIES, [ledger_id])
        for row in entries:
            _continue(found, ledger, *row)
        assert (found.size, found.head) == (size, head), f"{ledger}: the head names another end"
        ((keys,),) = connection.execute(
            "SELECT count(*) FROM audit_eventkey WHERE ledger_id = %s", [ledger_id]
        ).fetchall()
        assert keys == size, f"{ledger}: {keys} event keys for {size} entries"
        for event_id, digest, event in connection.execute(_QUARANTINE, [ledger_id]):
            is_sealed = b'"personal":' in event
            place = Place(seq=None, event_sha256=sha256(event).hexdigest(), is_sealed=is_sealed)
            found.quarantine[event_id, digest.hex()] = place
        _check_tree(connection, ledger_id, found)
    return found


def _continue(
    found: Verified,
    ledger: str,
    seq: int,
    stored_hash: bytes,
    record: bytes,
    event_id: str,
    key_seq: int | None,
    digest: bytes | None,
) -> None:
    """Check one entry against the one before it, and move on to it."""
    at = f"{ledger}/{seq}"
    assert seq == found.size, f"{at}: seq {found.size} was due"
    leaf = sha256(b"\0" + record).hexdigest()
    assert stored_hash.hex() == leaf, f"{at}: the hash is not that of the record"
    text = record.decode()
    assert text.startswith(_OPENING), f"{at}: no record"
    event, end = _read_json(text, len(_OPENING))
    said = json.loads(text)
    assert {name: said[name] for name in ("ledger", "prev", "seq", "v")} == {
        "ledger": ledger,
        "prev": found.head,
        "seq": seq,
        "v": 1,
    }, f"{at}: the record does not continue the entry before it"
    assert event["id"] == event_id, f"{at}: the column names another event"
    assert key_seq == seq, f"{at}: the event key says seq {key_seq}"
    assert digest is not None
    place = Place(
        seq=seq,
        event_sha256=sha256(text[len(_OPENING) : end].encode()).hexdigest(),
        is_sealed="personal" in event,
    )
    # Event keys are unique by id, and each agrees with its entry: so no id is here twice.
    assert (event_id, digest.hex()) not in found.entries, f"{at}: the event stands twice"
    found.entries[event_id, digest.hex()] = place
    found.size, found.head = seq + 1, leaf
    found.leaves.append(bytes(stored_hash))


def _check_tree(connection: psycopg.Connection[Any], ledger_id: int, found: Verified) -> None:
    """Check every full tile, and every checkpoint's root, against the entries' hashes."""
    for index, hashes in connection.execute(
        "SELECT index, hashes FROM audit_tile WHERE ledger_id = %s AND level = 0 ORDER BY index",
        [ledger_id],
    ).fetchall():
        due = b"".join(found.leaves[256 * index : 256 * index + 256])
        assert hashes == due, f"tile/0/{index} is not that of the entries"
    signed = connection.execute(
        "SELECT size, root, note FROM audit_checkpoint WHERE ledger_id = %s ORDER BY size",
        [ledger_id],
    ).fetchall()
    peaks: list[tuple[int, bytes]] = []
    leaves = iter(found.leaves)
    reached = 0
    for size, root, note in signed:
        assert size <= found.size, f"a checkpoint of {size} over {found.size} entries"
        for leaf in leaves if size > reached else ():
            _push(peaks, leaf)
            reached += 1
            if reached == size:
                break
        due = _root(peaks)
        assert root == due, f"the checkpoint of size {size} names another root"
        said = note.decode().split("\n")[1:3]
        assert said == [str(size), b64encode(due).decode()], f"the note of size {size} says {said}"
        found.checkpoints += 1


def _push(peaks: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Add a leaf to the roots of the perfect trees so far, the largest first (RFC 6962)."""
    height, right = 0, leaf
    while peaks and peaks[-1][0] == height:
        _, left = peaks.pop()
        height, right = height + 1, sha256(b"\1" + left + right).digest()
    peaks.append((height, right))


def _root(peaks: list[tuple[int, bytes]]) -> bytes:
    root = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        root = sha256(b"\1" + left + root).digest()
    return root
