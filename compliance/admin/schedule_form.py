"""Read and show the form that makes or changes a schedule, with its recipients.

Nothing of it needs a script: Check shows the next runs, Add another shows one more row, and what
was typed stays. A secret that was typed is handed on once and never put into an answer. Acts:
compliance.schedule. Page: schedules.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import QueryDict

from compliance.acting import ActRefused
from compliance.admin.people_form import Box, frameworks_to_choose
from compliance.cron import PERIODS, PRESETS, next_runs, period_of
from compliance.delivery_kinds import KINDS, mailboxes
from compliance.models import Schedule
from compliance.renderers import FORMATS
from compliance.report import ENVIRONMENTS
from compliance.schedule import MOST_RECIPIENTS, WantedRecipient, WantedSchedule

OWN: Final = "own"
"""The preset that stands for an expression of one's own."""
_OPTIONS: Final = tuple(option.name for kind in KINDS.values() for option in kind.options)
_PARTS: Final = ("kind", "address", *_OPTIONS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upcoming:
    """One run that comes, and what it covers."""

    due: datetime
    local: str
    """On the schedule's own clock."""
    start: date
    last_day: date
    other_day: bool
    """It is another day in UTC, in which periods are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipientRow:
    """The inputs of one recipient."""

    number: int
    boxes: tuple[Box, ...]
    more: tuple[Box, ...]
    """What only an object store needs."""
    has_more: bool
    """Something stands there, so it is shown."""


def upcoming(cron: str, zone: str, period: str, after: datetime) -> list[Upcoming]:
    """Return the next five runs. Raises CronRefused."""
    found = []
    for due in next_runs(cron, zone, after):
        start, end = period_of(period, due, zone)
        local = due.astimezone(ZoneInfo(zone))
        found.append(
            Upcoming(
                due=due,
                local=f"{local:%a %Y-%m-%d %H:%M %Z}",
                start=start,
                last_day=end - timedelta(days=1),
                other_day=local.date() != due.date(),
            )
        )
    return found


def first_values(schedule: Schedule | None) -> dict[str, Any]:
    """Return what the form shows at first: usual values, or what is set up. Never a secret."""
    if schedule is None:
        cron, (_, period) = next(iter(PRESETS.items()))
        return {
            "name": "",
            "framework": "soc2",
            "environment": "prod",
            "preset": cron,
            "cron": cron,
            "zone": "UTC",
            "period": period,
            "formats": ["pdf", "executive", "zip"],
            "recipients": [],
        }
    return {
        "name": schedule.name,
        "framework": schedule.framework,
        "environment": schedule.environment,
        "preset": schedule.cron if schedule.cron in PRESETS else OWN,
        "cron": schedule.cron,
        "zone": schedule.zone,
        "period": schedule.period,
        "formats": list(schedule.formats),
        "recipients": [
            {"kind": each["kind"], "address": each["address"]}
            | {name: str(value) for name, value in each["options"].items()}
            for each in schedule.recipients
        ],
    }


def typed(sent: QueryDict) -> dict[str, Any]:
    """Return what was typed into the form, but for secrets."""
    preset = sent.get("preset", OWN)
    count = min(sum(name.endswith("-address") for name in sent), MOST_RECIPIENTS)
    while count and not _is_typed(sent, count - 1):
        count -= 1  # empty rows at the end are shown anew
    return {
        **{
            name: sent.get(name, "").strip()
            for name in ("name", "framework", "environment", "zone", "period")
        },
        "preset": preset,
        "cron": sent.get("cron", "").strip() if preset == OWN else preset,
        "formats": sent.getlist("formats"),
        "recipients": [
            {part: sent.get(f"recipient-{row}-{part}", "").strip() for part in _PARTS}
            for row in range(count)
        ],
    }


def _is_typed(sent: QueryDict, row: int) -> bool:
    return any(sent.get(f"recipient-{row}-{part}", "").strip() for part in ("address", "secret"))


def wanted_of(values: dict[str, Any], sent: QueryDict) -> WantedSchedule:
    """Return the schedule that was typed, with its secrets. An empty row is none."""
    return WantedSchedule(
        name=values["name"],
        framework=values["framework"],
        environment=values["environment"],
        cron=values["cron"],
        zone=values["zone"],
        period=values["period"],
        formats=tuple(values["formats"]),
        recipients=tuple(
            each
            for number, row in enumerate(values["recipients"])
            for each in _recipients(number, row, sent.get(f"recipient-{number}-secret", ""))
        ),
    )


def _recipients(number: int, row: dict[str, str], secret: str) -> Sequence[WantedRecipient]:
    """Return what stands in one row: of mail, as many as there are mailboxes."""
    kind, address = row["kind"], row["address"]
    if not address and not secret:
        return ()
    known = KINDS.get(kind)
    options = {option.name: row[option.name] for option in known.options} if known else {}
    # A row that was empty when it was shown has no value for what has a usual one.
    options = {name: value for name, value in options.items() if value or name == "lock"}
    addresses = mailboxes(address) or [""] if kind == "email" else [address]
    return [
        WantedRecipient(row=number, kind=kind, address=each, options=options, secret=secret or None)
        for each in addresses
    ]


# --- What is shown -------------------------------------------------------------------------------


def boxes(values: dict[str, Any], refused: ActRefused | None) -> dict[str, Box]:
    """Return the inputs by name, with what was typed and what is wrong with it."""
    chosen: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
        ("framework", "Framework", "", frameworks_to_choose()),
        (
            "environment",
            "Environment",
            "Of the agents that count.",
            (*((each, each) for each in ENVIRONMENTS), ("", "all")),
        ),
        (
            "preset",
            "How often",
            "",
            (
                *((cron, word) for cron, (word, _) in PRESETS.items()),
                (OWN, "At times of your own, as typed below"),
            ),
        ),
        (
            "period",
            "Period",
            "Whole days in UTC that are over when it runs.",
            tuple(PERIODS.items()),
        ),
    )
    found = {
        name: Box(name=name, word=word, help=said, kind="choice", choices=choices)
        for name, word, said, choices in chosen
    }
    found["name"] = Box(name="name", word="Name", help="Unique in the ledger.", most=80)
    found["cron"] = Box(
        name="cron",
        word="Times",
        help="Five fields of cron: minute, hour, day of the month, month, day of the week. "
        "0 6 1 * * is 06:00 on the 1st; L is the last day.",
        most=100,
        is_needed=False,
    )
    return {name: _with(box, values[name], refused) for name, box in found.items()}


def recipient_rows(
    values: dict[str, Any], refused: ActRefused | None, *, blank: int
) -> list[RecipientRow]:
    """Return the rows of recipients: those there are, and so many empty ones."""
    there = values["recipients"]
    count = min(len(there) + blank, MOST_RECIPIENTS)
    return [
        _row(number, there[number] if number < len(there) else {}, refused)
        for number in range(count)
    ]


def _row(number: int, row: dict[str, str], refused: ActRefused | None) -> RecipientRow:
    def box(part: str, word: str, *, is_needed: bool = True, **more: Any) -> Box:
        made = Box(name=f"recipient-{number}-{part}", word=word, is_needed=is_needed, **more)
        return _with(made, row.get(part, str(made.value)), refused)

    kinds = tuple((kind.name, kind.word) for kind in KINDS.values())
    shown = (
        box("kind", "Kind", kind="choice", choices=kinds, value="email"),
        box("address", "Address"),
    )
    more = tuple(
        box(
            option.name,
            option.word,
            is_needed=option.is_needed,
            help=option.help,
            kind="choice" if option.kind == "choice" else "text",
            choices=option.choices,
            value=str(option.default),
        )
        for kind in KINDS.values()
        for option in kind.options
    )
    is_store = row.get("kind") == "objectstore"
    return RecipientRow(number=number, boxes=shown, more=more, has_more=is_store)


def secret_error(number: int, refused: ActRefused | None) -> str:
    """Return what is wrong with the secret of a row."""
    named = refused is not None and refused.field == f"recipient-{number}-secret"
    return refused.message if named and refused is not None else ""


def format_choices(chosen: Sequence[str]) -> list[tuple[str, str, str, bool]]:
    """Return each format: its name, its word, what it is for, and whether it is chosen."""
    return [(one.name, one.word, one.about, one.name in chosen) for one in FORMATS.values()]


def _with(box: Box, value: str, refused: ActRefused | None) -> Box:
    is_wrong = refused is not None and refused.field == box.name
    return Box(
        name=box.name,
        word=box.word,
        help=box.help,
        kind=box.kind,
        value=value,
        error=refused.message if is_wrong and refused is not None else "",
        choices=box.choices,
        is_needed=box.is_needed,
        most=box.most,
    )
