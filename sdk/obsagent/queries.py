"""The six questions to the audit trail, sync and async, as methods of `Observability`.

Each answers with entries as the platform gives them, newest first, at most a thousand; what they
are and how to ask for more: trail.py. A sync twin ends in `_now`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from obsagent.trail import Entry, Trail


class _HasClient(Protocol):
    @property
    def client(self) -> Any:
        """Whose `trail` is asked."""


class AuditQueries:
    """Questions to the trail of `self.client`."""

    def query_audit_by_agent_now(self: _HasClient, agent_id: str) -> list[Entry]:
        """Return the entries about an agent."""
        return _trail_of(self).by_agent(agent_id)

    def query_audit_by_action_now(self: _HasClient, action: str) -> list[Entry]:
        """Return the entries of an action, or of all that begin so (`tool.`)."""
        return _trail_of(self).by_action(action)

    def query_audit_by_user_now(self: _HasClient, user_id: str) -> list[Entry]:
        """Return the entries of an actor."""
        return _trail_of(self).by_user(user_id)

    def query_audit_by_result_now(self: _HasClient, result: str) -> list[Entry]:
        """Return the entries that ended so."""
        return _trail_of(self).by_result(result)

    def query_audit_by_timerange_now(
        self: _HasClient, start: datetime, end: datetime
    ) -> list[Entry]:
        """Return the entries of acts from `start` on and before `end`."""
        return _trail_of(self).by_timerange(start, end)

    def query_audit_all_now(self: _HasClient) -> list[Entry]:
        """Return the newest thousand entries."""
        return _trail_of(self).all()

    async def query_audit_by_agent(self: _HasClient, agent_id: str) -> list[Entry]:
        """Return the entries about an agent."""
        return await _aside(_trail_of(self).by_agent, agent_id)

    async def query_audit_by_action(self: _HasClient, action: str) -> list[Entry]:
        """Return the entries of an action, or of all that begin so (`tool.`)."""
        return await _aside(_trail_of(self).by_action, action)

    async def query_audit_by_user(self: _HasClient, user_id: str) -> list[Entry]:
        """Return the entries of an actor."""
        return await _aside(_trail_of(self).by_user, user_id)

    async def query_audit_by_result(self: _HasClient, result: str) -> list[Entry]:
        """Return the entries that ended so."""
        return await _aside(_trail_of(self).by_result, result)

    async def query_audit_by_timerange(
        self: _HasClient, start: datetime, end: datetime
    ) -> list[Entry]:
        """Return the entries of acts from `start` on and before `end`."""
        return await _aside(_trail_of(self).by_timerange, start, end)

    async def query_audit_all(self: _HasClient) -> list[Entry]:
        """Return the newest thousand entries."""
        return await _aside(_trail_of(self).all)


def _trail_of(asked: _HasClient) -> Trail:
    trail: Trail = asked.client.trail
    return trail


async def _aside(query: Callable[..., list[Entry]], *asked: Any) -> list[Entry]:
    """Ask in a thread, so that the loop goes on."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, functools.partial(query, *asked))
