"""Take points of metrics in as measures of agents' own: `metric.recorded`, under the allow-list.

A point of a gauge, a delta of a counter or a histogram of one observation becomes an event, if an
administrator has allowed a measure of that name, type and labels; every other is refused by name,
and nothing is kept of it. Names of labels have `_` for what is no letter or digit. Who may be asked
what is allowed: settings.TRACING_MEASURES.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string

from audit.cloudevents import namespace
from audit.receive import Incoming, receive
from tracing import days
from tracing.arrival import AT_ONCE, Arrival, Taken, mask, note_refused
from tracing.masked import cut
from tracing.otlp import Point
from tracing.semconv import meaning_of
from tracing.span_event import Who, actor_block, agent_block, time_of, who

_MOST_NAMED: Final = 20
_LONGEST_LABEL: Final = 200
_ODD: Final = re.compile(r"[^a-z0-9_]")

_exactly = msgspec.json.Encoder(order="deterministic").encode

Refusal = Callable[[str, str, Iterable[str]], str]
"""Says why a measure of this name, type and labels is not taken; empty when it is."""


def receive_measures(points: Iterable[Point], arrival: Arrival) -> Taken:
    """Receive the events of points that are allowed. Raises as `receive_spans` does."""
    result = Taken()
    refusal: Refusal = import_string(settings.TRACING_MEASURES)()
    refused: Counter[tuple[str, str]] = Counter()
    incoming: list[Incoming] = []
    whos: dict[int, Who] = {}
    within = namespace(arrival.ledger_name)
    for point in points:
        labels = _labels(point.attributes)
        why = point.refusal or _unusable(point) or refusal(point.name, point.type, labels)
        if why:
            refused[point.name[:_LONGEST_LABEL], why] += 1
            continue
        one = whos.get(id(point.resource))
        if one is None:
            one = whos[id(point.resource)] = who(point.resource)
        incoming.append(
            Incoming(
                raw=mask().event(_event(point, labels, one)),
                default_id=_id(point, within),
            )
        )
    _tell(refused, result)
    for start in range(0, len(incoming), AT_ONCE):
        receipts = receive(incoming[start : start + AT_ONCE], **arrival.of_receive())
        bad = sum(each.status in {"rejected", "conflict"} for each in receipts)
        result.rejected += bad
        result.known += sum(each.status == "duplicate" for each in receipts)
        result.taken += sum(each.status == "received" for each in receipts)
        note_refused(receipts, result)
    return result


def _unusable(point: Point) -> str:
    if not math.isfinite(point.value):
        return "is no finite number"
    return "has no time after 1970" if days.day_of(point.at_ns) is None else ""


def _labels(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {
        _ODD.sub("_", cut(name, _LONGEST_LABEL).lower()): _label(value)
        for name, value in attributes.items()
    }


def _label(value: Any) -> str:
    if type(value) is str:
        return cut(value, _LONGEST_LABEL)
    return cut(msgspec.json.encode(value).decode(), _LONGEST_LABEL)


def _event(point: Point, labels: Mapping[str, str], one: Who) -> dict[str, Any]:
    meaning = meaning_of("", point.attributes)
    value = point.value
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return {
        "occurred_at": time_of(point.at_ns),
        "category": "system",
        "action": "metric.recorded",
        "outcome": "success",
        "agent": agent_block(one, meaning),
        "actor": actor_block(one, meaning),
        "measure": {
            "name": point.name,
            "type": point.type,
            "value": value,
            **({"labels": dict(labels)} if labels else {}),
        },
    }


def _id(point: Point, within: UUID) -> UUID:
    """Return the same id for the same point of the same sender, so that a retry counts once."""
    said = [point.name, point.type, point.at_ns, point.attributes, point.resource]
    return uuid5(within, sha256(_exactly(said)).hexdigest())


def _tell(refused: Counter[tuple[str, str]], result: Taken) -> None:
    result.rejected += refused.total()
    for (name, why), number in refused.most_common(_MOST_NAMED):
        result.notes.append(f"{number:,} of {name!r} refused: it {why}")
    if len(refused) > _MOST_NAMED:
        result.notes.append(f"{len(refused) - _MOST_NAMED:,} more names are refused")
