"""Record events of an agent and have them sent. The one module that joins event, spool and sender.

    event() ─ made, checked, redacted ─▶ spool ─▶ sender ─▶ the platform

`mode` says what a call has done when it returns:

    buffered    the event is with the operating system: survives kill -9 of the agent
    strict      the event is on disk: survives loss of power
    sync        the platform has it; returns its receipt

In each mode the event is in the spool first, so what was recorded is sent, also by the next start.
How acts become events: acts.py. Queries: trail.py.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import re
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from obsagent import context
from obsagent.errors import EventRefused, NotConfigured, NotDelivered, SpoolFull
from obsagent.event import Moment, category_of, moment, new_id, prepared, without_none
from obsagent.redact import Redactor
from obsagent.sender import Sender
from obsagent.spool import MOST_BYTES, Spool, describe
from obsagent.trail import Trail
from obsagent.transport import Transport

MODES = ("buffered", "strict", "sync")
WHEN_FULL = ("block", "raise")
EXIT_SECONDS = 5.0
"""How long the end of the interpreter waits for what is unsent."""

_SYNC_SECONDS = 30.0
_LOOK_AGAIN = 0.05
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Recorded(NamedTuple):
    """An event that was recorded."""

    id: str
    client_seq: int
    receipt: dict[str, Any] | None = None
    """What the platform answered, in mode sync."""


class Client:
    """An agent's line to the platform. Threads, tasks and forks may share it."""

    def __init__(
        self,
        endpoint: str | None = None,
        key: str | None = None,
        *,
        agent: str | dict[str, Any],
        service: str | None = None,
        actor: dict[str, Any] | None = None,
        mode: str = "buffered",
        spool: str | Path | None = None,
        most_bytes: int = MOST_BYTES,
        when_full: str = "block",
        timeout: float = 10.0,
        exit_seconds: float = EXIT_SECONDS,
        redact_keys: Iterable[str] = (),
        redact_patterns: Iterable[str] = (),
    ) -> None:
        """Make a client; nothing is opened, started or sent before the first event.

        `endpoint` and `key` default to OBSAGENT_ENDPOINT and OBSAGENT_KEY. `agent` is an id or the
        block `agent`. `spool` is a folder that outlives the process, by default one for the service
        and endpoint below the user's state folder or OBSAGENT_SPOOL. `most_bytes` is what the spool
        may hold; `when_full` says whether a call then waits (`block`) or raises SpoolFull
        (`raise`). `timeout` is seconds a request may take. Raises NotConfigured.
        """
        if mode not in MODES:
            raise NotConfigured(f"mode {mode!r} is none of {', '.join(MODES)}")
        if when_full not in WHEN_FULL:
            raise NotConfigured(f"when_full {when_full!r} is none of {', '.join(WHEN_FULL)}")
        endpoint = endpoint or os.environ.get("OBSAGENT_ENDPOINT", "")
        key = key or os.environ.get("OBSAGENT_KEY", "")
        if not endpoint:
            raise NotConfigured("no endpoint; set OBSAGENT_ENDPOINT to the platform's address")
        block = {"id": agent} if isinstance(agent, str) else dict(agent)
        if not block.get("id"):
            raise NotConfigured("the agent has no id")
        self.service = service or str(block["id"])
        self.mode = mode
        self.redactor = Redactor(extra_keys=redact_keys, extra_patterns=redact_patterns)
        self._agent_given = block
        self._actor = actor or {"type": "agent", "id": block["id"]}
        self._exit_seconds = exit_seconds
        self._reading = Transport(endpoint, key, timeout=timeout)
        self.trail = Trail(self._reading)
        self.spool = Spool(
            spool or default_folder(self.service, endpoint),
            most_bytes=most_bytes,
            when_full=when_full,
            is_strict=mode == "strict",
            instance=block.get("instance_id"),
        )
        self._sender = Sender(self.spool, Transport(endpoint, key, timeout=timeout))
        self._agent = self._agent_block({})
        _clients.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))

    # Recording

    def event(self, action: str, *, outcome: str = "success", **fields: Any) -> Recorded:
        """Record an event and return its id and `client_seq`.

        `fields` are those of docs/events.md: blocks as dicts, also `occurred_at`, `category` (of a
        vendor's action), `agent`, `actor`, `id`. What is None is left out. Raises EventInvalid for
        what the platform would refuse; SpoolFull and SpoolClosed as the spool; in mode sync
        NotDelivered when the platform has not answered yet (the event is recorded all the same,
        and is sent) and EventRefused. After an error of another kind nothing was recorded.
        """
        return self._record(self.make(action, outcome=outcome, **fields), None)

    async def aevent(self, action: str, *, outcome: str = "success", **fields: Any) -> Recorded:
        """Record an event without holding up the loop; else as `event`.

        A call that is cancelled while it waits may have recorded its event, or not.
        """
        event = self.make(action, outcome=outcome, **fields)
        if self.mode != "buffered":
            recording = asyncio.get_running_loop().run_in_executor(None, self._record, event, None)
            # An act that is cancelled tells its end, also when it is cancelled again meanwhile.
            return await asyncio.shield(recording)
        while True:
            try:
                return self._record(event, False)
            except SpoolFull:
                if not self.spool.waits_when_full:
                    raise
            await asyncio.sleep(_LOOK_AGAIN)

    def make(self, action: str, *, outcome: str, **fields: Any) -> dict[str, Any]:
        """Return the event that `event` would record, with all defaults, not checked yet."""
        at: Moment = fields.pop("occurred_at", None)
        agent = fields.pop("agent", None)
        around = context.current()
        event: dict[str, Any] = {
            "id": fields.pop("id", None) or new_id(),
            "occurred_at": moment(at),
            "category": category_of(action, fields.pop("category", None)),
            "action": action,
            "outcome": outcome,
            "agent": self._agent if agent is None else self._agent_block(agent),
            "actor": fields.pop("actor", None) or around.get("actor") or self._actor,
        }
        for name, value in fields.items():
            if value is not None:
                event[name] = without_none(value) if type(value) is dict else value
        for name, block in around.items():
            if name != "actor":
                event[name] = {**block, **event.get(name, {})}
        if "trace" not in event:
            trace = context.trace_of_span()
            if trace:
                event["trace"] = trace
        return event

    def _record(self, event: dict[str, Any], may_wait: bool | None) -> Recorded:
        line = prepared(event, self.redactor)
        event_id: str = event["id"]
        if self.mode != "sync":
            seq = self.spool.append(event["agent"]["id"], line, may_wait=may_wait)
            self._sender.wake()
            return Recorded(event_id, seq)
        waiting = self._sender.expect(event_id)
        try:
            seq = self.spool.append(event["agent"]["id"], line, may_wait=may_wait)
            self._sender.hurry()
            receipt = waiting.wait(_SYNC_SECONDS)
        finally:
            self._sender.expect_no_more(event_id)
        if receipt is None:
            raise NotDelivered(
                f"event {event_id} is recorded and will be sent, but the platform has not answered"
                f" within {_SYNC_SECONDS:.0f} s: {self._sender.trouble or 'no answer'}"
            )
        if receipt.get("status") not in ("received", "duplicate"):
            raise EventRefused(receipt)
        return Recorded(event_id, seq, receipt)

    def _agent_block(self, agent: str | dict[str, Any]) -> dict[str, Any]:
        given = {"id": agent} if isinstance(agent, str) else agent
        return {**self._agent_given, **given, "instance_id": self.spool.instance_id}

    @property
    def agent_id(self) -> str:
        """The id of the agent whose events these are."""
        return str(self._agent_given["id"])

    def acts_for(self) -> str:
        """Return who wants what happens now: the human of the context, else the agent."""
        actor = context.current().get("actor") or self._actor
        if actor.get("type") != "human":
            actor = actor.get("on_behalf_of") or actor
        return str(actor["id"])

    # Ends

    def flush(self, timeout: float = 10.0) -> bool:
        """Send now; return whether the platform has everything within so many seconds."""
        return self._sender.flush(timeout)

    async def aflush(self, timeout: float = 10.0) -> bool:
        """Send now, as `flush`."""
        return await asyncio.get_running_loop().run_in_executor(None, self.flush, timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Send what is left for so many seconds and take no more; return whether all went out.

        What did not go out stays in the spool, and the next start sends it.
        """
        is_all = self._sender.stop(self._exit_seconds if timeout is None else timeout)
        if not self._sender.is_running():
            self.spool.close()
        self._reading.close()
        return is_all

    async def aclose(self, timeout: float | None = None) -> bool:
        """Close, as `close`."""
        return await asyncio.get_running_loop().run_in_executor(None, self.close, timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def stats(self) -> dict[str, Any]:
        """Return what was recorded, sent and refused by this process, and how the spool stands."""
        return {
            "recorded": self.spool.recorded,
            **self._sender.counts,
            "trouble": self._sender.trouble,
            "spool": describe(self.spool),
        }

    def _after_fork(self) -> None:
        self._reading.after_fork()
        self._sender.after_fork()
        self._agent = self._agent_block({})


def default_folder(service: str, endpoint: str) -> Path:
    """Return the folder of a service's spool: what is left there is sent by its next start."""
    given = os.environ.get("OBSAGENT_SPOOL")
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    place = hashlib.sha256(endpoint.rstrip("/").encode()).hexdigest()[:8]
    return Path(state) / "obsagent" / f"{re.sub('[^A-Za-z0-9._-]', '_', service)[:80]}-{place}"


def _close_at_exit(client: weakref.ref[Client]) -> None:
    found = client()
    if found is not None:
        found.close()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client._after_fork()


# After the spool's own, which was registered when it was imported.
os.register_at_fork(after_in_child=_after_fork_in_child)
