"""From the record of an entry to fields that checks read, fast. Pure.

`read_entry` takes the bytes as they are stored. What the tools' registry knows stands in place of
an event's own claims; the claims are kept beside. Defaults of the event (docs/events.md) are read
here and written nowhere. `Remembered` stands for an entry of which only some fields were kept.

Which fields there are: fields.py. What is asked of them: conditions.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol, cast

import msgspec

from compliance.language.fields import FIELDS, SERVER_FIELDS, expected_fields

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_SECOND_US: Final = 1_000_000
_FREE: Final = frozenset({"details", "personal", "labels"})
_DEFAULTS: Final = {"severity": "info", "schema_version": "1.0", "agent.environment": "prod"}
_REGISTERED: Final = ("risk", "destructive", "side_effect")
"""What a registered tool is known by, whatever an agent claims of it."""


def _paths() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for path in FIELDS.keys() - SERVER_FIELDS.keys():
        block, dot, inner = path.partition(".")
        if dot:
            found.setdefault(block, {})[inner] = path
    return found


_SOURCE: Final = {
    path.removeprefix("source."): path for path in SERVER_FIELDS if path.startswith("source.")
}
_BEHALF: Final = "actor.on_behalf_of"
_PATHS: Final = _paths()
"""Block to field to path: one string each for the life of the process, hashed once."""
_PATHS["actor"]["on_behalf_of"] = _BEHALF


class Read(Protocol):
    """What stands at a dotted path; None when missing."""

    def __call__(self, path: str) -> Any:
        """Return it."""


class _Record(msgspec.Struct, gc=False):
    event: dict[str, Any]
    ledger: str
    prev: str
    received_at: str
    source: dict[str, Any]


_decode: Final = msgspec.json.Decoder(_Record).decode


class EntryView:
    """One entry as checks read it (`kinds.base.Entry`)."""

    __slots__ = (
        "action", "agent", "at", "category", "claimed", "environment", "event", "fields",
        "is_backfill", "is_by_person", "read", "received", "seq",
    )  # fmt: skip

    seq: int
    at: int
    received: int
    category: str
    action: str
    agent: str
    environment: str
    is_backfill: bool
    is_by_person: bool
    event: Mapping[str, Any]
    claimed: Mapping[str, Any]
    fields: Mapping[str, Any]
    """Every field that is not missing, by its dotted path."""
    read: Read
    """`read(path)`: what stands at a dotted path, None when missing."""


class Remembered:
    """An entry of which some fields were kept, as plain JSON (`kinds.joins.kept_fields`)."""

    __slots__ = ("fields", "read")

    read: Read

    def __init__(self, fields: Mapping[str, Any]) -> None:
        """Take the fields by dotted path, and the plain facts of every entry by their names."""
        self.fields = fields
        self.read = cast("Read", fields.get)

    @property
    def seq(self) -> int:
        """Return its place in the ledger."""
        return int(self.fields["seq"])

    @property
    def at(self) -> int:
        """Return `occurred_at`, us."""
        return int(self.fields["at"])

    @property
    def received(self) -> int:
        """Return `received_at`, us."""
        return int(self.fields["received"])

    @property
    def category(self) -> str:
        """Return its category."""
        return str(self.fields["category"])

    @property
    def action(self) -> str:
        """Return its action; empty when it was not kept."""
        return str(self.fields.get("action", ""))

    @property
    def agent(self) -> str:
        """Return the agent's id."""
        return str(self.fields["agent"])

    @property
    def environment(self) -> str:
        """Return the agent's environment."""
        return str(self.fields["environment"])

    @property
    def is_backfill(self) -> bool:
        """Tell whether it was sent as history."""
        return bool(self.fields["is_backfill"])

    @property
    def is_by_person(self) -> bool:
        """Tell whether its sender may speak for people."""
        return bool(self.fields["is_by_person"])


class ToolRegistry:
    """What registered tools are known by, as of the entries seen so far.

    `read_entry` reads of it; whoever goes through a ledger calls `see` with each entry, after it
    was read. A tool is its name and server; without a server it is another than with one.
    """

    __slots__ = ("_tools",)

    def __init__(self) -> None:
        """Begin without any tool."""
        self._tools: dict[tuple[str, str | None], dict[str, Any]] = {}

    @classmethod
    def load(cls, dumped: Any) -> ToolRegistry:
        """Return the registry that `dump` wrote; an empty one for None."""
        registry = cls()
        registry._tools = {(name, server): dict(known) for name, server, known in dumped or ()}
        return registry

    def dump(self) -> list[Any]:
        """Return it as plain JSON, in the order of names."""
        named = sorted(self._tools.items(), key=lambda one: (one[0][0], one[0][1] or ""))
        return [[name, server, dict(known)] for (name, server), known in named]

    def see(self, entry: EntryView) -> bool:
        """Take in a registration or removal; tell whether that changed anything."""
        if entry.action not in ("tool.registered", "tool.removed"):
            return False
        name = entry.read("tool.name")
        if name is None or entry.read("outcome") != "success":
            return False
        tool = (name, entry.read("tool.server"))
        if entry.action == "tool.removed":
            return self._tools.pop(tool, None) is not None
        known = {field: entry.read(f"tool.{field}") for field in _REGISTERED}
        known = {field: value for field, value in known.items() if value is not None}
        changed = self._tools.get(tool) != known
        self._tools[tool] = known
        return changed

    def known(self, name: Any, server: Any) -> Mapping[str, Any] | None:
        """Return what is known of a tool; None when it is not registered."""
        return self._tools.get((name, server))


def read_entry(
    seq: int, record: bytes, entry_hash: bytes | None, registry: ToolRegistry
) -> EntryView:
    """Return the entry of a record (docs/ledger-format.md) as checks read it.

    `registry` as of the entries before it. Raises msgspec.DecodeError for what is no record.
    """
    stored = _decode(record)
    event, source = stored.event, stored.source
    claimed = _corrected(event, registry) if "tool" in event else _NOTHING
    fields = _flat(event)
    at, received = us_of(fields["occurred_at"]), us_of(stored.received_at)
    _add_server_fields(fields, stored, seq, entry_hash, received - at)

    view = EntryView()
    view.seq = seq
    view.at = at
    view.received = received
    view.category = fields["category"]
    view.action = fields["action"]
    view.agent = fields["agent.id"]
    view.environment = fields["agent.environment"]
    view.is_backfill = source.get("backfill") is True
    # A POST's scope is `governance` when it came with such a key or from a signed-in person.
    view.is_by_person = source.get("scope") == "governance"
    view.event = event
    view.claimed = claimed
    view.fields = fields
    view.read = cast("Read", fields.get)
    return view


_NOTHING: Final[Mapping[str, Any]] = {}


def _corrected(event: dict[str, Any], registry: ToolRegistry) -> Mapping[str, Any]:
    """Put what the registry knows of the event's tool in place of its claims; return these."""
    tool = event["tool"]
    known = registry.known(tool.get("name"), tool.get("server"))
    if not known or event["action"] in ("tool.registered", "tool.removed"):
        return _NOTHING
    claimed = {
        f"tool.{field}": tool.get(field)
        for field, value in known.items()
        if tool.get(field) != value
    }
    event["tool"] = {**tool, **known}
    return claimed


def _flat(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event by their paths; what is missing is left out.

    Only fields that checks may read are taken, which leaves out what is free of form.
    """
    fields: dict[str, Any] = dict(_DEFAULTS)
    for name, block in event.items():
        paths = _PATHS.get(name)
        if paths is None:
            if (block or (block is not None and block != [])) and name not in _FREE:
                fields[name] = block
            continue
        try:
            for inner, value in block.items():
                # Most are true by themselves; false, 0 and "" are values, null and [] are none.
                if value or (value is not None and value != []):
                    fields[paths[inner]] = value
        except KeyError:
            # A field that no check may read; records of today hold none.
            fields.update(_readable(block, paths))
    if _BEHALF in fields:
        for inner, value in fields.pop(_BEHALF).items():
            fields[f"actor.on_behalf_of.{inner}"] = value
    return fields


def _readable(block: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a block that checks may read, by their paths."""
    return {
        paths[inner]: value
        for inner, value in block.items()
        if inner in paths and value is not None and value != []
    }


def _add_server_fields(
    fields: dict[str, Any], stored: _Record, seq: int, entry_hash: bytes | None, delay_us: int
) -> None:
    source = stored.source
    fields["seq"] = seq
    fields["received_at"] = stored.received_at
    fields["ledger"] = stored.ledger
    fields["prev_hash"] = stored.prev
    if entry_hash is not None:
        fields["entry_hash"] = entry_hash.hex()
    # The nearest double of the exact quotient: of two different microseconds within a century the
    # doubles differ too, so comparing it with a limit loses nothing (comparing.py).
    whole, rest = divmod(delay_us, _SECOND_US)
    fields["ingest.delay_seconds"] = delay_us / _SECOND_US if rest else whole
    for name, value in source.items():
        fields[_SOURCE[name]] = value
    if "key" in source:
        fields["ingest.key_id"] = source["key"]
    if "ip" in source:
        fields["ingest.ip"] = source["ip"]
    expected, together = _expected(
        fields["action"], fields["category"], fields["outcome"], source.get("scope")
    )
    if not fields.keys() >= together:
        fields["missing_fields"] = [path for path in expected if path not in fields]


@lru_cache(maxsize=4096)
def _expected(
    action: str, category: str, outcome: str, scope: str | None
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the fields that should be there, in their order and as a set."""
    event = {"action": action, "category": category, "outcome": outcome}
    expected = tuple(expected_fields(event, scope or ""))
    return expected, frozenset(expected)


def us_of(text: str) -> int:
    """Return a time of RFC 3339 as whole microseconds since 1970 in UTC."""
    since = datetime.fromisoformat(text) - _EPOCH
    return since.days * _DAY_US + since.seconds * _SECOND_US + since.microseconds
