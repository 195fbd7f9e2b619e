"""Say what people did with one alert rule, out of the entries of the platform's own ledger.

Entries are found by their action and looked through, the newest first: what an act is about stands
in the record and in no column. So no more than `LOOKED_AT` of them are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from audit.models import Entry
from metrics.admin.forms import url_of
from metrics.alerting.changing import KIND

LOOKED_AT: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One thing that somebody did."""

    at: datetime
    who: str
    change: str
    what: str
    """Of a change, each field with what it was and is."""
    reason: str
    seq: int
    url: str


def acts_of(name: str) -> list[Act]:
    """Return what was done with a rule of this name, the newest first."""
    newest = (
        Entry.objects.filter(ledger__name=settings.LEDGER, action="audit.config_changed")
        .only("seq", "record", "received_at", "ledger_id")
        .order_by("-seq")[:LOOKED_AT]
    )
    target = {"type": KIND, "id": name}
    return [
        _act(entry, event)
        for entry in newest
        if (event := entry.parsed()["event"]).get("target") == target
    ]


def _act(entry: Entry, event: Mapping[str, Any]) -> Act:
    details = event.get("details") or {}
    before, after = details.get("before") or {}, details.get("after") or {}
    return Act(
        at=entry.received_at,
        who=event["actor"]["id"],
        change=details.get("change", ""),
        what="; ".join(
            f"{field}: {_said(before.get(field))} → {_said(value)}"
            for field, value in after.items()
        ),
        reason=event.get("reason") or "",
        seq=entry.seq,
        url=url_of("audit_entry_at", settings.LEDGER, entry.seq),
    )


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
