"""Ask the platform for entries of the audit trail. Owns the queries; needs a key with entries:read.

Every query answers with entries as the API gives them, newest first: `seq`, `hash`, `received_at`,
`state` and `record`, whose `event` is what was sent. Pages are turned as they are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Union
from urllib.parse import urlencode

from obsagent.errors import NotDelivered
from obsagent.event import moment
from obsagent.transport import Transport

ENTRIES_PATH = "/api/v1/entries"
_PAGE = 200

Entry = dict[str, Any]
Value = Union[str, list[str], datetime, None]


class Trail:
    """Queries of one platform's audit trail. Threads may share it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def entries(self, *, limit: int | None = None, **filters: Value) -> Iterator[Entry]:
        """Yield the entries that match all filters, newest first, at most `limit`.

        Filters are those of the API: agent, actor, action, outcome, category, severity, run, trace,
        data_class, environment, key, `from_` and `to` (times). A list matches any of its values.
        Raises NotDelivered.
        """
        return islice(self._pages(filters, limit), limit)

    def _pages(self, filters: dict[str, Value], limit: int | None) -> Iterator[Entry]:
        asked = _asked(filters)
        asked.append(("limit", str(min(_PAGE, limit or _PAGE))))
        after: str | None = None
        while True:
            more = [("after", after)] if after is not None else []
            page = self.get(f"{ENTRIES_PATH}?{urlencode([*asked, *more])}")
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def by_agent(self, agent_id: str, *, limit: int = 1_000) -> list[Entry]:
        """Return the entries about an agent."""
        return list(self.entries(agent=agent_id, limit=limit))

    def by_action(self, action: str, *, limit: int = 1_000) -> list[Entry]:
        """Return the entries of an action, or of all that begin so: `tool.`."""
        return list(self.entries(action=action, limit=limit))

    def by_user(self, user_id: str, *, limit: int = 1_000) -> list[Entry]:
        """Return the entries of an actor."""
        return list(self.entries(actor=user_id, limit=limit))

    def by_result(self, outcome: str, *, limit: int = 1_000) -> list[Entry]:
        """Return the entries that ended so: success, failure, denied, error, pending, unknown."""
        return list(self.entries(outcome=outcome, limit=limit))

    def by_timerange(self, start: datetime, end: datetime, *, limit: int = 1_000) -> list[Entry]:
        """Return the entries of acts from `start` on and before `end`, both with a time zone."""
        return list(self.entries(from_=start, to=end, limit=limit))

    def all(self, *, limit: int = 1_000) -> list[Entry]:
        """Return the newest entries of the key's ledger."""
        return list(self.entries(limit=limit))

    def event(self, event_id: str) -> dict[str, Any] | None:
        """Return what became of an event; None while the platform does not know it."""
        answer = self._transport.request("GET", f"/api/v1/events/{event_id}")
        if answer.status == 404:
            return None
        return self._read(answer.status, answer.json(), answer.why())

    def get(self, path: str) -> dict[str, Any]:
        """Return what an address of the API answers. Raises NotDelivered for all but 200."""
        answer = self._transport.request("GET", path)
        return self._read(answer.status, answer.json(), answer.why())

    def text(self, path: str) -> bytes:
        """Return the bytes of an address that answers no JSON. Raises NotDelivered."""
        answer = self._transport.request("GET", path, accept="*/*")
        if answer.status != 200:
            raise NotDelivered(answer.why(), status=answer.status)
        return answer.body

    @staticmethod
    def _read(status: int, said: Any, why: str) -> dict[str, Any]:
        if status != 200 or not isinstance(said, dict):
            raise NotDelivered(why, status=status)
        return said


def _asked(filters: dict[str, Value]) -> list[tuple[str, str]]:
    asked = []
    for name, value in filters.items():
        name = name.rstrip("_")
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                text = each if isinstance(each, str) else moment(each, path=name)
                asked.append((name, text))
    return asked
