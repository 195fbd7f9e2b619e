"""What tests of people's decisions over metrics share: empty tables, the newest entry, pages."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client

from audit.append import append_pending
from audit.database import raw_connection
from audit.models import Entry, Ledger
from metrics import switches

DECIDED = ("metrics_switch", "metrics_custommetric", "metrics_price", "metrics_budget")


def forget_all() -> None:
    """Forget what people have decided: it is the installation's, and other tests would obey it."""
    for table in DECIDED:
        raw_connection().execute(f"DELETE FROM {table}")
    switches.refresh()


def newest_change() -> dict[str, Any]:
    """Return the event of the newest entry in the platform's own ledger."""
    own = Ledger.objects.get(name=settings.LEDGER)
    append_pending(own.id)
    entry = Entry.objects.filter(ledger=own).order_by("-seq").first()
    assert entry is not None
    event: dict[str, Any] = entry.parsed()["event"]
    assert event["action"] == "audit.config_changed"
    return event


def client(*groups: str) -> Client:
    """Return the browser of somebody in these groups."""
    made = User.objects.create_user(f"p-{uuid.uuid4().hex[:8]}", is_staff=True)
    made.groups.set(Group.objects.filter(name__in=groups))
    found = Client()
    found.force_login(made)
    return found


def said(page: bytes) -> str:
    """Return the text of a page as people read it."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode())))


def page(who: Client, address: str, status: int = 200) -> str:
    """Return the text of an address."""
    answer = who.get(address)
    assert answer.status_code == status, said(answer.content)
    return said(answer.content)
