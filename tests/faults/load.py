"""Agents that post over real HTTP while things break, and what each request came to.

A request is `ok` (answered 2xx), `failed` (refused: 429, 503, or nobody listened) or `unknown` (cut
before the answer: it may or may not have been stored). After both of the latter the same events go
out again with the same ids, until they are acknowledged. Anything else is `wrong`, and no test
allows it. What must hold in the end: conditions.py.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import make_event
from tests.sizes import size

ANSWER_SECONDS = 20  # then a request counts as unknown
TAKEN_SECONDS = 300  # a bound against hanging: the supervisor pauses up to 30 s, again and again
_PAUSES = (0.02, 0.2)  # seconds between two tries of the same events
_GAPS = (0.0, size(150, 50) / 1000)  # seconds between two batches
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One request and what it came to."""

    outcome: str
    """`ok`, `failed`, `unknown` or `wrong`."""
    began: float
    ended: float
    """Both on the monotonic clock, in seconds."""
    why: str
    """The status, or what cut the request."""
    ids: tuple[str, ...] = ()
    receipts: tuple[dict[str, Any], ...] = ()
    status: int = 0
    counts: dict[str, int] = field(default_factory=dict)


class Agent:
    """One connection, kept open as an agent would, and the log of its requests."""

    def __init__(self, url: str, key: str, *, chance: random.Random) -> None:
        self._address = urlsplit(url)
        self._key = key
        self._connection: http.client.HTTPConnection | None = None
        self.chance = chance
        self.attempts: list[Attempt] = []

    def deliver(
        self, events: Sequence[dict[str, Any]], *, within: float = TAKEN_SECONDS, query: str = ""
    ) -> Attempt:
        """Send the events until they are acknowledged. AssertionError after so many seconds."""
        body = b"\n".join(json.dumps(event).encode() for event in events)
        ids = tuple(event["id"] for event in events)
        ends = time.monotonic() + within
        while True:
            attempt = self.send(body, ids, query=query)
            if attempt.outcome in {"ok", "wrong"}:
                return attempt
            assert time.monotonic() < ends, f"not taken within {within} s: {attempt}"
            time.sleep(self.chance.uniform(*_PAUSES))

    def send(self, body: bytes, ids: tuple[str, ...] = (), *, query: str = "") -> Attempt:
        """Send one request, log it and return what it came to."""
        began = time.monotonic()
        outcome, why, answer = "unknown", "", None
        try:
            connection = self._connect()
        except OSError as error:
            outcome, why = "failed", type(error).__name__  # nothing was sent
        else:
            try:
                connection.request("POST", f"/api/v1/events{query}", body, self._headers())
                answer = connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                why, answer = type(error).__name__, None
        if answer is None:
            self.close()
            attempt = Attempt(
                outcome=outcome, began=began, ended=time.monotonic(), why=why, ids=ids
            )
        else:
            attempt = _read_answer(answer, said, began=began, ids=ids)
        self.attempts.append(attempt)
        return attempt

    def send_and_cut(self, events: Sequence[dict[str, Any]]) -> None:
        """Send the events and reset the connection when the answer is there, without reading it."""
        body = b"\n".join(json.dumps(event).encode() for event in events)
        began = time.monotonic()
        connection = self._connect()
        connection.request("POST", "/api/v1/events", body, self._headers())
        assert connection.sock is not None
        connection.sock.recv(1, socket.MSG_PEEK)  # the answer has come, so the commit is over
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close()
        ids = tuple(event["id"] for event in events)
        self.attempts.append(
            Attempt(outcome="unknown", began=began, ended=time.monotonic(), why="cut", ids=ids)
        )

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Content-Type": "application/x-ndjson"}

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            assert self._address.hostname is not None
            opened = http.client.HTTPConnection(
                self._address.hostname, self._address.port, timeout=ANSWER_SECONDS
            )
            opened.connect()
            self._connection = opened
        return self._connection


def _read_answer(
    answer: http.client.HTTPResponse, said: bytes, *, began: float, ids: tuple[str, ...]
) -> Attempt:
    status, ended = answer.status, time.monotonic()
    if status in {429, 503}:
        # Without it a sender does not know when to come back.
        outcome = "failed" if answer.headers.get("Retry-After") else "wrong"
        return Attempt(outcome=outcome, began=began, ended=ended, why=str(status), ids=ids)
    if status not in {200, 202, 207}:
        why = f"{status}: {said[:300].decode(errors='replace')}"
        return Attempt(outcome="wrong", began=began, ended=ended, why=why, ids=ids, status=status)
    body = json.loads(said)
    return Attempt(
        outcome="ok",
        began=began,
        ended=ended,
        why=str(status),
        ids=ids,
        receipts=tuple(body.pop("receipts")),
        status=status,
        counts=body,
    )


class Load:
    """Several agents that post until the block ends, then see their last events acknowledged.

    `post` is what each does again and again; a few events of any content by default.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        chance: random.Random,
        agents: int = 4,
        post: Callable[[Agent], object] | None = None,
    ) -> None:
        self._post_some = post or _post_some
        self.agents = [
            Agent(url, key, chance=random.Random(chance.random())) for _ in range(agents)
        ]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._post, args=(agent,), name=f"agent {n}", daemon=True)
            for n, agent in enumerate(self.agents)
        ]
        self._trouble: list[BaseException] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for agent in self.agents:
            agent.close()
        if self._trouble:
            raise self._trouble[0]

    @property
    def attempts(self) -> list[Attempt]:
        """What all agents have logged so far."""
        return [each for agent in self.agents for each in list(agent.attempts)]

    def _post(self, agent: Agent) -> None:
        try:
            while not self._stop.is_set():
                self._post_some(agent)
                time.sleep(agent.chance.uniform(*_GAPS))
        except BaseException as error:  # a thread's trouble is the test's
            self._trouble.append(error)


def _post_some(agent: Agent) -> None:
    chance = agent.chance
    agent.deliver([seeded_event(chance) for _ in range(chance.choice((1, 1, 2, 5, 20)))])


def seeded_event(chance: random.Random, **fields: Any) -> dict[str, Any]:
    """Return a valid event whose id and content come from the seed; some carry personal data."""
    more: dict[str, Any] = {"details": {"text": "é" * chance.randrange(200)}}
    if chance.random() < 0.05:
        subject = f"subject-{chance.randrange(5)}"
        more |= {"data": {"subject_ids": [subject]}, "personal": {"name": "Alice"}}
    event_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return make_event(id=event_id, **(more | fields))


def outcomes(attempts: Iterable[Attempt]) -> Counter[str]:
    """Count the requests by what they came to."""
    return Counter(each.outcome for each in attempts)
