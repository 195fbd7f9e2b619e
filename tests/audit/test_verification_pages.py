"""Runs that were asked for: they wait as rows, show how far they are, stop, go on, and end once."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit import run_queue, runs, tasks
from audit.append import append_pending
from audit.errors import RunStopped
from audit.models import Ledger, Verification
from audit.verify import Progress, Report, verify_stepwise
from tests.audit.desk import administrator, auditor, get, main_ledger
from tests.audit.tampering import Connection
from tests.audit.test_runs import damage, told
from tests.conftest import chain, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["administrator", "auditor", "main_ledger"]  # fixtures, found by name here

RUNS = "/admin/audit/verification/"
SIZE = 10


@pytest.fixture
def ten(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a ledger of ten entries that is checked in chunks of two, each of them told."""
    chain(ledger, [make_event() for _ in range(SIZE)])
    monkeypatch.setattr("audit.verify.CHUNK", 2)
    monkeypatch.setattr("audit.runs._SAY_EVERY", 0.0)
    return ledger


def the_run(ledger: Ledger) -> Verification:
    return Verification.objects.filter(ledger=ledger).latest("id")


def begin(ledger: Ledger, *, chunks: int) -> Iterator[Progress | Report]:
    """Ask for a run, take it and check so many chunks; the rest is the caller's."""
    run_queue.ask_for_run(ledger, requested_by="Alice")
    taken = runs._take(ledger_id=ledger.id, waited=0.0)
    assert taken is not None
    working = runs.work(taken)
    for _ in range(chunks):
        next(working)
    return working


def make_stale(ledger: Ledger) -> None:
    """Let a run look as it does half a minute after its worker died."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_verification SET seen_at = now() - interval '31 s' WHERE ledger_id = %s",
            [ledger.id],
        )


# --- The queue ------------------------------------------------------------------------------------


def test_a_run_that_waits_is_taken_once_and_ends_with_a_result_and_an_entry(ten: Ledger) -> None:
    run_id = run_queue.ask_for_run(ten, requested_by="Alice")

    assert tasks.verify_run(ten.id) is None
    assert runs.work_through_queue(ten) == 0

    run = the_run(ten)
    assert (run.id, run.state, run.result, run.checked) == (run_id, "done", "intact", SIZE)
    assert (run.from_seq, run.to_seq, run.attempt) == (0, SIZE, 1)
    (event,) = told(ten)
    assert event["details"]["requested_by"] == "Alice"
    assert event["details"]["run"] == run_id


def test_without_redis_the_append_loop_does_it_chunk_by_chunk(
    ten: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.runs.GRACE", 0.0)
    for other in Ledger.objects.exclude(id=ten.id):
        runs.work_through_queue(other)
    run_queue.ask_for_run(ten)

    going = runs.work_a_step(None)
    assert the_run(ten).checked == 2
    steps = 1
    while (going := runs.work_a_step(going)) is not None:
        steps += 1

    assert steps == SIZE / 2 + 1  # five chunks and the report
    assert the_run(ten).result == "intact"
    assert runs.work_a_step(None) is None


def test_the_loop_leaves_a_new_run_to_celery_for_a_moment(ten: Ledger) -> None:
    run_queue.ask_for_run(ten)

    assert runs._take(ledger_id=ten.id, waited=60.0) is None
    assert the_run(ten).state == "queued"


def test_how_far_it_is_stands_in_the_row(ten: Ledger) -> None:
    working = begin(ten, chunks=3)

    run = the_run(ten)
    assert (run.state, run.checked, run.next_seq, run.total()) == ("running", 6, 6, SIZE)
    assert run.seen_at is not None
    assert run.result is None
    del working  # until here a worker had it
    assert the_run(ten).state == "failed"


def test_a_cancelled_run_stops_at_its_next_sign_and_proves_nothing(ten: Ledger) -> None:
    working = begin(ten, chunks=2)

    assert run_queue.cancel_run(ten, the_run(ten).id, by="Bob")
    assert list(working) == []

    run = the_run(ten)
    assert (run.state, run.result, run.checked, run.cancelled_by) == ("cancelled", None, 4, "Bob")
    (event,) = told(ten)
    assert (event["outcome"], event["actor"]["id"]) == ("unknown", "Bob")
    assert event["details"]["result"] == "cancelled"


def test_a_resumed_run_goes_on_where_it_stopped(ten: Ledger, monkeypatch: Any) -> None:
    begin(ten, chunks=3)
    run_id = the_run(ten).id
    run_queue.cancel_run(ten, run_id, by="Bob")
    read: list[int] = []
    original = verify_stepwise

    def watched(ledger: Ledger, **options: Any) -> Iterator[Progress | Report]:
        read.append(options["after"].next_seq)
        return original(ledger, **options)

    monkeypatch.setattr("audit.runs.verify_stepwise", watched)
    assert run_queue.resume_run(ten, run_id)
    assert runs.work_through_queue(ten) == 1

    run = the_run(ten)
    assert read == [6]
    assert (run.id, run.state, run.result, run.checked) == (run_id, "done", "intact", SIZE)
    assert (run.attempt, run.attempt_from) == (2, 6)


def test_what_was_found_before_the_stop_is_found_after_it(
    ten: Ledger, superuser: Connection
) -> None:
    damage(ten, superuser, 1)
    damage(ten, superuser, 8)
    begin(ten, chunks=2)
    run_queue.cancel_run(ten, the_run(ten).id, by="Bob")
    run_queue.resume_run(ten, the_run(ten).id)
    runs.work_through_queue(ten)

    run = the_run(ten)
    assert (run.result, run.bad_seq, run.bad_field, run.broken) == ("tampered", 1, "outcome", 2)
    assert (run.expected, run.found) == ("success", "denied")


def test_a_finding_stands_though_a_run_of_a_higher_number_was_intact_before_it(
    ten: Ledger, superuser: Connection
) -> None:
    begin(ten, chunks=1)
    early = the_run(ten).id
    run_queue.cancel_run(ten, early, by="Bob")
    assert runs.run_verification(ten, kind="manual", to_seq=SIZE).result == "intact"
    damage(ten, superuser, 8)
    run_queue.resume_run(ten, early)
    runs.work_through_queue(ten)

    with connection.cursor() as cursor:
        cursor.execute("SELECT result FROM audit_standing WHERE ledger_id = %s", [ten.id])
        assert cursor.fetchone() == ("tampered",)


def test_a_run_whose_worker_died_is_stalled_and_can_be_resumed(ten: Ledger) -> None:
    working = begin(ten, chunks=2)
    run_id = the_run(ten).id
    assert not run_queue.resume_run(ten, run_id)  # it is alive
    make_stale(ten)

    assert run_queue.resume_run(ten, run_id)
    runs.work_through_queue(ten)
    late = list(working)  # the dead worker was only slow

    run = the_run(ten)
    assert (run.state, run.result, run.checked, run.attempt) == ("done", "intact", SIZE, 2)
    assert late == []
    assert len(told(ten)) == 1


def test_what_has_ended_is_neither_cancelled_nor_resumed(ten: Ledger) -> None:
    run_queue.ask_for_run(ten)
    runs.work_through_queue(ten)
    run_id = the_run(ten).id

    assert not run_queue.cancel_run(ten, run_id, by="Bob")
    assert not run_queue.resume_run(ten, run_id)
    assert the_run(ten).result == "intact"


def test_a_run_by_command_that_is_cancelled_says_so(ten: Ledger) -> None:
    def cancel(progress: Progress) -> None:
        run_queue.cancel_run(ten, the_run(ten).id, by="Bob")

    with pytest.raises(RunStopped):
        runs.run_verification(ten, kind="manual", on_progress=cancel)

    assert the_run(ten).state == "cancelled"


def test_a_run_that_fails_says_why_and_can_be_resumed(
    ten: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_queue.ask_for_run(ten)

    def fail(*_: object, **__: object) -> Iterator[Progress | Report]:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("audit.runs.verify_stepwise", fail)
        with pytest.raises(OSError, match="disk"):
            runs.work_through_queue(ten)

    run = the_run(ten)
    assert (run.state, run.note) == ("failed", "OSError: the disk is gone")
    assert run_queue.resume_run(ten, run.id)
    assert runs.work_through_queue(ten) == 1
    assert the_run(ten).result == "intact"


@pytest.mark.usefixtures("alone")
def test_the_night_only_asks(ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(SIZE)])

    tasks.verify_all()

    run = the_run(ledger)
    assert (run.kind, run.state, run.requested_by) == ("nightly", "queued", "schedule")
    for each in Ledger.objects.order_by("id"):
        runs.work_through_queue(each)
    assert the_run(ledger).result == "intact"


# --- The pages ------------------------------------------------------------------------------------


def test_a_run_is_followed_by_its_numbers(auditor: Client, ten: Ledger) -> None:
    working = begin(ten, chunks=3)
    address = f"{RUNS}{the_run(ten).id}/"

    page = get(auditor, f"{address}change/")
    reach = auditor.get(f"{address}progress/").json()
    list(working)
    after = auditor.get(f"{address}progress/").json()

    assert "Cancel the run" not in page
    assert 'value="60"' in page
    assert (reach["word"], reach["checked"], reach["total"], reach["percent"]) == (
        *("running", 6, SIZE, 60),
    )
    assert (after["word"], after["percent"], after["left"]) == ("intact", 100, None)


def test_a_result_names_the_first_bad_entry_and_both_values(
    auditor: Client, ten: Ledger, superuser: Connection
) -> None:
    damage(ten, superuser, 3)
    run_queue.ask_for_run(ten)
    runs.work_through_queue(ten)

    page = html.unescape(get(auditor, f"{RUNS}{the_run(ten).id}/change/"))

    assert "Tampered: 1 fault in" in page
    assert f"/admin/audit/entry/{ten.name}/3/" in page
    assert ">success<" in page
    assert ">denied<" in page
    assert "3 outcome" in get(auditor, f"{RUNS}?ledger={ten.name}&show=findings").replace(
        "</a>", ""
    )


def test_an_administrator_cancels_and_resumes_by_the_page(
    administrator: Client, ten: Ledger
) -> None:
    working = begin(ten, chunks=1)
    address = f"{RUNS}{the_run(ten).id}/"
    assert "Cancel the run" in get(administrator, f"{address}change/")

    cancelled = administrator.post(f"{address}cancel/", follow=True).content.decode()
    list(working)
    resumed = administrator.post(f"{address}resume/", follow=True).content.decode()
    runs.work_through_queue(ten)

    assert "The run is cancelled" in cancelled
    assert "Resume the run" in cancelled
    assert "It was about to check #2 of #9" in cancelled
    assert "Waiting for a worker" in resumed
    assert "Intact: 10 entries" in get(administrator, f"{address}change/")


def test_an_auditor_sees_the_run_and_changes_nothing(auditor: Client, ten: Ledger) -> None:
    working = begin(ten, chunks=1)
    address = f"{RUNS}{the_run(ten).id}/"

    answers = [auditor.post(f"{address}{act}/").status_code for act in ("cancel", "resume")]

    assert answers == [403, 403]
    assert the_run(ten).state == "running"
    list(working)


def test_a_stalled_run_is_called_so(auditor: Client, ten: Ledger) -> None:
    working = begin(ten, chunks=1)
    make_stale(ten)

    page = get(auditor, f"{RUNS}{the_run(ten).id}/change/")

    assert "Stalled: its worker has given no sign" in page
    assert "stalled" in get(auditor, f"{RUNS}?ledger={ten.name}")
    list(working)


def test_the_list_begins_with_what_people_asked_for(auditor: Client, ten: Ledger) -> None:
    runs.verify_new(ten)
    runs.run_verification(ten, kind="manual", requested_by="Alice")
    append_pending(ten.id)

    asked = get(auditor, f"{RUNS}?ledger={ten.name}")
    every = get(auditor, f"{RUNS}?ledger={ten.name}&show=all")

    assert "Alice" in asked
    assert "what is new" not in asked
    assert "what is new" in every
    assert "No run found a change" in get(auditor, f"{RUNS}?ledger={ten.name}&show=findings")


def test_pages_of_runs_count_nothing_and_ask_little(auditor: Client, ten: Ledger) -> None:
    runs.run_verification(ten, kind="manual")

    for address in (
        f"{RUNS}?ledger={ten.name}&show=all",
        f"{RUNS}{the_run(ten).id}/change/",
        f"{RUNS}{the_run(ten).id}/progress/",
    ):
        with CaptureQueriesContext(connection) as queries:
            assert auditor.get(address).status_code == 200

        statements = [query["sql"].upper() for query in queries]
        assert not [one for one in statements if "COUNT(" in one or "OFFSET" in one]
        assert len(queries) <= 12
