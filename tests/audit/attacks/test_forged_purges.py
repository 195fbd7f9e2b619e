"""Entries deleted under a purge that nobody approved."""

from __future__ import annotations

import pytest

from audit.append import append_pending
from audit.exportfile import path_of
from audit.ledger.offline import Trust, verify_bundle
from audit.models import Entry, Ledger
from audit.receive import receive_own
from audit.seal import known_keys
from audit.verify import verify
from audit.verify_tree import leaf_of_tile
from tests.audit.attacks.finding import fooled, found_by_verification, tell
from tests.audit.attacks.sealed import Sealed
from tests.audit.exporting import made
from tests.audit.tampering import Connection, tampering
from tests.audit.test_tree import grow_to


def forge_purge(superuser: Connection, ledger: Ledger, *, to_seq: int, begun: str) -> None:
    """Delete entries and write the row of a purge for them, which no function would write."""
    with tampering(superuser):
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq < %s", (ledger.id, to_seq)
        )
        superuser.execute(
            "INSERT INTO audit_purge (ledger_id, from_seq, to_seq, plan_id, begun_at, "
            "first_approver, second_approver) VALUES (%s, 0, %s, 1, now() + %s::interval, %s, %s)",
            (ledger.id, to_seq, begun, *APPROVERS),
        )


APPROVERS = ("alice", "bob")


@pytest.mark.parametrize(("to_seq", "begun"), [(256, "-1 day"), (256, "1 day"), (512, "-1 day")])
def test_entries_deleted_under_a_forged_purge(
    sealed: Sealed, superuser: Connection, to_seq: int, begun: str
) -> None:
    forge_purge(superuser, sealed.ledger, to_seq=to_seq, begun=begun)

    attack = "delete entries under a forged purge"
    found_by_verification(attack, verify(sealed.ledger), seq=0, field="purge")


def test_all_entries_deleted_under_a_purge_beyond_the_head(
    sealed: Sealed, superuser: Connection
) -> None:
    grow_to(sealed.ledger, 768)
    forge_purge(superuser, sealed.ledger, to_seq=1024, begun="-1 day")

    attack = "delete all entries under a purge beyond the head"
    found_by_verification(attack, verify(sealed.ledger), seq=0, field="purge")


def test_a_purge_moved_on_beyond_what_its_entry_says(sealed: Sealed, superuser: Connection) -> None:
    forge_purge(superuser, sealed.ledger, to_seq=256, begun="-1 day")
    leave_purged(sealed.ledger, to_seq=256)
    assert verify(sealed.ledger).result == "intact"
    with tampering(superuser):
        superuser.execute("UPDATE audit_purge SET to_seq = 512 WHERE to_seq = 256 AND ledger_id = "
                          "%s", (sealed.ledger.id,))  # fmt: skip
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq < 512", (sealed.ledger.id,)
        )

    attack = "move a purge on, delete more"
    found_by_verification(attack, verify(sealed.ledger), seq=0, field="purge")


def test_a_purge_forged_with_its_entry(sealed: Sealed, superuser: Connection) -> None:
    """Nothing that holds hashes tells: the tiles stay, so every root is still the same."""
    attack = "forge a purge and have its entry chained"
    before = made(sealed.ledger)
    forge_purge(superuser, sealed.ledger, to_seq=256, begun="-1 day")
    leave_purged(sealed.ledger, to_seq=256)

    fooled(verify(sealed.ledger))
    fooled(verify(sealed.ledger, holders=sealed.outside))
    told = Entry.objects.get(ledger=sealed.ledger, action="audit.purged")
    assert told.parsed()["event"]["details"]["approvers"] == list(APPROVERS)
    tell(attack, "whom its entry names", "nothing by hashes", f"#{told.seq} names alice and bob")
    with path_of(before).open("rb") as file:
        found = verify_bundle(file, trust=Trust(keys=tuple(known_keys(sealed.ledger))))
    assert (found.result, before.first_seq) == ("intact", 0)
    tell(attack, "a bundle of before", "intact", "it still holds and proves every record")


def leave_purged(ledger: Ledger, *, to_seq: int) -> None:
    """Have the entry of a purge chained, as somebody with the worker in his hand could."""
    leaf = leaf_of_tile(ledger.id, to_seq - 1)
    assert leaf is not None
    receive_own(
        ledger,
        "audit.purged",
        integrity={
            "from_seq": 0,
            "to_seq": to_seq - 1,
            "oldest_seq": to_seq,
            "head_hash": leaf.hex(),
        },
        details={"approvers": list(APPROVERS)},
    )
    append_pending(ledger.id)
