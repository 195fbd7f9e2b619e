"""Reach an address that a person typed, and nothing behind our own walls. Owns every such request.

The rule: http or https, or tcp or tls where a caller speaks a protocol of its own; a host in its
one plain spelling; a port of the list; and every address that the name resolves to is a public one.
A network in `allowed` passes all the same, on any port.
The name is resolved once and the socket is opened to the address that was checked, so a name
that changes its mind (DNS rebinding) gains nothing; Host, SNI and certificate still are the name's.
Redirects are answers like any other and never followed, proxies of the environment are not used,
and a deadline closes the socket whatever the other side is doing.

IPv4 passes unless it is listed below; IPv6 passes only where it is global unicast and not listed.
Addresses that carry another one inside (mapped, NAT64, 6to4, Teredo) are refused as a whole.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from audit.errors import AuditError

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

URL_LIMIT: Final = 2_048
"""Characters of the longest address."""

WEB: Final[Mapping[str, int]] = {"http": 80, "https": 443}
"""Schemes of web servers, and their usual ports."""

STREAMS: Final[Mapping[str, int]] = {"tcp": 514, "tls": 6514}
"""Schemes of a plain stream of bytes, and the ports that syslog usually has there."""

_REFUSED: Final = tuple(
    map(
        ip_network,
        (
            # IANA's special-purpose registry, and multicast.
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24"),
            *("192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # a cloud's metadata behind an address that looks public
            # Within global unicast: Teredo and other protocols, documentation, 6to4.
            *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48"),
        ),
    )
)
_GLOBAL_UNICAST: Final = ip_network("2000::/3")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
# Visible ASCII but the backslash, which browsers read as a slash.
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")
_HEADER: Final = re.compile(r"[ -~]*")


class AddressRefused(AuditError):
    """An address may not be reached; the text says which rule refuses it."""


class NoAnswer(AuditError):
    """The other side did not answer: no such name, no connection, no time left, no HTTP."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What may be reached, and for how long one request may last."""

    allowed: tuple[Network, ...] = ()
    """Networks that may be reached although they are not public."""
    ports: tuple[int, ...] = (80, 443)
    """Ports of public addresses; an allowed network is open on all."""
    seconds: float = 10.0
    """From the look-up of the name to the last byte of the answer."""
    most_bytes: int = 1_000_000
    """Bytes of the longest answer that is read."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An address that was checked: where to connect, and who is asked for there."""

    scheme: str
    host: str
    """As the certificate names it."""
    port: int
    path: str
    """With its query."""
    addresses: tuple[str, ...]
    """Every address of the host; each passed."""

    @property
    def host_header(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = WEB[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case; of several of one name, the last."""
    body: bytes = b""

    def text(self) -> str:
        """Return the beginning of the body on one line, fit for a message."""
        return " ".join(self.body[:200].decode("utf-8", "replace").split())


def parse_networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Return networks written as `10.0.0.0/8` or `::1`. Raises ValueError."""
    return tuple(ip_network(word) for word in words)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the open Internet, and hides no other one."""
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_UNICAST or address.scope_id):
        return False
    return not any(address in network for network in _REFUSED)


def check_url(url: str, *, schemes: Mapping[str, int] = WEB) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of an address. Raises AddressRefused for an odd one.

    Looks at the spelling alone: no name is resolved. A stream has no path.
    """
    if len(url) > URL_LIMIT or not _PLAIN.fullmatch(url):
        raise AddressRefused(
            f"an address is up to {URL_LIMIT} visible ASCII characters without backslash;"
            " write other alphabets as punycode"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"no address: {error}") from error
    if parts.scheme not in schemes:
        known = " and ".join(schemes)
        raise AddressRefused(f"only {known} are reached, not {parts.scheme or 'nothing'!r}")
    if "@" in parts.netloc:
        raise AddressRefused("an address holds no user and no password; use the settings for them")
    if "#" in url:
        raise AddressRefused("an address to send to has no fragment")
    if port == 0 or parts.netloc.endswith(":"):
        raise AddressRefused("a port is 1 to 65535")
    host = _check_host(parts.hostname or "", is_bracketed=parts.netloc.startswith("["))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme in STREAMS and path != "/":
        raise AddressRefused(f"{parts.scheme}:// has a host and a port, and nothing behind them")
    return parts.scheme, host, port or schemes[parts.scheme], path


def _check_host(host: str, *, is_bracketed: bool) -> str:
    if is_bracketed:
        if "%" in host:
            raise AddressRefused(f"{host!r} names a network card of this machine")
        try:
            return str(IPv6Address(host))
        except ValueError as error:
            raise AddressRefused(f"{host!r} is no IPv6 address") from error
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise AddressRefused(f"{host!r} is no host name")
    # A resolver takes 127.1, 0x7f000001 and 2130706433 for addresses: one spelling is enough.
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            raise AddressRefused(f"{host!r} is no IPv4 address in its plain spelling") from error
    return host


def check_target(url: str, *, rules: Rules, schemes: Mapping[str, int] = WEB) -> Target:
    """Return where to connect for an address, its name resolved and every result checked.

    Raises AddressRefused, or NoAnswer when the name does not resolve.
    """
    scheme, host, port, path = check_url(url, schemes=schemes)
    addresses = _resolve(host, port, seconds=rules.seconds)
    for address in addresses:
        _check_address(host, ip_address(address), port, rules)
    return Target(scheme=scheme, host=host, port=port, path=path, addresses=addresses)


def _check_address(host: str, address: Address, port: int, rules: Rules) -> None:
    if any(address in network for network in rules.allowed):
        return
    if not is_public(address):
        raise AddressRefused(
            f"{host} is {address}, which is not public;"
            " name its network in OBS_OUTBOUND_ALLOW if it may be reached"
        )
    if port not in rules.ports:
        raise AddressRefused(
            f"port {port} of {host} is none of {', '.join(map(str, rules.ports))};"
            " OBS_OUTBOUND_PORTS lists the ports that may be reached"
        )


def _resolve(host: str, port: int, *, seconds: float) -> tuple[str, ...]:
    """Return the addresses of a host, in the resolver's order."""
    found: list[str] = []
    failures: list[str] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            failures.append(error.strerror or str(error))
        else:
            found.extend(str(info[4][0]) for info in infos)

    # The resolver knows no time limit, and a name server that is silent must not hold a sink.
    thread = threading.Thread(target=look_up, name="outbound-resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise NoAnswer(f"{host} did not resolve within {seconds:g} s")
    if not found:
        raise NoAnswer(f"{host} does not resolve: {''.join(failures) or 'it has no address'}")
    return tuple(dict.fromkeys(found))


def send(
    method: str,
    url: str,
    *,
    rules: Rules,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Make one request and return its answer, whatever its status; a redirect is not followed.

    Raises AddressRefused before anything is sent, NoAnswer when there is none in `rules.seconds`.
    `tls` says which authorities are trusted; by default those of the system, or SSL_CERT_FILE.
    """
    started = time.monotonic()
    target = check_target(url, rules=rules)
    for name, text in (headers or {}).items():
        assert _HEADER.fullmatch(name + text), f"the header {name} is one line of ASCII"
    connection = _Connection(target, ends=started + rules.seconds, tls=tls)
    try:
        with connection:
            return connection.exchange(method, body, dict(headers or {}), rules)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection.is_over:
            raise NoAnswer(
                f"{target.host} did not end its answer in {rules.seconds:g} s"
            ) from error
        raise NoAnswer(f"{target.host} did not answer: {error or type(error).__name__}") from error


@contextmanager
def open_stream(
    url: str, *, rules: Rules, tls: ssl.SSLContext | None = None
) -> Iterator[socket.socket]:
    """Connect to a `tcp://` or `tls://` address and lend the socket, shut when the time is over.

    Raises AddressRefused before anything is sent. What fails inside the block (a refused or reset
    connection, a certificate, no time left) comes out as NoAnswer.
    """
    started = time.monotonic()
    target = check_target(url, rules=rules, schemes=STREAMS)
    dial = _Dial(target, ends=started + rules.seconds, tls=tls)
    try:
        with dial:
            yield dial.connect()
            # Once the time is over a socket reads as ended: that is no answer of the other side.
            if dial.is_over:
                raise TimeoutError("no time left")
    except OSError as error:
        if dial.is_over:
            raise NoAnswer(
                f"{target.host} did not take it all and close in {rules.seconds:g} s"
            ) from error
        raise NoAnswer(f"{target.host} did not take it: {error or type(error).__name__}") from error


class _Dial:
    """The socket to an address that was checked; shut when its time is over."""

    def __init__(self, target: Target, *, ends: float, tls: ssl.SSLContext | None) -> None:
        self.is_over = False
        self._target = target
        self._ends = ends
        self._tls = tls
        self._opened: socket.socket | None = None
        # A socket's own time limit starts again with each byte; this one does not.
        self._alarm = threading.Timer(max(ends - time.monotonic(), 0), self._end)
        self._alarm.daemon = True

    def __enter__(self) -> _Dial:
        self._alarm.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._alarm.cancel()
        if self._opened is not None:
            self._opened.close()

    def _end(self) -> None:
        self.is_over = True
        # Shut down and not closed: the thread that reads still owns the descriptor.
        if (opened := self._opened) is not None:
            _shut(opened)

    def connect(self) -> socket.socket:
        """Open the socket to the first checked address that answers, with TLS where it is due."""
        self._opened = plain = self._open()
        if self.is_over:
            raise TimeoutError("no time left")
        if self._target.scheme in {"https", "tls"}:
            context = self._tls or ssl.create_default_context()
            # Some versions of Python (3.11.2) take a stream that was cut for one that has ended.
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            # In two steps, so that the alarm finds the socket that shakes hands.
            self._opened = wrapped = context.wrap_socket(
                plain, server_hostname=self._target.host, do_handshake_on_connect=False
            )
            wrapped.do_handshake()
        return self._opened

    def _open(self) -> socket.socket:
        failure: OSError = TimeoutError("no time left")
        for address in self._target.addresses:
            left = self._ends - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((address, self._target.port), timeout=left)
            except OSError as error:
                failure = error
        raise failure


class _Connection(http.client.HTTPConnection):
    """One exchange over HTTP with an address that was checked."""

    def __init__(self, target: Target, *, ends: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        # http.client forgets its socket before an answer without length was read; this does not.
        self._dial = _Dial(target, ends=ends, tls=tls)

    @property
    def is_over(self) -> bool:
        """Tell whether its time is over."""
        return self._dial.is_over

    def __enter__(self) -> _Connection:
        self._dial.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._dial.__exit__()

    def connect(self) -> None:
        """Take the socket of the dial."""
        self.sock = self._dial.connect()

    def exchange(self, method: str, body: bytes, headers: dict[str, str], rules: Rules) -> Answer:
        """Send the request and read the answer."""
        self.request(
            method,
            self._target.path,
            body=body or None,
            headers={
                "Host": self._target.host_header,
                "Connection": "close",
                "Accept-Encoding": "identity",
                "User-Agent": "obsplatform",
            }
            | headers,
        )
        response = self.getresponse()
        content = response.read(rules.most_bytes + 1)
        if len(content) > rules.most_bytes:
            raise ValueError(f"an answer of more than {rules.most_bytes} bytes")
        # When the time is over the socket reads as ended: an answer without length would pass.
        if self.is_over:
            raise TimeoutError("no time left")
        found = {name.lower(): text for name, text in response.getheaders()}
        return Answer(status=response.status, headers=found, body=content)


def _shut(sock: socket.socket) -> None:
    try:
        # Below TLS, whose own shutdown would wait for the other side.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it is not connected any more, which is what was wanted
