"""Verification: what is intact, what is not proven, ranges, and what its command says.

What a superuser changes: test_verify_changes.py. What was signed: test_verify_seals.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from audit.append import append_pending
from audit.ledger.record import GENESIS
from audit.ledgers import open_ledger
from audit.management.commands.verifychain import Command
from audit.models import Entry, Inbox, Ledger
from audit.receive import Sender
from audit.verify import NO_CHECKPOINT, Progress, verify
from tests.audit.tampering import Connection, tampering
from tests.audit.verifying import SIZE, chunk, five, set_record, verifychain
from tests.conftest import EVENTS, GOVERNANCE, chain, entries, make_event, post

__all__ = ["chunk", "five"]  # fixtures, which pytest finds by their names here


ROOT = Path(__file__).parents[2]


def test_an_untouched_ledger_is_intact_and_says_what_that_does_not_prove(
    ledger: Ledger, five: list[Entry]
) -> None:
    code, said = verifychain(ledger)

    assert (code, said["result"], said["checked"], said["broken"]) == (0, "intact", SIZE, 0)
    assert (said["from_seq"], said["to_seq"], said["first"]) == (0, SIZE, None)
    assert said["note"] == NO_CHECKPOINT


@pytest.mark.usefixtures("chunk")
def test_every_kind_of_entry_verifies(ledger: Ledger) -> None:
    backfill = Sender(via="api", scope="events", scopes=EVENTS.scopes, key="k", backfill=True)
    person = Sender(via="admin", scope="governance", scopes=GOVERNANCE.scopes, user="Alice")
    post(ledger, [make_event(occurred_at="0001-01-01T00:00:00Z")], sender=backfill)
    post(ledger, [make_event(occurred_at="9999-12-31T23:59:59.999999Z")], sender=person)
    post(
        ledger, [make_event(run=None), make_event(run={"mode": "chat"}), make_event(severity="low")]
    )
    post(ledger, [make_event(data={"classes": []}), make_event(data={"subject_ids": ["carol"]})])
    post(
        ledger,
        [
            make_event(personal={"name": "Carol"}, data={"subject_ids": ["carol"]}),
            make_event(agent={"id": "☃ \" \\ \u2028", "environment": "dev"}, details={"n": 1e-7}),
        ],
    )  # fmt: skip

    append_pending(ledger.id)

    report = verify(ledger)
    assert (report.result, report.checked, report.first) == ("intact", 9, None)


def test_an_empty_ledger_is_not_proven(ledger: Ledger) -> None:
    code, said = verifychain(ledger)

    assert (code, said["result"], said["checked"]) == (3, "not_proven", 0)
    assert said["note"] == "nothing was checked"


def test_verifying_while_the_ledger_grows_raises_no_false_alarm(
    ledger: Ledger, five: list[Entry]
) -> None:
    failures: list[BaseException] = []

    def grow() -> None:
        try:
            for _ in range(25):
                chain(ledger, [make_event(), make_event()])
        except BaseException as error:  # told to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=grow)
    thread.start()
    results = {verify(ledger).result}
    while thread.is_alive():
        results.add(verify(ledger).result)
    thread.join()

    assert not failures, failures
    assert results == {"intact"}
    assert verify(ledger).checked == SIZE + 50


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 3), (2, 5), (4, 5), (0, 5), (3, 99)])
def test_a_range_checks_what_it_covers_and_no_more(
    ledger: Ledger, five: list[Entry], superuser: Connection, start: int, end: int
) -> None:
    covered = range(start, min(end, SIZE))
    report = verify(ledger, from_seq=start, to_seq=end)
    assert (report.result, report.checked, report.to_seq) == ("intact", len(covered), covered.stop)
    with tampering(superuser):
        set_record(superuser, ledger, 2, record=b"{}")

    report = verify(ledger, from_seq=start, to_seq=end)

    assert report.result == ("tampered" if 2 in covered else "intact")
    assert report.checked == len(covered)


def test_a_range_that_begins_behind_a_deleted_entry_is_not_intact(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 1", (ledger.id,))

    report = verify(ledger, from_seq=2, to_seq=4)

    assert report.first is not None
    assert (report.first.seq, report.first.field) == (2, "prev")


@pytest.mark.parametrize(("start", "end"), [(5, None), (6, None), (1000, 2000), (3, 3), (4, 2)])
def test_a_range_without_entries_is_not_proven_and_accuses_nobody(
    ledger: Ledger, five: list[Entry], start: int, end: int | None
) -> None:
    report = verify(ledger, from_seq=start, to_seq=end)

    assert (report.result, report.checked, report.first) == ("not_proven", 0, None)


def test_progress_ends_at_the_total_and_what_it_raises_ends_the_run(
    ledger: Ledger, five: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.verify.CHUNK", 2)
    seen: list[Progress] = []
    verify(ledger, on_progress=seen.append)
    assert [(each.checked, each.total) for each in seen] == [(2, SIZE), (4, SIZE), (SIZE, SIZE)]

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(ledger, on_progress=stop)


def test_one_ledger_says_nothing_of_another(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    chain(other, [make_event()])
    with tampering(superuser):
        set_record(superuser, ledger, 0, record=b"{}")

    assert verify(other).result == "intact"
    assert verify(ledger).result == "tampered"


@pytest.mark.parametrize(
    "arguments", [("--ledger", "no-such-ledger"), ("--from", "-1"), ("--to", "-5")]
)
def test_bad_usage_is_told_with_exit_2(ledger: Ledger, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("verifychain", "--ledger", ledger.name, *arguments)

    assert refused.value.returncode == 2


def test_the_command_itself_exits_1_when_tampered_and_2_for_a_ledger_unknown(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        set_record(superuser, ledger, 2, agent_id="mallory")

    code, out = _run(ledger.name)

    assert (code, out["first"]["seq"], out["first"]["field"]) == (1, 2, "agent_id")
    # As the worker, whose role is enough to say so in the ledger too.
    kept = Inbox.objects.filter(ledger=ledger).order_by("id").last()
    assert kept is not None
    assert json.loads(bytes(kept.events))["action"] == "audit.chain_broken"
    # The way of manage.py, without a process of its own.
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "verifychain", "--ledger", "no-such-ledger"])
    assert ended.value.code == 2


def test_the_sentence_for_people_names_ledger_seq_and_field(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        set_record(superuser, ledger, 3, outcome="denied")
    out = StringIO()

    with pytest.raises(SystemExit):
        call_command("verifychain", "--ledger", ledger.name, stdout=out)

    said = out.getvalue()
    assert f"{ledger.name}: TAMPERED at seq 3, field outcome" in said
    assert "expected success, found denied" in said


def _run(ledger_name: str) -> tuple[int, dict[str, Any]]:
    """Run the command as a process of its own, under the role it takes by itself."""
    environment = {k: v for k, v in os.environ.items() if k != "OBS_DATABASE_ROLE"}
    done = subprocess.run(
        [sys.executable, "manage.py", "verifychain", "--json", "--ledger", ledger_name],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def test_the_forger_of_these_tests_knows_the_format(ledger: Ledger, five: list[Entry]) -> None:
    for each in five:
        written = json.dumps(each.parsed(), sort_keys=True, separators=(",", ":"))
        assert written.encode() == bytes(each.record)
    assert entries(ledger)[0].parsed()["prev"] == GENESIS.hex()
