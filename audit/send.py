"""Send a file of events to an API in batches, with retries that can do no harm. Needs no database.

An event without an id gets one before it is sent, so that a retry is a duplicate. 429 and 503 are
waited out as `Retry-After` says; a lost connection is tried again with back-off and jitter.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from uuid import uuid4

from audit.errors import AuditError

_TRIES = 12
_LONGEST_PAUSE = 30.0
_TIMEOUT = 60
_AGAIN = frozenset({429, 502, 503, 504})


class Unreachable(AuditError):
    """The API did not answer, or refused the whole request; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """Where and how to send."""

    url: str
    key: str
    backfill: bool
    batch: int
    """Events a POST, at most 5,000."""


@dataclass(slots=True)
class Answered:
    """What the API said so far."""

    received: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    refusals: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Return how many events were answered."""
        return self.received + self.duplicate + self.conflict + self.rejected

    def rate(self) -> float:
        """Return events a second."""
        return self.sent / max(self.seconds, 1e-9)

    def add(self, said: dict[str, Any], *, first_line: int) -> None:
        """Take in the body of an answer; its events began at this line."""
        for name in self.counts():
            setattr(self, name, getattr(self, name) + said[name])
        for receipt in said["receipts"]:
            error = receipt["error"]
            if error is not None and len(self.refusals) < 1000:
                line = first_line + receipt["index"]
                self.refusals.append(
                    f"event {line}: {error['code']} at {error['path']}: {error['message']}"
                )

    def counts(self) -> dict[str, int]:
        """Return the four counts."""
        return {
            "received": self.received,
            "duplicate": self.duplicate,
            "conflict": self.conflict,
            "rejected": self.rejected,
        }


def send_lines(
    sending: Sending, name: str, *, on_progress: Callable[[Answered, int], None]
) -> Answered:
    """Send every line of the file and return what was answered. `-` reads standard input.

    Raises OSError when the file cannot be read, Unreachable when the API cannot be used.
    """
    started = time.monotonic()
    answered = Answered()
    connection = Connection(sending)
    first_line = 1
    for lines, read in _batches(name, sending.batch):
        answered.add(connection.post(lines), first_line=first_line)
        first_line += len(lines)
        answered.seconds = time.monotonic() - started
        on_progress(answered, read)
    return answered


def _batches(name: str, size: int) -> Iterator[tuple[list[bytes], int]]:
    """Yield batches of lines and how many bytes of the file were read for them."""
    if name == "-":
        yield from _split(sys.stdin.buffer, sys.stdin.buffer, size)
        return
    with Path(name).open("rb") as raw:
        if name.endswith(".gz"):
            with gzip.open(raw) as lines:
                yield from _split(lines, raw, size)
        else:
            yield from _split(raw, raw, size)


def _split(lines: Iterable[bytes], raw: IO[bytes], size: int) -> Iterator[tuple[list[bytes], int]]:
    batch: list[bytes] = []
    for line in lines:
        if line.strip():
            batch.append(_with_id(line.strip()))
        if len(batch) == size:
            yield batch, _position(raw)
            batch = []
    if batch:
        yield batch, _position(raw)


def _position(raw: IO[bytes]) -> int:
    return raw.tell() if raw.seekable() else 0


def _with_id(line: bytes) -> bytes:
    """Give an event without an id one; what is no JSON object is for the API to refuse."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict) or not event or "id" in event:
        return line
    return b'{"id":"%s",%s' % (str(uuid4()).encode(), line.lstrip()[1:])


class Connection:
    """One kept connection to the API that is made anew after a failure."""

    def __init__(self, sending: Sending) -> None:
        """Connect at the first POST. Raises Unreachable when the address is none."""
        parts = urlsplit(sending.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Unreachable(f"{sending.url} is no address: it begins with http:// or https://")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._http = kind(parts.hostname, parts.port, timeout=_TIMEOUT)
        self._base = parts.path.rstrip("/")
        self._path = "/api/v1/events" + ("?backfill=true" if sending.backfill else "")
        self._url = sending.url
        self._key = sending.key

    def post(self, lines: list[bytes]) -> dict[str, Any]:
        """Post one batch of events, a line each, and return the body with its receipts.

        Raises Unreachable when the API refuses the whole request, or does not answer for long.
        """
        return _receipts(*self.send(self._path, b"\n".join(lines), media="application/x-ndjson"))

    def send(self, path: str, content: bytes, *, media: str) -> tuple[int, bytes]:
        """Post a body to a path of the installation; return the status and what was answered.

        Only for what is harmless to send twice. Raises Unreachable when nothing answers for long.
        """
        headers = {"Content-Type": media, "Content-Encoding": "gzip"}
        return self._ask("POST", path, gzip.compress(content, compresslevel=1), headers)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body of a path. Raises Unreachable as `send` does."""
        return self._ask("GET", path, None, {})

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._key}", **headers}
        for attempt in range(_TRIES):
            try:
                self._http.request(method, self._base + path, body, headers)
                answer = self._http.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._http.close()
                trouble, pause = f"{self._url} does not answer ({error})", _pause(attempt)
            else:
                if answer.status not in _AGAIN:
                    return answer.status, said
                trouble = f"{self._url} answers {answer.status}"
                pause = max(float(answer.headers.get("Retry-After") or 0), _pause(attempt))
            time.sleep(pause)
        raise Unreachable(
            f"{trouble}; gave up after {_TRIES} tries. "
            "Send it again: what is stored already counts as duplicate"
        )


def _pause(attempt: int) -> float:
    return random.uniform(0, min(_LONGEST_PAUSE, 0.2 * 2**attempt))  # noqa: S311  # full jitter


def _receipts(status: int, said: bytes) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(said)
    except ValueError:
        raise Unreachable(f"the answer {status} is no JSON: is this the right address?") from None
    if "receipts" in body:
        return body
    raise Unreachable(
        f"refused with {status}: {body.get('detail') or body.get('title') or said[:200]!r}"
    )
