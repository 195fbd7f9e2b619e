"""Take from the apps below what compliance needs. The one door: only here is `audit` imported.

Never decides anything. Models, migrations and admin pages import the rows of audit themselves.
"""

from __future__ import annotations

from audit.api_answers import Hash, Seq, answer_json, grant_of, not_found, unreadable
from audit.carry import Frozen, newest_carry, read_rows, read_tables
from audit.database import raw_connection, rows
from audit.figures import bounded
from audit.ledger.archive import read_members
from audit.ledger.manifest import RECORDS, Manifest
from audit.ledger.note import parse_verifier_key
from audit.ledger.offline import Trust, verify_bundle
from audit.ledger.record import format_time, leaf_hash
from audit.models import Entry, Ledger
from audit.problems import problem
from audit.project import BATCH, Batch, projections, rebuild
from audit.pruned import minimum_index
from audit.query import LIST_SECONDS, MOST_LIMIT, PAGE_LIMIT, Environment, time_limit
from audit.receive import new_event_id, receive_own

__all__ = [
    "BATCH",
    "LIST_SECONDS",
    "MOST_LIMIT",
    "PAGE_LIMIT",
    "RECORDS",
    "Batch",
    "Entry",
    "Environment",
    "Frozen",
    "Hash",
    "Ledger",
    "Manifest",
    "Seq",
    "Trust",
    "answer_json",
    "bounded",
    "format_time",
    "grant_of",
    "leaf_hash",
    "minimum_index",
    "new_event_id",
    "newest_carry",
    "not_found",
    "parse_verifier_key",
    "problem",
    "projections",
    "raw_connection",
    "read_members",
    "read_rows",
    "read_tables",
    "rebuild",
    "receive_own",
    "rows",
    "time_limit",
    "unreadable",
    "verify_bundle",
]
