"""A transaction that stays open holds nothing up, and what it inserts is never skipped (R10)."""

from __future__ import annotations

import random
import time

from tests.faults.conditions import EMPTY_SECONDS, assert_nothing_was_lost
from tests.faults.inbox import canonical, put
from tests.faults.load import Agent, seeded_event
from tests.faults.targets import Target, eventually


def test_others_are_chained_meanwhile_and_the_late_row_after_its_commit(
    target: Target, agent: Agent, chance: random.Random, rounds: int
) -> None:
    late = seeded_event(chance, details={"note": "late"}, data=None, personal=None)
    event = canonical(late)
    with target.superuser() as slow, target.superuser() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM audit_entry, audit_head, audit_inbox")
        ((ledger_id,),) = slow.execute(
            "SELECT id FROM audit_ledger WHERE name = %s", [target.ledger]
        ).fetchall()
        slow.execute("BEGIN")
        put(slow, ledger_id, [event], [late["id"]])  # has the lower id from now on
        ends = time.monotonic() + min(rounds, 45)
        while time.monotonic() < ends:
            other = seeded_event(chance)
            agent.deliver([other])
            eventually(
                lambda: target.has_chained(other["id"]),  # noqa: B023 - called at once
                what="another's event is chained",
                within=EMPTY_SECONDS,
            )
        assert not target.has_chained(late["id"])

        slow.execute("COMMIT")
        eventually(
            lambda: target.has_chained(late["id"]), what="it is chained", within=EMPTY_SECONDS
        )
        reader.execute("COMMIT")

    assert_nothing_was_lost(target, agent.attempts)
