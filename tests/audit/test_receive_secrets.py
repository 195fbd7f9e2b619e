"""What must never be stored: secrets, personal data in clear, and what was refused."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.append import append_pending
from audit.models import Ledger, Quarantine
from audit.redact import REPLACEMENT
from tests.audit.receiving import everything_stored, statuses, stored
from tests.conftest import entries, make_event, post

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
