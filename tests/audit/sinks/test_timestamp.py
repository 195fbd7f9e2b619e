"""A time stamp counts when the authority we chose made it, over this note. Against openssl ts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from audit.outbound import Rules
from audit.sinks import SinkFailed
from audit.sinks.timestamp import TimestampSink
from tests.audit.sinks.publishing import LOOPBACK, ORIGIN, Log, Receiver, Request, receiving

LOG = Log()

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = time-stamp test
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamper]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = tsa_here
[tsa_here]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority:
    """A time-stamp authority: a root, a certificate for stamping, and openssl that stamps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        (folder / "openssl.cnf").write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        new = ["req", "-newkey", "rsa:2048", "-nodes", "-config", "openssl.cnf"]
        self.openssl(
            *new, *("-x509", "-extensions", "authority", "-days", "2"),
            *("-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem"),
        )  # fmt: skip
        self.openssl(*new, "-subj", "/CN=stamper", "-keyout", "tsa.key", "-out", "tsa.csr")
        self.openssl(
            *("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "openssl.cnf"),
            *("-extensions", "stamper", "-out", "tsa.pem"),
        )

    def openssl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stamp(self, query: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(query)
        self.openssl(
            *("ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query.tsq"),
            *("-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "answer.tsr"),
        )
        return (self.folder / "answer.tsr").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def receiver(authority: Authority) -> Iterator[Receiver]:
    with receiving() as receiver:
        receiver.kind = "application/timestamp-reply"
        receiver.answer = lambda request: authority.stamp(request.body)
        yield receiver


def sink_to(receiver: Receiver, root: Path, *, rules: Rules = LOOPBACK) -> TimestampSink:
    return TimestampSink(receiver.url, authority=root, interval=3600, rules=rules)


def test_a_stamp_is_kept_that_openssl_verifies_without_us(
    authority: Authority, receiver: Receiver
) -> None:
    receipt = sink_to(receiver, authority.root).publish(LOG.published(5))

    (authority.folder / "proof.tsr").write_bytes(receipt.proof)
    (authority.folder / "checkpoint").write_bytes(LOG.note(5))
    said = authority.openssl(
        *("ts", "-verify", "-in", "proof.tsr", "-data", "checkpoint", "-CAfile", "root.pem")
    )
    assert "Verification: OK" in said
    assert receipt.reference.startswith("serial ")


def test_the_request_is_over_the_note_alone(authority: Authority, receiver: Receiver) -> None:
    sink_to(receiver, authority.root).publish(LOG.published(5))

    (request,) = receiver.requests
    assert sha256(LOG.note(5)).digest() in request.body
    assert request.headers["content-type"] == "application/timestamp-query"


def test_an_authority_that_we_did_not_choose_is_refused(
    stranger: Authority, receiver: Receiver
) -> None:
    with pytest.raises(SinkFailed, match="OBS_ANCHOR_TSA_CA"):
        sink_to(receiver, stranger.root).publish(LOG.published(5))


def test_a_stamp_of_another_request_is_refused(authority: Authority, receiver: Receiver) -> None:
    recorded = sink_to(receiver, authority.root).publish(LOG.published(5)).proof
    receiver.answer = lambda _: recorded

    # Another note, and the same note with another nonce.
    for size in (6, 5):
        with pytest.raises(SinkFailed, match="does not hold"):
            sink_to(receiver, authority.root).publish(LOG.published(size))


def test_a_stamp_with_any_part_changed_is_refused(authority: Authority, receiver: Receiver) -> None:
    def spoiled(request: Request) -> bytes:
        answer = bytearray(authority.stamp(request.body))
        answer[-10] ^= 1  # within the signature
        return bytes(answer)

    receiver.answer = spoiled

    with pytest.raises(SinkFailed, match="does not hold"):
        sink_to(receiver, authority.root).publish(LOG.published(5))


@pytest.mark.parametrize(
    "garbage", [b"", b"garbage", b"0\x03\x02\x01\x02", b"0\x050\x03\x02\x01\x02"]
)
def test_what_is_no_stamp_is_refused(
    authority: Authority, receiver: Receiver, garbage: bytes
) -> None:
    receiver.answer = lambda _: garbage

    with pytest.raises(SinkFailed, match="does not hold"):
        sink_to(receiver, authority.root).publish(LOG.published(5))


def test_an_authority_that_says_no_is_a_failure(authority: Authority, receiver: Receiver) -> None:
    receiver.status = 503

    with pytest.raises(SinkFailed, match="answered 503"):
        sink_to(receiver, authority.root).publish(LOG.published(5))


def test_a_file_without_certificate_is_named(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "empty.pem").write_text("")

    with pytest.raises(SinkFailed, match=r"OBS_ANCHOR_TSA_CA: .*empty\.pem"):
        sink_to(receiver, tmp_path / "empty.pem").publish(LOG.published(5))


def test_it_gives_nothing_back(authority: Authority, receiver: Receiver) -> None:
    assert sink_to(receiver, authority.root).newest(ORIGIN) is None
