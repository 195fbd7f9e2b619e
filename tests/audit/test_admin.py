"""Who may what in the admin: every address, and what nobody may do."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.test import Client
from django.test.utils import override_settings

from audit.admin.entries import EntryAdmin
from audit.models import Entry
from tests.audit.crawl_table import EXPECTED, WHO
from tests.audit.crawled import addresses
from tests.audit.desk import KEYS, administrator, main_ledger, make_client

__all__ = ["administrator", "main_ledger"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


class Unrendered:
    """Leaves the text of a page away for who only asks how it is answered; a middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: TemplateResponse
    ) -> TemplateResponse:
        if not request.path.startswith("/admin/auth/"):
            response.content = b""
        return response


def make_asker(who: str) -> Client:
    """Return the client of a role.

    A superuser's pages say what the administrator's say, which are drawn, except for people: to
    draw them a second time is a third of the work and finds nothing.
    """
    client = make_client(who)
    if who == "superuser":
        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}.Unrendered"]):
            client.handler.load_middleware()
    return client


@pytest.mark.parametrize("who", WHO)
def test_every_address_answers_a_role_as_the_table_says(database: None, who: str) -> None:
    found: dict[str, str] = {}
    asking = make_asker(who)
    for name, address in addresses().items():
        methods = asking.get, asking.post
        found[name] = " ".join(str(method(address).status_code) for method in methods)
        if name == "logout":
            asking = make_asker(who)

    place = WHO.index(who)
    assert found == {name: row[place] for name, row in EXPECTED.items()}


def test_nobody_may_add_change_or_delete_an_entry(database: None, rf: Any) -> None:
    page = EntryAdmin(Entry, admin.site)
    request = rf.get("/")
    request.user = User.objects.create_superuser(f"root-{uuid.uuid4().hex[:8]}")

    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
    assert page.get_actions(request) == {}


def test_forms_without_a_token_are_refused(database: None) -> None:
    client = make_client("administrator", enforce_csrf_checks=True)

    answer = client.post(f"{KEYS}add/", {"name": "x"})

    assert answer.status_code == 403


def test_an_administrator_makes_no_superuser_and_touches_none(administrator: Client) -> None:
    root = User.objects.create_superuser(f"root-{uuid.uuid4().hex[:8]}", password="long-enough-1")
    bob = User.objects.create_user(f"bob-{uuid.uuid4().hex[:8]}")
    form = {"username": bob.username, "is_active": "on", "is_superuser": "on"}

    administrator.post(f"/admin/auth/user/{bob.pk}/change/", form)
    touched = administrator.post(f"/admin/auth/user/{root.pk}/change/", {"username": "mine"})
    password = administrator.post(
        f"/admin/auth/user/{root.pk}/password/",
        {"password1": "mine-mine-123", "password2": "mine-mine-123"},
    )

    bob.refresh_from_db()
    root.refresh_from_db()
    assert not bob.is_superuser
    assert touched.status_code == 403
    assert password.status_code == 403
    assert root.check_password("long-enough-1")
