"""All of a ledger rewritten, cut off, restored or deleted: found by the sealer, or from outside."""

from __future__ import annotations

from typing import Any

from audit.errors import LedgerBehind, LedgerForked, SigningKeyWrong
from audit.ledger.note import format_verifier_key, make_signing_key
from audit.models import Ledger
from audit.seal import known_keys
from audit.signer import signers_of
from audit.verify import verify
from tests.audit.attacks.finding import (
    fooled,
    found_by_verification,
    found_outside,
    not_proven,
    refused_by_sealer,
)
from tests.audit.attacks.sealed import Sealed
from tests.audit.forging import cut_to, forget_seals, resign, rewrite
from tests.audit.tampering import Connection, tampering
from tests.audit.test_tree import grow_to
from tests.conftest import chain, make_event


def forge(superuser: Connection, ledger: Ledger, *, vkey: str | None = None) -> None:
    """Rewrite history from entry 100 on, every copy of it included, but no signature.

    With `vkey`, that key is announced in the place of the real one; with an empty one, none is.
    """

    def edit(seq: int, said: dict[str, Any]) -> None:
        event = said["event"]
        if seq == 100:
            event["outcome"] = "denied"
        if event["action"] == "audit.key_announced" and vkey is not None:
            event["details"]["vkey"] = vkey
            event["action"] = "audit.key_announced" if vkey else "audit.chain_verified"

    rewrite(superuser, ledger, edit=edit)
    superuser.execute(
        "UPDATE audit_entry SET outcome = 'denied' WHERE ledger_id = %s AND seq = 100", (ledger.id,)
    )
    if vkey == "":
        superuser.execute(
            "UPDATE audit_entry SET action = 'audit.chain_verified' "
            "WHERE ledger_id = %s AND action = 'audit.key_announced'",
            (ledger.id,),
        )


def test_everything_rewritten_without_the_key(sealed: Sealed, superuser: Connection) -> None:
    attack = "rewrite all: hashes, tiles, head; no key"
    with tampering(superuser):
        forge(superuser, sealed.ledger)

    found_by_verification(attack, verify(sealed.ledger), seq=299, field="checkpoint 300 root")
    found_outside(attack, sealed, seq=299, field="checkpoint 300 root")
    chain(sealed.ledger, [make_event()])
    refused_by_sealer(attack, sealed, LedgerForked)


def test_everything_rewritten_and_all_seals_deleted(sealed: Sealed, superuser: Connection) -> None:
    attack = "rewrite all, delete checkpoints and keys"
    with tampering(superuser):
        forge(superuser, sealed.ledger, vkey="")
        forget_seals(superuser, sealed.ledger)

    fooled(verify(sealed.ledger))
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, LedgerForked)


def test_everything_rewritten_with_the_stolen_key(sealed: Sealed, superuser: Connection) -> None:
    attack = "rewrite all, sign with the stolen key"
    ledger = sealed.ledger
    with tampering(superuser):
        forge(superuser, ledger)
        resign(superuser, ledger, signers_of(ledger.name, origin=ledger.origin))

    fooled(verify(ledger))
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, LedgerForked)


def test_everything_rewritten_and_signed_with_another_key(
    sealed: Sealed, superuser: Connection
) -> None:
    attack = "rewrite all, sign with a key of one's own"
    ledger = sealed.ledger
    real = known_keys(ledger)
    forger = make_signing_key(name=ledger.origin, seed=bytes(range(32)))
    vkey = format_verifier_key(forger.key)

    with tampering(superuser):
        forge(superuser, ledger, vkey=vkey)
        resign(superuser, ledger, [forger])
        superuser.execute(
            "UPDATE audit_signingkey SET vkey = %s WHERE ledger_id = %s", (vkey, ledger.id)
        )

    fooled(verify(ledger))
    not_proven(attack, verify(ledger, keys=real), why="by no key that was given", by="--key")
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, SigningKeyWrong)


def test_the_tail_cut_off_whole(sealed: Sealed, superuser: Connection) -> None:
    attack = "cut the tail off: entries, tiles, checkpoints, head"
    with tampering(superuser):
        cut_to(superuser, sealed.ledger, 450)

    assert verify(sealed.ledger).result == "intact"
    found_outside(attack, sealed, seq=450, field="kept.note size")
    refused_by_sealer(attack, sealed, LedgerBehind)


def test_yesterdays_backup_restored_and_grown_past_the_old_size(
    sealed: Sealed, superuser: Connection
) -> None:
    attack = "restore yesterday's backup, go on"
    with tampering(superuser):
        cut_to(superuser, sealed.ledger, 450)
    grow_to(sealed.ledger, 700)

    assert verify(sealed.ledger).result == "intact"
    found_outside(attack, sealed, seq=599, field="kept.note root")
    refused_by_sealer(attack, sealed, LedgerForked)


def test_the_whole_ledger_deleted(sealed: Sealed, superuser: Connection) -> None:
    attack = "delete the whole ledger"
    with tampering(superuser):
        cut_to(superuser, sealed.ledger, 0)
        forget_seals(superuser, sealed.ledger)

    not_proven(attack, verify(sealed.ledger), why="nothing was checked")
    found_outside(attack, sealed, seq=0, field="kept.note size")
    refused_by_sealer(attack, sealed, LedgerBehind)
