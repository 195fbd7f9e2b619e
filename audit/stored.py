"""The bytes of an event that are stored: no secret, no subject in clear, within the limits. Pure.

Owns the step from a ParsedEvent to what inbox, ledger and quarantine may hold. Takes pseudonyms and
ciphertext from the caller and makes none: keys are `audit.subjects`' business. Most events come out
as they went in, and cost a look for secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from audit.errors import EventRejected
from audit.events import Actor, Event, Party
from audit.ledger import canonical
from audit.parse import ParsedEvent, encode, with_fields
from audit.redact import Redactor

MAX_EVENT: Final = 60_000
"""Bytes of a stored event; a record, which holds it, ends at 65,535."""

MAX_DETAILS: Final = 32_768
"""Bytes of `details` in canonical form."""


def stored_event(
    parsed: ParsedEvent,
    *,
    pseudonyms: Mapping[str, str],
    personal: Mapping[str, str] | None,
    redactor: Redactor,
    at: str = "$",
) -> bytes:
    """Return the canonical bytes to store; raises EventRejected (`too-large`) beyond the limits.

    `pseudonyms` has every subject id of the event; `personal` is what stands for the personal data:
    `alg`, `key_id`, `nonce`, `ciphertext`. Returns `parsed.canonical` itself when nothing changes.
    """
    event = parsed.event
    changes = _redacted(event, redactor)
    if parsed.subject_ids:
        changes |= _pseudonymised(event, parsed.subject_ids, pseudonyms)
    if parsed.personal is not None:
        assert personal is not None, "personal data is stored encrypted or not at all"
        changes["personal"] = dict(personal)
    if not changes and len(parsed.canonical) <= MAX_DETAILS:
        return parsed.canonical

    stored = with_fields(event, **changes)
    encoded = (
        encode(stored, rewrites_numbers=parsed.rewrites_numbers) if changes else parsed.canonical
    )
    _check_size(stored, encoded, at=at)
    return encoded


def _redacted(event: Event, redactor: Redactor) -> dict[str, Any]:
    """Return the fields that change when secrets are taken out of the four that are looked at."""
    changes: dict[str, Any] = {}
    details, labels, reason, error = event.details, event.labels, event.reason, event.error
    if details is not UNSET and (clean := redactor.tree(details)) is not details:
        changes["details"] = clean
    if labels is not UNSET and (clean := redactor.tree(labels)) is not labels:
        changes["labels"] = clean
    if reason is not UNSET and (clean := redactor.text(reason)) is not reason:
        changes["reason"] = clean
    if error is not UNSET and error.message is not UNSET:
        clean = redactor.text(error.message)
        if clean is not error.message:
            changes["error"] = msgspec.structs.replace(error, message=clean)
    return changes


def _pseudonymised(
    event: Event, subject_ids: tuple[str, ...], pseudonyms: Mapping[str, str]
) -> dict[str, Any]:
    """Return the fields that change when each subject's id gives way to its pseudonym."""
    names = {subject: pseudonyms[subject] for subject in subject_ids}
    data, target = event.data, event.target
    assert data is not UNSET, "subject ids stand in data"
    assert data.subject_ids is not UNSET, "subject ids stand in data"
    changes: dict[str, Any] = {
        "data": msgspec.structs.replace(
            data, subject_ids=[names[subject] for subject in data.subject_ids]
        ),
        "actor": _pseudonymised_actor(event.actor, names),
    }
    if target is not UNSET and target.id is not UNSET and target.id in names:
        changes["target"] = msgspec.structs.replace(target, id=names[target.id])
    return changes


def _pseudonymised_actor(actor: Actor, names: Mapping[str, str]) -> Actor:
    chain = actor.delegation_chain
    return msgspec.structs.replace(
        actor,
        id=names.get(actor.id, actor.id),
        on_behalf_of=_pseudonymised_party(actor.on_behalf_of, names),
        delegation_chain=(
            UNSET if chain is UNSET else [_pseudonymised_party(party, names) for party in chain]
        ),
    )


def _pseudonymised_party(party: Party | UnsetType, names: Mapping[str, str]) -> Party | UnsetType:
    if party is UNSET or party.id not in names:
        return party
    return msgspec.structs.replace(party, id=names[party.id])


def _check_size(stored: Event, encoded: bytes, *, at: str) -> None:
    if stored.details is not UNSET:
        size = len(canonical.canonicalise(stored.details))
        if size > MAX_DETAILS:
            raise EventRejected(
                code="too-large",
                path=f"{at}.details",
                message=f"at most {MAX_DETAILS} bytes in canonical form",
            )
    if len(encoded) > MAX_EVENT:
        raise EventRejected(
            code="too-large",
            path=at,
            message=f"at most {MAX_EVENT} bytes in canonical form, once stored",
        )
