"""A ledger without a database: events go in as agents send them and stand as records do.

Every event is parsed, cleaned of secrets, pseudonymised and chained by the code that does so behind
the API; only the inbox and the tables are left out. The platform's own entries look as it writes
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from audit.actions import ACTIONS
from audit.ledger.record import GENESIS, format_time, link
from audit.parse import parse_event
from audit.receive import Sender
from audit.redact import Redactor
from audit.stored import stored_event
from audit.subjects import Subject
from compliance.judge import evaluate, failing_items, span_of
from compliance.kinds.base import Item
from compliance.lenses import Settings, all_lenses
from compliance.memory import Memory
from compliance.result import CheckResult, FrameworkResult, shown
from tests.compliance.building import day, event_id, shipped

LEDGER: Final = "main"
SCOPES: Final = frozenset({"events:write", "governance:write", "ops:write", "server"})


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one use of a check found."""

    result: CheckResult
    where: str
    """The controls that use it: `soc2 CC6.1, CC6.3; gdpr Art.32`; of a guard alone, `guard`."""
    items: tuple[Item, ...]
    """Those that fail."""

    @property
    def is_plain(self) -> bool:
        """Tell whether it passed, and nothing failed or waits."""
        found = self.result
        return found.state == "pass" and not found.f and not found.pending

    def row(self, why: str) -> str:
        """Return the row of a table in a document."""
        found = self.result
        numbers = f"{found.n:,} | {found.f:,} | {found.pending}"
        return f"| {found.check} | {found.state} | {numbers} | {self.where} | {why} |"


class Recorded:
    """One ledger, and what every lens of the shipped catalogue finds in it."""

    def __init__(self) -> None:
        self.memory = Memory(all_lenses(shipped(), Settings()).values(), ledger=LEDGER)
        self.events: list[Mapping[str, Any]] = []
        """As they were sent, by seq."""
        self._head = GENESIS
        self._redactor = Redactor()

    def post(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        received: datetime,
        scope: str = "events",
        **source: Any,
    ) -> None:
        """Take in what one POST brings."""
        sent = list(events)
        said = Sender(
            **{"via": "api", "scope": scope, "scopes": SCOPES, "key": f"key-{scope}", **source}
        ).source()
        stored = [(self._stored(event), format_time(received), said) for event in sent]
        self.events += sent
        seq = self.memory.head_seq + 1
        for linked in link(stored, ledger=LEDGER, size=seq, head=self._head):
            self.memory.read(*linked)
            self._head = linked[2]

    def own(self, action: str, at: datetime, *, by: str = "", **blocks: Any) -> None:
        """Write an entry of the platform, or of a person in the admin, as receive_own does."""
        event = {
            "id": event_id(len(self.events)),
            "occurred_at": format_time(at),
            "category": ACTIONS[action],
            "action": action,
            "outcome": "success",
            "agent": {"id": "platform"},
            "actor": {"type": "human", "id": by} if by else {"type": "system", "id": "platform"},
            "target": {"type": "ledger", "id": LEDGER},
            **blocks,
        }
        via, scope = ("admin", "governance") if by else ("server", "server")
        self.post([event], received=at, scope=scope, via=via, key="", user=by)

    def evaluate(self, framework: str, start: str, end: str) -> FrameworkResult:
        """Judge a framework over the days [start, end), in production."""
        return evaluate(
            shipped(), shipped().frameworks[framework], self.memory,
            start=day(start), end=day(end), settings=Settings(), environment="prod",
        )  # fmt: skip

    def found(self, results: Sequence[FrameworkResult]) -> list[Found]:
        """Return what every lens of some results found, by check; guards and the gate as well."""
        by_lens: dict[str, Found] = {}
        for result in results:
            facts = self.memory.span_facts()
            span = span_of(
                facts, start=result.start, end=result.end,
                environment=result.environment, agent=result.agent,
            )  # fmt: skip
            for check in result.checks:
                lens = self.memory.lenses[check.lens]
                items = failing_items(lens, self.memory.view(lens, span)) if check.f else []
                by_lens.setdefault(
                    check.lens,
                    Found(result=check, where=_where(check.lens, results), items=tuple(items)),
                )
        return sorted(by_lens.values(), key=lambda one: (one.result.check, one.where))

    def run(self, item: Item) -> str:
        """Return the run of the entry that an item is about; its own id where there is none."""
        if item.seq is None or "run" not in self.events[item.seq]:
            return item.item
        return str(self.events[item.seq]["run"]["id"])

    def _stored(self, event: Mapping[str, Any]) -> bytes:
        parsed = parse_event(json.dumps(event).encode(), default_id=None, by_server=True)
        assert parsed.id is not None
        subjects = {one: _subject(one) for one in parsed.subject_ids}
        sealed = None
        if parsed.personal is not None:
            (owner,) = subjects.values()
            sealed = owner.encrypt(parsed.personal, event_id=parsed.id)
        pseudonyms = {one: subject.pseudonym() for one, subject in subjects.items()}
        return stored_event(parsed, pseudonyms=pseudonyms, personal=sealed, redactor=self._redactor)


def result_row(result: FrameworkResult) -> str:
    """Return the row of a framework's numbers in a document."""
    numbers = [shown(one) for one in (
        result.numbers.assured, result.numbers.tested, result.numbers.coverage
    )]  # fmt: skip
    return f"| {result.framework} | {' | '.join(map(str, numbers))} | {result.numbers.cap} |"


def _where(lens: str, results: Sequence[FrameworkResult]) -> str:
    used = []
    for result in results:
        legs = [leg for control in result.controls for leg in control.legs]
        controls = [leg.control for leg in legs if leg.lens == lens]
        if controls:
            used.append(f"{result.framework} {', '.join(controls)}")
    return "; ".join(used) or "guard"


@cache
def _subject(name: str) -> Subject:
    key = sha256(name.encode()).digest()
    return Subject(ledger_name=LEDGER, subject_id=name, key_id=UUID(bytes=key[:16]), data_key=key)
