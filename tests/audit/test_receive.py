"""Receiving: a receipt for each event in the order sent, and nothing stored that must not be."""

from __future__ import annotations

import gzip
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from django.db import transaction

from audit import receive as receiving
from audit.append import append_pending
from audit.database import rows
from audit.ledgers import open_ledger
from audit.models import Inbox, Ledger, Quarantine, SubjectKey
from audit.quarantine import CONFLICT
from audit.receive import Incoming, Receipt, Sender, new_event_id, receive, receive_own
from audit.redact import REPLACEMENT
from tests.audit.tampering import AsRole
from tests.conftest import EVENTS, GOVERNANCE, chain, entries, make_event, post


def statuses(receipts: list[Receipt]) -> list[str]:
    return [each.status for each in receipts]


def stored(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the events that wait in the inbox."""
    found = Inbox.objects.filter(ledger=ledger).order_by("id")
    return [json.loads(line) for each in found for line in bytes(each.events).split(b"\n")]


def receive_one(ledger: Ledger, incoming: Incoming, *, sender: Sender = EVENTS) -> Receipt:
    (receipt,) = receive(
        [incoming],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=sender,
        received_at=datetime.now(UTC),
    )
    return receipt


def everything_stored(ledger: Ledger) -> bytes:
    """Return every byte that this ledger's rows hold, of every table that may hold an event."""
    found = b""
    for table in ("audit_inbox", "audit_entry", "audit_quarantine", "audit_subjectkey"):
        for row in rows(
            f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE ledger_id = %s", (ledger.id,)
        ):
            found += row[0].encode()
    for statement in (
        "SELECT events || digests || source FROM audit_inbox WHERE ledger_id = %s",
        "SELECT record FROM audit_entry WHERE ledger_id = %s",
        "SELECT event || source FROM audit_quarantine WHERE ledger_id = %s",
    ):
        found += b"".join(bytes(row[0]) for row in rows(statement, (ledger.id,)))
    return found


# --- Receipts -------------------------------------------------------------------------------------


def test_receipts_stand_in_the_order_sent_whatever_became_of_each(ledger: Ledger) -> None:
    known, taken, fresh = make_event(), make_event(), make_event()
    chain(ledger, [known, taken])

    receipts = post(
        ledger,
        [
            make_event(outcome="maybe"),
            fresh,
            known,
            taken | {"outcome": "denied"},
            b"{",
            fresh,
            make_event(category="change", action="change.approved"),
        ],
    )

    assert statuses(receipts) == [
        *("rejected", "received", "duplicate", "conflict", "rejected", "duplicate", "rejected")
    ]
    assert [each.index for each in receipts] == list(range(7))
    assert [each.id for each in receipts] == [
        *(None, fresh["id"], known["id"], taken["id"], None, fresh["id"], None)
    ]
    assert [each.seq for each in receipts] == [None, None, 0, None, None, None, None]
    assert [each.error and each.error["code"] for each in receipts] == [
        *("bad-value", None, None, "id-conflict", "not-json", None, "scope-missing")
    ]
    assert [each["id"] for each in stored(ledger)] == [fresh["id"]]


def test_one_post_is_one_row_with_its_events_in_order(ledger: Ledger) -> None:
    events = [make_event() for _ in range(5)]

    receipts = post(ledger, events)

    row = Inbox.objects.get(ledger=ledger)
    assert (row.count, [str(each) for each in row.event_ids]) == (5, [e["id"] for e in events])
    assert bytes(row.digests).hex() == "".join(each.digest or "" for each in receipts)
    assert [each.event_sha256 for each in receipts] == [
        sha256(line).hexdigest() for line in bytes(row.events).split(b"\n")
    ]
    assert (row.request_id, row.source_ids) == ("test", None)


def test_a_post_of_which_nothing_is_accepted_leaves_no_row(ledger: Ledger) -> None:
    receipts = post(ledger, [b"", b"[]", make_event(agent={})])

    assert statuses(receipts) == ["rejected"] * 3
    assert not Inbox.objects.filter(ledger=ledger).exists()
    assert not Quarantine.objects.filter(ledger=ledger).exists()


def test_an_event_twice_in_one_post_is_stored_once(ledger: Ledger) -> None:
    event = make_event()
    reordered = json.dumps(dict(reversed(event.items())), indent=3).encode()

    receipts = post(ledger, [event, reordered, event])

    assert statuses(receipts) == ["received", "duplicate", "duplicate"]
    assert len(stored(ledger)) == 1
    append_pending(ledger.id)
    assert len(entries(ledger)) == 1


def test_two_contents_under_one_id_in_one_post_are_both_kept(ledger: Ledger) -> None:
    event = make_event()
    other = event | {"outcome": "failure"}

    receipts = post(ledger, [event, other, other, event])

    assert statuses(receipts) == ["received", "conflict", "conflict", "duplicate"]
    kept = Quarantine.objects.get(ledger=ledger)  # one row per id and digest
    assert (kept.reason, kept.error, kept.key_id) == ("conflict", CONFLICT, "testkey1")
    assert json.loads(bytes(kept.event)) == other
    assert str(kept.event_id) == event["id"]


def test_two_posts_before_chaining_are_both_received_and_chained_once(ledger: Ledger) -> None:
    event = make_event()

    assert statuses(post(ledger, [event]) + post(ledger, [event])) == ["received", "received"]

    append_pending(ledger.id)
    assert len(entries(ledger)) == 1
    assert statuses(post(ledger, [event])) == ["duplicate"]


def test_ids_of_one_ledger_mean_nothing_in_another(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    other = receiving_ledger()

    assert statuses(post(other, [event | {"outcome": "failure"}])) == ["received"]


def test_events_are_lost_together_with_the_callers_transaction(ledger: Ledger) -> None:
    def break_off() -> None:
        with transaction.atomic():
            post(ledger, [make_event(data={"subject_ids": ["carol"]})])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()

    assert stored(ledger) == []
    assert not SubjectKey.objects.filter(ledger=ledger).exists()


# --- Ids ------------------------------------------------------------------------------------------


def test_an_event_without_an_id_is_given_one_and_told_which(ledger: Ledger) -> None:
    first, second = post(ledger, [make_event(id=None), make_event(id=None)])

    assert [each["id"] for each in stored(ledger)] == [first.id, second.id]
    assert first.id != second.id
    assert uuid.UUID(first.id).version == 7


def test_new_ids_are_UUIDv7_of_now_and_never_repeat() -> None:
    before = int(datetime.now(UTC).timestamp() * 1000)
    made = [new_event_id() for _ in range(2000)]
    after = int(datetime.now(UTC).timestamp() * 1000)

    assert len(set(made)) == 2000
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    assert all(before <= each.int >> 80 <= after for each in made)


def test_a_default_id_counts_only_where_the_event_has_none(ledger: Ledger) -> None:
    default = uuid.uuid4()
    event = make_event()

    without = receive_one(
        ledger, Incoming(raw=json.dumps(make_event(id=None)).encode(), default_id=default)
    )
    own = receive_one(ledger, Incoming(raw=json.dumps(event).encode(), default_id=default))

    assert (without.id, own.id) == (str(default), event["id"])


def test_an_id_in_capitals_or_without_hyphens_is_the_same_id(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    capitals = event | {"id": event["id"].upper()}
    bare = event | {"id": event["id"].replace("-", "")}

    assert statuses(post(ledger, [capitals, bare])) == ["duplicate", "duplicate"]


# --- Same content ---------------------------------------------------------------------------------

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


# --- Source ---------------------------------------------------------------------------------------


def test_the_record_says_who_sent_it(ledger: Ledger) -> None:
    senders = [
        EVENTS,
        GOVERNANCE,
        Sender(via="api", scope="ops", scopes=EVENTS.scopes, key="opskey01", ip="192.0.2.7"),
        Sender(via="api", scope="events", scopes=EVENTS.scopes, key="oldkey01", backfill=True),
        Sender(via="admin", scope="governance", scopes=GOVERNANCE.scopes, user="Alice"),
    ]
    for sender in senders:
        post(ledger, [make_event()], sender=sender)
    receive_one(ledger, Incoming(raw=json.dumps(make_event()).encode(), source_id="order ☃ 7"))
    receive_own(ledger, "audit.config_changed")
    receive_own(ledger, "audit.config_changed", by="Bob")

    append_pending(ledger.id)

    assert [each.parsed()["source"] for each in entries(ledger)] == [
        {"key": "testkey1", "scope": "events", "via": "api"},
        {"key": "testkey2", "scope": "governance", "via": "api"},
        {"ip": "192.0.2.7", "key": "opskey01", "scope": "ops", "via": "api"},
        {"backfill": True, "key": "oldkey01", "scope": "events", "via": "api"},
        {"scope": "governance", "user": "Alice", "via": "admin"},
        {"id": "order ☃ 7", "key": "testkey1", "scope": "events", "via": "api"},
        {"scope": "server", "via": "server"},
        {"scope": "governance", "user": "Bob", "via": "admin"},
    ]
    for each in entries(ledger):
        assert rfc8785.dumps(each.parsed()) == bytes(each.record)


def test_only_the_post_with_foreign_ids_keeps_them_each_with_its_event(ledger: Ledger) -> None:
    receive(
        [
            Incoming(raw=json.dumps(make_event()).encode(), source_id=source_id)
            for source_id in (None, "seven", None)
        ],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=EVENTS,
        received_at=datetime.now(UTC),
    )

    append_pending(ledger.id)

    assert [each.parsed()["source"].get("id") for each in entries(ledger)] == [None, "seven", None]


def test_a_foreign_id_stays_as_it_was_sent_whatever_an_array_or_json_makes_of_it(
    ledger: Ledger,
) -> None:
    odd = ['"', "\\", '\\"', "{a,b}", "NULL", " ", "a\nb", "c\td", "é☃", ","]
    sender = Sender(
        via="api", scope="events", scopes=EVENTS.scopes, key="oldkey01", ip="::1", backfill=True
    )
    receive(
        [Incoming(raw=json.dumps(make_event()).encode(), source_id=each) for each in odd],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=sender,
        received_at=datetime.now(UTC),
    )

    append_pending(ledger.id)

    assert [each.parsed()["source"] for each in entries(ledger)] == [
        sender.as_dict() | {"id": each} for each in odd
    ]
    for each in entries(ledger):
        assert rfc8785.dumps(each.parsed()) == bytes(each.record)


def test_an_act_of_the_platform_is_an_event_like_any_other(ledger: Ledger) -> None:
    receipt = receive_own(
        ledger, "audit.exported", target={"type": "ledger", "id": "x"}, details={"n": 1}
    )

    append_pending(ledger.id)

    event = entries(ledger)[0].parsed()["event"]
    assert event["id"] == receipt.id
    assert (event["category"], event["agent"]) == ("audit", {"id": "platform"})
    assert event["actor"] == {"type": "system", "id": "platform"}


# --- What must never be stored --------------------------------------------------------------------

SECRETS = {
    "details": {
        "password": "correct-horse-battery",
        "nested": [{"api_key": "sk-live-0123456789abcdef01"}],
        "header": "Authorization: Bearer abcdef0123456789abcdef",
    },
    "labels": {"token": "tok-0123456789"},
    "reason": "used obs_live_7Q2mX9aB_0123456789012345678901234567890123456789012_abcdef",
    "error": {"type": "x", "message": "postgresql://bob:hunter2hunter2@db/x refused"},
}
CLEAR_SECRETS = (
    *(b"correct-horse-battery", b"sk-live-0123456789abcdef01", b"abcdef0123456789abcdef"),
    *(b"tok-0123456789", b"0123456789012345678901234567890123456789012", b"hunter2hunter2"),
)


def test_nothing_secret_or_personal_reaches_inbox_entries_or_quarantine(ledger: Ledger) -> None:
    carol = "carol.novak@example.org"
    event = make_event(
        **SECRETS,
        actor={
            "type": "human",
            "id": carol,
            "on_behalf_of": {"type": "human", "id": carol},
            "delegation_chain": [{"type": "human", "id": carol}],
        },
        target={"type": "user", "id": carol},
        data={"subject_ids": [carol]},
        personal={"full name": "Carol Nováková", "born": "1950-06-24", "n": [{"iban": "DE4412"}]},
    )
    clear = [*CLEAR_SECRETS, b"carol.novak", b"Carol", "Nováková".encode(), b"1950-06-24"]
    clear += [b"DE4412", b"Nov\\u00e1", b"full name"]

    post(ledger, [event])
    waiting = everything_stored(ledger)
    append_pending(ledger.id)
    post(ledger, [event | {"outcome": "failure"}])
    post(ledger, [event | {"id": "no id"}, event | {"outcome": "bad"}])
    kept = everything_stored(ledger)

    assert Quarantine.objects.filter(ledger=ledger).count() == 1
    assert REPLACEMENT.encode() in waiting
    assert [each for each in clear if each in waiting or each in kept] == []


def test_the_event_that_is_stored_names_the_subject_alike_everywhere(ledger: Ledger) -> None:
    event = make_event(
        actor={"type": "human", "id": "carol", "on_behalf_of": {"type": "human", "id": "dave"}},
        target={"type": "user", "id": "carol"},
        data={"subject_ids": ["carol", "dave", "carol"]},
        run={"id": "carol"},
    )

    post(ledger, [event])

    (held,) = stored(ledger)
    carol, dave, again = held["data"]["subject_ids"]
    assert carol == again == held["actor"]["id"] == held["target"]["id"]
    assert dave == held["actor"]["on_behalf_of"]["id"]
    assert len({carol, dave, "carol", "dave"}) == 4
    assert held["run"]["id"] == "carol"  # not one of the fields that name a person


def test_what_is_refused_is_stored_nowhere_and_its_error_repeats_no_value(ledger: Ledger) -> None:
    receipts = post(
        ledger,
        [
            make_event(outcome="hunter2-outcome"),
            make_event(actor={"type": "hunter2-type", "id": "a"}),
            make_event(details={"hunter2": "x" * 70_000}),
            make_event(occurred_at="hunter2-time"),
            make_event(action="hunter2.verb"),
        ],
    )

    assert statuses(receipts) == ["rejected"] * 5
    told = json.dumps([each.error for each in receipts if each.index != 2])
    assert "hunter2" not in told
    assert b"hunter2" not in everything_stored(ledger)


def test_an_event_that_grows_over_the_limit_when_encrypted_is_refused_alone(
    ledger: Ledger,
) -> None:
    large = make_event(personal={"note": "n" * 40_000}, data={"subject_ids": ["carol"]})

    receipts = post(ledger, [make_event(), large, make_event()])

    assert statuses(receipts) == ["received", "rejected", "received"]
    assert receipts[1].error is not None
    assert receipts[1].error["code"] == "too-large"
    append_pending(ledger.id)
    assert len(entries(ledger)) == 2


def real_events() -> Iterator[bytes]:
    """Yield the events with personal data of OBS_SAMPLES, and two of ours in any case."""
    for name in ("Carol", "Dave"):
        yield json.dumps(
            make_event(
                personal={"name": {"first_name": name, "last_name": "Novak-Sample"}},
                data={"subject_ids": [f"{name.lower()}_novak_1234"]},
                target={"type": "user", "id": f"{name.lower()}_novak_1234"},
            )
        ).encode()
    folder = os.environ.get("OBS_SAMPLES")
    for file in sorted(Path(folder).glob("*.ndjson*")) if folder else ():
        data = file.read_bytes()
        lines = (gzip.decompress(data) if file.suffix == ".gz" else data).splitlines()
        yield from (line for line in lines if b'"personal"' in line)


def leaves(value: Any) -> Iterator[str]:
    """Yield every text of a JSON value that is long enough to be told from chance."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, str) and len(value) >= 6:
        yield value


def test_of_real_events_no_personal_text_and_no_subject_is_found_in_any_row(
    ledger: Ledger,
) -> None:
    sent = [json.loads(raw) for raw in real_events()]
    receipts = post(ledger, sent)
    waiting = everything_stored(ledger)
    append_pending(ledger.id)
    kept = everything_stored(ledger)

    assert set(statuses(receipts)) == {"received"}
    assert len(entries(ledger)) == len(sent)
    for event, entry in zip(sent, entries(ledger), strict=True):
        own = bytes(entry.record)
        for subject in event["data"]["subject_ids"]:
            assert json.dumps(subject).encode() not in own
        for text in leaves(event["personal"]):
            for form in (text.encode(), json.dumps(text)[1:-1].encode()):
                assert form not in own
                if "@" in text:  # long enough to look for in all rows at once
                    assert form not in waiting
                    assert form not in kept


def receiving_ledger() -> Ledger:
    """Return one more ledger of the test's own."""
    return open_ledger(f"t.{uuid.uuid4().hex[:16]}")
