"""The pages of API keys: a secret shown once, forms that are wrong, revoked and paused keys."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from audit.append import append_pending
from audit.models import AgentKey, Ledger
from tests.audit.desk import ENTRIES, KEYS, administrator, auditor, get, main_ledger
from tests.conftest import entries, make_event

__all__ = [
    "administrator",
    "auditor",
    "main_ledger",
]  # fixtures, which pytest finds by their names here


pytestmark = pytest.mark.usefixtures("alone_as_module")


def send_key_form(client: Client, ledger: Ledger, **more: Any) -> Any:
    once = re.search(r'name="once" value="([^"]+)"', get(client, f"{KEYS}add/"))
    assert once is not None
    form = {
        "once": once[1],
        "name": "alice",
        "ledger": ledger.pk,
        "scopes": ["events:write"],
    } | more
    return client.post(f"{KEYS}add/", form)


def test_a_secret_is_shown_once_and_works(administrator: Client, ledger: Ledger) -> None:
    answer = send_key_form(administrator, ledger)

    token = re.search(r"obs_live_\w{8}_\w{43}_\w{6}", answer.content.decode())
    assert token is not None
    assert "no-store" in answer.headers["Cache-Control"]
    key = AgentKey.objects.get(ledger=ledger)
    assert token[0] not in get(administrator, f"{KEYS}{key.key_id}/change/")
    assert token[0] not in get(administrator, KEYS)
    posted = Client().post(
        "/api/v1/events",
        json.dumps(make_event()),
        content_type="application/json",
        headers={"authorization": f"Bearer {token[0]}"},
    )
    assert posted.status_code == 202


def test_sending_the_form_again_makes_no_second_key(administrator: Client, ledger: Ledger) -> None:
    once = re.search(r'name="once" value="([^"]+)"', get(administrator, f"{KEYS}add/"))
    assert once is not None
    form = {"once": once[1], "name": "alice", "ledger": ledger.pk, "scopes": ["events:write"]}

    administrator.post(f"{KEYS}add/", form)
    again = administrator.post(f"{KEYS}add/", form)

    assert again.status_code == 302
    assert AgentKey.objects.filter(ledger=ledger).count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"scopes": []},
        {"scopes": ["all"]},
        {"expires_on": "2020-01-01"},
        {"events_per_day": "0"},
    ],
)
def test_a_wrong_form_makes_no_key_and_says_why(
    administrator: Client, ledger: Ledger, wrong: dict[str, Any]
) -> None:
    page = send_key_form(administrator, ledger, **wrong).content.decode()

    assert "No key was made" in page
    assert "obs-error" in page
    assert not AgentKey.objects.filter(ledger=ledger).exists()


def test_making_and_revoking_a_key_are_entries(administrator: Client, ledger: Ledger) -> None:
    send_key_form(administrator, ledger)
    key = AgentKey.objects.get(ledger=ledger)

    asked = get(administrator, f"{KEYS}{key.key_id}/revoke/")
    administrator.post(f"{KEYS}{key.key_id}/revoke/")

    append_pending(ledger.id)
    key.refresh_from_db()
    assert "cannot be undone" in asked
    assert key.state() == "revoked"
    assert [one.action for one in entries(ledger)] == ["credential.issued", "credential.revoked"]
    assert "revoked" in get(administrator, KEYS)


def test_a_key_is_paused_with_a_reason_and_resumed_with_one(
    administrator: Client, ledger: Ledger
) -> None:
    send_key_form(administrator, ledger)
    key = AgentKey.objects.get(ledger=ledger)
    address = f"{KEYS}{key.key_id}/pause/"

    without = administrator.post(address, {"act": "pause", "reason": " "})
    administrator.post(address, {"act": "pause", "reason": "It spends at night"})
    administrator.post(address, {"act": "pause", "reason": "Sent twice"})
    key.refresh_from_db()
    state, asked = key.state(), get(administrator, address)
    administrator.post(address, {"act": "resume", "reason": "It was the migration"})

    append_pending(ledger.id)
    key.refresh_from_db()
    assert "is needed" in without.content.decode()
    assert (state, key.state()) == ("paused", "live")
    assert "Resume the key" in asked
    assert [one.action for one in entries(ledger)] == [
        "credential.issued", "credential.paused", "credential.resumed",
    ]  # fmt: skip


def test_the_auditor_reads_evidence_and_sees_no_keys(auditor: Client) -> None:
    page = get(auditor, "/admin/")

    assert ENTRIES in page
    assert KEYS not in page
    assert "/admin/auth/" not in page
