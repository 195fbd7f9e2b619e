"""Retention and holds in the desk: what people see, what they may do, and that each act is told."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audit.append import append_pending
from audit.errors import HoldRefused
from audit.hold import release_hold
from audit.models import Hold, Ledger, PurgeApproval, PurgePlan, Retention
from audit.project import catch_up_all
from audit.prune import work_through_plans
from audit.pruned import minimum_index
from audit.subjects import read_subject
from tests.audit.desk import administrator, auditor, get, main_ledger
from tests.audit.legal import hold
from tests.audit.pruning import person
from tests.audit.retaining import again, agreed, make_ready, proposed, seed
from tests.conftest import chain, entries, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["administrator", "auditor", "main_ledger"]  # fixtures, found by name here

PURGES = "/admin/audit/purgeplan/"
HOLDS = "/admin/audit/hold/"


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")


@pytest.fixture
def old(ledger: Ledger) -> Ledger:
    """Return a ledger of 600 entries of more than a year ago, ready to be pruned."""
    seed(ledger, 600)
    return make_ready(ledger)


def text(page: str) -> str:
    """Return what a page says, without its tags."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)))


def send(client: Client, address: str, **form: Any) -> str:
    """Send a form and return what the page it leads to says."""
    answer = client.post(address, form, follow=True)
    assert answer.status_code == 200, (answer.status_code, text(answer.content.decode()))
    return text(answer.content.decode())


def told(ledger: Ledger) -> list[str]:
    """Return the actions of the entries that people left, oldest first."""
    append_pending(ledger.id)
    return [each.action for each in entries(ledger) if each.parsed()["source"]["via"] == "admin"]


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def newest_plan(ledger: Ledger) -> PurgePlan:
    return PurgePlan.objects.select_related("ledger").filter(ledger=ledger).latest("id")


# --- Policies ------------------------------------------------------------------------------------


def test_a_ledger_says_how_long_it_is_kept_before_anybody_set_anything(
    auditor: Client, ledger: Ledger
) -> None:
    page = text(get(auditor, f"{PURGES}?ledger={ledger.name}"))

    assert f"Entries of {ledger.name} are kept 365 days; phi 2,192 days." in page
    assert "the default" in page
    assert "Set the policy" not in page
    assert "Look what could be pruned" not in page
    assert "None. A hold keeps a ledger" in page


def test_a_policy_is_set_and_taken_back_by_form(administrator: Client, ledger: Ledger) -> None:
    here = f"{PURGES}{ledger.name}/"

    shorter = send(administrator, f"{here}set-policy/", what="ledger:", days="30")
    longer = send(administrator, f"{here}set-policy/", what="category:decision", days="1,095")
    back = send(administrator, f"{here}clear-policy/", what="category:decision")

    assert f"Entries of {ledger.name} are kept 30 days; phi 2,192 days." in shorter
    assert "this is an entry" in shorter
    assert "phi 2,192 days; decision 1,095 days." in longer
    assert "Category decision 1,095 days" in longer
    assert "decision 1,095" not in back
    assert Retention.objects.get(ledger=ledger).days == 30
    assert told(ledger) == [
        "audit.retention_shortened",
        "audit.config_changed",
        "audit.retention_shortened",
    ]


@pytest.mark.parametrize(
    ("what", "days", "said"),
    [
        ("category:decision", "10", "can only lengthen that"),
        ("ledger:", "0", "days: a whole number from 1 to 36,500"),
        ("ledger:", "many", "days: a whole number from 1 to 36,500"),
        ("ledger:", "٣٠", "days: a whole number from 1 to 36,500"),
        ("category:none", "400", "name: a category is one of"),
        ("colour:red", "400", "kind: one of"),
        ("", "400", "kind: one of"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused_in_words(
    administrator: Client, ledger: Ledger, what: str, days: str, said: str
) -> None:
    page = send(administrator, f"{PURGES}{ledger.name}/set-policy/", what=what, days=days)

    assert "Nothing was changed." in page
    assert said in page
    assert not Retention.objects.filter(ledger=ledger).exists()
    assert told(ledger) == []


# --- Purges --------------------------------------------------------------------------------------


def test_two_people_prune_a_ledger_from_the_desk(old: Ledger, auditor: Client) -> None:
    alice, bob = logged_in(person()), logged_in(person())
    asked = send(alice, f"{PURGES}{old.name}/propose/", reason="a year is over")
    plan = newest_plan(old)
    here = f"{PURGES}{plan.id}/"
    work_through_plans(old.id)

    seen = text(get(alice, f"{here}change/"))
    first = send(alice, f"{here}approve/", entries="512")
    second = send(bob, f"{here}approve/", entries="512")
    work_through_plans(old.id)
    append_pending(old.id)
    done = get(auditor, f"{here}change/")

    assert "A worker looks" in asked
    assert f"512 entries of {old.name}, #0 to #511, would go for good; two people must" in seen
    assert "tool_call" in seen
    assert "You approved it; a second person must, too." in first
    assert "one more person must approve" in first
    assert "Approve: 512 entries go" not in first
    assert "It is approved by two people; a worker prunes it." in second
    assert f"512 entries of {old.name}, #0 to #511, were pruned." in text(done)
    assert minimum_index(old.id) == 512
    (purged,) = [each for each in entries(old) if each.action == "audit.purged"]
    assert f"/admin/audit/entry/{purged.hash}/change/" in done
    assert told(old) == ["approval.requested", "approval.granted", "approval.granted"]
    assert "What lies below #512 was pruned." in text(get(auditor, f"{PURGES}?ledger={old.name}"))
    assert "a year is over" in text(get(auditor, f"{PURGES}?ledger={old.name}&show=purges"))


@pytest.mark.parametrize("typed", ["", "511", "all", "0512"])
def test_who_approves_types_the_number_of_entries(old: Ledger, typed: str) -> None:
    plan = proposed(old)
    alice = logged_in(person())

    answer = alice.post(f"{PURGES}{plan.id}/approve/", {"entries": typed})

    assert answer.status_code == 409
    assert "Type 512, the number of entries that would go." in text(answer.content.decode())
    assert not PurgeApproval.objects.filter(ledger=old).exists()


def test_nobody_approves_twice(old: Ledger) -> None:
    plan = proposed(old)
    alice = logged_in(person())
    send(alice, f"{PURGES}{plan.id}/approve/", entries="512")

    answer = alice.post(f"{PURGES}{plan.id}/approve/", {"entries": "512"})

    assert answer.status_code == 409
    assert "a second person must" in text(answer.content.decode())
    assert again(plan).state == "proposed"


def test_a_purge_is_withdrawn_until_it_has_begun(administrator: Client, old: Ledger) -> None:
    plan = agreed(proposed(old))

    page = send(administrator, f"{PURGES}{plan.id}/withdraw/")
    again_refused = administrator.post(f"{PURGES}{plan.id}/withdraw/")

    assert "Nothing was pruned." in page
    assert again(plan).state == "withdrawn"
    assert again_refused.status_code == 409
    work_through_plans(old.id)
    assert minimum_index(old.id) == 0


def test_what_must_stay_is_named_with_where_to_look(auditor: Client, old: Ledger) -> None:
    made = hold(old, kind="case", value="c-1")
    page = get(auditor, f"{PURGES}{proposed(old).id}/change/")

    assert "Nothing of" in text(page)
    assert f"is under hold {made.id} on the case c-1 for Doe v. Acme" in text(page)
    assert f'href="{HOLDS}{made.id}/change/"' in page
    assert f'href="/admin/audit/entry/{old.name}/9/"' in page


def test_each_reason_leads_to_where_it_is_mended(auditor: Client, ledger: Ledger) -> None:
    seed(ledger, 300)
    chain(ledger, [make_event()])

    page = get(auditor, f"{PURGES}{proposed(ledger).id}/change/")

    assert f'href="/admin/audit/export/new/?ledger={ledger.name}"' in page
    assert f'href="/admin/audit/ledger/{ledger.name}/change/"' in page


def test_a_page_follows_a_purge(auditor: Client, administrator: Client, old: Ledger) -> None:
    send(administrator, f"{PURGES}{old.name}/propose/", reason="a year is over")
    plan = newest_plan(old)

    asked = auditor.get(f"{PURGES}{plan.id}/progress/").json()
    agreed(proposed_now(plan))
    approved = auditor.get(f"{PURGES}{plan.id}/progress/").json()
    work_through_plans(old.id)
    done = auditor.get(f"{PURGES}{plan.id}/progress/").json()

    assert (asked["word"], asked["checked"]) == ("asked", 0)
    assert asked["total"] >= 600
    assert (approved["word"], approved["checked"], approved["total"]) == ("approved", 0, 512)
    assert (done["word"], done["checked"], done["percent"]) == ("done", 512, 100)


def proposed_now(plan: PurgePlan) -> PurgePlan:
    work_through_plans(plan.ledger_id)
    return again(plan)


def test_one_purge_is_open_at_a_time(administrator: Client, ledger: Ledger) -> None:
    send(administrator, f"{PURGES}{ledger.name}/propose/", reason="a year is over")
    plan = newest_plan(ledger)

    refused = send(administrator, f"{PURGES}{ledger.name}/propose/", reason="once more")
    nameless = send(administrator, f"{PURGES}{plan.id}/withdraw/")
    empty = send(administrator, f"{PURGES}{ledger.name}/propose/", reason=" ")

    assert "Nothing was asked for." in refused
    assert f"Purge {plan.id:,}" in refused
    assert "Look what could be pruned" not in refused
    assert "It is withdrawn" in nameless
    assert "Nothing was asked for." in empty
    assert PurgePlan.objects.filter(ledger=ledger).count() == 1


def test_the_longest_reason_is_taken(administrator: Client, ledger: Ledger) -> None:
    page = get(administrator, f"{PURGES}?ledger={ledger.name}")
    (most,) = re.findall(r'id="prune_reason"[^>]*maxlength="(\d+)"', page)

    send(administrator, f"{PURGES}{ledger.name}/propose/", reason="ä" * int(most))

    assert told(ledger) == ["approval.requested"]


# --- Holds ---------------------------------------------------------------------------------------


def applied(client: Client, ledger: Ledger, **form: str) -> str:
    asked = {"ledger": ledger.name, "kind": "agent", "matter": "m-1", "reason": "counsel asked"}
    return send(client, f"{HOLDS}new/", **(asked | form))


def test_a_hold_is_applied_shown_and_released_from_the_desk(
    administrator: Client, auditor: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event(), make_event(), make_event(agent={"id": "b"})])

    page = applied(administrator, ledger, value=" alice-agent ")
    made = Hold.objects.get(ledger=ledger)
    seen = text(get(auditor, f"{HOLDS}{made.id}/change/"))
    listed = text(get(auditor, f"{HOLDS}?ledger={ledger.name}"))
    front = text(get(auditor, f"{PURGES}?ledger={ledger.name}"))
    here = f"{HOLDS}{made.id}/release/"
    wrong = administrator.post(here, {"reason": "settled", "confirm": "no"})
    released = send(administrator, here, reason="settled", confirm=str(made.id))

    assert "It is held; this is an entry in the ledger." in page
    assert made.value == "alice-agent"
    assert "Held for m-1: what names the agent alice-agent" in seen
    assert "2 entries, from #0 to #1, and every one to come." in seen
    assert "Release the hold" not in seen
    assert "counsel asked" in listed
    assert f"Hold {made.id:,}" in front
    assert wrong.status_code == 409
    assert "Released by" in released
    assert "Nothing is held" in text(get(auditor, f"{HOLDS}?ledger={ledger.name}"))
    assert "m-1" in text(get(auditor, f"{HOLDS}?ledger={ledger.name}&show=released"))
    assert told(ledger) == ["legal_hold.applied", "legal_hold.released"]


def test_a_subject_is_held_by_an_id_that_no_page_shows(
    administrator: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event(data={"subject_ids": ["cust-90210"]})])
    catch_up_all(ledger.id)
    subject = read_subject(ledger.id, ledger.name, "cust-90210")
    assert subject is not None

    page = applied(administrator, ledger, kind="subject", value="cust-90210")
    refused = administrator.post(
        f"{HOLDS}new/",
        {"ledger": ledger.name, "kind": "subject", "value": "cust-1", "matter": "m", "reason": "r"},
    )

    assert "1 entry, from #0 to #0" in page
    assert "cust-90210" not in page
    made = Hold.objects.get(ledger=ledger)
    assert made.value == subject.pseudonym()
    assert refused.status_code == 400
    assert "Nobody of this id has a living key" in text(refused.content.decode())
    assert "cust-1" not in refused.content.decode()
    entries_page = f"/admin/audit/erasure/entries/?ledger={ledger.name}&pseudonym={made.value}"
    assert html.escape(entries_page) in get(administrator, f"{HOLDS}{made.id}/change/")
    get(administrator, entries_page)


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("value", {"value": ""}, "Give the id of the agent"),
        ("value", {"kind": "ledger", "value": "x"}, "Leave it empty"),
        ("matter", {"value": "a", "matter": ""}, "Name the matter"),
        ("reason", {"value": "a", "reason": " "}, "Say why"),
    ],
)
def test_what_is_missing_is_said_at_its_field(
    administrator: Client, ledger: Ledger, field: str, wrong: dict[str, str], said: str
) -> None:
    form = {"ledger": ledger.name, "kind": "agent", "matter": "m-1", "reason": "r"} | wrong
    answer = administrator.post(f"{HOLDS}new/", form)

    page = answer.content.decode()
    assert answer.status_code == 400
    assert said in re.findall(rf'id="{field}-error">([^<]+)<', page)[0]
    assert not Hold.objects.filter(ledger=ledger).exists()


def test_a_hold_on_what_nobody_named_asks_whether_it_is_spelled_right(
    administrator: Client, ledger: Ledger
) -> None:
    page = applied(administrator, ledger, value="no-such-agent")

    assert "No entry names it yet. Is the id spelled as events spell it?" in page


def test_what_was_pruned_before_a_hold_is_said_on_its_page(auditor: Client, old: Ledger) -> None:
    agreed(proposed(old))
    work_through_plans(old.id)

    page = text(get(auditor, f"{HOLDS}{hold(old).id}/change/"))

    assert "#0 to #511 were pruned; no hold brings them back." in page


def test_what_people_typed_is_text_and_nothing_else(administrator: Client, ledger: Ledger) -> None:
    hostile = "<script>alert(1)</script>\u202e"
    made = hold(ledger, kind="case", value=hostile, matter=hostile, reason=hostile, by=hostile)
    release_hold(made, reason=hostile, by=hostile)
    hold(ledger, kind="case", value=hostile, matter=hostile, reason=hostile, by=hostile)
    with pytest.raises(HoldRefused):
        hold(ledger, kind="case", value=hostile, matter=hostile, reason=hostile)
    form = {"ledger": ledger.name, "kind": "case", "value": hostile, "matter": hostile}

    refused = administrator.post(f"{HOLDS}new/", form | {"reason": hostile})
    send(administrator, f"{PURGES}{ledger.name}/propose/", reason=hostile)
    plan = newest_plan(ledger)
    pages = [
        refused.content.decode(),
        *(
            get(administrator, address)
            for address in (
                f"{HOLDS}?ledger={ledger.name}&show=all",
                f"{HOLDS}{made.id}/change/",
                f"{PURGES}?ledger={ledger.name}",
                f"{PURGES}?ledger={ledger.name}&show=purges",
                f"{PURGES}{plan.id}/change/",
            )
        ),
    ]

    assert refused.status_code == 400
    for page in pages:
        assert "<script>alert(1)" not in page
    for page in pages[1:]:
        assert "\u202e" not in page
        assert "⟨U+202E⟩" in page


@pytest.mark.parametrize("page", [PURGES, HOLDS])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ledger=nowhere", "No such ledger"),
        ("show=some", "is one of"),
        ("colour=red", "is no filter of this list"),
    ],
)
def test_an_address_that_cannot_be_read_lists_nothing(
    auditor: Client, page: str, query: str, said: str
) -> None:
    assert said in text(get(auditor, f"{page}?{query}"))


def test_a_form_for_a_ledger_that_is_none_says_so(administrator: Client) -> None:
    assert "No such ledger" in text(get(administrator, f"{HOLDS}new/?ledger=nowhere"))
