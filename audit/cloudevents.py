"""CloudEvents 1.0 in: from their envelope to our event, and to ids that are UUIDs. Pure.

    type     our action, or <category>.<action>       id, source   the event's id, see below
    subject  target.id                                time         occurred_at
    data     the event; an attribute fills in what it leaves out and may not say otherwise

Attributes of other names (extensions) are kept under `details.cloudevent`, since what was sent must
not vanish. An id that is no UUID becomes UUIDv5 of `source`, LF, `id` under the ledger's own
namespace; the caller keeps the original in the record's `source.id`.
Structured mode is one JSON object, a batch a list of them (`audit.bodies.split_body` splits it),
binary mode has the attributes in `ce-` headers. The result goes to `audit.parse.parse_event`.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from audit import limits
from audit.actions import ACTIONS, is_vendor_action
from audit.errors import EventRejected

_VERSION: Final = "1.0"
_LONGEST: Final = 1_000  # characters of an attribute that is kept or hashed
_REQUIRED: Final = ("specversion", "id", "source", "type")
_OWN: Final = frozenset(
    {*_REQUIRED, "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
)
_HEADER_PREFIX: Final = "ce-"
_CATEGORIES: Final = frozenset(ACTIONS.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Unwrapped:
    """An event taken out of its CloudEvent, ready for `parse_event`."""

    raw: bytes
    """The event as JSON."""

    default_id: uuid.UUID
    """The id that the CloudEvent gives it; an `id` in its data comes first."""

    source_id: str | None
    """The CloudEvent's id when it is no UUID, else None."""

    at: str
    """Where the event stood in what was sent; pass it on to `parse_event`."""


def from_structured(raw: bytes, *, ledger: str) -> Unwrapped:
    """Return the event of a CloudEvent in JSON; raises EventRejected with the place in it."""
    envelope = _json_object(raw, at="$", depth=0)
    for name in _OWN - {"data"}:
        if name in envelope and not isinstance(envelope[name], str):
            raise EventRejected(code="wrong-type", path=f"$.{name}", message="expected a string")
    if "data_base64" in envelope:
        event, at = _json_object(_decoded(envelope), at="$.data_base64"), "$.data_base64"
    elif "data" in envelope:
        event, at = envelope["data"], "$.data"
    else:
        raise EventRejected(code="missing-field", path="$.data", message="required")
    return _unwrapped(envelope, event, ledger=ledger, attribute="$.", at=at)


def from_binary(headers: Mapping[str, str], body: bytes, *, ledger: str) -> Unwrapped:
    """Return the event of a CloudEvent whose attributes are `ce-` headers, its data the body."""
    envelope = {
        name.lower().removeprefix(_HEADER_PREFIX): _header_value(value, name.lower())
        for name, value in headers.items()
        if name.lower().startswith(_HEADER_PREFIX)
    }
    event = _json_object(body, at="$")
    return _unwrapped(envelope, event, ledger=ledger, attribute=_HEADER_PREFIX, at="$")


def namespace(ledger: str) -> uuid.UUID:
    """Return the namespace of a ledger's ids: UUIDv5 of its name among URLs (RFC 9562 §5.5)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, ledger)


def idempotency_id(ledger: str, key: str, index: int) -> uuid.UUID:
    """Return the id of the event at this index of a POST under this `Idempotency-Key`."""
    return uuid.uuid5(namespace(ledger), f"{key}#{index}")


def _unwrapped(
    envelope: dict[str, Any], event: Any, *, ledger: str, attribute: str, at: str
) -> Unwrapped:
    if not isinstance(event, dict):
        raise EventRejected(code="wrong-type", path=at, message="expected an object: the event")
    _check_attributes(envelope, attribute)
    _fill_in_action(event, envelope["type"], attribute=attribute, at=at)
    _fill_in_target(event, envelope.get("subject"), attribute=attribute, at=at)
    if "time" in envelope:
        event.setdefault("occurred_at", envelope["time"])
    _keep_extensions(event, envelope, at=at)
    default_id, source_id = _ids(envelope, ledger)
    return Unwrapped(
        raw=msgspec.json.encode(event), default_id=default_id, source_id=source_id, at=at
    )


def _check_attributes(envelope: Mapping[str, Any], attribute: str) -> None:
    for name in _REQUIRED:
        if not envelope.get(name):
            raise EventRejected(
                code="missing-field",
                path=f"{attribute}{name}",
                message="required by CloudEvents 1.0, and not empty",
            )
    if envelope["specversion"] != _VERSION:
        raise EventRejected(
            code="schema-version",
            path=f"{attribute}specversion",
            message=f"only CloudEvents {_VERSION} is known",
        )
    for name in ("id", "source"):
        if len(envelope[name]) > _LONGEST:
            raise EventRejected(
                code="too-long",
                path=f"{attribute}{name}",
                message=f"at most {_LONGEST} characters",
            )


def _fill_in_action(event: dict[str, Any], kind: str, *, attribute: str, at: str) -> None:
    category, action = _category_and_action(kind, f"{attribute}type")
    given = event.setdefault("action", action)
    if given != action:
        raise _otherwise(f"{attribute}type", f"{at}.action")
    if category is not None and event.setdefault("category", category) != category:
        raise EventRejected(
            code="wrong-category",
            path=f"{attribute}type",
            message=f"names another category than {at}.category",
        )


def _category_and_action(kind: str, path: str) -> tuple[str | None, str]:
    """Read `type`: our action says its category itself, a vendor's may have it put before it."""
    if kind in ACTIONS:
        return ACTIONS[kind], kind
    if is_vendor_action(kind):
        return None, kind
    category, _, action = kind.partition(".")
    if category not in _CATEGORIES or not (action in ACTIONS or is_vendor_action(action)):
        raise EventRejected(
            code="unknown-action",
            path=path,
            message="an action of docs/events.md, or <category>.<action>, is needed",
        )
    return category, action


def _fill_in_target(event: dict[str, Any], subject: str | None, *, attribute: str, at: str) -> None:
    if not subject:
        return
    target = event.setdefault("target", {})
    # A target that is no object is parse_event's to refuse.
    if isinstance(target, dict) and target.setdefault("id", subject) != subject:
        raise _otherwise(f"{attribute}subject", f"{at}.target.id")


def _keep_extensions(event: dict[str, Any], envelope: Mapping[str, Any], *, at: str) -> None:
    extensions = {name: value for name, value in envelope.items() if name not in _OWN}
    if not extensions:
        return
    details = event.setdefault("details", {})
    if isinstance(details, dict):
        if "cloudevent" in details:
            raise EventRejected(
                code="duplicate-key",
                path=f"{at}.details.cloudevent",
                message="the attributes of the CloudEvent that are no event field go here",
            )
        details["cloudevent"] = extensions


def _ids(envelope: Mapping[str, str], ledger: str) -> tuple[uuid.UUID, str | None]:
    sent = envelope["id"]
    try:
        return msgspec.convert(sent, uuid.UUID), None
    except msgspec.ValidationError:
        made = uuid.uuid5(namespace(ledger), f"{envelope['source']}\n{sent}")
        return made, sent


def _json_object(raw: bytes, *, at: str, depth: int = 1) -> dict[str, Any]:
    limits.check_sent_size(raw, at=at)
    # Read exactly first: merging would hide a key that stands twice.
    limits.refuse(raw, at=at, depth=depth)
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        raise EventRejected(code="wrong-type", path=at, message="expected an object")
    return value


def _decoded(envelope: Mapping[str, Any]) -> bytes:
    if "data" in envelope:
        raise EventRejected(
            code="duplicate-key", path="$.data_base64", message="data stands there too"
        )
    try:
        return base64.b64decode(envelope["data_base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventRejected(
            code="bad-value", path="$.data_base64", message="this is no base64"
        ) from error


def _header_value(value: str, name: str) -> str:
    """Undo the percent-encoding that the HTTP binding of CloudEvents (§3.1.3.2) asks for."""
    try:
        text = unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise EventRejected(
            code="not-utf8", path=name, message="percent-encoded bytes that are no UTF-8"
        ) from error
    if "\0" in text:
        raise EventRejected(code="nul", path=name, message="NUL characters are not accepted")
    return text


def _otherwise(attribute: str, field: str) -> EventRejected:
    return EventRejected(code="bad-value", path=attribute, message=f"says otherwise than {field}")
