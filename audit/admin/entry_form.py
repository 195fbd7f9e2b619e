"""The form over the list of entries, its chips, and the address that a sent form leads to.

The address is the filter and audit.query alone reads it. A sent form carries `form=1`: its blanks
are left out, a time span becomes a beginning, and the browser is sent on to the address that is
left. A blank in an address that no form made stays an error there. Page: audit.admin.entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, get_args

from django.http import QueryDict
from django.urls import reverse

from audit.actions import ACTIONS
from audit.events import Category, DataClass
from audit.models import Agent
from audit.query import Environment, Outcome, Severity, Unreadable, read_time
from audit.templatetags.desk import visible

SENT = "form"
SPAN = "last"
PAGING = ("after", "before")
SPANS: Final[Mapping[str, tuple[str, timedelta]]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
MOST_OFFERED = 200
"""Agents offered while one types; any other may be typed all the same."""

_TIMES: Final = {"from": "From", "to": "Until, not included"}
_TEXTS: Final = {
    "agent": ("Agent", "support-bot"),
    "actor": ("Actor", "an id"),
    "action": ("Action", "data.read, or data. for all"),
    "run": ("Run", "a run's id"),
    "trace": ("Trace", "32 hexadecimal digits"),
    "key": ("API key", "its 8 characters"),
}
_CHOICES: Final = {
    "outcome": ("Outcome", get_args(Outcome)),
    "severity": ("Severity", get_args(Severity)),
    "environment": ("Environment", get_args(Environment)),
    "backfill": ("Brought in as history", ("true", "false")),
    "data_class": ("Data class", get_args(DataClass)),
    "category": ("Category", get_args(Category)),
}
_WORDS: Final = {"true": "yes", "false": "no"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A filter whose values are typed: one input for each value there is, and an empty one."""

    name: str
    label: str
    hint: str
    values: list[str]
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A filter whose values are ticked."""

    name: str
    label: str
    options: list[tuple[str, str, bool]]
    """Value, word, and whether it is ticked."""
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What the template needs to draw the form as the address says it."""

    times: list[Box]
    texts: list[Box]
    choices: list[Choice]
    spans: list[tuple[str, str]]
    agents: list[str]
    actions: list[str]
    active: int
    """Filters that narrow the list; the ledger is none."""
    is_open: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Chip:
    """One active filter, and the address of the list without it."""

    name: str
    value: str
    without: str
    error: str = ""
    moment: datetime | None = None
    """The time that the value names, when it is one."""


def address(params: QueryDict, **more: object) -> str:
    """Return the list's address with these filters and a place in the list."""
    query = params.copy()
    for name, value in more.items():
        if value is not None:
            query[name] = str(value)
    return f"{reverse('admin:audit_entry_changelist')}?{query.urlencode()}"


def sent_address(sent: QueryDict, *, now: datetime) -> str:
    """Return the address that a sent form asks for. What it holds is read there, not here."""
    query = QueryDict(mutable=True)
    for name, values in sent.lists():
        kept = [value for value in (str(each).strip() for each in values) if value]
        if name != SENT and kept:
            query.setlist(name, kept)
    span = SPANS.get(query.get(SPAN, ""))
    if span is not None:
        query.pop(SPAN)
        query.pop("to", None)
        began = (now - span[1]).replace(microsecond=0)
        query["from"] = began.isoformat().replace("+00:00", "Z")
    return address(query)


def chips(asked: QueryDict, errors: Mapping[str, str]) -> list[Chip]:
    """Return a chip for every value in the address, those that cannot be read too."""
    found = []
    for name, values in asked.lists():
        if name in PAGING and name not in errors:
            continue
        for value in values:
            rest = asked.copy()
            rest.setlist(name, [other for other in values if other != value])
            for place in PAGING:
                rest.pop(place, None)  # a place in one list is none in another
            found.append(
                Chip(
                    name=name,
                    value=str(value),
                    without=address(rest),
                    error=errors.get(name, ""),
                    moment=_moment(name, str(value)),
                )
            )
    return found


def _moment(name: str, value: str) -> datetime | None:
    if name not in _TIMES:
        return None
    try:
        return read_time(value)
    except Unreadable:
        return None  # the chip shows the text as it is; its error stands beside it


def form(asked: QueryDict, errors: Mapping[str, str], *, ledger_id: int | None) -> Form:
    """Return the form filled with what the address asks for."""
    return Form(
        times=[
            Box(
                name=name,
                label=label,
                hint="",
                values=asked.getlist(name)[:1] or [""],
                error=errors.get(name, ""),
            )
            for name, label in _TIMES.items()
        ],
        texts=[
            Box(
                name=name,
                label=label,
                hint=hint,
                values=[*asked.getlist(name), ""],
                error=errors.get(name, ""),
            )
            for name, (label, hint) in _TEXTS.items()
        ],
        choices=[
            Choice(
                name=name,
                label=label,
                options=[
                    (word, _WORDS.get(word, word.replace("_", " ")), word in asked.getlist(name))
                    for word in words
                ],
                error=errors.get(name, ""),
            )
            for name, (label, words) in _CHOICES.items()
        ],
        spans=[(name, label) for name, (label, _) in SPANS.items()],
        agents=_known_agents(ledger_id),
        actions=_known_actions(),
        active=sum(
            len(values) for name, values in asked.lists() if name not in {"ledger", *PAGING}
        ),
        is_open=bool(errors),
    )


def _known_agents(ledger_id: int | None) -> list[str]:
    """Return ids to offer. One that hides characters is not offered: it would look like another."""
    if ledger_id is None:
        return []
    known = Agent.objects.filter(ledger_id=ledger_id).order_by("agent_id")
    found = known.values_list("agent_id", flat=True)[:MOST_OFFERED]
    return [agent for agent in found if visible(agent) == agent]


def _known_actions() -> list[str]:
    prefixes = {f"{action.partition('.')[0]}." for action in ACTIONS}
    return sorted(prefixes | set(ACTIONS))
