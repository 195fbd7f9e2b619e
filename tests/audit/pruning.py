"""Prune a ledger in a test the whole way: a plan, two people, the one function. No short cut."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.contrib.auth.models import Group, User

from audit.append import append_pending
from audit.models import Entry, Ledger
from audit.receive import Incoming, receive
from tests.conftest import EVENTS


def person(*, group: str = "administrator") -> User:
    """Make somebody who may approve."""
    made = User.objects.create_user(f"person-{uuid.uuid4().hex[:8]}", is_staff=True)
    made.groups.add(Group.objects.get(name=group))
    return made


def old_entries(ledger: Ledger, events: Sequence[Any], *, days: int = 400) -> list[Entry]:
    """Chain events that were received `days` ago, as one POST, and return all entries."""
    receive(
        [Incoming(raw=json.dumps(each).encode()) for each in events],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=EVENTS,
        received_at=datetime.now(UTC) - timedelta(days=days),
        request_id="test",
    )
    append_pending(ledger.id)
    return list(Entry.objects.filter(ledger=ledger).order_by("seq"))


def keep_no_longer(owner: psycopg.Connection[Any], ledger: Ledger) -> None:
    """Let a ledger's policy be a day, for entries of every class."""
    owner.execute(
        "INSERT INTO audit_retention (ledger_id, kind, name, days, changed_by) "
        "VALUES (%s, 'ledger', '', 1, 'a test'), (%s, 'data_class', 'phi', 1, 'a test') "
        "ON CONFLICT (ledger_id, kind, name) DO UPDATE SET days = 1",
        [ledger.id, ledger.id],
    )


def approved_plan(owner: psycopg.Connection[Any], ledger: Ledger, *, to_seq: int) -> int:
    """Return the id of a plan up to `to_seq` that two people approved. Needs committed people."""
    found = owner.execute(
        "INSERT INTO audit_purgeplan (ledger_id, proposed_by, reason, from_seq, to_seq, "
        "planned_at, report, state) SELECT %s, 'a test', 'a test', coalesce(max(to_seq), 0), %s, "
        "now(), '{}', 'proposed' FROM audit_purge WHERE ledger_id = %s RETURNING id",
        [ledger.id, to_seq, ledger.id],
    ).fetchone()
    assert found is not None
    plan_id: int = found[0]
    for each in (person(), person()):  # two statements are two transactions
        owner.execute(
            "INSERT INTO audit_purgeapproval (ledger_id, plan_id, user_id) VALUES (%s, %s, %s)",
            [ledger.id, plan_id, each.pk],
        )
    owner.execute(
        "UPDATE audit_purgeplan SET state = 'approved' WHERE ledger_id = %s AND id = %s",
        [ledger.id, plan_id],
    )
    return plan_id


def prune(owner: psycopg.Connection[Any], ledger: Ledger, *, to_seq: int) -> int:
    """Prune a ledger up to `to_seq` and return how many entries went.

    Its entries must be older than a day: receive them with an earlier `received_at`, or see
    `old_entries`. `owner` is a connection of the owner with autocommit.
    """
    keep_no_longer(owner, ledger)
    plan_id = approved_plan(owner, ledger, to_seq=to_seq)
    gone = 0
    while batch := _prune_once(owner, ledger, plan_id):
        gone += batch
    return gone


def _prune_once(owner: psycopg.Connection[Any], ledger: Ledger, plan_id: int) -> int:
    found = owner.execute("SELECT audit_prune(%s, %s, 10000)", [ledger.id, plan_id]).fetchone()
    assert found is not None
    return int(found[0])
