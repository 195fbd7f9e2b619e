"""An honest retry is a duplicate, whatever was redacted; any other content is a conflict."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
import rfc8785

from audit import receive as receiving
from audit.append import append_pending
from audit.models import Ledger, Quarantine
from tests.audit.receiving import receiving_ledger, statuses
from tests.audit.tampering import AsRole
from tests.conftest import chain, entries, make_event, post

PERSONAL = {"personal": {"name": "Carol Novak"}, "data": {"subject_ids": ["carol"]}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"details": {"password": "correct horse"}},
        {"data": {"subject_ids": ["carol", "dave"]}, "target": {"type": "user", "id": "carol"}},
        PERSONAL,
        {"duration_ms": 1.0, "details": {"z": 1e-7, "a": "\u00e9"}},
    ],
)
def test_an_honest_retry_is_a_duplicate_before_and_after_chaining(
    ledger: Ledger, fields: dict[str, Any]
) -> None:
    event = make_event(**fields)
    retry = json.dumps(dict(reversed(event.items())), indent=1, ensure_ascii=True).encode()

    (first,) = post(ledger, [event])
    (second,) = post(ledger, [retry])
    append_pending(ledger.id)
    (third,) = post(ledger, [retry])

    assert [first.status, second.status, third.status] == ["received", "received", "duplicate"]
    assert first.digest == second.digest == third.digest
    assert not Quarantine.objects.filter(ledger=ledger).exists()


def test_the_digest_of_a_retry_outlives_new_redaction_rules(ledger: Ledger, settings: Any) -> None:
    event = make_event(details={"nickname": "Bobby"})
    (first,) = post(ledger, [event])
    append_pending(ledger.id)
    settings.REDACT_EXTRA_KEYS = ["nickname"]
    receiving._redactor.cache_clear()
    try:
        (second,) = post(ledger, [event])
    finally:
        settings.REDACT_EXTRA_KEYS = []
        receiving._redactor.cache_clear()

    assert (second.status, second.digest) == ("duplicate", first.digest)
    assert second.event_sha256 == first.event_sha256  # of what is kept, not of what was dropped


def test_times_of_one_moment_are_one_content(ledger: Ledger) -> None:
    event = make_event(occurred_at="2026-10-01T12:00:00+02:00")
    chain(ledger, [event])

    receipts = post(
        ledger,
        [
            event | {"occurred_at": "2026-10-01T10:00:00Z"},
            event | {"occurred_at": "2026-10-01T10:00:00.0000009Z"},
            event | {"occurred_at": "2026-10-01T10:00:01Z"},
        ],
    )

    assert statuses(receipts) == ["duplicate", "duplicate", "conflict"]


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "failure"},
        {"details": {"a": 1}},
        {"severity": "info"},  # a default that is written is not a default that is left out
        {"personal": {"name": "Carol Novak "}, "data": {"subject_ids": ["carol"]}},
        {"data": {"subject_ids": ["dave"]}},
    ],
)
def test_any_other_content_under_a_taken_id_is_a_conflict(
    ledger: Ledger, change: dict[str, Any]
) -> None:
    event = make_event(**PERSONAL)
    chain(ledger, [event])

    (receipt,) = post(ledger, [event | change])

    assert receipt.status == "conflict"
    kept = Quarantine.objects.get(ledger=ledger)
    assert kept.digest == receipt.digest
    assert sha256(bytes(kept.event)).hexdigest() == receipt.event_sha256


def test_a_digest_tells_nothing_without_the_key_and_differs_between_ledgers(
    ledger: Ledger,
) -> None:
    event = make_event()
    (here,) = post(ledger, [event])
    (there,) = post(receiving_ledger(), [event])

    assert here.digest != there.digest
    assert sha256(rfc8785.dumps(event)).hexdigest() not in {here.digest, there.digest}


def test_with_a_subjects_key_goes_the_digest_of_its_personal_data_and_no_other(
    ledger: Ledger, as_role: AsRole
) -> None:
    """Else a digest that stays for ever would let anyone with its key try names until one fits."""
    personal, plain = make_event(**PERSONAL), make_event(data={"subject_ids": ["carol"]})
    before = post(ledger, [personal, plain])
    as_role("owner").execute(
        "UPDATE audit_subjectkey SET lookup = NULL, wrapped = NULL WHERE ledger_id = %s",
        (ledger.id,),
    )

    after = post(ledger, [personal, plain])

    assert before[0].digest != after[0].digest
    assert before[1].digest == after[1].digest


def test_a_duplicate_is_told_the_hash_of_the_event_that_is_kept(ledger: Ledger) -> None:
    """`personal` is encrypted under a new nonce each time; the bytes of a retry are dropped."""
    event = make_event(**PERSONAL)
    first, twin = post(ledger, [event, event])
    append_pending(ledger.id)

    (again,) = post(ledger, [event])

    held = json.loads(bytes(entries(ledger)[0].record))["event"]
    assert sha256(rfc8785.dumps(held)).hexdigest() == first.event_sha256
    assert first.event_sha256 == twin.event_sha256 == again.event_sha256
