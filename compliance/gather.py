"""Take from the apps below what compliance needs. The one door: only here is `audit` imported.

Never decides anything. Models, migrations and admin pages import the rows of audit themselves.
"""

from __future__ import annotations

from audit.api_answers import Hash, Seq, answer_json, grant_of, not_found, unreadable
from audit.bell import ring
from audit.carry import Frozen, newest_carry, read_rows, read_tables
from audit.csv_lines import BOM, quoted_line
from audit.database import raw_connection, rows
from audit.download import Served, answer_path
from audit.errors import AuditError
from audit.figures import bounded
from audit.ledger.archive import COPIED, Member, directory, local_header, read_members
from audit.ledger.manifest import RECORDS, FileSum, Manifest
from audit.ledger.note import parse_note, parse_verifier_key
from audit.ledger.offline import Trust, verify_bundle
from audit.ledger.record import format_time, leaf_hash
from audit.ledger.reportmanifest import (
    REPORT_MANIFEST,
    UNSIGNED,
    UNSIGNED_TEXT,
    ReportManifest,
    format_report_manifest,
    parse_report_manifest,
)
from audit.ledger.singlefile import verify_py
from audit.models import AgentKey, Entry, Ledger
from audit.outbound import WEB, AddressRefused, NoAnswer, check_target
from audit.outbound import send as send_request
from audit.pausing import no_collecting
from audit.problems import problem
from audit.project import BATCH, Batch, projections, rebuild
from audit.pruned import minimum_index
from audit.query import LIST_SECONDS, MOST_LIMIT, PAGE_LIMIT, Environment, time_limit
from audit.receive import new_event_id, receive_own
from audit.s3 import Bucket, BucketFailed, put_locked
from audit.signatures import PATIENCE, Refused, Signed, ask_for_signature
from audit.signatures import signature_of as signature_of_text
from audit.sinks.webhook import signature_of

__all__ = [
    "BATCH",
    "BOM",
    "COPIED",
    "LIST_SECONDS",
    "MOST_LIMIT",
    "PAGE_LIMIT",
    "PATIENCE",
    "RECORDS",
    "REPORT_MANIFEST",
    "UNSIGNED",
    "UNSIGNED_TEXT",
    "WEB",
    "AddressRefused",
    "AgentKey",
    "AuditError",
    "Batch",
    "Bucket",
    "BucketFailed",
    "Entry",
    "Environment",
    "FileSum",
    "Frozen",
    "Hash",
    "Ledger",
    "Manifest",
    "Member",
    "NoAnswer",
    "Refused",
    "ReportManifest",
    "Seq",
    "Served",
    "Signed",
    "Trust",
    "answer_json",
    "answer_path",
    "ask_for_signature",
    "bounded",
    "check_target",
    "directory",
    "format_report_manifest",
    "format_time",
    "grant_of",
    "leaf_hash",
    "local_header",
    "minimum_index",
    "new_event_id",
    "newest_carry",
    "no_collecting",
    "not_found",
    "parse_note",
    "parse_report_manifest",
    "parse_verifier_key",
    "problem",
    "projections",
    "put_locked",
    "quoted_line",
    "raw_connection",
    "read_members",
    "read_rows",
    "read_tables",
    "rebuild",
    "receive_own",
    "ring",
    "rows",
    "send_request",
    "signature_of",
    "signature_of_text",
    "time_limit",
    "unreadable",
    "verify_bundle",
    "verify_py",
]
