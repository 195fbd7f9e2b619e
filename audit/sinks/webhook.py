"""POST every due checkpoint to an address, signed, so that another system keeps it.

    POST <url>
    Content-Type: application/json
    X-Obs-Timestamp: 1790000000                    seconds since 1970, when it was sent
    X-Obs-Signature: v1=<hex>                      HMAC-SHA-256(secret, timestamp "." body)
    X-Obs-Delivery: <hex>                          SHA-256 of the note: the same at each retry

    {"ledger", "origin", "size", "root" (hex), "note", "signed_at" (RFC 3339)}

A receiver compares the signature in constant time, refuses a timestamp that is more than five
minutes off, and a delivery it has seen: so a request that somebody recorded is of no use.
Any 2xx counts as kept. It cannot be read back. Addresses: audit.outbound.
"""

from __future__ import annotations

import hmac
import json
import time
from hashlib import sha256
from typing import ClassVar

from django.conf import settings

from audit.outbound import AddressRefused, NoAnswer, Rules, send
from audit.sinks import Published, Receipt, SinkFailed


def signature_of(body: bytes, *, timestamp: int, secret: str) -> str:
    """Return what X-Obs-Signature must say of a body."""
    message = str(timestamp).encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), message, sha256).hexdigest()


class WebhookSink:
    """Somebody's address that takes checkpoints."""

    name = "webhook"
    can_read: ClassVar[bool] = False

    def __init__(self, url: str, *, secret: str, interval: float, rules: Rules) -> None:
        self.interval = interval
        self._url = url
        self._secret = secret
        self._rules = rules

    @classmethod
    def from_settings(cls) -> WebhookSink | None:
        """Return the sink, or None without OBS_ANCHOR_WEBHOOK_URL."""
        if not settings.ANCHOR_WEBHOOK_URL:
            return None
        return cls(
            settings.ANCHOR_WEBHOOK_URL,
            secret=settings.ANCHOR_WEBHOOK_SECRET,
            interval=settings.ANCHOR_WEBHOOK_SECONDS,
            rules=settings.OUTBOUND_RULES,
        )

    def publish(self, published: Published, /) -> Receipt:
        """Send it once. Raises SinkFailed; 409 means that the receiver holds another history."""
        body = json.dumps(
            {
                "ledger": published.ledger,
                "origin": published.origin,
                "size": published.size,
                "root": published.root.hex(),
                "note": published.note.decode(),
                "signed_at": published.signed_at.isoformat(),
            }
        ).encode()
        delivery = sha256(published.note).hexdigest()
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "X-Obs-Timestamp": str(timestamp),
            "X-Obs-Signature": signature_of(body, timestamp=timestamp, secret=self._secret),
            "X-Obs-Delivery": delivery,
        }
        try:
            answer = send("POST", self._url, rules=self._rules, body=body, headers=headers)
        except AddressRefused as error:
            raise SinkFailed(f"OBS_ANCHOR_WEBHOOK_URL may not be reached: {error}") from error
        except NoAnswer as error:
            raise SinkFailed(f"the webhook's receiver is not there: {error}") from error
        if not 200 <= answer.status < 300:
            raise SinkFailed(
                f"the webhook's receiver answered {answer.status}: {answer.text()}",
                is_mismatch=answer.status == 409,
            )
        return Receipt(reference=f"delivery {delivery}", proof=answer.body)

    def newest(self, origin: str, /) -> bytes | None:
        """Return None: a webhook gives nothing back."""
        return None
