"""Findings: what is wrong, who puts it right by when, whether it still is, and who closed it.

A person opens one about a control, a check or a failing item; it can be retested, which asks the
tallies whether the item still fails; a person closes it with a note, and of a critical one that
person is not its owner. Opening and closing leave `audit.finding_opened` and
`audit.finding_closed`, which name in `case.subject_event` the event it is about: closing releases
what only a person can release (`also_fail_when` of a check).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from compliance.acting import (
    MOST_NAME,
    MOST_REASON,
    ActRefused,
    Person,
    read_optional,
    read_text,
    refusals,
    today,
)
from compliance.definitions import Catalogue, Severity
from compliance.found_rows import kept_item
from compliance.gather import Entry, Ledger, receive_own
from compliance.models import Finding
from compliance.named import find_check, find_control, find_framework

MOST_TITLE: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingOpened:
    """What a finding says when it is opened."""

    framework: str
    control: str
    check: str
    """Empty: about the control itself."""
    item: str
    """The failing item of the check; empty: about the whole check."""
    title: str
    owner: str
    """The user name of who puts it right."""
    due: date
    note: str = ""
    seq: int | None = None
    """The entry it is about; None: that of the item."""


def open_finding(
    ledger: Ledger, catalogue: Catalogue, said: FindingOpened, *, by: Person
) -> Finding:
    """Open a finding; leaves `audit.finding_opened`. Raises ActRefused."""
    severity = _severity(catalogue, said)
    if said.item and not said.check:
        raise ActRefused(field="check", message="name the check that the item belongs to")
    if said.due < today():
        raise ActRefused(field="due", message="the day is over; give one to come")
    owner = _account(said.owner)
    seq = said.seq if said.seq is not None else _seq_of(ledger, said)
    with refusals(), transaction.atomic():
        made = Finding.objects.create(
            ledger=ledger,
            framework=said.framework,
            control=said.control,
            check_id=said.check,
            item=read_optional("item", said.item, most=MOST_NAME),
            entry_seq=seq,
            subject_event=None if seq is None else _event(ledger, seq),
            severity=severity,
            title=read_text("title", said.title, missing="say what is wrong", most=MOST_TITLE),
            note=read_optional("note", said.note),
            owner_id=owner.pk,
            owner=owner.get_username(),
            due=said.due,
            opened_by=by.name,
        )
        _leave(made, "audit.finding_opened", by=by, note=made.note)
    return made


def retest_finding(finding: Finding, *, by: Person) -> Finding:
    """Ask the tallies whether what the finding is about still fails; leaves no entry."""
    if not finding.item:
        raise ActRefused(
            field="act", message="it names no item; look at the check and close it with a note"
        )
    found = kept_item(finding.ledger_id, finding.check_id, finding.item)
    if found is None:
        said = "the item fails no more, or the tallies have not read so far"
    elif found.state == "fail":
        said = f"the item still fails: {found.why}"
    else:
        said = f"the item is {found.state}"
    with refusals(), transaction.atomic():
        _move(finding, retested_at=timezone.now(), retested_by=by.name, retest=said)
    return again(finding)


def close_finding(finding: Finding, *, note: str, by: Person) -> Finding:
    """Close a finding with what was done; leaves `audit.finding_closed`. Raises ActRefused."""
    note = read_text("note", note, missing="say what was done, and how it was seen to work")
    if finding.severity == "critical" and finding.owner_id == by.id:
        raise ActRefused(
            field="act", message="it is critical and yours; another person must close it"
        )
    with refusals(), transaction.atomic():
        _move(finding, state="closed", closer_id=by.id, closed_by=by.name, close_note=note)
        closed = again(finding)
        _leave(closed, "audit.finding_closed", by=by, note=note)
    return closed


def again(finding: Finding) -> Finding:
    """Return the row as it stands now, with its ledger."""
    return Finding.objects.select_related("ledger").get(ledger_id=finding.ledger_id, id=finding.id)


def _severity(catalogue: Catalogue, said: FindingOpened) -> Severity:
    framework = find_framework(catalogue, said.framework)
    if not said.control and not said.check:
        raise ActRefused(field="control", message="name the control or the check it is about")
    control = find_control(framework, said.control) if said.control else None
    if said.check:
        return find_check(catalogue, said.check).severity
    assert control is not None, "one of the two is named"
    return control.weight


def _account(name: str) -> User:
    found = User.objects.filter(username=name.strip(), is_active=True, is_staff=True).first()
    if found is None:
        raise ActRefused(field="owner", message="choose somebody who may enter this desk")
    return found


def _seq_of(ledger: Ledger, said: FindingOpened) -> int | None:
    if not said.item:
        return None
    found = kept_item(ledger.id, said.check, said.item)
    if found is None:
        raise ActRefused(
            field="item",
            message=f"{said.check} keeps no item of this id in {ledger.name}; copy it from the "
            "page of the check",
        )
    return found.seq


def _event(ledger: Ledger, seq: int) -> UUID:
    found = Entry.objects.filter(ledger=ledger, seq=seq).values_list("event_id", flat=True).first()
    if found is None:
        raise ActRefused(field="seq", message=f"{ledger.name} has no entry #{seq:,} any more")
    return found


def _move(finding: Finding, **fields: Any) -> None:
    updated = Finding.objects.filter(
        ledger_id=finding.ledger_id, id=finding.id, state="open"
    ).update(**fields)
    if updated != 1:
        raise ActRefused(field="act", message="it was closed before; open another one")


def _leave(finding: Finding, action: str, *, by: Person, note: str) -> None:
    case = {"id": f"finding:{finding.uid}"}
    if finding.subject_event is not None:
        case["subject_event"] = str(finding.subject_event)
    receive_own(
        finding.ledger,
        action,
        by=by.name,
        **({"reason": note[:MOST_REASON]} if note else {}),
        target={"type": "finding", "id": str(finding.uid)},
        case=case,
        details={
            "finding": str(finding.uid),
            "framework": finding.framework,
            "control": finding.control,
            "check": finding.check_id,
            "item": finding.item,
            "title": finding.title,
            "owner": finding.owner,
            "due": finding.due.isoformat(),
            "note": note,
        },
    )
