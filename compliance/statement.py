"""Management statements: one person prepares, another signs, either may be taken back.

Signing and withdrawing leave `audit.attestation_signed`, which is all that a score reads; drafts,
files and what was discarded are rows (compliance/sql/0003_people.sql). A statement speaks of the
days from `effective_from` to `effective_to`, whenever it was uploaded or signed, and ends with
`expires_on` at the latest. What counts of it: standing.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from compliance.acting import MOST_REASON, ActRefused, Person, read_optional, read_text, refusals
from compliance.definitions import Catalogue, Control
from compliance.gather import Ledger, receive_own
from compliance.models import Statement
from compliance.named import find_control, find_framework

MOST_FILE: Final = 20 * 1024 * 1024
"""Bytes of the file that goes with a statement."""
MOST_FILE_NAME: Final = 200
ADDRESSABLE: Final = "A"
"""The kind of HIPAA specification that a signed reasoning may stand in for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attached:
    """A file that goes with a statement."""

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a statement is to say."""

    framework: str
    control: str
    text: str
    role: str
    """As what its signer signs: `security official`."""
    effective_from: date
    effective_to: date
    expires_on: date | None = None
    """None: as long as the control allows."""
    is_reasoning: bool = False
    """The reasoning of 45 CFR 164.306(d)(3), in place of an addressable specification."""


def prepare_statement(
    ledger: Ledger,
    catalogue: Catalogue,
    draft: Draft,
    *,
    by: Person,
    attached: Attached | None = None,
    renews: Statement | None = None,
) -> Statement:
    """Keep a draft, ready to be signed by somebody else; leaves no entry. Raises ActRefused."""
    control = _control(catalogue, draft)
    expires_on = draft.expires_on or _longest(control, draft.effective_from)
    text = read_text("text", draft.text, missing="say what management states")
    role = read_text("role", draft.role, missing="say as what it is signed", most=MOST_REASON)
    _check_days(control, draft, expires_on)
    file = _checked(attached)
    with refusals():
        return Statement.objects.create(
            ledger=ledger,
            framework=draft.framework,
            control=control.id,
            text=text,
            role=role,
            is_reasoning=draft.is_reasoning,
            effective_from=draft.effective_from,
            effective_to=draft.effective_to,
            expires_on=expires_on,
            file_name=file.name if file else "",
            file_sha256=sha256(file.content).hexdigest() if file else "",
            file_size=len(file.content) if file else 0,
            file=file.content if file else None,
            renews_id=renews.id if renews else None,
            prepared_by_id=by.id,
            prepared_by=by.name,
        )


def sign_statement(statement: Statement, *, by: Person) -> Statement:
    """Sign a draft that somebody else prepared; leaves `audit.attestation_signed`.

    Raises ActRefused: prepared by the same person, not a draft, an account without the right.
    """
    if by.id == statement.prepared_by_id or by.name == statement.prepared_by:
        raise ActRefused(field="act", message="you prepared it; another person must sign it")
    with refusals(), transaction.atomic():
        _move(statement, "draft", state="signed", signer_id=by.id, signed_by=by.name)
        signed = _again(statement)
        if signed.signed_by != by.name:
            raise ActRefused(field="act", message=f"this account is {signed.signed_by} by now")
        _leave(signed, "signed", by=by)
    return signed


def withdraw_statement(statement: Statement, *, reason: str, by: Person) -> Statement:
    """Take a signed statement back; leaves `audit.attestation_signed` with act `withdrawn`."""
    reason = read_text("reason", reason, missing="say why it no longer holds", most=MOST_REASON)
    with refusals(), transaction.atomic():
        _move(statement, "signed", state="withdrawn", **_ended(by, reason))
        withdrawn = _again(statement)
        _leave(withdrawn, "withdrawn", by=by, reason=reason)
    return withdrawn


def discard_statement(statement: Statement, *, by: Person) -> Statement:
    """Put a draft away that nobody is to sign; leaves no entry, since it never counted."""
    with refusals(), transaction.atomic():
        _move(statement, "draft", state="discarded", **_ended(by, ""))
    return _again(statement)


def default_expiry(catalogue: Catalogue, framework: str, control: str, begins: date) -> date:
    """Return until when a statement that begins on a day may hold. Raises ActRefused."""
    return _longest(find_control(find_framework(catalogue, framework), control), begins)


def _control(catalogue: Catalogue, draft: Draft) -> Control:
    control = find_control(find_framework(catalogue, draft.framework), draft.control)
    if draft.is_reasoning:
        if control.spec != ADDRESSABLE:
            raise ActRefused(
                field="is_reasoning",
                message=f"{control.id} is no addressable specification; only those may be reasoned",
            )
    elif not control.attest:
        raise ActRefused(
            field="control", message=f"{control.id} rests on checks alone; nothing is stated for it"
        )
    return control


def _check_days(control: Control, draft: Draft, expires_on: date) -> None:
    if draft.effective_to < draft.effective_from:
        raise ActRefused(field="effective_to", message="it cannot end before it begins")
    if expires_on < draft.effective_from:
        raise ActRefused(field="expires_on", message="it cannot expire before it begins")
    longest = _longest(control, draft.effective_from)
    if expires_on > longest:
        raise ActRefused(
            field="expires_on",
            message=f"a statement for {control.id} holds {control.cadence_days:,} days, "
            f"to {longest} at the latest",
        )


def _longest(control: Control, begins: date) -> date:
    return begins + timedelta(days=control.cadence_days)


def _checked(attached: Attached | None) -> Attached | None:
    if attached is None:
        return None
    name = read_optional("file", PurePosixPath(attached.name.replace("\\", "/")).name, most=1_000)
    if not name:
        raise ActRefused(field="file", message="the file has no name")
    if not attached.content:
        raise ActRefused(field="file", message="the file is empty")
    if len(attached.content) > MOST_FILE:
        raise ActRefused(
            field="file",
            message=f"at most {MOST_FILE:,} bytes; this has {len(attached.content):,}",
        )
    return Attached(name=name[-MOST_FILE_NAME:], content=attached.content)


def _move(statement: Statement, was: str, **fields: Any) -> None:
    updated = Statement.objects.filter(
        ledger_id=statement.ledger_id, id=statement.id, state=was
    ).update(**fields)
    if updated != 1:
        now = _again(statement)
        raise ActRefused(field="act", message=f"it is {now.state} by now; look at it again")


def _ended(by: Person, reason: str) -> dict[str, Any]:
    return {"ended_at": timezone.now(), "ended_by": by.name, "end_reason": reason}


def _again(statement: Statement) -> Statement:
    return Statement.objects.listed().get(ledger_id=statement.ledger_id, id=statement.id)


def _leave(statement: Statement, act: str, *, by: Person, reason: str = "") -> None:
    receive_own(
        statement.ledger,
        "audit.attestation_signed",
        by=by.name,
        target={"type": "control", "id": f"{statement.framework}:{statement.control}"},
        details={
            "act": act,
            "statement": str(statement.uid),
            "framework": statement.framework,
            "control": statement.control,
            "text": statement.text,
            "role": statement.role,
            "prepared_by": statement.prepared_by,
            "file_name": statement.file_name,
            "file_sha256": statement.file_sha256,
            "effective_from": statement.effective_from.isoformat(),
            "effective_to": statement.effective_to.isoformat(),
            "expires_on": statement.expires_on.isoformat(),
            "reasoning": statement.is_reasoning,
        },
        **({"reason": reason} if reason else {}),
    )
