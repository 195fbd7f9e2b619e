"""Have an authority say when a checkpoint existed: RFC 3161 time stamps.

The request is over the SHA-256 of the signed note. An answer counts when it is granted, over that
digest and our nonce, and signed by a certificate for time stamping that leads to the configured
authority. The whole answer is kept as proof, in DER, so that OpenSSL checks it without us:

    openssl ts -verify -in proof.tsr -data checkpoint -CAfile authority.pem

It cannot be read back. A token proves that the note existed by then, not that there is no other.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from cryptography.x509 import Certificate, load_pem_x509_certificates
from django.conf import settings
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.outbound import AddressRefused, Answer, NoAnswer, Rules, send
from audit.sinks import Published, Receipt, SinkFailed


class TimestampSink:
    """A time-stamp authority."""

    name = "timestamp"
    can_read: ClassVar[bool] = False

    def __init__(self, url: str, *, authority: Path, interval: float, rules: Rules) -> None:
        self.interval = interval
        self._url = url
        self._authority = authority
        self._rules = rules

    @classmethod
    def from_settings(cls) -> TimestampSink | None:
        """Return the sink, or None without OBS_ANCHOR_TSA_URL."""
        if not settings.ANCHOR_TSA_URL:
            return None
        return cls(
            settings.ANCHOR_TSA_URL,
            authority=Path(settings.ANCHOR_TSA_CA),
            interval=settings.ANCHOR_TSA_SECONDS,
            rules=settings.OUTBOUND_RULES,
        )

    def publish(self, published: Published, /) -> Receipt:
        """Get a token over the note and check it. Raises SinkFailed."""
        roots = self._roots()
        request = (
            TimestampRequestBuilder()
            .data(published.note)
            .hash_algorithm(HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=True)
            .build()
        )
        answer = self._ask(request.as_bytes())
        builder = VerifierBuilder.from_request(request)
        for root in roots:
            builder = builder.add_root_certificate(root)
        try:
            stamp: TimeStampResponse = decode_timestamp_response(answer.body)
            builder.build().verify_message(stamp, published.note)
            serial = stamp.tst_info.serial_number
            moment = stamp.tst_info.gen_time
        except (VerificationError, ValueError) as error:
            raise SinkFailed(
                f"the time-stamp authority's answer does not hold: {error};"
                " see whether OBS_ANCHOR_TSA_CA is the certificate it stands under"
            ) from error
        return Receipt(
            reference=f"serial {serial:x}, {moment.isoformat()}", proof=bytes(answer.body)
        )

    def newest(self, origin: str, /) -> bytes | None:
        """Return None: an authority gives nothing back."""
        return None

    def _roots(self) -> list[Certificate]:
        try:
            return load_pem_x509_certificates(self._authority.read_bytes())
        except (OSError, ValueError) as error:
            raise SinkFailed(
                f"OBS_ANCHOR_TSA_CA: {self._authority} holds no PEM certificate: {error}"
            ) from error

    def _ask(self, request: bytes) -> Answer:
        headers = {"Content-Type": "application/timestamp-query"}
        try:
            answer = send("POST", self._url, rules=self._rules, body=request, headers=headers)
        except AddressRefused as error:
            raise SinkFailed(f"OBS_ANCHOR_TSA_URL may not be reached: {error}") from error
        except NoAnswer as error:
            raise SinkFailed(f"the time-stamp authority is not there: {error}") from error
        if answer.status != 200:
            raise SinkFailed(f"the time-stamp authority answered {answer.status}: {answer.text()}")
        return answer
