"""Policies and decisions: what is said about keeping, who may say it, and what entry it leaves."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction

from audit.append import append_pending
from audit.errors import NotPurged, PolicyRefused
from audit.models import Ledger, PurgeApproval, PurgePlan, Retention
from audit.prune import work_through_plans
from audit.retain import (
    Policies,
    approve_purge,
    clear_policy,
    policies,
    propose_purge,
    set_policy,
    withdraw_purge,
)
from tests.audit.pruning import person
from tests.audit.retaining import again, agreed, make_ready, proposed, seed
from tests.audit.tampering import AsRole
from tests.conftest import entries
from tests.installation import ROOT


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")


@pytest.fixture
def plan(ledger: Ledger) -> PurgePlan:
    """Return a purge that waits for approval."""
    seed(ledger, 300)
    return proposed(make_ready(ledger))


def acts(ledger: Ledger, *names: str) -> list[dict[str, Any]]:
    """Return the events of these actions, oldest first."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [event for event in events if event["action"] in names]


POLICY_ACTS = ("audit.retention_shortened", "audit.config_changed")


# --- Policies -------------------------------------------------------------------------------------


def test_without_a_policy_entries_are_kept_a_year_and_phi_six(ledger: Ledger) -> None:
    assert policies(ledger) == Policies(days=365, phi_days=2192)


def test_a_longer_policy_is_a_change_and_a_shorter_one_is_told_as_such(ledger: Ledger) -> None:
    assert set_policy(ledger, kind="ledger", name="", days=730, by="alice")
    assert set_policy(ledger, kind="ledger", name="", days=400, by="bob")

    longer, shorter = acts(ledger, *POLICY_ACTS)
    assert (longer["action"], shorter["action"]) == (POLICY_ACTS[1], POLICY_ACTS[0])
    assert (longer["details"]["before"], longer["details"]["after"]) == (365, 730)
    assert (shorter["details"]["before"], shorter["integrity"]) == (730, {"retention_days": 400})
    assert (shorter["change"]["from"], shorter["change"]["to"]) == ("730", "400")
    assert (longer["actor"], shorter["actor"]) == (
        {"type": "human", "id": "alice"},
        {"type": "human", "id": "bob"},
    )
    assert policies(ledger).days == 400
    assert Retention.objects.get(ledger=ledger, kind="ledger").changed_by == "bob"


def test_the_same_policy_again_is_no_change_and_leaves_no_entry(ledger: Ledger) -> None:
    assert not set_policy(ledger, kind="ledger", name="", days=365, by="alice")

    assert acts(ledger, *POLICY_ACTS) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("category", "tool_call"), ("data_class", "pii"), ("data_class", "phi")]
)
def test_a_category_or_class_can_only_lengthen(ledger: Ledger, kind: str, name: str) -> None:
    set_policy(ledger, kind=kind, name=name, days=3_000, by="alice")

    with pytest.raises(PolicyRefused, match="can only lengthen that: give 365 or more") as refused:
        set_policy(ledger, kind=kind, name=name, days=364, by="alice")

    assert refused.value.field == "days"
    assert policies(ledger).days_of(kind, name) == 3_000
    assert acts(ledger, *POLICY_ACTS)[0]["details"]["after"] == 3_000


def test_a_policy_taken_back_leaves_the_ledgers_own_and_says_which_way_that_goes(
    ledger: Ledger,
) -> None:
    set_policy(ledger, kind="category", name="tool_call", days=800, by="alice")
    set_policy(ledger, kind="data_class", name="phi", days=400, by="alice")

    assert clear_policy(ledger, kind="category", name="tool_call", by="bob")
    assert clear_policy(ledger, kind="data_class", name="phi", by="bob")

    told = [
        (event["action"], event["details"]["before"], event["details"]["after"])
        for event in acts(ledger, *POLICY_ACTS)
    ]
    assert told == [
        ("audit.config_changed", 365, 800),
        ("audit.retention_shortened", 2192, 400),
        ("audit.retention_shortened", 800, 365),
        ("audit.config_changed", 400, 2192),
    ]
    with pytest.raises(PolicyRefused, match="no policy of its own for a category tool_call"):
        clear_policy(ledger, kind="category", name="tool_call", by="bob")


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("kind", {"kind": "agent", "name": "a", "days": 400}),
        ("name", {"kind": "ledger", "name": "tool_call", "days": 400}),
        ("name", {"kind": "category", "name": "", "days": 400}),
        ("name", {"kind": "data_class", "name": "secret", "days": 400}),
        ("days", {"kind": "ledger", "name": "", "days": 0}),
        ("days", {"kind": "ledger", "name": "", "days": 36_501}),
        ("days", {"kind": "ledger", "name": "", "days": True}),
    ],
)
def test_what_cannot_be_a_policy_is_refused_by_its_field(
    ledger: Ledger, field: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(PolicyRefused) as refused:
        set_policy(ledger, **asked, by="alice")

    assert refused.value.field == field
    assert not Retention.objects.filter(ledger=ledger).exists()


def test_a_policy_and_its_entry_are_kept_or_lost_together(ledger: Ledger) -> None:
    with transaction.atomic():
        set_policy(ledger, kind="ledger", name="", days=10, by="alice")
        transaction.set_rollback(True)

    assert policies(ledger).days == 365
    assert acts(ledger, *POLICY_ACTS) == []


# --- Proposals ------------------------------------------------------------------------------------


def test_one_purge_of_a_ledger_is_open_at_a_time(ledger: Ledger) -> None:
    first = propose_purge(ledger, reason="a year is over", by="alice")

    with pytest.raises(NotPurged, match=rf"Purge {first.id} \(asked\) of .* is open"):
        propose_purge(ledger, reason="again", by="bob")

    withdraw_purge(first, by="bob")
    assert propose_purge(ledger, reason="again", by="bob").state == "asked"


@pytest.mark.parametrize("reason", ["", "  ", "a\0b", "x" * 1_001])
def test_a_purge_needs_a_reason(ledger: Ledger, reason: str) -> None:
    with pytest.raises(NotPurged, match="reason"):
        propose_purge(ledger, reason=reason, by="alice")

    assert not PurgePlan.objects.filter(ledger=ledger).exists()


def test_each_decision_is_an_entry_of_the_person_who_took_it(plan: PurgePlan) -> None:
    alice, bob = person(), person()
    agreed(plan, alice, bob)
    withdraw_purge(plan, by="carol")

    asked, first, second, taken_back = acts(
        plan.ledger, "approval.requested", "approval.granted", "approval.denied"
    )

    assert {each["decision"]["approval_id"] for each in (asked, first, second, taken_back)} == {
        f"purge:{plan.ledger.name}:{plan.id}"
    }
    assert (asked["actor"]["id"], asked["reason"]) == ("alice", "a year is over")
    assert [first["actor"]["id"], second["actor"]["id"]] == [alice.username, bob.username]
    assert first["details"] == {
        "act": "purge",
        "plan": plan.id,
        "from_seq": 0,
        "to_seq": 256,
        "entries": 256,
    }
    assert taken_back["actor"] == {"type": "human", "id": "carol"}


# --- Two people -----------------------------------------------------------------------------------


def test_the_second_person_makes_it_approved(plan: PurgePlan) -> None:
    alice, bob = person(), person()

    assert agreed(plan, alice).state == "proposed"
    assert agreed(plan, bob).state == "approved"


def test_one_person_counts_once(plan: PurgePlan) -> None:
    alice = person()
    agreed(plan, alice)

    with pytest.raises(NotPurged, match="a second person must"):
        agreed(plan, alice)

    assert again(plan).state == "proposed"


def test_one_person_counts_once_in_the_database_too(plan: PurgePlan, as_role: AsRole) -> None:
    alice = person()
    agreed(plan, alice)

    for role in ("web", "owner"):
        with pytest.raises(psycopg.Error, match="two people approve") as refused:
            as_role(role).execute(APPROVE, (plan.ledger_id, plan.id, alice.pk))
        assert refused.value.sqlstate == "OBS02"


APPROVE = "INSERT INTO audit_purgeapproval (ledger_id, plan_id, user_id) VALUES (%s, %s, %s)"


@pytest.mark.parametrize("role", ["web", "owner"])
@pytest.mark.parametrize("between", ["", "SAVEPOINT again"])
def test_two_people_in_one_transaction_are_one(
    plan: PurgePlan, as_role: AsRole, role: str, between: str
) -> None:
    alice, bob = person(), person()
    connection = as_role(role)

    connection.autocommit = False
    connection.execute(between or "SELECT 1")
    connection.execute(APPROVE, (plan.ledger_id, plan.id, alice.pk))
    connection.execute(between or "SELECT 1")
    with pytest.raises(psycopg.Error, match="two people approve"):
        connection.execute(APPROVE, (plan.ledger_id, plan.id, bob.pk))
    connection.rollback()

    assert not PurgeApproval.objects.filter(ledger_id=plan.ledger_id, plan_id=plan.id).exists()


def test_the_worker_approves_nothing(plan: PurgePlan, as_role: AsRole) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role("worker").execute(APPROVE, (plan.ledger_id, plan.id, person().pk))


def _disabled() -> User:
    someone = person()
    someone.is_active = False
    someone.save()
    return someone


@pytest.mark.parametrize("role", ["web", "owner"])
@pytest.mark.parametrize("who", ["disabled", "auditor", "nobody", "no staff"])
def test_only_an_account_that_may_approve_does(
    plan: PurgePlan, as_role: AsRole, role: str, who: str
) -> None:
    kinds: dict[str, Callable[[], User]] = {
        "disabled": _disabled,
        "auditor": lambda: person(group="auditor"),
        "nobody": lambda: User(pk=2**31 - 1, username="nobody"),
        "no staff": lambda: User.objects.create_user(f"outside-{plan.id}-{role}"),
    }
    someone = kinds[who]()

    with pytest.raises(NotPurged, match="may not approve a purge"):
        approve_purge(plan, user_id=someone.pk, by=someone.username)
    with pytest.raises(psycopg.Error, match="may not approve a purge"):
        as_role(role).execute(APPROVE, (plan.ledger_id, plan.id, someone.pk))


def test_a_person_disabled_after_approving_counts_no_more(plan: PurgePlan) -> None:
    alice, bob = person(), person()
    agreed(plan, alice, bob)
    alice.is_active = False
    alice.save()

    work_through_plans(plan.ledger_id)

    assert again(plan).state == "refused"
    assert "approval of two people" in again(plan).note


def test_nobody_approves_in_the_name_of_another(plan: PurgePlan) -> None:
    alice = person()

    with pytest.raises(NotPurged, match="each person approves"):
        approve_purge(plan, user_id=alice.pk, by="bob")

    assert not PurgeApproval.objects.filter(ledger_id=plan.ledger_id, plan_id=plan.id).exists()


def test_a_yes_within_another_transaction_is_refused(plan: PurgePlan) -> None:
    alice = person()

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        approve_purge(plan, user_id=alice.pk, by=alice.username)


def test_what_is_not_proposed_cannot_be_approved(ledger: Ledger, as_role: AsRole) -> None:
    alice = person()
    asked = propose_purge(ledger, reason="a year is over", by="alice")
    with pytest.raises(NotPurged, match="still looked at"):
        agreed(asked, alice)
    withdraw_purge(asked, by="alice")

    with pytest.raises(NotPurged, match="was withdrawn"):
        agreed(asked, alice)
    with pytest.raises(psycopg.Error, match="not open for approval"):
        as_role("web").execute(APPROVE, (ledger.id, asked.id, alice.pk))
    with pytest.raises(NotPurged, match="was withdrawn"):
        withdraw_purge(asked, by="alice")


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture
def retain(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the command on this ledger; it gives back what it printed as JSON."""

    def run(*arguments: str, password: str = "") -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        out = io.StringIO()
        call_command("retain", *arguments, "--ledger", ledger.name, "--json", stdout=out)
        return json.loads(out.getvalue())

    return run


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """What a password decides does not depend on how it is hashed, so it is hashed cheaply."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def with_password() -> User:
    someone = person()
    someone.set_password("correct horse")
    someone.save()
    return someone


def test_policies_are_shown_and_set_from_a_shell(ledger: Ledger, retain: Any) -> None:
    alice = with_password().username
    assert retain("show")["days"] == 365

    retain("set", "--days", "400", "--user", alice, password="correct horse")
    said = retain(
        "set", "--category", "tool_call", "--days", "800", "--user", alice, password="correct horse"
    )

    assert said == {
        "ledger": ledger.name,
        "days": 400,
        "phi_days": 2192,
        "categories": {"tool_call": 800},
        "data_classes": {},
    }
    said = retain("clear", "--category", "tool_call", "--user", alice, password="correct horse")
    assert said["categories"] == {}


def test_two_passwords_approve_a_purge_from_a_shell(ledger: Ledger, retain: Any) -> None:
    seed(ledger, 300)
    make_ready(ledger)
    alice, bob = with_password().username, with_password().username
    ((plan),) = retain(
        "propose", "--reason", "a year is over", "--user", alice, password="correct horse"
    )
    work_through_plans(ledger.id)
    number = str(plan["purge"])

    with pytest.raises(CommandError, match="do not belong together"):
        retain("approve", number, "--user", alice, password="wrong")
    retain("approve", number, "--user", alice, password="correct horse")
    with pytest.raises(CommandError, match="a second person must"):
        retain("approve", number, "--user", alice, password="correct horse")
    (plan,) = retain("approve", number, "--user", bob, password="correct horse")

    assert (plan["state"], plan["approved_by"]) == ("approved", [alice, bob])
    assert retain("plans")[0]["report"]["entries"] == 256
    (plan,) = retain("withdraw", number, "--user", bob, password="correct horse")
    assert plan["state"] == "withdrawn"


def test_the_role_of_the_web_may_do_all_that_people_decide(plan: PurgePlan) -> None:
    alice, bob = person(), person()
    script = (
        "import django; django.setup()\n"
        "from audit.models import PurgePlan\n"
        "from audit.retain import *\n"
        f"plan = PurgePlan.objects.get(ledger_id={plan.ledger_id}, id={plan.id})\n"
        "set_policy(plan.ledger, kind='ledger', name='', days=366, by='alice')\n"
        "clear_policy(plan.ledger, kind='ledger', name='', by='alice')\n"
        f"approve_purge(plan, user_id={alice.pk}, by='{alice.username}')\n"
        f"approve_purge(plan, user_id={bob.pk}, by='{bob.username}')\n"
        "withdraw_purge(plan, by='bob')\n"
        "propose_purge(plan.ledger, reason='once more', by='alice')\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings", "OBS_DATABASE_ROLE": "web"},
        check=True,
        timeout=120,
    )

    assert again(plan).state == "withdrawn"
    assert PurgePlan.objects.get(ledger=plan.ledger, state="asked").reason == "once more"
    assert policies(plan.ledger).days == 365


def test_an_auditor_looks_and_changes_nothing_from_a_shell(ledger: Ledger, retain: Any) -> None:
    eve = person(group="auditor")
    eve.set_password("correct horse")
    eve.save()

    with pytest.raises(CommandError, match=r"lacks the permission audit\.change_retention"):
        retain("set", "--days", "1", "--user", eve.username, password="correct horse")

    assert retain("plans") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["approve", "--user", "alice"], "take the number of a purge"),
        (["show", "7"], "take none"),
        (["set", "--days", "9"], "name who acts"),
    ],
)
def test_wrong_use_is_told_with_the_way_out(retain: Any, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as wrong:
        retain(*arguments)

    assert wrong.value.returncode == 2
