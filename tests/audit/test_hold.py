"""Legal holds: what may be held, what stands in the ledger of it, and what it keeps."""

from __future__ import annotations

import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from audit.append import append_pending
from audit.database import rows
from audit.errors import HoldRefused, NoSuchSubject
from audit.hold import KINDS, covered, get_hold, holds_over_subject, release_hold
from audit.ledgers import open_ledger
from audit.models import Hold, Ledger
from audit.project import catch_up_all
from audit.subjects import read_subject
from tests.audit.legal import hold
from tests.audit.pruning import approved_plan, keep_no_longer, old_entries
from tests.conftest import GOVERNANCE, chain, entries, make_event, post

Connect = Callable[[str], psycopg.Connection[Any]]

SUBJECT = "cust-90210"


def about(subject_id: str = SUBJECT, **fields: Any) -> dict[str, Any]:
    """Return an event about a data subject."""
    return make_event(data={"subject_ids": [subject_id]}, **fields)


def in_case(case_id: str, **fields: Any) -> dict[str, Any]:
    """Return an event that belongs to a case."""
    return make_event(
        category="case", action="incident.detected", tool=None, case={"id": case_id}, **fields
    )


def pseudonym(ledger: Ledger, subject_id: str = SUBJECT) -> str:
    subject = read_subject(ledger.id, ledger.name, subject_id)
    assert subject is not None
    return subject.pseudonym()


def newest_event(ledger: Ledger) -> dict[str, Any]:
    append_pending(ledger.id)
    event: dict[str, Any] = entries(ledger)[-1].parsed()["event"]
    return event


# --- Applying ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "value"), [("ledger", ""), ("agent", "a-1"), ("case", "inc-7")])
def test_a_hold_is_a_row_and_an_entry_of_the_person(ledger: Ledger, kind: str, value: str) -> None:
    made = hold(ledger, kind=kind, value=value)

    assert (made.kind, made.value, made.matter) == (kind, value, "Doe v. Acme")
    assert made.is_standing()
    event = newest_event(ledger)
    assert event["action"] == "legal_hold.applied"
    assert event["category"] == "case"
    assert event["actor"] == {"type": "human", "id": "alice"}
    assert event["case"] == {"id": "Doe v. Acme"}
    assert event["target"] == {"type": kind, "id": value or ledger.name}
    assert event["reason"] == "counsel asked"
    assert event["details"] == {"hold": made.id, "via": "admin"}


def test_a_subject_is_held_by_its_pseudonym_and_never_named(ledger: Ledger) -> None:
    chain(ledger, [about()])

    made = hold(ledger, kind="subject", value=SUBJECT)

    assert made.value == pseudonym(ledger)
    event = newest_event(ledger)
    assert event["target"] == {"type": "subject", "id": made.value}
    assert event["details"]["subject_key"] == str(made.key_id)
    assert not [each for each in entries(ledger) if SUBJECT.encode() in bytes(each.record)]


def test_a_subject_that_nobody_knows_cannot_be_held(ledger: Ledger) -> None:
    with pytest.raises(NoSuchSubject) as refusal:
        hold(ledger, kind="subject", value=SUBJECT)

    assert refusal.value.field == "value"
    assert SUBJECT not in str(refusal.value)
    assert not Hold.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("kind", {"kind": "everything"}),
        ("value", {"kind": "ledger", "value": "main"}),
        ("value", {"kind": "agent", "value": ""}),
        ("value", {"kind": "agent", "value": "a" * 201}),
        ("value", {"kind": "case", "value": "a\0b"}),
        ("value", {"kind": "case", "value": "\ud800"}),
        ("matter", {"matter": " "}),
        ("matter", {"matter": "m" * 201}),
        ("reason", {"reason": ""}),
        ("reason", {"reason": "r" * 501}),
    ],
)
def test_what_cannot_be_held_is_told_by_its_field(
    ledger: Ledger, field: str, wrong: dict[str, str]
) -> None:
    with pytest.raises(HoldRefused) as refusal:
        hold(ledger, **wrong)

    assert refusal.value.field == field
    assert not Hold.objects.filter(ledger=ledger).exists()
    append_pending(ledger.id)
    assert entries(ledger) == []


def test_the_longest_words_are_taken(ledger: Ledger) -> None:
    made = hold(ledger, kind="agent", value="ä" * 200, matter="ö" * 200, reason="ü" * 500)

    assert newest_event(ledger)["target"]["id"] == made.value


def test_the_same_is_held_once_under_one_matter(ledger: Ledger) -> None:
    first = hold(ledger, kind="agent", value="a-1")

    with pytest.raises(HoldRefused, match=f"hold {first.id:,} stands"):
        hold(ledger, kind="agent", value="a-1")
    hold(ledger, kind="agent", value="a-1", matter="another")
    hold(ledger, kind="agent", value="a-2")
    release_hold(first, reason="settled", by="bob")
    hold(ledger, kind="agent", value="a-1")

    assert Hold.objects.filter(ledger=ledger, released_at=None).count() == 3


# --- Releasing -----------------------------------------------------------------------------------


def test_a_release_is_an_entry_and_leaves_the_rest_as_it_was(ledger: Ledger) -> None:
    made = hold(ledger, kind="case", value="inc-7")

    released = release_hold(made, reason="settled out of court", by="bob")

    assert not released.is_standing()
    assert (released.released_by, released.release_reason) == ("bob", "settled out of court")
    assert (released.applied_by, released.reason) == ("alice", "counsel asked")
    event = newest_event(ledger)
    assert event["action"] == "legal_hold.released"
    assert event["actor"]["id"] == "bob"
    assert event["case"] == {"id": "Doe v. Acme"}
    assert event["target"] == {"type": "case", "id": "inc-7"}


def test_a_hold_is_released_once_and_with_a_reason(ledger: Ledger) -> None:
    made = hold(ledger)

    with pytest.raises(HoldRefused, match="reason"):
        release_hold(made, reason=" ", by="bob")
    release_hold(made, reason="settled", by="bob")
    with pytest.raises(HoldRefused, match="released by bob before"):
        release_hold(made, reason="settled", by="carol")

    append_pending(ledger.id)
    actions = [each.action for each in entries(ledger)]
    assert actions == ["legal_hold.applied", "legal_hold.released"]


# --- What holds keep from erasure ----------------------------------------------------------------


def over(ledger: Ledger) -> set[int]:
    return {each.id for each in holds_over_subject(ledger, pseudonym=pseudonym(ledger))}


@pytest.fixture(params=["indexed", "chained", "waiting"])
def told(ledger: Ledger, request: pytest.FixtureRequest) -> Ledger:
    """Return a ledger that is told about two subjects, each by an agent and in a case."""
    post(
        ledger,
        [
            about(agent={"id": "named-agent"}),
            about("somebody-else", agent={"id": "other-agent"}),
            in_case("named-case", data={"subject_ids": [SUBJECT]}),
            in_case("other-case", data={"subject_ids": ["somebody-else"]}),
        ],
        sender=GOVERNANCE,
    )
    if request.param != "waiting":
        append_pending(ledger.id)
    if request.param == "indexed":
        catch_up_all(ledger.id)
    return ledger


def test_a_subject_is_kept_by_what_names_it_and_by_nothing_else(told: Ledger) -> None:
    keeping = {
        hold(told).id,
        hold(told, kind="subject", value=SUBJECT).id,
        hold(told, kind="agent", value="named-agent").id,
        hold(told, kind="case", value="named-case").id,
    }
    for kind, value in [
        ("subject", "somebody-else"),
        ("agent", "other-agent"),
        ("agent", "named-case"),
        ("case", "other-case"),
        ("case", "named-agent"),
    ]:
        hold(told, kind=kind, value=value)

    assert over(told) == keeping


def test_a_released_hold_keeps_nobody(told: Ledger) -> None:
    made = [
        hold(told),
        hold(told, kind="subject", value=SUBJECT),
        hold(told, kind="agent", value="named-agent"),
        hold(told, kind="case", value="named-case"),
    ]
    for each in made:
        release_hold(each, reason="settled", by="bob")

    assert over(told) == set()


def test_a_hold_of_another_ledger_keeps_nobody_here(told: Ledger) -> None:
    hold(open_ledger(f"t.{uuid.uuid4().hex[:16]}"))

    assert over(told) == set()


# --- What holds cover ----------------------------------------------------------------------------


def test_what_is_covered_is_counted_of_what_is_kept(ledger: Ledger) -> None:
    chain(
        ledger,
        [
            about(agent={"id": "a-1"}),
            make_event(agent={"id": "a-1"}),
            make_event(),
            in_case("inc-7", data={"subject_ids": [SUBJECT]}),
        ],
        sender=GOVERNANCE,
    )
    catch_up_all(ledger.id)

    found = {}
    for kind, value in [
        *(("ledger", ""), ("agent", "a-1"), ("subject", SUBJECT), ("case", "inc-7")),
        ("case", "inc-8"),
    ]:
        coverage = covered(hold(ledger, kind=kind, value=value))
        found[f"{kind} {value}"] = (coverage.entries, coverage.first_seq, coverage.last_seq)
        assert coverage.is_exact

    assert found == {
        "ledger ": (4, 0, 3),
        "agent a-1": (2, 0, 1),
        f"subject {SUBJECT}": (2, 0, 3),
        "case inc-7": (1, 3, 3),
        "case inc-8": (0, None, None),
    }


def test_a_count_that_ends_early_says_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.hold.MOST_COUNTED", 2)
    chain(ledger, [in_case("inc-7"), *(make_event() for _ in range(3))], sender=GOVERNANCE)

    agent = covered(hold(ledger, kind="agent", value="alice-agent"))
    case = covered(hold(ledger, kind="case", value="inc-7"))

    assert (agent.entries, agent.is_exact) == (2, False)
    assert (case.entries, case.is_exact) == (0, False)


# --- Against a purge and an erasure that begin at the same moment ---------------------------------


@pytest.fixture
def elsewhere(django_db_blocker: DjangoDbBlocker) -> Iterator[Callable[..., Future[Any]]]:
    """Return what runs a function in a thread with a database connection of its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:

        def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
            def work() -> Any:
                try:
                    return function(*args, **kwargs)
                finally:
                    connection.close()

            return pool.submit(work)

        yield run


def wait_for_a_waiter(watcher: psycopg.Connection[Any], holder: int) -> None:
    """Return once somebody waits for a lock that this backend holds; fails after 30 seconds."""
    pause = threading.Event()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        waiting = watcher.execute(
            "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [holder]
        ).fetchall()
        if waiting:
            return
        pause.wait(0.02)
    raise AssertionError("nobody waited for the lock")


def test_a_purge_that_begins_first_makes_a_hold_wait(
    ledger: Ledger, as_role: Connect, elsewhere: Callable[..., Future[Any]]
) -> None:
    owner = as_role("owner")
    old_entries(ledger, [make_event() for _ in range(256)])
    keep_no_longer(owner, ledger)
    plan_id = approved_plan(owner, ledger, to_seq=256)

    with owner.transaction():
        owner.execute("SELECT audit_prune(%s, %s, 100)", [ledger.id, plan_id])
        made = elsewhere(hold, ledger)
        wait_for_a_waiter(as_role("superuser"), owner.info.backend_pid)
        assert not made.done()

    assert made.result(timeout=30).is_standing()
    found = owner.execute("SELECT audit_prune(%s, %s, 1000)", [ledger.id, plan_id]).fetchone()
    assert found == (156,)  # what has begun is not undone by halves


def test_a_hold_that_is_applied_first_refuses_a_purge(
    ledger: Ledger, as_role: Connect, elsewhere: Callable[..., Future[Any]]
) -> None:
    owner = as_role("owner")
    old_entries(ledger, [make_event() for _ in range(256)])
    keep_no_longer(owner, ledger)
    plan_id = approved_plan(owner, ledger, to_seq=256)

    def prune() -> None:
        owner.execute("SELECT audit_prune(%s, %s, 100)", [ledger.id, plan_id])

    with transaction.atomic():
        made = hold(ledger, kind="agent", value="alice-agent")
        ((holder,),) = rows("SELECT pg_backend_pid()")
        pruned = elsewhere(prune)
        wait_for_a_waiter(as_role("superuser"), holder)

    with pytest.raises(psycopg.Error, match=f"entry 0 must stay: held {made.id}"):
        pruned.result(timeout=30)
    assert len([each for each in entries(ledger) if each.seq < 256]) == 256


def test_an_erasure_that_comes_first_leaves_nobody_to_hold(
    ledger: Ledger, as_role: Connect, elsewhere: Callable[..., Future[Any]]
) -> None:
    worker = as_role("worker")
    chain(ledger, [about()])

    with worker.transaction():
        worker.execute("SELECT pg_advisory_xact_lock(13013, %s)", [ledger.id])
        made = elsewhere(hold, ledger, kind="subject", value=SUBJECT)
        wait_for_a_waiter(as_role("superuser"), worker.info.backend_pid)
        worker.execute(
            "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL, "
            "erased_at = clock_timestamp() WHERE ledger_id = %s",
            [ledger.id],
        )

    with pytest.raises(NoSuchSubject):
        made.result(timeout=30)


# --- The command ---------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("hold", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_applies_lists_and_releases(ledger: Ledger) -> None:
    said = json.loads(
        run(
            *("apply", "--ledger", ledger.name, "--kind", "agent", "--value", "a-1"),
            *("--matter", "m-1", "--reason", "counsel asked", "--json"),
        )
    )
    listed = run("list", "--ledger", ledger.name)
    released = json.loads(
        run("release", str(said["id"]), "--ledger", ledger.name, "--reason", "settled", "--json")
    )

    assert (said["kind"], said["value"], said["matter"]) == ("agent", "a-1", "m-1")
    assert said["released_at"] is None
    assert f"{said['id']}  agent a-1  m-1" in listed
    assert released["id"] == said["id"]
    assert released["release_reason"] == "settled"
    assert run("list", "--ledger", ledger.name) == ""
    assert f"{said['id']}  agent a-1  m-1" in run("list", "--ledger", ledger.name, "--all")


def test_what_a_command_did_is_no_persons_entry(ledger: Ledger) -> None:
    run("apply", "--ledger", ledger.name, "--matter", "m-1", "--reason", "counsel asked")

    append_pending(ledger.id)
    record = entries(ledger)[-1].parsed()
    assert record["source"]["via"] == "server"
    assert record["event"]["details"]["via"] == "command"
    assert record["event"]["details"]["by"]


def test_the_command_reads_a_subject_from_standard_input(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain(ledger, [about()])
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SUBJECT}\n"))

    said = json.loads(
        run(
            *("apply", "--ledger", ledger.name, "--kind", "subject", "--value-stdin"),
            *("--matter", "m-1", "--reason", "counsel asked", "--json"),
        )
    )

    assert said["value"] == pseudonym(ledger)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("apply", "--ledger", "nowhere", "--matter", "m", "--reason", "r"), 2),
        (("apply", "--kind", "agent", "--matter", "m", "--reason", "r"), 2),
        (("apply", "--kind", "subject", "--value", "x", "--matter", "m", "--reason", "r"), 2),
        (("release", "--reason", "r"), 2),
        (("release", "999999999", "--reason", "r"), 2),
    ],
)
def test_wrong_usage_is_told(database: None, arguments: tuple[str, ...], code: int) -> None:
    with pytest.raises(CommandError) as refusal:
        run(*arguments)

    assert refusal.value.returncode == code


def test_a_second_release_by_command_is_no_success(ledger: Ledger) -> None:
    made = hold(ledger)
    release_hold(made, reason="settled", by="bob")

    with pytest.raises(CommandError) as refusal:
        run("release", str(made.id), "--ledger", ledger.name, "--reason", "again")

    assert refusal.value.returncode == 1
    assert get_hold(ledger.id, made.id).released_by == "bob"


def test_every_kind_is_one_that_the_table_takes(ledger: Ledger) -> None:
    (definition,) = rows(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'audit_hold_kind'"
    )

    assert all(f"'{kind}'" in definition[0] for kind in KINDS)
