"""What a person typed reaches public addresses alone, in bounded time."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audit.outbound import (
    AddressRefused,
    NoAnswer,
    Rules,
    check_target,
    check_url,
    is_public,
    parse_networks,
    send,
)

STRICT = Rules(seconds=5)
LOOPBACK = Rules(allowed=parse_networks(["127.0.0.0/8"]), seconds=5)

HOSTILE = [
    # Other schemes, and none.
    *("ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1:70/", "//1.1.1.1/", "1.1.1.1", ""),
    *("javascript:alert(1)", "data:text/plain,x", "unix:/run/x", "http:1.1.1.1", "https:///x"),
    # This machine.
    *("http://127.0.0.1/", "http://127.8.8.8/", "http://localhost/", "http://[::1]/"),
    *("http://0.0.0.0/", "http://0/", "http://[::]/", "http://LOCALHOST/"),
    # One address in its other spellings.
    *("http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/"),
    *("http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.01/"),
    *("http://0x/", "http://127.0.0.1./", "http://0x7f.1/", "http://1.1.1.0x1/", "http://1.1/"),
    *("http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020\u30020\u30021/", "http://%31.1.1.1/"),
    *("http://127.0.0.1%00.example.com/", "http://256.256.256.256/", "http://99999999999/"),
    # Private, shared, link-local, documentation, multicast, reserved.
    *("http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/"),
    *("http://100.64.0.1/", "http://169.254.1.1/", "http://192.0.2.1/", "http://198.51.100.1/"),
    *("http://203.0.113.1/", "http://198.18.0.1/", "http://224.0.0.1/", "http://239.255.255.250/"),
    *("http://240.0.0.1/", "http://255.255.255.255/", "http://192.0.0.8/", "http://192.88.99.1/"),
    # Clouds' metadata.
    *("http://169.254.169.254/latest/", "http://100.100.100.200/", "http://192.0.0.192/"),
    *("http://168.63.129.16/", "http://[fd00:ec2::254]/", "http://169.254.170.2/"),
    # IPv6 that is not global, or carries an IPv4 address.
    *("http://[fe80::1]/", "http://[fc00::1]/", "http://[ff02::1]/", "http://[2001:db8::1]/"),
    *("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:8.8.8.8]/"),
    *("http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/"),
    *(
        "http://[2001:0:7f00:1::]/",
        "http://[::127.0.0.1]/",
        "http://[100::1]/",
        "http://[5f00::1]/",
    ),
    *("http://[fe80::1%25eth0]/", "http://[fec0::1]/", "http://[3fff::1]/", "http://[]/"),
    *("http://[::1", "http://[v1.x]/", "http://[127.0.0.1]/"),
    # Who is asked, said twice.
    *("http://user@1.1.1.1/", "http://user:password@1.1.1.1/", "http://1.1.1.1@127.0.0.1/"),
    *("http://1.1.1.1\\@127.0.0.1/", "http://1.1.1.1#@127.0.0.1/", "http://1.1.1.1/#x"),
    # Ports.
    *("http://1.1.1.1:22/", "http://1.1.1.1:25/", "http://1.1.1.1:6379/", "http://1.1.1.1:0/"),
    *("http://1.1.1.1:65536/", "http://1.1.1.1:-80/", "http://1.1.1.1:x/", "http://1.1.1.1:/"),
    # Bytes that other readers skip or split at.
    *(" http://1.1.1.1/", "http://1.1.1.1/ x", "http://1.1.1.1/\r\nHost: x", "http://1.1.1.1/\t"),
    *("http://1.1.1.1/\x00", "http://ex\nample.com/", "http://exam ple.com/", "http://\u00e9.com/"),
    *(
        "http://-example.com/",
        "http://a..b/",
        "http://.example.com/",
        "http://" + "a" * 64 + ".com/",
    ),
    "http://1.1.1.1/" + "x" * 2048,
]


@pytest.mark.parametrize("url", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_target(url, rules=STRICT)


def test_more_than_sixty_were_tried() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) > 60


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Example.com", ("http", "example.com", 80, "/")),
        ("https://example.com:8443/a?b=c", ("https", "example.com", 8443, "/a?b=c")),
        ("https://xn--bcher-kva.example/", ("https", "xn--bcher-kva.example", 443, "/")),
        ("http://1.1.1.1?x", ("http", "1.1.1.1", 80, "/?x")),
        ("http://[2606:4700::0:1111]:80/", ("http", "2606:4700::1111", 80, "/")),
        ("http://1.1.1.1.example.com/", ("http", "1.1.1.1.example.com", 80, "/")),
    ],
)
def test_a_plain_address_is_taken_as_it_is(url: str, expected: tuple[str, str, int, str]) -> None:
    assert expected == check_url(url)


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_open_internet_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_what_python_calls_private_is_never_public() -> None:
    for first in range(256):
        for text in (f"{first}.0.0.1", f"{first}.254.169.254", f"{first:02x}00::1"):
            address = ipaddress.ip_address(text)

            assert not (is_public(address) and not address.is_global), text


def test_an_allowed_network_is_open_on_every_port() -> None:
    target = check_target("http://127.0.0.1:6379/x", rules=LOOPBACK)

    assert (target.addresses, target.port) == (("127.0.0.1",), 6379)


def test_an_allowed_network_allows_no_other_spelling_of_it() -> None:
    for url in ("http://[::ffff:127.0.0.1]/", "http://127.1/", "http://0x7f000001/"):
        with pytest.raises(AddressRefused):
            check_target(url, rules=LOOPBACK)


def test_a_name_with_one_address_inside_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, ["1.1.1.1", "10.0.0.1"])

    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        check_target("http://both.example/", rules=STRICT)


def test_a_name_that_changes_its_mind_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolves(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    with served(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (port, seen):
        answer = send("GET", f"http://rebinds.example:{port}/", rules=LOOPBACK)

    assert (answer.status, answer.body) == (200, b"ok")
    assert asked == ["rebinds.example"]
    assert f"Host: rebinds.example:{port}".encode() in seen[0]


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the resolver give these answers for names, one after the other."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: int, **options: int) -> object:
        if not host.endswith(".example"):
            return real(host, port, *rest, **options)
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@contextmanager
def served(
    answer: bytes | Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection on loopback with these bytes, or with what the function sends."""
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            plain, _ = listener.accept()
        except OSError:
            return  # the test ended without a connection
        with plain:
            try:
                connection = tls.wrap_socket(plain, server_side=True) if tls else plain
                with connection:
                    seen.append(connection.recv(65_536))
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)
            except OSError:
                return  # the client has gone, as some tests want

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        # Wakes accept, which close alone does not.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)
        assert not thread.is_alive()


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with served(moved) as (port, _):
        answer = send("GET", f"http://127.0.0.1:{port}/", rules=LOOPBACK)

    assert (answer.status, answer.headers["location"]) == (302, "http://127.0.0.1:1/")


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with served(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, _):
        assert send("GET", f"http://127.0.0.1:{port}/", rules=LOOPBACK).status == 204


def test_method_headers_and_body_arrive() -> None:
    with served(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, seen):
        send(
            "POST",
            f"http://127.0.0.1:{port}/a?b",
            rules=LOOPBACK,
            body=b"xyz",
            headers={"X-A": "1"},
        )

    assert seen[0].startswith(b"POST /a?b HTTP/1.1\r\n")
    assert b"\r\nX-A: 1\r\n" in seen[0]
    assert b"\r\nContent-Length: 3\r\n" in seen[0]


def test_an_answer_that_is_too_long_is_none() -> None:
    rules = Rules(allowed=LOOPBACK.allowed, most_bytes=10)
    with (
        served(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11) as (port, _),
        pytest.raises(NoAnswer, match="more than 10 bytes"),
    ):
        send("GET", f"http://127.0.0.1:{port}/", rules=rules)


def drip(start: bytes) -> Callable[[socket.socket], None]:
    """Send a beginning, then a byte whenever a limit between two bytes would start again."""

    def go(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.settimeout(0.05)
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                connection.sendall(b"x")

    return go


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_an_answer_that_never_ends_is_given_up(start: bytes) -> None:
    rules = Rules(allowed=LOOPBACK.allowed, seconds=0.5)
    with served(drip(start)) as (port, _), pytest.raises(NoAnswer, match=r"0\.5 s"):
        send("GET", f"http://127.0.0.1:{port}/", rules=rules)


def test_a_body_without_length_that_is_cut_by_time_is_no_answer() -> None:
    rules = Rules(allowed=LOOPBACK.allowed, seconds=0.5)
    with (
        served(drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")) as (port, _),
        pytest.raises(NoAnswer, match=r"0\.5 s"),
    ):
        send("GET", f"http://127.0.0.1:{port}/", rules=rules)


def test_a_server_that_never_shakes_hands_is_given_up() -> None:
    rules = Rules(allowed=LOOPBACK.allowed, seconds=0.5)
    with served(drip(b"")) as (port, _), pytest.raises(NoAnswer):
        send("GET", f"https://127.0.0.1:{port}/", rules=rules)


@pytest.mark.parametrize("garbage", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_no_answer(garbage: bytes) -> None:
    with served(garbage) as (port, _), pytest.raises(NoAnswer):
        send("GET", f"http://127.0.0.1:{port}/", rules=LOOPBACK)


def test_nobody_there_is_no_answer() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()

    with pytest.raises(NoAnswer, match="did not answer"):
        send("GET", f"http://127.0.0.1:{port}/", rules=LOOPBACK)


def test_a_name_that_does_not_resolve_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="does not resolve"):
        send("GET", "http://nobody.invalid/", rules=STRICT)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of its own, for `named.example` alone, its key behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("named.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def test_the_certificate_must_be_that_of_the_name(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(monkeypatch, ["127.0.0.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority)
    trusting = ssl.create_default_context(cafile=str(authority))
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    with served(ok, tls=server) as (port, _):
        answer = send("GET", f"https://named.example:{port}/", rules=LOOPBACK, tls=trusting)
    assert answer.status == 200

    with served(ok, tls=server) as (port, _), pytest.raises(NoAnswer, match="mismatch"):
        send("GET", f"https://other.example:{port}/", rules=LOOPBACK, tls=trusting)

    with served(ok, tls=server) as (port, _), pytest.raises(NoAnswer, match="self-signed"):
        send("GET", f"https://named.example:{port}/", rules=LOOPBACK)
