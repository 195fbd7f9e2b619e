"""Erasing a data subject: what becomes unreadable, what stays, and that nothing brings it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.test import Client

from audit import erase
from audit.append import append_pending
from audit.certificate import certificate_text
from audit.erasing import erase_again, take_erasure, work_on_erasure, work_through_erasures
from audit.errors import NotErased, TombstonesUnreadable
from audit.exportfile import path_of
from audit.hold import apply_hold, release_hold
from audit.models import Erasure, Inbox, Ledger, Quarantine, SubjectEntry, SubjectKey
from audit.project import catch_up, projections, rebuild
from audit.seal import seal
from audit.subjects import hold_subjects
from audit.tombstones import bury, is_buried, living, tombstones
from audit.verify import verify
from obsplatform.readiness import check_erasures
from tests.audit.erasing import BORN, CAROL, about, again, erased, looked
from tests.audit.exporting import made, sealed
from tests.audit.pruning import old_entries, prune
from tests.conftest import GOVERNANCE, chain, entries, make_event, post

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]


@pytest.fixture(autouse=True)
def own_tombstones(tmp_path: Path, settings: Any) -> None:
    """Each test has a graveyard of its own."""
    settings.TOMBSTONES = tmp_path / "keys" / "tombstones"


def key_of(ledger: Ledger) -> SubjectKey:
    return SubjectKey.objects.get(ledger=ledger)


def last_action(ledger: Ledger) -> dict[str, Any]:
    event: dict[str, Any] = entries(ledger)[-1].parsed()["event"]
    return event


# --- The index ------------------------------------------------------------------------------------


def test_the_index_knows_each_entry_that_names_a_subject(ledger: Ledger) -> None:
    chain(ledger, [about(), make_event(), about("dave"), about()])
    index = projections()["subjects"]

    catch_up(ledger.id, index)

    found = erase.find_subject(ledger, CAROL)
    assert found is not None
    assert erase.subject_entries(ledger, found.pseudonym) == [0, 3]
    assert erase.subject_entries(ledger, found.pseudonym, after=0, limit=1) == [3]
    before = list(SubjectEntry.objects.filter(ledger=ledger).values_list("pseudonym", "seq"))
    rebuild(ledger, index)
    assert sorted(before) == sorted(
        SubjectEntry.objects.filter(ledger=ledger).values_list("pseudonym", "seq")
    )


def test_an_id_inside_free_text_makes_no_line_of_the_index(ledger: Ledger) -> None:
    chain(ledger, [make_event(details={"data": {"subject_ids": ["x"]}, "said": '"subject_ids":'})])

    catch_up(ledger.id, projections()["subjects"])

    assert not SubjectEntry.objects.filter(ledger=ledger).exists()


def test_nobody_is_found_who_was_never_named(ledger: Ledger) -> None:
    chain(ledger, [about()])

    assert erase.find_subject(ledger, "dave") is None
    assert erase.find_subject(ledger, "half \ud800 of one") is None
    assert not SubjectKey.objects.filter(ledger=ledger).exclude(key_id=key_of(ledger).key_id)


# --- Looking --------------------------------------------------------------------------------------


def test_a_preview_counts_and_erases_nothing(ledger: Ledger) -> None:
    chain(
        ledger,
        [
            about(),
            make_event(data={"subject_ids": [CAROL]}),
            make_event(details={"said": f"mail of {CAROL} came"}),
            make_event(),
        ],
    )

    found = looked(ledger)

    assert found.state == "ready"
    assert (found.entries, found.personal_entries, found.clear_entries) == (2, 1, 1)
    assert (found.first_seq, found.last_seq, found.clear_seqs) == (0, 1, [2])
    assert key_of(ledger).wrapped is not None
    assert tombstones() == []


def test_an_id_is_found_in_clear_however_json_writes_it(ledger: Ledger) -> None:
    odd = 'Carol "C" \\ naïve\n'
    chain(ledger, [about(odd), make_event(details={"said": f"<{odd}>"})])

    found = looked(ledger, odd)

    assert (found.entries, found.clear_entries) == (1, 1)


def test_what_was_typed_is_sealed_while_open_and_gone_at_the_end(
    ledger: Ledger, as_role: AsRole
) -> None:
    chain(ledger, [about()])
    open_one = looked(ledger)
    assert open_one.typed is not None
    assert CAROL.encode() not in bytes(open_one.typed)

    erase.cancel_erasure(open_one, by="alice")

    assert again(open_one).typed is None
    kept = as_role("superuser").execute(
        "SELECT string_agg(e::text, '') FROM audit_erasure AS e WHERE ledger_id = %s", [ledger.id]
    )
    assert CAROL not in str(kept.fetchone())


def test_a_worker_that_was_lost_is_followed_by_one_that_goes_on(
    ledger: Ledger, as_role: AsRole
) -> None:
    chain(ledger, [about() for _ in range(3)])
    asked = erase.ask_for_erasure(ledger, CAROL, case_id="DSR-1", reason="a letter", by="alice")
    job = take_erasure(ledger_id=ledger.id, waited=0)
    assert job is not None
    working = work_on_erasure(job)
    while again(asked).next_seq == 0:
        next(working)
    as_role("owner").execute(
        "UPDATE audit_erasure SET seen_at = now() - interval '1 minute' WHERE id = %s", [asked.id]
    )

    work_through_erasures(ledger)

    assert (again(asked).state, again(asked).entries) == ("ready", 3)
    assert list(working) == []  # what the lost one would still say counts for nothing
    assert (again(asked).state, again(asked).attempt) == ("ready", 2)


def test_a_cancelled_one_is_left_by_its_worker(ledger: Ledger) -> None:
    chain(ledger, [about()])
    asked = erase.ask_for_erasure(ledger, CAROL, case_id="DSR-1", reason="a letter", by="alice")
    job = take_erasure(ledger_id=ledger.id, waited=0)
    assert job is not None

    assert erase.cancel_erasure(asked, by="alice")
    list(work_on_erasure(job))

    assert again(asked).state == "cancelled"
    assert not erase.cancel_erasure(again(asked), by="alice")


@pytest.mark.parametrize(
    "wrong",
    [
        {"case_id": " "},
        {"reason": ""},
        {"reason": "x" * 501},
        {"reason": "nul \0"},
        {"reason": f"forget {CAROL.upper()}"},
        {"case_id": CAROL},
    ],
)
def test_asking_needs_a_case_and_a_reason_without_the_id(
    ledger: Ledger, wrong: dict[str, str]
) -> None:
    chain(ledger, [about()])

    given = {"case_id": "DSR-1", "reason": "a letter"} | wrong

    with pytest.raises(NotErased) as refused:
        erase.ask_for_erasure(
            ledger, CAROL, case_id=given["case_id"], reason=given["reason"], by="alice"
        )

    assert CAROL not in str(refused.value)
    assert not Erasure.objects.filter(ledger=ledger).exists()


def test_a_subject_has_one_open_erasure(ledger: Ledger) -> None:
    chain(ledger, [about()])
    first = looked(ledger)

    with pytest.raises(NotErased, match="open already"):
        looked(ledger)

    erase.cancel_erasure(first, by="alice")
    assert looked(ledger).state == "ready"


# --- Erasing --------------------------------------------------------------------------------------


def test_an_erased_subject_cannot_be_read_anywhere_and_every_proof_holds(
    ledger: Ledger, as_role: AsRole
) -> None:
    chain(ledger, [about(), make_event(), about()])
    subject = _held(ledger)
    pseudonym, sealed_data = subject.pseudonym(), entries(ledger)[0].parsed()["event"]["personal"]
    before = [(each.hash, bytes(each.record)) for each in entries(ledger)]

    done = erased(ledger)

    assert done.state == "done"
    assert (done.entries, done.personal_entries) == (2, 2)
    key = SubjectKey.objects.get(ledger=ledger, key_id=subject.key_id)
    assert (key.lookup, key.wrapped) == (None, None)
    assert key.erased_at == done.erased_at
    assert erase.find_subject(ledger, CAROL) is None
    # Whoever held the data key before could still read: no copy of it is left in the database.
    assert subject.decrypt(sealed_data, event_id=entries(ledger)[0].event_id) == {"born": BORN}
    assert before == [(each.hash, bytes(each.record)) for each in entries(ledger)[: len(before)]]
    assert _held(ledger).pseudonym() != pseudonym
    assert verify(ledger).result == "intact"


def test_no_api_and_no_bundle_made_later_shows_who_it_was(
    ledger: Ledger, api_key: Callable[..., str]
) -> None:
    sealed(ledger, 3)
    found, *_ = chain(ledger, [about()])[3:]
    erased(ledger)
    assert seal(ledger) is not None
    reader = {"authorization": f"Bearer {api_key(ledger, 'entries:read')}"}

    bundle = path_of(made(ledger, renderings=["csv", "ocsf", "cef"])).read_bytes()
    shown = Client().get(f"/api/v1/entries?ledger={ledger.name}", headers=reader).content
    proof = Client().get(f"/api/v1/entries/{ledger.name}/{found.seq}/proof", headers=reader)

    for clear in (CAROL.encode(), BORN.encode()):
        assert clear not in bundle
        assert clear not in shown
    assert proof.status_code == 200
    assert verify(ledger).result == "intact"


def _held(ledger: Ledger) -> Any:
    with transaction.atomic():
        return hold_subjects([CAROL], ledger_id=ledger.id, ledger_name=ledger.name)[CAROL]


def test_the_act_is_an_entry_that_names_the_key_alone(ledger: Ledger) -> None:
    chain(ledger, [about()])
    found = erase.find_subject(ledger, CAROL)
    assert found is not None

    done = erased(ledger)

    event = last_action(ledger)
    assert (event["action"], event["outcome"]) == ("dsr.completed", "success")
    assert event["case"] == {"id": "DSR-1", "dsr_type": "erasure"}
    assert event["target"] == {"type": "subject_key", "id": str(found.key_id)}
    assert event["actor"] == {"type": "human", "id": "bob"}
    assert event["details"]["entries"] == 1
    assert event["id"] == str(done.completed_id)
    told = b"".join(bytes(each.record) for each in entries(ledger)[1:])
    assert CAROL.encode() not in told
    assert found.pseudonym.encode() not in told


def test_another_id_confirms_nothing(ledger: Ledger) -> None:
    chain(ledger, [about(), about("dave.novak")])
    ready = looked(ledger)

    with pytest.raises(NotErased, match="another id"):
        erase.confirm_erasure(ready, "dave.novak", reason="a letter", by="bob")

    assert again(ready).state == "ready"


def test_entries_that_came_after_the_preview_are_counted_too(ledger: Ledger) -> None:
    chain(ledger, [about()])
    ready = looked(ledger)
    chain(ledger, [about(), make_event(details={"said": CAROL})])

    erase.confirm_erasure(ready, CAROL, reason="a letter", by="bob")
    work_through_erasures(ledger)

    done = again(ready)
    assert (done.entries, done.clear_entries) == (2, 1)


def test_a_lost_tombstone_file_stops_the_act_and_says_so(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    """The key must not be blanked before its tombstone stands."""
    chain(ledger, [about()])
    ready = looked(ledger)
    settings.TOMBSTONES = tmp_path  # a folder cannot be written to
    erase.confirm_erasure(ready, CAROL, reason="a letter", by="bob")

    work_through_erasures(ledger)

    assert again(ready).state == "erasing"
    assert "will try again" in again(ready).note
    assert key_of(ledger).wrapped is not None


def test_an_ended_erasure_and_an_erased_key_never_change(ledger: Ledger, as_role: AsRole) -> None:
    chain(ledger, [about()])
    done = erased(ledger)
    owner = as_role("owner")

    for statement in (
        "UPDATE audit_erasure SET note = 'x' WHERE ledger_id = %s",
        "UPDATE audit_erasure SET state = 'ready', typed = 'x' WHERE ledger_id = %s",
        "DELETE FROM audit_erasure WHERE ledger_id = %s",
        "UPDATE audit_subjectkey SET wrapped = 'x' WHERE ledger_id = %s",
        "UPDATE audit_subjectkey SET lookup = 'x', wrapped = 'x' WHERE ledger_id = %s",
        "UPDATE audit_subjectkey SET erased_at = NULL WHERE ledger_id = %s",
        "UPDATE audit_subjectkey SET key_id = gen_random_uuid() WHERE ledger_id = %s",
    ):
        with pytest.raises(psycopg.DatabaseError) as refused:
            owner.execute(statement, [ledger.id])
        assert refused.value.sqlstate == "OBS01", statement

    assert again(done).state == "done"
    moved = owner.execute(
        "UPDATE audit_subjectkey SET used_on = '2027-01-01' WHERE ledger_id = %s", [ledger.id]
    )
    assert moved.rowcount == 1


def test_web_may_ask_and_confirm_and_not_say_that_it_was_done(
    ledger: Ledger, as_role: AsRole
) -> None:
    chain(ledger, [about()])
    looked(ledger)
    web = as_role("web")

    for statement in (
        "UPDATE audit_erasure SET erased_at = now() WHERE ledger_id = %s",
        "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL WHERE ledger_id = %s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute(statement, [ledger.id])
    with pytest.raises(psycopg.errors.CheckViolation):
        web.execute(
            "UPDATE audit_erasure SET state = 'done', typed = NULL, confirmed_by = 'x', "
            "confirmed_at = now() WHERE ledger_id = %s",
            [ledger.id],
        )


def test_the_certificate_counts_and_names_the_entry(ledger: Ledger) -> None:
    chain(ledger, [about(), make_event(details={"said": CAROL})])
    with pytest.raises(NotErased, match="of a done one"):
        erase.certificate_facts(looked(ledger))

    (ready,) = Erasure.objects.filter(ledger=ledger)
    erase.confirm_erasure(again(ready), CAROL, reason="a letter", by="bob")
    work_through_erasures(ledger)
    append_pending(ledger.id)

    facts = erase.certificate_facts(again(ready))
    completed = entries(ledger)[-1]
    assert facts.completed_seq == completed.seq
    assert (facts.head_size, facts.head_hash) == (completed.seq + 1, completed.hash)
    assert (facts.entries, facts.clear_entries, facts.clear_seqs) == (1, 1, (1,))
    text = certificate_text(facts)
    assert str(facts.key_id) in text
    assert CAROL not in text


# --- Holds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [("ledger", ""), ("subject", CAROL), ("agent", "alice-agent"), ("case", "C-9")],
)
def test_a_hold_refuses_an_erasure_with_its_reason(ledger: Ledger, kind: str, value: str) -> None:
    chain(ledger, [about(case={"id": "C-9"})], sender=GOVERNANCE)
    hold = apply_hold(ledger, kind=kind, value=value, matter="M-1", reason="a court", by="dora")

    refused = erased(ledger)

    assert (refused.state, refused.held_by) == ("refused", [hold.id])
    assert "M-1" in refused.note
    assert key_of(ledger).wrapped is not None
    assert tombstones() == []
    event = last_action(ledger)
    assert (event["action"], event["outcome"]) == ("dsr.refused", "denied")
    assert event["details"]["holds"] == [hold.id]
    release_hold(hold, reason="settled", by="dora")
    assert erased(ledger).state == "done"


def test_a_hold_over_others_refuses_nothing(ledger: Ledger) -> None:
    chain(ledger, [about(), about("dave"), make_event(agent={"id": "other"})])
    apply_hold(ledger, kind="subject", value="dave", matter="M-1", reason="a court", by="dora")
    apply_hold(ledger, kind="agent", value="other", matter="M-2", reason="a court", by="dora")

    assert erased(ledger).state == "done"


# --- Retries of what was erased -------------------------------------------------------------------


def test_a_retry_after_an_erasure_is_a_duplicate_by_its_id_alone(ledger: Ledger) -> None:
    event, other = about(), about()
    chain(ledger, [event, other])
    erased(ledger)
    size, keys = len(entries(ledger)), SubjectKey.objects.filter(ledger=ledger).count()

    (first,) = post(ledger, [event])
    changed, fresh = post(ledger, [other | {"outcome": "failure"}, make_event()])

    assert (first.status, first.seq, first.digest) == ("duplicate", 0, None)
    assert first.event_sha256 is not None
    assert (changed.status, fresh.status) == ("duplicate", "received")
    append_pending(ledger.id)
    assert len(entries(ledger)) == size + 1
    assert not Quarantine.objects.filter(ledger=ledger).exists()
    assert SubjectKey.objects.filter(ledger=ledger).count() == keys


def test_a_retry_is_a_duplicate_too_when_the_person_has_come_back(ledger: Ledger) -> None:
    event = about()
    chain(ledger, [event])
    erased(ledger)
    chain(ledger, [about()])

    (receipt,) = post(ledger, [event])

    assert (receipt.status, receipt.seq) == ("duplicate", 0)


def test_a_retry_without_personal_data_is_still_compared(ledger: Ledger) -> None:
    event = make_event(data={"subject_ids": [CAROL]})
    chain(ledger, [event])
    erased(ledger)
    keys = SubjectKey.objects.filter(ledger=ledger).count()

    (same,) = post(ledger, [event])
    assert SubjectKey.objects.filter(ledger=ledger).count() == keys
    (other,) = post(ledger, [event | {"outcome": "failure"}])

    assert (same.status, other.status) == ("duplicate", "conflict")


def test_other_content_under_the_id_of_somebody_else_is_a_conflict(ledger: Ledger) -> None:
    event, plain = about("dave"), make_event()
    chain(ledger, [event, plain, about()])
    erased(ledger)

    taken = post(ledger, [about(id=event["id"]), about(id=plain["id"])])

    assert [each.status for each in taken] == ["conflict", "conflict"]


def test_a_retry_that_waited_beside_its_first_is_dropped_when_chained(ledger: Ledger) -> None:
    """Both are accepted, the second under a new key: only chaining can tell."""
    event = about()
    post(ledger, [event])
    done = erase.ask_for_erasure(ledger, CAROL, case_id="DSR-1", reason="a letter", by="alice")
    _erase_before_chaining(ledger, done)

    (again_,) = post(ledger, [event])
    append_pending(ledger.id)

    assert again_.status == "received"
    assert not Quarantine.objects.filter(ledger=ledger).exists()
    held = [e.parsed()["event"] for e in entries(ledger) if "personal" in e.parsed()["event"]]
    assert [each["personal"]["key_id"] for each in held] == [str(done.key_id)]


def _erase_before_chaining(ledger: Ledger, asked: Erasure) -> None:
    work_through_erasures(ledger)
    erase.confirm_erasure(again(asked), CAROL, reason="a letter", by="bob")
    work_through_erasures(ledger)
    assert again(asked).state == "done"
    assert Inbox.objects.filter(ledger=ledger).exists()


def test_a_retry_of_a_pruned_entry_is_a_duplicate_by_its_id_alone(
    ledger: Ledger, as_role: AsRole
) -> None:
    event = about()
    old_entries(ledger, [event, *(make_event() for _ in range(300))])
    erased(ledger)
    prune(as_role("owner"), ledger, to_seq=256)

    (receipt,) = post(ledger, [event])

    assert (receipt.status, receipt.seq) == ("duplicate", 0)


# --- Tombstones -----------------------------------------------------------------------------------


def test_a_tombstone_is_written_once_and_for_its_owner_alone(settings: Any) -> None:
    key_id = uuid.uuid4()

    bury(key_id, ledger="main")
    bury(key_id, ledger="main")

    (stone,) = tombstones()
    assert (stone.key_id, stone.ledger) == (key_id, "main")
    assert is_buried(key_id)
    assert settings.TOMBSTONES.stat().st_mode & 0o777 == 0o600


def test_half_a_line_is_no_tombstone_and_is_written_over(settings: Any) -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    bury(first, ledger="main")
    with settings.TOMBSTONES.open("a") as file:
        file.write(str(second)[:20])

    assert [each.key_id for each in tombstones()] == [first]
    bury(second, ledger="main")

    assert [each.key_id for each in tombstones()] == [first, second]


def test_a_damaged_file_is_told_with_its_line(settings: Any) -> None:
    bury(uuid.uuid4(), ledger="main")
    with settings.TOMBSTONES.open("a") as file:
        file.write("no tombstone at all\n")

    with pytest.raises(TombstonesUnreadable, match="line 2"):
        tombstones()
    assert check_erasures().status == "degraded"


def test_a_tombstone_stands_before_the_key_goes(ledger: Ledger) -> None:
    """A crash between the two must end in an erased key, never in a forgotten one."""
    chain(ledger, [about()])
    key_id = key_of(ledger).key_id

    bury(key_id, ledger=ledger.name)

    assert [each.key_id for each in living()] == [key_id]
    assert check_erasures().status == "degraded"
    assert erase_again() == 1
    assert check_erasures().status == "ok"
    assert erase_again() == 0
    append_pending(ledger.id)
    event = last_action(ledger)
    assert event["action"] == "data.delete"
    assert event["target"]["id"] == str(key_id)


# --- The command ----------------------------------------------------------------------------------


# Each with its own stdin and exit code, as from a shell: starting Django is most of the time.
_ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from django.core.management import execute_from_command_line

said = []
for arguments in json.loads(sys.argv[1]):
    sys.stdin, out, err, code = io.StringIO(sys.argv[2] + "\\n"), io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute_from_command_line(["manage.py", "erase", *arguments])
        except SystemExit as ended:
            code = ended.code
    said.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""


def run(*arguments: str) -> Any:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", "erase", *arguments],
        cwd=settings.BASE_DIR,
        input=f"{CAROL}\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_each(*commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Run the command several times in one process; return exit code, stdout and stderr of each."""
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_ANOTHER, json.dumps(commands), CAROL],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [(code, out, err) for code, out, err in json.loads(done.stdout.splitlines()[-1])]


def test_the_command_does_all_of_it_and_reads_the_id_from_stdin(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_TOMBSTONES", str(tmp_path / "stones"))
    monkeypatch.setenv("OBS_DATABASE_ROLE", "worker")
    chain(ledger, [about()])
    of = ("-", "--ledger", ledger.name, "--json")

    found, unlooked, preview = run_each(
        ("find", *of),
        ("run", *of, "--reason", "a letter"),
        ("preview", *of, "--case", "DSR-1", "--reason", "a letter"),
    )
    ready = json.loads(preview[1])
    done = json.loads(run("run", *of).stdout)
    append_pending(ledger.id)
    pdf = tmp_path / "certificate.pdf"
    number = str(done["erasure"])
    certified, _, gone = run_each(
        ("certificate", number, "--ledger", ledger.name),
        ("certificate", number, "--ledger", ledger.name, "--pdf", str(pdf)),
        ("find", *of),
    )

    assert json.loads(found[1])["entries"] == 1
    assert unlooked[0] == 1
    assert "erase preview" in unlooked[2]
    assert (ready["state"], ready["entries"], done["state"]) == ("ready", 1, "done")
    assert "CERTIFICATE OF ERASURE" in certified[1]
    assert pdf.read_bytes().startswith(b"%PDF")
    assert gone[0] == 1
    assert (tmp_path / "stones").read_text().startswith(done["key_id"])
    assert last_action(ledger)["actor"] == {"type": "system", "id": "platform"}


def test_the_command_refuses_what_it_cannot_understand(ledger: Ledger) -> None:
    with pytest.raises(CommandError, match="there is no ledger"):
        call_command("erase", "find", "x", ledger="nowhere")
    with pytest.raises(CommandError, match="name the subject"):
        call_command("erase", "find", ledger=ledger.name)
    with pytest.raises(CommandError, match="by its number"):
        call_command("erase", "certificate", "x", ledger=ledger.name)
    with pytest.raises(CommandError, match="has no erasure"):
        call_command("erase", "certificate", "999999999", ledger=ledger.name)
