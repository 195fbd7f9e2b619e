r"""Write entries as Common Event Format (CEF:0) for SIEMs, one line an entry. Pure.

    CEF:0|vendor|product|version|action|what happened|severity 0 to 10|key=value key=value …

In the seven fields of the header a backslash and a bar are led by a backslash, and a line end is a
blank. In a value of the extension a backslash and an equals sign are led by a backslash, and a line
end is the two characters \n or \r. Whatever else some reader takes for a line end (vertical tab,
form feed, U+0085, U+2028, …) is written as \n, so that every entry is one line to everybody.

CEF has six custom texts, and they are used: hash, run, ledger, target type, trace, and what has no
key of its own, as JSON. CEF caps them at 4,000 characters; what would be longer is not cut in two
but left out, and its length is said. A rendering is a convenience: the evidence is the record.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from audit.unmapped import at, unmapped

VENDOR: Final = "obsplatform"
PRODUCT: Final = "ledger"
FORMAT_VERSION: Final = "1"
"""Of this mapping; another one gets another number."""

MOST_CUSTOM: Final = 4000
MOST_MESSAGE: Final = 1023

_SEVERITIES: Final = {"info": 0, "low": 3, "medium": 6, "high": 8, "critical": 10}
_MAPPED: Final = frozenset(
    {
        "id",
        "occurred_at",
        "category",
        "action",
        "outcome",
        "severity",
        "reason",
        "agent.id",
        "agent.version",
        "actor.id",
        "actor.type",
        "target.id",
        "target.type",
        "run.id",
        "trace.trace_id",
        "duration_ms",
        "error.message",
    }
)
_OTHER_LINE_ENDS: Final = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def cef_line(record: Mapping[str, Any], *, entry_hash: str) -> bytes:
    """Return an entry as one line of CEF that ends in a line feed."""
    event = record["event"]
    header = "|".join(
        escape_header(each)
        for each in (
            VENDOR,
            PRODUCT,
            FORMAT_VERSION,
            event["action"],
            f"{event['action']} {event['outcome']}",
            str(_SEVERITIES[event.get("severity", "info")]),
        )
    )
    extension = " ".join(
        f"{key}={escape_value(value)}" for key, value in _pairs(record, entry_hash) if value
    )
    return f"CEF:0|{header}|{extension}\n".encode()


def escape_header(text: str) -> str:
    """Return text as it stands between two bars."""
    flat = _OTHER_LINE_ENDS.sub(" ", text).replace("\r", " ").replace("\n", " ")
    return flat.replace("\\", "\\\\").replace("|", "\\|")


def escape_value(text: str) -> str:
    """Return text as it stands behind a key."""
    flat = _OTHER_LINE_ENDS.sub("\n", text)
    escaped = flat.replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r", "\\r").replace("\n", "\\n")


def _pairs(record: Mapping[str, Any], entry_hash: str) -> Iterator[tuple[str, str]]:
    """Yield keys of the CEF dictionary and their values; an empty value is left out."""
    event, source = record["event"], record["source"]
    yield "rt", _milliseconds(record["received_at"])
    yield "start", _milliseconds(event["occurred_at"])
    yield "externalId", event["id"]
    yield "cat", event["category"]
    yield "outcome", event["outcome"]
    yield "suid", event["actor"]["id"]
    yield "spriv", event["actor"]["type"]
    yield from _address(at(event, "actor.ip"))
    yield "sourceServiceName", event["agent"]["id"]
    yield "deviceFacility", str(at(event, "agent.version") or "")
    yield "duid", str(at(event, "target.id") or "")
    yield "reason", event.get("reason", "")
    yield "msg", _message(at(event, "error.message") or "")
    yield from _number(1, "seq", record["seq"])
    yield from _number(2, "duration in ms", event.get("duration_ms"))
    yield from _custom(1, "entry hash", entry_hash)
    yield from _custom(2, "run", str(at(event, "run.id") or ""))
    yield from _custom(3, "ledger", record["ledger"])
    yield from _custom(4, "target type", str(at(event, "target.type") or ""))
    yield from _custom(5, "trace", str(at(event, "trace.trace_id") or ""))
    yield from _custom(6, "unmapped", _rest(event, source))


def _custom(number: int, label: str, value: str) -> Iterator[tuple[str, str]]:
    if value:
        yield f"cs{number}Label", label
        yield f"cs{number}", value


def _number(number: int, label: str, value: Any) -> Iterator[tuple[str, str]]:
    # A custom number is a whole one in CEF; one that is not goes as a custom floating point.
    kind = "cn" if isinstance(value, int) else "cfp"
    if value is not None:
        yield f"{kind}{number}Label", label
        yield f"{kind}{number}", str(value)


def _address(said: Any) -> Iterator[tuple[str, str]]:
    """Yield the actor's address under the key of its kind; what is none stays in the rest."""
    address = _read_address(said)
    if isinstance(address, ipaddress.IPv4Address):
        yield "src", str(address)
    elif isinstance(address, ipaddress.IPv6Address):
        yield "c6a2Label", "Source IPv6 Address"
        yield "c6a2", str(address)


def _read_address(said: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not isinstance(said, str):
        return None
    try:
        return ipaddress.ip_address(said)
    except ValueError:
        return None  # the sender's text is no address: it is shown among the unmapped


def _rest(event: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    mapped = _MAPPED
    if _read_address(at(event, "actor.ip")) is not None:
        mapped |= {"actor.ip"}
    text = json.dumps(
        {**unmapped(event, mapped), "source": source},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return text if len(text) <= MOST_CUSTOM else f'{{"left_out_characters":{len(text)}}}'


def _message(text: str) -> str:
    return text if len(text) <= MOST_MESSAGE else f"{text[: MOST_MESSAGE - 1]}…"


def _milliseconds(moment: str) -> str:
    """Return a record's time in milliseconds since 1970, cut."""
    at_ = datetime.fromisoformat(moment)
    return str(int(at_.timestamp()) * 1000 + at_.microsecond // 1000)
