"""A light HTTP client for one endpoint: keep-alive and raw sockets, so that it costs little."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from urllib.parse import urlsplit

_TIMEOUT = 30.0
_CHUNK = 256 * 1024


class Refused(Exception):
    """The server answered otherwise than 200 or 202; the text holds what it said."""


class Sender:
    """One connection that posts events."""

    def __init__(self, url: str, key: str) -> None:
        """Connect to `url`, the address of an installation."""
        where = urlsplit(url)
        assert where.hostname is not None, "an installation's address has a host"
        assert where.port is not None, "an installation's address has a port"
        self._head = (
            f"POST /api/v1/events HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/x-ndjson\r\n"
            "Content-Length: "
        ).encode()
        self._socket = socket.create_connection((where.hostname, where.port), timeout=_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Sender:
        """Be a context that closes the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._socket.close()

    def post(self, body: bytes) -> bytes:
        """Post one body and return the answer's body. Raises Refused."""
        self._socket.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, answer = received.partition(b"\r\n\r\n")
        length = _content_length(head)
        pieces, have = [answer], len(answer)
        while have < length:
            pieces.append(self._more())
            have += len(pieces[-1])
        answer = b"".join(pieces)
        if head[9:12] not in {b"200", b"202"}:
            raise Refused(f"{head[:40]!r} {answer[:500]!r}")
        return answer

    def _more(self) -> bytes:
        piece = self._socket.recv(_CHUNK)
        if not piece:
            raise ConnectionError("the server closed the connection amid an answer")
        return piece


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without Content-Length")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """The body of a POST, and by which of two keys it goes."""

    governed: bool
    """By the key that may speak for people."""
    events: int
    body: bytes


@dataclass
class Sent:
    """What several connections did together."""

    seconds: float = 0.0
    """From the first request to the last answer."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of each request."""
    errors: list[BaseException] = field(default_factory=list)


def post_all(
    url: str, key: str, bodies: Iterable[bytes], *, connections: int, per_second: float = 0.0
) -> Sent:
    """Post every body over so many connections, at most `per_second` bodies a second if given.

    Raises what the first failing connection raised.
    """
    sent = Sent()
    source = _shared(bodies)
    lock = threading.Lock()  # held while a body is taken
    began = time.perf_counter()
    taken = 0

    def run() -> None:
        nonlocal taken
        with Sender(url, key) as sender:
            while not sent.errors:
                with lock:
                    body = next(source, None)
                    taken += 1
                    due = began + taken / per_second if per_second else 0.0
                if body is None:
                    return
                if due:
                    time.sleep(max(0.0, due - time.perf_counter()))
                at = time.perf_counter()
                sender.post(body)
                sent.latencies.append(time.perf_counter() - at)

    return _together([run] * connections, sent)


def post_streams(
    url: str, keys: dict[bool, str], streams: Sequence[Sequence[Parcel]], *, per_second: float
) -> Sent:
    """Post each stream over connections of its own, in its order, each POST after the answer.

    `keys`: of those that need governance (True) and of the others. `per_second`: events, of all
    streams together. Raises what the first failing connection raised.
    """
    sent = Sent()
    began = time.perf_counter()

    def run(stream: Sequence[Parcel]) -> None:
        pace = per_second / len(streams)
        done = 0
        with Sender(url, keys[False]) as plain, Sender(url, keys[True]) as governed:
            for parcel in stream:
                if sent.errors:
                    return
                time.sleep(max(0.0, began + done / pace - time.perf_counter()))
                at = time.perf_counter()
                (governed if parcel.governed else plain).post(parcel.body)
                sent.latencies.append(time.perf_counter() - at)
                done += parcel.events

    return _together([partial(run, each) for each in streams], sent)


def _together(runs: Iterable[Callable[[], None]], sent: Sent) -> Sent:
    """Run each in a thread until all are done; raise the first error of any."""

    def guarded(run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:
            sent.errors.append(error)

    began = time.perf_counter()
    threads = [threading.Thread(target=guarded, args=[each]) for each in runs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    sent.seconds = time.perf_counter() - began
    if sent.errors:
        raise sent.errors[0]
    return sent


def _shared(bodies: Iterable[bytes]) -> Iterator[bytes]:
    yield from bodies
