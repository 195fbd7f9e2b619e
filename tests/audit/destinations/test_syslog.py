"""Syslog: lines hold CEF in order, over TCP and TLS, and no lost end counts as taken."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from audit.append import append_pending
from audit.models import Ledger
from tests.audit.destinations.receiving import (
    LOOPBACK,
    deliver,
    destination,
    let_time_pass,
    reset,
    syslog,
)
from tests.audit.destinations.writing import loopback
from tests.conftest import chain, entries, make_event

__all__ = ["loopback"]  # fixtures, which pytest finds by their names here


def test_syslog_lines_hold_cef_in_order(ledger: Ledger) -> None:
    with syslog() as told:
        row = destination(ledger, told.address, kind="syslog", host="obs.example.com")
        chain(
            ledger,
            [
                make_event(severity="critical"),
                make_event(action="data.read", category="data_access"),
            ],
        )
        deliver(row)

    stored = entries(ledger)
    assert len(told.messages) == len(stored)
    for line, entry in zip(told.messages, stored, strict=True):
        head, _, cef = line.decode().partition(" - CEF:0|")
        severity = 2 if entry.severity == "critical" else 6
        received = entry.parsed()["received_at"]
        assert head == (
            f"<{13 * 8 + severity}>1 {received} obs.example.com obsplatform - {entry.action}"
        )
        assert f"cn1={entry.seq}" in cef
        assert f"cs1={entry.hash}" in cef
        assert "\n" not in line.decode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the certificate of 127.0.0.1 that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def authority(certificate: Path) -> str:
    return certificate.read_text().partition("-----BEGIN PRIVATE")[0]


def test_syslog_over_tls_trusts_the_authority_that_was_given(
    ledger: Ledger, certificate: Path
) -> None:
    with syslog(server_side(certificate)) as told:
        row = destination(ledger, told.address, kind="syslog", ca=authority(certificate))
        chain(ledger, [make_event()])
        deliver(row)

    assert len(told.messages) == len(entries(ledger)) == row.next_seq


def test_syslog_over_tls_to_a_stranger_is_refused(ledger: Ledger, certificate: Path) -> None:
    with syslog(server_side(certificate)) as told:
        row = destination(ledger, told.address, kind="syslog")
        append_pending(ledger.id)

        assert deliver(row) == ["failed"]

    assert "self-signed" in row.error
    assert told.messages == []


def close_at_once(connection: socket.socket) -> None:
    """End the connection without reading; what was sent is unread, so a reset follows."""
    connection.recv(1)
    connection.close()


def hold(_: socket.socket) -> None:
    """Read nothing and keep the connection for longer than anybody waits."""
    time.sleep(2)


@pytest.mark.parametrize("wrong", [reset, hold, close_at_once])
@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_syslog_without_an_orderly_end_is_sent_again(
    ledger: Ledger, settings: Settings, certificate: Path, wrong: Any, over: str
) -> None:
    settings.OUTBOUND_RULES = replace(LOOPBACK, seconds=0.5)
    options = {"ca": authority(certificate)} if over == "tls" else {}
    with syslog(server_side(certificate) if over == "tls" else None) as told:
        row = destination(ledger, told.address, kind="syslog", **options)
        chain(ledger, [make_event() for _ in range(3)])
        told.behave = wrong
        assert deliver(row) == ["failed"]
        assert row.next_seq == 0

        told.behave = None
        let_time_pass(row, seconds=60)
        assert deliver(row) == ["sent", "idle"]

    assert [f"cn1={at} " in line.decode() for at, line in enumerate(told.messages)] == [True] * 4


def test_tls_that_ends_without_its_farewell_is_no_acknowledgement(
    ledger: Ledger, settings: Settings, certificate: Path
) -> None:
    settings.OUTBOUND_RULES = replace(LOOPBACK, seconds=0.5)

    def cut(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass
        # Below TLS, as somebody on the way could do it.
        socket.socket.shutdown(connection, socket.SHUT_WR)

    with syslog(server_side(certificate)) as told:
        row = destination(ledger, told.address, kind="syslog", ca=authority(certificate))
        append_pending(ledger.id)
        told.behave = cut

        assert deliver(row) == ["failed"]
