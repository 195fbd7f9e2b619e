"""Have the manifests of bundles signed that wait for it. For the process that holds the key.

Signs nothing but a manifest of the ledger whose key it is, of a tree size and root that a
checkpoint was signed for: whoever can write to the table of exports gets no signature by it. The
signed text is put into the export's row, and exporting.py ends the file.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import structlog

from audit import bell
from audit.database import rows
from audit.ledger.errors import ManifestMalformed
from audit.ledger.manifest import CHECKPOINT, parse_manifest
from audit.ledger.note import Note, parse_note
from audit.models import CheckpointNote, Export, Ledger

log = structlog.get_logger(__name__)

_UNSIGNED = """
SELECT id, size, manifest
FROM audit_export
WHERE ledger_id = %s
  AND state = 'signing'
  AND signed_manifest IS NULL
ORDER BY id
LIMIT 100
"""
_SIGNED = """
UPDATE audit_export
SET signed_manifest = %s, signed_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state = 'signing'
  AND signed_manifest IS NULL
  AND manifest = %s
RETURNING id
"""
_NOT_SIGNED = """
UPDATE audit_export
SET state = 'failed', finished_at = clock_timestamp(), note = %s
WHERE ledger_id = %s
  AND id = %s
  AND state = 'signing'
RETURNING id
"""
_AGAIN = """
UPDATE audit_export
SET state = 'queued', manifest = NULL
WHERE ledger_id = %s
  AND id = %s
  AND state = 'signing'
RETURNING id
"""


def unsigned_ledgers() -> list[Ledger]:
    """Return the ledgers of which a manifest waits for its signature."""
    waiting = Export.objects.filter(state="signing", signed_manifest__isnull=True)
    return list(Ledger.objects.filter(id__in=waiting.values("ledger_id")).order_by("id"))


def sign_waiting_manifests(ledger: Ledger, sign: Callable[[str], bytes]) -> int:
    """Have the manifests that wait for this ledger signed; return how many were.

    For the process that holds the key. `sign` returns the signed note of a text. Nothing is given
    to it but a manifest of this very ledger, of a tree size and root that a checkpoint was signed
    for; anything else fails that export, and is logged.
    """
    signed = 0
    for export_id, size, text in rows(_UNSIGNED, (ledger.id,)):
        why = _why_unsignable(ledger, size, text)
        if why:
            log.error("export.not_signed", ledger=ledger.name, export=export_id, why=why)
            rows(_NOT_SIGNED, (f"Its manifest was not signed: {why}.", ledger.id, export_id))
            continue
        note = sign(text)
        if _is_named(parse_note(note), text):
            signed += len(rows(_SIGNED, (note, ledger.id, export_id, text)))
        else:
            # The key changed meanwhile: a manifest names the keys, so it is written again.
            log.warning("export.key_changed", ledger=ledger.name, export=export_id)
            rows(_AGAIN, (ledger.id, export_id))
    if signed:
        bell.ring(ledger.id, task="audit.export_run")
    return signed


def _why_unsignable(ledger: Ledger, size: int, text: str) -> str:
    """Return why a text may not be signed for this ledger; empty when it may."""
    if ledger.is_read_only:
        return f"the ledger is read-only and signs nothing any more ({ledger.read_only_reason})"
    try:
        manifest = parse_manifest(text)
    except ManifestMalformed as error:
        return f"it is no manifest ({error})"
    if (manifest.ledger, manifest.origin) != (ledger.name, ledger.origin):
        return "it is another ledger's"
    if manifest.size != size:
        return "its tree size is not the export's"
    checkpoint = CheckpointNote.objects.filter(ledger=ledger, size=size).first()
    if checkpoint is None:
        return "no checkpoint has its tree size"
    if manifest.root.hex() != checkpoint.root:
        return "its root is not the checkpoint's"
    digest = sha256(bytes(checkpoint.note)).hexdigest()
    if digest not in {each.sha256 for each in manifest.files if each.name == CHECKPOINT}:
        return "it names another checkpoint"
    return ""


def _is_named(note: Note, text: str) -> bool:
    """Tell whether a key that the manifest names has signed it."""
    assert note.text == text, "what is signed is what was given"
    named = {(key.name, key.key_id) for key in parse_manifest(text).keys}
    return any((each.name, each.key_id) in named for each in note.signatures)
