"""Talk HTTP to the platform: one connection that is kept alive, gzip, a key. Owns no retries.

Raises NotDelivered when there is no answer; whatever was answered is an `Answer`, also an error.
Follows no redirect: a key is sent only where it was meant to go. `http.client` is imported when the
first request is made, since it takes most of the time that importing the SDK would.
"""

from __future__ import annotations

import json
import threading
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from obsagent.errors import NotConfigured, NotDelivered

if TYPE_CHECKING:
    from http.client import HTTPConnection

GZIP_FROM = 1_024
"""Bytes of a body from which it is compressed."""

_GZIP = 31  # zlib's name for a gzip stream
_LEVEL = 1  # the wire is not the bottleneck, the agent's CPU is
_MOST_ANSWER = 64 * 1024 * 1024


class Answer(NamedTuple):
    """What the platform answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; raises NotDelivered when it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise NotDelivered(
                f"the answer {self.status} is no JSON; is the endpoint the platform's?",
                status=self.status,
            ) from error

    def why(self) -> str:
        """Return what a problem document says, or the status."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return f"HTTP {self.status}"
        if not isinstance(said, dict):
            return f"HTTP {self.status}"
        return f"HTTP {self.status} {said.get('code', '')}: {said.get('detail', '')}".strip()


class Transport:
    """A connection to one platform with one key. Threads take turns."""

    def __init__(self, endpoint: str, key: str, *, timeout: float = 10.0) -> None:
        try:
            parts = urlsplit(endpoint)
            host, port = parts.hostname, parts.port
        except ValueError:  # half a bracket, a port beyond 65535
            host = port = None
        if not host or parts.scheme not in ("http", "https"):
            raise NotConfigured(
                f"{endpoint!r} is no endpoint; give the platform's address, such as"
                " https://obs.example.com"
            )
        if not key or not key.isascii() or not key.isprintable():
            raise NotConfigured("no API key; make one at the desk and set OBSAGENT_KEY")
        self.endpoint = endpoint.rstrip("/")
        self.timeout = timeout
        self._is_tls = parts.scheme == "https"
        self._host, self._port = host, port
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": "obsagent/0.1.0"}
        self._connection: HTTPConnection | None = None
        self._turn = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        """Send a request below the endpoint and return the answer. Raises NotDelivered.

        A connection that the platform closed while it was idle is opened again once; every request
        of ours is harmless when made twice.
        """
        headers = {**self._headers, "Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            if len(body) >= GZIP_FROM:
                packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
                body = packer.compress(body) + packer.flush()
                headers["Content-Encoding"] = "gzip"
        with self._turn:
            was_open = self._connection is not None
            try:
                return self._send(method, path, body, headers, timeout)
            except NotDelivered:
                if not was_open:
                    raise
            return self._send(method, path, body, headers, timeout)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        with self._turn:
            self._forget()

    def after_fork(self) -> None:
        """Leave the connection to the parent process."""
        self._connection = None
        self._turn = threading.Lock()

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout: float | None,
    ) -> Answer:
        from http.client import HTTPException

        try:
            connection = self._connected(self.timeout if timeout is None else timeout)
            connection.request(method, self._base + path, body=body, headers=headers)
            response = connection.getresponse()
            found = Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(_MOST_ANSWER),
            )
            if response.will_close:
                self._forget()
        except (OSError, HTTPException, UnicodeError) as error:  # a name that is none in DNS
            self._forget()
            raise NotDelivered(
                f"{self.endpoint} was not reached: {type(error).__name__}: {error}"
            ) from error
        return found

    def _connected(self, timeout: float) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        connection = self._connection
        if connection is None:
            kind = HTTPSConnection if self._is_tls else HTTPConnection
            connection = kind(self._host, self._port, timeout=timeout)
            self._connection = connection
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
