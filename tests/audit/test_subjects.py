"""Data subjects: one key each and ledger, pseudonyms that hold, and no race with an erasure."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from django.db import connections, transaction

from audit.ledgers import open_ledger
from audit.models import Inbox, Ledger, SubjectKey
from audit.subjects import Subject, hold_subjects, lookup_of
from tests.conftest import make_event, post

AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]


def hold(ledger: Ledger, *names: str) -> dict[str, Subject]:
    """Find or make the keys of these subjects, in a transaction of its own."""
    with transaction.atomic():
        return hold_subjects(names, ledger_id=ledger.id, ledger_name=ledger.name)


def one(ledger: Ledger, name: str = "carol") -> Subject:
    return hold(ledger, name)[name]


# --- Keys and pseudonyms --------------------------------------------------------------------------


def test_a_subject_has_one_key_and_one_pseudonym_within_a_ledger(ledger: Ledger) -> None:
    first, second = one(ledger), one(ledger)

    assert (first.key_id, first.data_key) == (second.key_id, second.data_key)
    assert first.pseudonym() == second.pseudonym()
    assert SubjectKey.objects.filter(ledger=ledger).count() == 1


def test_pseudonyms_differ_between_subjects_and_between_ledgers(ledger: Ledger) -> None:
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    names = [f"subject {n}" for n in range(50)]

    here = {name: each.pseudonym() for name, each in hold(ledger, *names).items()}
    there = {name: each.pseudonym() for name, each in hold(other, *names).items()}

    assert len({*here.values(), *there.values()}) == 100
    assert {len(each) for each in here.values()} == {64}


def test_every_subject_asked_for_is_returned_known_or_new(ledger: Ledger) -> None:
    hold(ledger, "carol", "dave")

    found = hold(ledger, "erin", "carol", "frank", "dave")

    assert {name: each.subject_id for name, each in found.items()} == {
        name: name for name in ("carol", "dave", "erin", "frank")
    }
    assert SubjectKey.objects.filter(ledger=ledger).count() == 4


def test_no_subject_needs_no_key_and_no_transaction(ledger: Ledger) -> None:
    assert hold_subjects((), ledger_id=ledger.id, ledger_name=ledger.name) == {}


def test_the_three_uses_of_a_key_share_no_bytes(ledger: Ledger) -> None:
    subject = one(ledger)

    assert len({subject.pseudonym(), subject.digest_key().hex(), subject.data_key.hex()}) == 3


def test_the_table_holds_neither_the_id_nor_the_key_in_clear(ledger: Ledger) -> None:
    subject = one(ledger, "carol.novak")

    row = SubjectKey.objects.get(ledger=ledger)

    assert row.lookup is not None
    assert row.wrapped is not None
    assert bytes(row.lookup) == lookup_of(ledger.name, "carol.novak")
    held = bytes(row.lookup) + bytes(row.wrapped)
    assert subject.data_key not in held
    assert b"carol" not in held


def test_a_wrapped_key_opens_only_under_its_own_id_and_ledger(
    ledger: Ledger, as_role: AsRole
) -> None:
    hold(ledger, "dave")
    as_role("owner").execute(
        "INSERT INTO audit_subjectkey (ledger_id, key_id, lookup, wrapped) "
        "SELECT ledger_id, gen_random_uuid(), %s, wrapped FROM audit_subjectkey "
        "WHERE ledger_id = %s",
        (lookup_of(ledger.name, "carol"), ledger.id),
    )

    with pytest.raises(InvalidTag):
        one(ledger, "carol")

    assert one(ledger, "dave")


def test_after_its_key_is_blanked_a_subject_starts_a_new_one(
    ledger: Ledger, as_role: AsRole
) -> None:
    before = one(ledger)
    as_role("owner").execute(
        "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL, erased_at = now() "
        "WHERE ledger_id = %s",
        (ledger.id,),
    )

    after = one(ledger)

    assert before.key_id != after.key_id
    assert before.pseudonym() != after.pseudonym()
    assert SubjectKey.objects.filter(ledger=ledger).count() == 2


# --- Encryption -----------------------------------------------------------------------------------

PERSONAL: dict[str, Any] = {"name": {"first": "Carol"}, "born": "1950-06-24", "n": [1, 2.5, None]}


def test_personal_data_comes_back_as_it_went_in(ledger: Ledger) -> None:
    event_id = uuid.uuid4()
    sealed = one(ledger).encrypt(PERSONAL, event_id=event_id)

    assert one(ledger).decrypt(sealed, event_id=event_id) == PERSONAL
    assert sealed["alg"] == "A256GCM"
    assert sealed["key_id"] == str(one(ledger).key_id)
    assert b"Carol" not in bytes.fromhex(sealed["ciphertext"])


def test_the_same_personal_data_never_gives_the_same_ciphertext(ledger: Ledger) -> None:
    subject, event_id = one(ledger), uuid.uuid4()

    sealed = [subject.encrypt(PERSONAL, event_id=event_id) for _ in range(50)]

    assert len({each["nonce"] for each in sealed}) == 50
    assert len({each["ciphertext"] for each in sealed}) == 50


def test_personal_data_is_bound_to_event_subject_and_ledger(ledger: Ledger) -> None:
    event_id = uuid.uuid4()
    sealed = one(ledger).encrypt(PERSONAL, event_id=event_id)
    carol = one(ledger)
    elsewhere = Subject(
        ledger_name="other",
        subject_id=carol.subject_id,
        key_id=carol.key_id,
        data_key=carol.data_key,
    )

    for subject, wrong_id in (
        (carol, uuid.uuid4()),
        (one(ledger, "dave"), event_id),
        (elsewhere, event_id),
    ):
        with pytest.raises(InvalidTag):
            subject.decrypt(sealed, event_id=wrong_id)


def test_a_flipped_bit_anywhere_in_what_is_sealed_is_refused(ledger: Ledger) -> None:
    subject, event_id = one(ledger), uuid.uuid4()
    sealed = subject.encrypt({"a": "b"}, event_id=event_id)

    for part in ("nonce", "ciphertext"):
        original = bytes.fromhex(sealed[part])
        for position in range(8 * len(original)):
            forged = bytearray(original)
            forged[position // 8] ^= 1 << position % 8
            with pytest.raises(InvalidTag):
                subject.decrypt(sealed | {part: forged.hex()}, event_id=event_id)


# --- At the same time -----------------------------------------------------------------------------


def test_requests_that_make_the_same_new_subjects_at_once_agree(ledger: Ledger) -> None:
    """In opposite orders too, which would deadlock if the rows were not taken in one order."""
    names = [f"subject {n}" for n in range(20)]
    found: list[dict[str, str]] = []
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def ask(order: list[str]) -> None:
        try:
            start.wait(timeout=30)
            for _ in range(5):
                held = hold(ledger, *order)
                found.append({name: each.pseudonym() for name, each in held.items()})
        except BaseException as error:  # told to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask, args=(names[:: 1 if n % 2 else -1],)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)

    assert not failures, failures
    assert len(found) == 20
    assert all(each == found[0] for each in found)
    assert SubjectKey.objects.filter(ledger=ledger).count() == len(names)


def test_an_erasure_waits_for_a_post_that_uses_the_key(ledger: Ledger, as_role: AsRole) -> None:
    one(ledger)
    erase = (
        "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL WHERE ledger_id = %s",
        (ledger.id,),
    )
    owner = as_role("owner")
    owner.execute("SET lock_timeout = '200ms'")

    with transaction.atomic():
        post(ledger, [make_event(data={"subject_ids": ["carol"]})])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            owner.execute(*erase)

    assert owner.execute(*erase).rowcount == 1
    assert Inbox.objects.filter(ledger=ledger).count() == 1


def test_two_posts_about_one_subject_do_not_wait_for_each_other(
    ledger: Ledger, as_role: AsRole
) -> None:
    one(ledger)
    web = as_role("web")
    web.execute("SET lock_timeout = '200ms'")

    with transaction.atomic():
        hold_subjects(["carol"], ledger_id=ledger.id, ledger_name=ledger.name)
        found = web.execute(
            "SELECT key_id FROM audit_subjectkey WHERE ledger_id = %s FOR SHARE", (ledger.id,)
        ).fetchall()

    assert len(found) == 1
