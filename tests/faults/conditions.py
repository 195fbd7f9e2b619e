"""What holds after every fault: nothing acknowledged is lost, nothing is twice, the chain is whole.

The same conditions end each test, whatever it broke. The chain itself: verifier.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.faults.load import Attempt
from tests.faults.targets import Target, eventually
from tests.faults.verifier import Verified, verify

EMPTY_SECONDS = 30  # after healing, as the design promises
_CHAINED = frozenset({"received", "duplicate"})


def assert_nothing_was_lost(target: Target, attempts: Sequence[Attempt]) -> Verified:
    """Check every condition once the installation has healed, and return the ledger as it is."""
    target.wait_healed()
    eventually(target.inbox_is_empty, what="the inbox is empty", within=EMPTY_SECONDS)
    assert_answers_add_up(attempts)
    with target.superuser() as connection:
        found = verify(connection, target.ledger)
    assert_each_promise_is_kept(found, attempts)
    return found


def assert_answers_add_up(attempts: Iterable[Attempt]) -> None:
    """Check that each answer has one receipt an event, in the order sent, and counts them right."""
    for each in attempts:
        assert each.outcome != "wrong", each.why
        if each.outcome != "ok":
            continue
        told = [receipt["status"] for receipt in each.receipts]
        assert len(each.receipts) == len(each.ids)
        for sent, receipt in zip(each.ids, each.receipts, strict=True):
            assert receipt["status"] == "rejected" or receipt["id"] == sent
        assert each.counts == {
            status: told.count(status)
            for status in ("received", "duplicate", "conflict", "rejected")
        }
        assert each.status == _due_status(told), f"{each.status} for {told}"


def _due_status(told: Sequence[str]) -> int:
    if "conflict" in told or "rejected" in told:
        return 207
    return 202 if "received" in told else 200


def assert_each_promise_is_kept(found: Verified, attempts: Iterable[Attempt]) -> None:
    """Check that each acknowledged event is in one place, with the content that was promised."""
    sent: set[str] = set()
    promised: dict[tuple[str, str], set[str]] = {}
    for each in attempts:
        sent.update(each.ids)
        for event_id, receipt in zip(each.ids, each.receipts, strict=False):
            if receipt["status"] == "rejected":
                sent.remove(event_id)
                continue
            event = (receipt["id"], receipt["digest"])
            promised.setdefault(event, set()).add(receipt["event_sha256"])
            in_chain = receipt["status"] in _CHAINED
            assert not in_chain or event not in found.quarantine, f"{event}: in quarantine too"
    for event, contents in promised.items():
        place = found.entries.get(event) or found.quarantine.get(event)
        assert place is not None, f"{event}: acknowledged and lost"
        assert place.is_sealed or {place.event_sha256} == contents, f"{event}: other content"
    missing = sent - {event_id for event_id, _ in promised}
    assert not missing, f"never acknowledged: {sorted(missing)[:3]}"
