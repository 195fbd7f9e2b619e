"""Erasing a data subject: what becomes unreadable, what stays provable, and who may stop it.

Retries of what was erased: test_erase_retries.py. The command: test_erase_command.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import transaction
from django.test import Client

from audit import erase
from audit.append import append_pending
from audit.certificate import certificate_text
from audit.erasing import take_erasure, work_on_erasure, work_through_erasures
from audit.errors import NotErased
from audit.exportfile import path_of
from audit.hold import apply_hold, release_hold
from audit.models import Erasure, Ledger, SubjectKey
from audit.seal import seal
from audit.subjects import hold_subjects
from audit.tombstones import tombstones
from audit.verify import verify
from tests.audit.erasing import (
    BORN,
    CAROL,
    about,
    again,
    erased,
    key_of,
    last_action,
    looked,
    own_tombstones,
)
from tests.audit.exporting import made, sealed
from tests.audit.tampering import AsRole
from tests.conftest import GOVERNANCE, chain, entries, make_event

__all__ = ["own_tombstones"]  # fixtures, which pytest finds by their names here


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
