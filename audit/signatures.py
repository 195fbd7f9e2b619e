"""Have texts of the apps above signed by the process that holds a ledger's key: reports' manifests.

Whoever makes a report asks (`ask_for_signature`) and looks again (`signature_of`); neither opens a
key. The sealing process signs what waits (`sign_waiting_texts`), and nothing but the manifest of a
report (audit/ledger/reportmanifest.py) of this very ledger, whose head is an entry of the tree of
a checkpoint that was signed: so no head of a tree, no manifest of an evidence bundle and no text of
another protocol is ever signed here, whoever can write to the table. What it refuses it says in the
row, and logs. What an archive's files say is not judged: the signature says that this installation
made these files of this ledger up to this entry.

Rows: audit/sql/0016_signatures.sql. Bundles have their own way: manifests.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import structlog

from audit.database import rows
from audit.ledger.checkpoint import Checkpoint, open_checkpoint
from audit.ledger.errors import LedgerFact, ManifestMalformed, ProofRefused
from audit.ledger.merkle import Node, check_inclusion, prove_inclusion
from audit.ledger.note import parse_note
from audit.ledger.reportmanifest import ReportManifest, parse_report_manifest
from audit.models import Ledger
from audit.seal import known_keys
from audit.tree import tree_of

log = structlog.get_logger(__name__)

PATIENCE: Final = timedelta(seconds=60)
"""How long to wait for a signature before saying that nobody signs.

The sealing process looks ten times a second, and tries again after five seconds where it failed.
"""

_OF_TEXTS: Final = UUID("0a1f5a3e-6f0b-5d3c-9a55-5d2c1d1b7e16")
"""The namespace of the ids of texts; random, and never changed."""

_ASK = """
INSERT INTO audit_signature AS s (ledger_id, id, text)
VALUES (%s, %s, %s)
ON CONFLICT (ledger_id, id) DO UPDATE
SET refusal = '', settled_at = NULL
WHERE s.refusal <> ''
RETURNING id
"""
_FOUND = "SELECT note, refusal, settled_at FROM audit_signature WHERE ledger_id = %s AND id = %s"
_LEDGERS = """
SELECT l.*
FROM audit_ledger AS l
WHERE EXISTS (SELECT FROM audit_signature AS s WHERE s.ledger_id = l.id AND s.settled_at IS NULL)
ORDER BY l.id
"""
_WAITING = """
SELECT id, text
FROM audit_signature
WHERE ledger_id = %s
  AND settled_at IS NULL
ORDER BY asked_at, id
LIMIT 100
"""
_SIGNED = """
UPDATE audit_signature
SET note = %s, settled_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND text = %s
  AND settled_at IS NULL
RETURNING id
"""
_REFUSED = """
UPDATE audit_signature
SET refusal = %s, settled_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND settled_at IS NULL
RETURNING id
"""
_SIZE = "SELECT size FROM audit_head WHERE ledger_id = %s"
_NEWEST = """
SELECT note
FROM audit_checkpoint
WHERE ledger_id = %s
ORDER BY size DESC
LIMIT 1
"""
_LONGEST_REFUSAL: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A text has its signature."""

    note: bytes
    """The signed note; its text is what was asked for."""
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A text is not signed; asking for it again is another try."""

    why: str
    at: datetime


def ask_for_signature(ledger: Ledger, text: str) -> UUID:
    """Put a report's manifest before the signer and return what to look for.

    The same text has the same id, so whoever asks again after a crash finds the signature that is
    there; a text that was refused is tried again. Raises ManifestMalformed for another text.
    """
    parse_report_manifest(text)
    named = uuid5(_OF_TEXTS, f"{ledger.name}\n{text}")
    rows(_ASK, (ledger.id, named, text))
    return named


def signature_of(ledger: Ledger, id: UUID) -> Signed | Refused | None:
    """Return what became of a text; None while it waits. Raises LookupError for an unknown id."""
    found = rows(_FOUND, (ledger.id, id))
    if not found:
        raise LookupError(f"nobody asked {ledger.name} to sign {id}")
    note, refusal, at = found[0]
    if at is None:
        return None
    return Refused(why=refusal, at=at) if note is None else Signed(note=bytes(note), at=at)


def ledgers_with_waiting_texts() -> list[Ledger]:
    """Return the ledgers of which a text waits for its signature."""
    return list(Ledger.objects.raw(_LEDGERS))


def sign_waiting_texts(ledger: Ledger, sign: Callable[[str], bytes]) -> int:
    """Have the texts that wait for this ledger signed; return how many were.

    For the process that holds the key. `sign` returns the signed note of a text. A text whose head
    lies above the newest checkpoint waits until one covers it; anything else that may not be signed
    is refused for good. Raises TilesMissing while tiles are still being filled.
    """
    signed = 0
    for id_, text in rows(_WAITING, (ledger.id,)):
        try:
            is_covered = _check(ledger, text)
        except _NotSignable as problem:
            why = str(problem)
            log.error("signature.refused", ledger=ledger.name, id=str(id_), why=why)
            rows(_REFUSED, (f"not signed: {why}"[:_LONGEST_REFUSAL], ledger.id, id_))
            continue
        if is_covered:
            note = sign(text)
            assert parse_note(note).text == text, "what is signed is what was given"
            signed += len(rows(_SIGNED, (note, ledger.id, id_, text)))
            log.info("signature.given", ledger=ledger.name, id=str(id_))
    return signed


class _NotSignable(Exception):
    """A text may never be signed for this ledger."""


def _check(ledger: Ledger, text: str) -> bool:
    """Tell whether a text may be signed now; False: once a checkpoint covers its head.

    Raises _NotSignable for what may never be.
    """
    if ledger.is_read_only:
        why = f"the ledger is read-only and signs nothing any more ({ledger.read_only_reason})"
        raise _NotSignable(why)
    manifest = _manifest_of(ledger, text)
    ((size,),) = rows(_SIZE, (ledger.id,))
    if manifest.head_seq >= size:
        raise _NotSignable(f"the ledger has no entry {manifest.head_seq:,}, only {size:,} entries")
    head = _signed_head(ledger)
    if head is None or manifest.head_seq >= head.size:
        # What is not sealed yet is compared too, so that a wrong hash is said at once.
        _check_hash(ledger, manifest, size=size, root=None)
        return False
    _check_hash(ledger, manifest, size=head.size, root=head.root)
    return True


def _manifest_of(ledger: Ledger, text: str) -> ReportManifest:
    try:
        manifest = parse_report_manifest(text)
    except ManifestMalformed as problem:
        raise _NotSignable(f"it is no manifest of a report ({problem})") from problem
    if (manifest.ledger, manifest.origin) != (ledger.name, ledger.origin):
        raise _NotSignable(f"it is of another ledger, {manifest.ledger} ({manifest.origin})")
    return manifest


def _signed_head(ledger: Ledger) -> Checkpoint | None:
    """Return the newest checkpoint, its signature checked; None before the first."""
    found = rows(_NEWEST, (ledger.id,))
    if not found:
        return None
    try:
        return open_checkpoint(
            bytes(found[0][0]), origin=ledger.origin, keys=known_keys(ledger)
        ).checkpoint
    except LedgerFact as problem:
        raise _NotSignable(
            f"the newest checkpoint is not one of its keys' ({problem})"
        ) from problem


def _check_hash(ledger: Ledger, manifest: ReportManifest, *, size: int, root: bytes | None) -> None:
    """Refuse a head that is not this entry of the tree, whose root is known once it is signed.

    The tree holds the hash of an entry that was pruned, too.
    """
    tree, index = tree_of(ledger.id, size=size), manifest.head_seq
    leaf = bytes.fromhex(manifest.head_hash)
    if tree.read_hashes([Node(level=0, position=index)]) != [leaf]:
        raise _NotSignable(f"entry {index:,} has another hash than the text says")
    if root is None:
        return
    proof = prove_inclusion(index=index, size=size, hashes=tree)
    try:
        check_inclusion(proof, size=size, root=root, index=index, leaf=leaf)
    except ProofRefused as problem:
        raise _NotSignable(f"entry {index:,} is not in the tree that was signed") from problem
