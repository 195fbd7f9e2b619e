"""What tests of the desk's pages share: who asks, a page that was asked for, and what it lists.

A module that imports `main_ledger` has the platform's own ledger in each of its tests.
"""

from __future__ import annotations

import html
import re
import uuid

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

from audit.ledgers import open_ledger
from audit.models import Ledger

ENTRIES = "/admin/audit/entry/"
KEYS = "/admin/audit/agentkey/"


@pytest.fixture(autouse=True)
def main_ledger(database: None) -> None:
    """Every installation has its own ledger; the strip shows it."""
    open_ledger(settings.LEDGER)


def make_client(who: str, *, enforce_csrf_checks: bool = False) -> Client:
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    if who == "anonymous":
        return client
    user = User.objects.create_user(f"{who}-{uuid.uuid4().hex[:8]}", is_staff=True)
    if who == "superuser":
        user.is_superuser = True
        user.save()
    elif who != "nobody":
        user.groups.add(Group.objects.get(name=who))
    client.force_login(user)
    return client


@pytest.fixture
def auditor(database: None) -> Client:
    return make_client("auditor")


@pytest.fixture
def administrator(database: None) -> Client:
    return make_client("administrator")


def get(client: Client, address: str) -> str:
    answer = client.get(address, follow=True)
    assert answer.status_code == 200, address
    return answer.content.decode()


def seqs(page: str) -> list[int]:
    return [
        int(found.replace(",", ""))
        for found in re.findall(r'data-open href="[^"]+">([\d,]+)<', page)
    ]


def link(page: str, relation: str) -> str | None:
    found = re.search(rf'rel="{relation}"[^>]*?href="([^"]+)"', page)
    return html.unescape(found[1]) if found else None


def verified(
    ledger: Ledger, *, start: int, end: int, result: str, bad: tuple[int, str] | None = None
) -> None:
    """Note a finished run over the seqs from `start` up to, not including, `end`."""
    bad_seq, bad_field = bad or (None, "")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_verification (ledger_id, kind, state, from_seq, to_seq, checked,"
            " started_at, finished_at, result, bad_seq, bad_field)"
            " VALUES (%s, 'manual', 'done', %s, %s, %s, now(), now(), %s, %s, %s)",
            [ledger.id, start, end, end - start, result, bad_seq, bad_field],
        )
