"""An event, made and checked before it leaves the process. Pure but for the clock and chance.

Owns the step from what the agent says to the bytes that are recorded:

    fields ─ defaults ─ check against the schema ─ redaction ─ caps ─▶ one line of JSON

Ids are UUIDv7 (RFC 9562 section 5.7), times RFC 3339 in UTC with microseconds. The words: `schema`.
What is redacted, and what never: `redact`. Where the bytes go: `spool`.
"""

from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime, timezone
from typing import Any, NamedTuple, Union

from obsagent.canonical import as_json
from obsagent.errors import EventInvalid
from obsagent.redact import Redactor
from obsagent.schema import ACTIONS, BLOCKS, CHOICES, FIELDS, NEEDS_NO_TARGET, TIMES

MOST_BYTES = 60_000
"""Bytes of an event as it is sent; what the platform stores has the same cap."""

MOST_DETAILS = 32_768
"""Bytes of `details`."""

_LONGEST = {"error.message": 2_000, "reason": 500}
_LONGEST_TEXT = 200
_LONGEST_ACTION = 100
_MOST_LABELS = 32
_MOST_SUBJECTS = 1_000
_CUT = "…"

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,30})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class _Rule(NamedTuple):
    """What is asked of one field of a block."""

    path: str
    most: int
    """Characters of a text."""
    choices: frozenset[str] | None
    is_time: bool


_RULES = {
    name: {
        field: _Rule(
            path,
            _LONGEST.get(path, _LONGEST_TEXT),
            CHOICES.get(path),
            path in TIMES,
        )
        for field, path in ((field, f"{name}.{field}") for field in fields)
    }
    for name, fields in BLOCKS.items()
}
"""By block and field, so that nothing is put together for each field of each event."""

Moment = Union[datetime, str, None]
"""A time with an offset; None is now."""

_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode
_second: tuple[int, str] = (-1, "")


def new_id() -> str:
    """Return a UUIDv7: its first 48 bits are milliseconds since 1970, 74 others are chance."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    chance = os.urandom(10).hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{moment[:8]}-{moment[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


def now() -> str:
    """Return the present moment as an event has it: UTC, microseconds, `Z`."""
    return as_text(time.time_ns())


def as_text(nanoseconds: int) -> str:
    """Return a moment, in nanoseconds since 1970, as an event has it."""
    global _second
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    kept = _second  # one read: another thread may put another second there meanwhile
    if kept[0] != seconds:
        kept = _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)))
    return f"{kept[1]}.{rest // 1000:06d}Z"


def moment(at: Moment, *, path: str = "occurred_at") -> str:
    """Return a time as text; raises EventInvalid for one without an offset."""
    if at is None:
        return now()
    if isinstance(at, str):
        if _RFC_3339.fullmatch(at) is None:
            raise EventInvalid(path, "needs RFC 3339 with an offset, such as 2026-01-01T00:00:00Z")
        return at
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise EventInvalid(path, "needs a datetime with a time zone, or RFC 3339 text")
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def category_of(action: str, given: str | None) -> str:
    """Return the category of an action: its own, or what was given for a vendor's."""
    own = ACTIONS.get(action)
    if own is not None:
        if given is not None and given != own:
            raise EventInvalid("category", f"{action} stands under {own}")
        return own
    parts = action.split(".")
    if parts[0] != "x" or len(parts) < 3 or not all(parts) or len(action) > _LONGEST_ACTION:
        raise EventInvalid("action", "no action of the schema, and not x.<vendor>.<verb>")
    return given or "action"


def cut(text: str, most: int) -> str:
    """Return text that is no longer than so many characters; what was cut ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + _CUT


def error_of(error: BaseException, redactor: Redactor) -> dict[str, str]:
    """Return the block `error` of an exception: its message redacted, then cut.

    Never raises, since what failed must be told: an exception that cannot be shown has its type,
    half a character or a NUL in a message is written as its number.
    """
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be shown"
    return failure_of(type(error).__name__, message, redactor)


def failure_of(error_type: str, message: str, redactor: Redactor) -> dict[str, str]:
    """Return the block `error` of what failed, as it fits: redacted before it is cut."""
    whole = message.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return {
        "type": cut(error_type, _LONGEST_TEXT),
        "message": cut(redactor.text(whole), _LONGEST["error.message"]),
    }


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the members that say something: a null is no value of any field."""
    return {name: value for name, value in fields.items() if value is not None}


def prepared(event: dict[str, Any], redactor: Redactor) -> bytes:
    """Check an event, take secrets out of its free text and return it as one line of JSON.

    `occurred_at`, `id`, `agent`, `actor` must be there; `client_seq` is the spool's to add. Raises
    EventInvalid, which names the place and the rule.
    """
    check(event)
    for name in ("details", "labels"):
        value = event.get(name)
        if value:
            event[name] = redactor.tree(as_json(value))
    # What stands for a secret may be longer than the secret was: cut to what the platform takes.
    reason = event.get("reason")
    if reason:
        event["reason"] = cut(redactor.text(reason), _LONGEST["reason"])
    error = event.get("error")
    if error and "message" in error:
        message = cut(redactor.text(error["message"]), _LONGEST["error.message"])
        event["error"] = {**error, "message": message}
    return _encoded(event)


def _encoded(event: dict[str, Any]) -> bytes:
    try:
        line = _encode(event).encode()
    except (TypeError, ValueError, RecursionError) as error:  # a date, NaN, half a character
        raise EventInvalid("$", f"cannot be written as JSON: {error}") from error
    if b"\\u0000" in line and "\x00" in _texts(event):
        raise EventInvalid("$", "holds a NUL character")
    if len(line) > MOST_BYTES - _ROOM_FOR_SEQ:
        raise EventInvalid("$", f"{len(line):,} bytes; at most {MOST_BYTES:,}")
    if len(line) > MOST_DETAILS and "details" in event:
        size = len(_encode(event["details"]).encode())
        if size > MOST_DETAILS:
            raise EventInvalid("details", f"{size:,} bytes; at most {MOST_DETAILS:,}")
    return line


_ROOM_FOR_SEQ = 40


def _texts(value: Any) -> str:
    """Return every text of a value, keys too, in one."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join([*value, *map(_texts, value.values())])
    return "".join(map(_texts, value)) if isinstance(value, list) else ""


def check(event: dict[str, Any]) -> None:
    """Refuse what the platform would refuse, as far as one event alone tells; EventInvalid."""
    for name, value in event.items():
        rules = _RULES.get(name)
        if rules is not None:
            _check_block(name, value, rules)
        elif name not in FIELDS:
            raise EventInvalid(name, "no field of an event; free data goes under details")
    if event.get("outcome") not in CHOICES["outcome"]:
        raise EventInvalid("outcome", f"one of {_listed('outcome')}")
    if event.get("severity", "info") not in CHOICES["severity"]:
        raise EventInvalid("severity", f"one of {_listed('severity')}")
    category = category_of(event["action"], event.get("category"))
    if category not in CHOICES["category"]:
        raise EventInvalid("category", f"one of {_listed('category')}")
    for block in ("agent", "actor"):
        if not event.get(block, {}).get("id"):
            raise EventInvalid(f"{block}.id", "needed always")
    if category not in NEEDS_NO_TARGET:
        target = event.get("target") or {}
        for field in ("type", "id"):
            if not target.get(field):
                raise EventInvalid(f"target.{field}", f"needed in category {category}")
    _check_rest(event)


def _check_block(name: str, block: Any, rules: dict[str, _Rule]) -> None:
    if not isinstance(block, dict):
        raise EventInvalid(name, "must be a dict")
    for field, value in block.items():
        rule = rules.get(field)
        if rule is None:
            raise EventInvalid(f"{name}.{field}", "no such field; free data goes under details")
        if value is None:
            raise EventInvalid(rule.path, "null is no value; leave the field out")
        if type(value) is str and len(value) > rule.most:
            raise EventInvalid(rule.path, f"{len(value):,} characters; at most {rule.most:,}")
        if rule.choices is not None:
            for each in value if isinstance(value, (list, tuple)) else (value,):
                if each not in rule.choices:
                    raise EventInvalid(rule.path, f"one of {_listed(rule.path)}")
        elif rule.is_time:
            block[field] = moment(value, path=rule.path)


def _check_rest(event: dict[str, Any]) -> None:
    if len(event.get("reason") or "") > _LONGEST["reason"]:
        raise EventInvalid("reason", f"at most {_LONGEST['reason']} characters")
    duration = event.get("duration_ms", 0)
    if not isinstance(duration, (int, float)) or isinstance(duration, bool) or not duration >= 0:
        raise EventInvalid("duration_ms", "a number from 0, in milliseconds")
    labels = event.get("labels") or {}
    if len(labels) > _MOST_LABELS:
        raise EventInvalid("labels", f"at most {_MOST_LABELS} pairs")
    for name, value in labels.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise EventInvalid("labels", "text pairs only")
        if max(len(name), len(value)) > _LONGEST_TEXT:
            raise EventInvalid("labels", f"at most {_LONGEST_TEXT} characters each")
    subjects = (event.get("data") or {}).get("subject_ids") or ()
    if len(subjects) > _MOST_SUBJECTS:
        raise EventInvalid("data.subject_ids", f"at most {_MOST_SUBJECTS:,}")
    if event.get("personal") is not None and len(set(subjects)) != 1:
        raise EventInvalid("personal", "needs exactly one subject in data.subject_ids")


def _listed(path: str) -> str:
    return ", ".join(sorted(CHOICES[path]))
