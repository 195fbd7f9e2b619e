"""Set up schedules of reports: make, change, pause, resume and remove them.

Each act and its entry `audit.config_changed` are kept or lost together; no entry, page or log ever
holds a secret (schedule_secrets.py). What a person gave wrong is refused with the name of its field
and the way out. When a schedule is due: cron.py. What then happens: slots.py. Recipients:
delivery_kinds.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg.errors import UniqueViolation

from compliance.acting import ActRefused, Person, read_choice, read_text
from compliance.cron import PERIODS, CronRefused, next_runs, period_of, read_cron, read_zone
from compliance.delivery_kinds import KINDS, RecipientRefused, check_recipient
from compliance.gather import Ledger, receive_own
from compliance.in_force import catalogue_in_force
from compliance.models import Schedule
from compliance.report import ENVIRONMENTS, EVERYWHERE, check_formats
from compliance.schedule_secrets import kept, packed, place, seal

__all__ = [
    "MOST_RECIPIENTS",
    "WantedRecipient",
    "WantedSchedule",
    "change_schedule",
    "check_schedule",
    "make_schedule",
    "next_runs",
    "pause_schedule",
    "period_of",
    "remove_schedule",
    "resume_schedule",
    "shown_address",
]

MOST_NAME: Final = 80
MOST_RECIPIENTS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedRecipient:
    """One recipient as a person typed it."""

    row: int
    """Of the form, from 0: errors name `recipient-<row>-<part>`."""
    kind: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
    """None: the one that is kept for this address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedSchedule:
    """A schedule as a person typed it."""

    name: str
    framework: str
    environment: str
    """Of the agents that count; empty: all."""
    cron: str
    zone: str
    period: str
    formats: tuple[str, ...]
    recipients: tuple[WantedRecipient, ...]


# --- Acts ----------------------------------------------------------------------------------------


def make_schedule(ledger: Ledger, wanted: WantedSchedule, *, by: Person) -> Schedule:
    """Make a schedule; its first run is the next one from now. Raises ActRefused."""
    made = Schedule(ledger=ledger, uid=uuid4(), made_by=by.name, changed_by=by.name)
    _fill(made, wanted)
    with _told_when_taken(), transaction.atomic():
        made.save(force_insert=True)
        _leave(made, by, "made", after=_shown(made))
    return made


def change_schedule(schedule: Schedule, wanted: WantedSchedule, *, by: Person) -> Schedule:
    """Change what is made, when, or for whom. Raises ActRefused.

    When it runs at other times from now on, no time before now counts: nothing is made up.
    """
    with _told_when_taken(), transaction.atomic():
        row = _held(schedule)
        before, old_secrets = _shown(row), row.secrets
        _fill(row, wanted)
        if (row.cron, row.zone) != (before["cron"], before["zone"]):
            row.counts_from = timezone.now()
        row.changed_at, row.changed_by = timezone.now(), by.name
        row.save()
        after = _shown(row)
        has_new = any(each.secret for each in wanted.recipients)
        if after == before and not has_new and bytes(old_secrets or b"") == (row.secrets or b""):
            raise ActRefused(field="act", message="that is how it is already")
        _leave(row, by, "changed", before=before, after=after, secret_changed=has_new)
    return row


def pause_schedule(schedule: Schedule, *, by: Person) -> Schedule:
    """Make nothing more until somebody resumes it. Raises ActRefused when it is paused."""
    with transaction.atomic():
        row = _held(schedule)
        if not row.is_on:
            raise ActRefused(field="act", message="it is paused already")
        row.is_on = False
        row.save(update_fields=["is_on"])
        _leave(row, by, "paused")
    return row


def resume_schedule(schedule: Schedule, *, by: Person) -> Schedule:
    """Let it run again from now on; what was due while it was paused is not made up.

    Raises ActRefused when it is going.
    """
    with transaction.atomic():
        row = _held(schedule)
        if row.is_on:
            raise ActRefused(field="act", message="it is going already")
        row.is_on, row.counts_from = True, timezone.now()
        row.save(update_fields=["is_on", "counts_from"])
        _leave(row, by, "resumed")
    return row


def remove_schedule(schedule: Schedule, *, by: Person) -> None:
    """Make nothing more and forget the secrets; the row, its slots and reports stay listed."""
    with transaction.atomic():
        row = _held(schedule)
        row.is_on, row.secrets = False, None
        row.removed_at, row.removed_by = timezone.now(), by.name
        row.save(update_fields=["is_on", "secrets", "removed_at", "removed_by"])
        _leave(row, by, "removed")


# --- What is checked -----------------------------------------------------------------------------


def check_schedule(wanted: WantedSchedule) -> None:
    """Refuse what no schedule can be, but for its recipients. Raises ActRefused."""
    name = read_text("name", wanted.name, missing="give it a name", most=MOST_NAME)
    if not name.isprintable():
        raise ActRefused(field="name", message="one line of visible characters")
    read_choice("framework", wanted.framework, sorted(catalogue_in_force().frameworks))
    read_choice("environment", wanted.environment, (EVERYWHERE, *ENVIRONMENTS))
    read_choice("period", wanted.period, tuple(PERIODS))
    check_formats(wanted.formats)
    first_run(wanted.cron, wanted.zone, timezone.now())


def first_run(cron: str, zone: str, after: datetime) -> datetime:
    """Return the next run. Raises ActRefused when the expression or the zone says none."""
    try:
        read_zone(zone)
        found = next_runs(cron, zone, after, count=1)
    except CronRefused as refused:
        raise ActRefused(field=refused.field, message=refused.message) from refused
    if not found:
        raise ActRefused(field="cron", message=f"{cron!r} never runs; see docs/schedules.md")
    return found[0]


def shown_address(kind: str, address: str) -> str:
    """Return an address without its query, where people put tokens."""
    if kind == "email":
        return address
    return urlsplit(address)._replace(query="").geturl()


# --- Rows and entries ----------------------------------------------------------------------------


def _fill(row: Schedule, wanted: WantedSchedule) -> None:
    check_schedule(wanted)
    row.name = wanted.name.strip()
    row.framework = wanted.framework
    row.environment = wanted.environment
    row.cron = read_cron(wanted.cron)
    row.zone = wanted.zone
    row.period = wanted.period
    row.formats = list(check_formats(wanted.formats))
    row.recipients, sealed = _recipients(row, wanted.recipients)
    row.secrets = packed(sealed)


def _recipients(
    row: Schedule, wanted: Sequence[WantedRecipient]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the recipients as rows hold them, and their sealed secrets. Raises ActRefused."""
    if len(wanted) > MOST_RECIPIENTS:
        raise ActRefused(field="recipients", message=f"at most {MOST_RECIPIENTS} recipients")
    had, found, sealed = kept(row), [], dict[str, str]()
    taken = set()
    for each in wanted:
        named = place(each.kind, each.address)
        if named in taken:
            said = "it is there twice"
            raise ActRefused(field=f"recipient-{each.row}-address", message=said)
        taken.add(named)
        try:
            if each.secret is None and named not in had and each.kind in KINDS:
                _miss(each.kind)
            options = check_recipient(each.kind, each.address, each.options, each.secret)
        except RecipientRefused as refused:
            field_ = f"recipient-{each.row}-{refused.part}"
            raise ActRefused(field=field_, message=refused.message) from refused
        if each.secret:
            sealed[named] = seal(row, each.kind, each.address, each.secret)
        elif named in had:
            sealed[named] = had[named]
        found.append({"kind": each.kind, "address": each.address, "options": options})
    return found, sealed


def _miss(kind: str) -> None:
    """Ask for a secret where one is needed and none is kept."""
    if KINDS[kind].secret_word:
        raise RecipientRefused(
            "secret", "it is needed: a new address never gets what was given for another"
        )


def _held(schedule: Schedule) -> Schedule:
    """Return the row as it is now, held until the transaction ends. Raises ActRefused."""
    row = (
        Schedule.objects.select_for_update(of=("self",))
        .select_related("ledger")
        .get(ledger_id=schedule.ledger_id, id=schedule.id)
    )
    if row.removed_at is not None:
        raise ActRefused(field="act", message="it was removed; make a new one")
    return row


@contextmanager
def _told_when_taken() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        cause = error.__cause__
        broken = cause.diag.constraint_name if isinstance(cause, UniqueViolation) else None
        if broken != "compliance_schedule_known":
            raise
        said = "another schedule of this ledger has this name"
        raise ActRefused(field="name", message=said) from error


def _shown(row: Schedule) -> dict[str, Any]:
    """Return a schedule as an entry holds it: no secret, and no query of an address."""
    return {
        "name": row.name,
        "framework": row.framework,
        "environment": row.environment,
        "cron": row.cron,
        "zone": row.zone,
        "period": row.period,
        "formats": list(row.formats),
        "recipients": [
            each | {"address": shown_address(each["kind"], each["address"])}
            for each in row.recipients
        ],
    }


def _leave(row: Schedule, by: Person, change: str, **details: object) -> None:
    receive_own(
        row.ledger,
        "audit.config_changed",
        by=by.name,
        target={"type": "schedule", "id": str(row.uid)},
        details={"what": "compliance.schedule", "schedule": row.name, "change": change, **details},
    )
