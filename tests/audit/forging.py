"""Forge a ledger as well as it can be done: records, hashes, links, tiles and head all fit again.

What a forger cannot do without the signing key is left to the caller: `resign` signs with one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from audit.database import rows
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.merkle import Frontier
from audit.ledger.note import Signer, sign_note
from audit.ledger.tiles import Edge, grow
from audit.models import Ledger
from tests.audit.tampering import Connection

TABLES = ("audit_entry", "audit_eventkey", "audit_tile", "audit_checkpoint", "audit_cosignature")


def rewrite(
    superuser: Connection, ledger: Ledger, *, edit: Callable[[int, dict[str, Any]], None]
) -> None:
    """Let `edit` change any record, then make everything behind it fit. Inside `tampering`."""
    prev = bytes(32)
    changed: list[tuple[bytes, bytes, int, int]] = []
    leaves = []
    stored = superuser.execute(
        "SELECT seq, record, hash FROM audit_entry WHERE ledger_id = %s ORDER BY seq", (ledger.id,)
    ).fetchall()
    for seq, record, leaf in stored:
        said = json.loads(record)
        said["prev"] = prev.hex()
        edit(seq, said)
        forged = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        prev = sha256(b"\0" + forged.encode()).digest()
        leaves.append(prev)
        if prev != leaf:
            changed.append((forged.encode(), prev, ledger.id, seq))
    assert changed, "a forger changes something"
    with superuser.cursor() as cursor:
        cursor.executemany(
            "UPDATE audit_entry SET record = %s, hash = %s WHERE ledger_id = %s AND seq = %s",
            changed,
        )
    superuser.execute("UPDATE audit_head SET hash = %s WHERE ledger_id = %s", (prev, ledger.id))
    retile(superuser, ledger, leaves)


def retile(superuser: Connection, ledger: Ledger, leaves: Sequence[bytes]) -> None:
    """Put the tiles of these leaves in the place of those that are there."""
    superuser.execute("DELETE FROM audit_tile WHERE ledger_id = %s", (ledger.id,))
    for tile in grow(Edge(), leaves)[1]:
        superuser.execute(
            "INSERT INTO audit_tile (ledger_id, level, index, hashes, root) "
            "VALUES (%s, %s, %s, %s, %s)",
            (ledger.id, tile.level, tile.index, tile.hashes, tile.root),
        )


def resign(superuser: Connection, ledger: Ledger, signers: Sequence[Signer]) -> None:
    """Sign every checkpoint anew at the root that the entries have now."""
    leaves = [
        leaf
        for (leaf,) in superuser.execute(
            "SELECT hash FROM audit_entry WHERE ledger_id = %s ORDER BY seq", (ledger.id,)
        )
    ]
    for (size,) in superuser.execute(
        "SELECT size FROM audit_checkpoint WHERE ledger_id = %s", (ledger.id,)
    ).fetchall():
        tree = Frontier()
        tree.extend(leaves[:size])
        text = format_checkpoint(Checkpoint(origin=ledger.origin, size=size, root=tree.root()))
        superuser.execute(
            "UPDATE audit_checkpoint SET root = %s, note = %s WHERE ledger_id = %s AND size = %s",
            (tree.root(), sign_note(text, signers=signers), ledger.id, size),
        )


def cut_to(superuser: Connection, ledger: Ledger, size: int) -> None:
    """Make a ledger as it was at this size, as a restored backup would. Inside `tampering`."""
    for table in ("audit_entry", "audit_eventkey"):
        superuser.execute(
            f"DELETE FROM {table} WHERE ledger_id = %s AND seq >= %s", (ledger.id, size)
        )
    for table in ("audit_checkpoint", "audit_cosignature", "audit_anchorreceipt"):
        superuser.execute(
            f"DELETE FROM {table} WHERE ledger_id = %s AND size > %s", (ledger.id, size)
        )
    superuser.execute(
        "DELETE FROM audit_signingkey WHERE ledger_id = %s AND first_size > %s", (ledger.id, size)
    )
    superuser.execute(
        "DELETE FROM audit_tile WHERE ledger_id = %s AND index >= %s >> (8 * (level + 1))",
        (ledger.id, size),
    )
    superuser.execute(
        "UPDATE audit_head AS h SET size = %(size)s, hash = coalesce((SELECT hash FROM audit_entry "
        "WHERE ledger_id = h.ledger_id AND seq = %(size)s - 1), decode(repeat('00', 32), 'hex')) "
        "WHERE ledger_id = %(ledger)s",
        {"size": size, "ledger": ledger.id},
    )


def forget_seals(superuser: Connection, ledger: Ledger) -> None:
    """Delete all that the database itself says of checkpoints. Inside `tampering`."""
    for table in (
        *("audit_checkpoint", "audit_cosignature", "audit_signingkey", "audit_anchorreceipt"),
        *("audit_anchor", "audit_sealing"),
    ):
        superuser.execute(f"DELETE FROM {table} WHERE ledger_id = %s", (ledger.id,))


def size_of(ledger: Ledger) -> int:
    """Return how long the ledger is now."""
    ((size,),) = rows("SELECT size FROM audit_head WHERE ledger_id = %s", (ledger.id,))
    return int(size)
