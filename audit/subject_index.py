"""The index of data subjects: in which entries each pseudonym is named. A projection.

Read from `data.subject_ids` of the record, which holds pseudonyms and nothing else. Who asks:
erase.py, hold.py, the pages of data subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import psycopg

from audit.project import Batch


class _Data(msgspec.Struct):
    subject_ids: list[str] = []


class _Event(msgspec.Struct):
    data: _Data | None = None


class _Record(msgspec.Struct):
    event: _Event


_decode = msgspec.json.Decoder(_Record).decode
_MENTION = b'"subject_ids":'

_INSERT = """
INSERT INTO audit_subjectentry (ledger_id, pseudonym, seq)
SELECT %s, t.pseudonym, t.seq
FROM unnest(%s::text[], %s::bigint[]) AS t(pseudonym, seq)
ON CONFLICT DO NOTHING
"""
_FORGET = """
DELETE FROM audit_subjectentry
WHERE ledger_id = %s
  AND seq < %s
"""


class SubjectIndex:
    """Which entries name whom; `manage.py rebuild subjects` makes the same rows again."""

    name: ClassVar[str] = "subjects"
    tables: ClassVar[Sequence[str]] = ("audit_subjectentry",)

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        """Note who is named in each entry, in one statement a batch."""
        pseudonyms: list[str] = []
        seqs: list[int] = []
        for seq, record in batch:
            # Most entries name nobody, and decoding is what this costs.
            if _MENTION not in record:
                continue
            data = _decode(record).event.data
            for pseudonym in dict.fromkeys(data.subject_ids if data is not None else ()):
                pseudonyms.append(pseudonym)
                seqs.append(seq)
        if seqs:
            cursor.execute(_INSERT, (ledger_id, pseudonyms, seqs))

    def forget(self, cursor: psycopg.Cursor[Any], ledger_id: int, minimum: int) -> None:
        """Leave out the entries below a minimum index, which were pruned."""
        cursor.execute(_FORGET, (ledger_id, minimum))
