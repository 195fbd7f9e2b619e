"""Every export names who and why: LOG-07 over the entries that real exports leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from audit.append import append_pending
from audit.export import ask_for_export
from audit.models import Ledger
from compliance.memory import Memory
from tests.audit.exporting import finish, sealed, wanted
from tests.compliance.building import counts, lens
from tests.conftest import entries


@pytest.fixture
def ten(ledger: Ledger) -> Ledger:
    return sealed(ledger, 10)


def judged(ledger: Ledger) -> tuple[int, int, int]:
    append_pending(ledger.id)
    memory = Memory([lens("LOG-07")])
    for each in entries(ledger):
        memory.read(each.seq, bytes(each.record), bytes.fromhex(each.hash))
    return counts(memory, start="2020-01-01", end="2100-01-01")


def test_a_person_who_says_why_passes_and_one_who_does_not_fails(ten: Ledger) -> None:
    for reason in ("sample for the external auditor", ""):
        ask_for_export(wanted(ten, "csv", reason=reason), via="admin", requested_by="alice")
    finish(ten)

    assert judged(ten) == (2, 1, 0)


def test_a_machine_passes_when_somebody_answers_for_it(ten: Ledger) -> None:
    for owner in ("alice", ""):
        asked = wanted(ten, "csv", reason="nightly copy", owner=owner)
        ask_for_export(asked, via="api", requested_by="key:abcd")
    finish(ten)

    assert judged(ten) == (2, 1, 0)


def test_the_command_names_the_account_that_ran_it(ten: Ledger, tmp_path: Path) -> None:
    out = str(tmp_path / "all.csv")
    call_command(
        "exportledger", ledger=ten.name, out=out, format="csv", reason="a look by the operator"
    )

    assert judged(ten) == (1, 0, 0)
