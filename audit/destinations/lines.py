"""Write the lines that recipients get, one an entry. Pure.

    record   the stored record and a line feed: SHA-256(0x00 ‖ line without its end) is the hash
    ocsf     audit.ocsf
    cef      audit.cef, as the message of a syslog line (syslog.py)

A record is never serialised again: where JSON wraps it, its bytes stand in it as they are.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from audit.destinations import TEST_SEQ, Batch, Item
from audit.ledger.canonical import canonicalise
from audit.ledger.record import leaf_hash
from audit.renderings import RENDERINGS, parse_record, render

TEST_ACTION: Final = "x.obsplatform.destination_test"
"""The action of a test line; no entry has it with the seq -1."""


def record_lines(batch: Batch) -> bytes:
    """Return the stored records, one a line."""
    return b"".join(item.record + b"\n" for item in batch.items)


def rendered_line(item: Item, form: str) -> tuple[dict[str, Any], bytes]:
    """Return the record's values, and the entry as `ocsf` or `cef`. Raises RecordUnreadable."""
    record = parse_record(item.record, seq=item.seq)
    return record, render(RENDERINGS[form], record, seq=item.seq, entry_hash=item.hash)


def ocsf_lines(batch: Batch) -> bytes:
    """Return the entries as OCSF events, one a line. Raises RecordUnreadable."""
    return b"".join(rendered_line(item, "ocsf")[1] for item in batch.items)


def hec_objects(batch: Batch, *, host: str, source_type: str, index: str) -> bytes:
    """Return the entries as Splunk's HTTP Event Collector takes them, one object a line.

    {"time":1790000000.123456,"host":…,"source":"obsplatform:<ledger>","sourcetype":…,"event":…}

    `time` is when the event was received: a sender's own clock may be years off, and an index
    would drop the event. Raises RecordUnreadable.
    """
    fixed = {"host": host, "source": f"obsplatform:{batch.ledger}", "sourcetype": source_type}
    if index:
        fixed["index"] = index
    said = json.dumps(fixed, separators=(",", ":"))[1:-1].encode()
    return b"".join(
        b'{"time":%s,%s,"event":%s}\n' % (_received(item), said, item.record)
        for item in batch.items
    )


def _received(item: Item) -> bytes:
    """Return `received_at` in seconds since 1970, exact to the microsecond."""
    record = parse_record(item.record, seq=item.seq)
    moment = datetime.fromisoformat(record["received_at"])
    return f"{int(moment.timestamp())}.{moment.microsecond:06d}".encode()


def trial_batch(ledger: str, *, event_id: UUID, now: datetime) -> Batch:
    """Return one marked line: seq -1, action x.obsplatform.destination_test, `"test":true`."""
    at = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    record = canonicalise(
        {
            "event": {
                "action": TEST_ACTION,
                "actor": {"id": "platform", "type": "system"},
                "agent": {"id": "platform"},
                "category": "system",
                "id": str(event_id),
                "occurred_at": at,
                "outcome": "success",
            },
            "ledger": ledger,
            "prev": "0" * 64,
            "received_at": at,
            "seq": TEST_SEQ,
            "source": {"scope": "server", "via": "server"},
            "test": True,
            "v": 1,
        }
    )
    item = Item(seq=TEST_SEQ, hash=leaf_hash(record).hex(), record=record)
    return Batch(ledger=ledger, items=(item,))
