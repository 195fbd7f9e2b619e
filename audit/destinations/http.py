"""Send entries to a web address: Splunk's HTTP Event Collector, and signed NDJSON.

Splunk-like (`http`):

    POST <url>
    Authorization: Splunk <token>
    Content-Type: application/json
    JSON objects one after the other (lines.py, hec_objects)

Taken is a 2xx whose body, when it is a JSON object with a `code`, says code 0.

Signed NDJSON (`webhook`: records; `ocsf`: OCSF events):

    POST <url>
    Content-Type: application/x-ndjson
    X-Obs-Timestamp: 1790000000               seconds since 1970, when it was sent
    X-Obs-Signature: v1=<hex>                 HMAC-SHA-256(secret, timestamp "." body)
    X-Obs-Delivery: <hex>                     SHA-256 of the body: the same at each retry
    X-Obs-Ledger, X-Obs-First-Seq, X-Obs-Last-Seq

Taken is a 2xx. A redirect is an answer like any other, and no 2xx. Addresses: audit.outbound.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from audit.destinations import Batch, NotDelivered
from audit.destinations.lines import hec_objects
from audit.outbound import AddressRefused, Answer, NoAnswer, Rules, send
from audit.sinks.webhook import signature_of


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A web address and what may be done to reach it."""

    url: str
    rules: Rules
    tls: ssl.SSLContext | None = None
    """Whom to trust; None for the system's authorities."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST once and return a 2xx. Raises NotDelivered for anything else."""
        try:
            answer = send(
                "POST", self.url, rules=self.rules, body=body, headers=headers, tls=self.tls
            )
        except AddressRefused as error:
            raise NotDelivered(f"the address may not be reached: {error}") from error
        except NoAnswer as error:
            raise NotDelivered(str(error)) from error
        if not 200 <= answer.status < 300:
            raise NotDelivered(f"it answered {answer.status}: {answer.text()}")
        return answer


@dataclass(frozen=True, kw_only=True)
class EventCollector:
    """Splunk's HTTP Event Collector, or what speaks like it."""

    endpoint: Endpoint
    token: str = field(repr=False)
    host: str
    source_type: str
    index: str

    def take(self, batch: Batch, /, *, now: datetime) -> str:
        """POST the batch. Raises NotDelivered, RecordUnreadable."""
        body = hec_objects(batch, host=self.host, source_type=self.source_type, index=self.index)
        headers = {"Authorization": f"Splunk {self.token}", "Content-Type": "application/json"}
        answer = self.endpoint.post(body, headers)
        code = _code(answer.body)
        if code is not None and code != 0:
            raise NotDelivered(f"it answered {answer.status} with code {code}: {answer.text()}")
        return f"{answer.status} {answer.text()}".strip()


def _code(body: bytes) -> object:
    """Return `code` of a JSON object; None when it is none or has none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None  # a collector that answers with other words than Splunk's has still said 2xx
    return found.get("code") if isinstance(found, dict) else None


@dataclass(frozen=True, kw_only=True)
class SignedLines:
    """An address that takes NDJSON and tells our requests by their signature."""

    endpoint: Endpoint
    secret: str = field(repr=False)
    lines: Callable[[Batch], bytes]

    def take(self, batch: Batch, /, *, now: datetime) -> str:
        """POST the batch. Raises NotDelivered, RecordUnreadable."""
        body = self.lines(batch)
        timestamp = int(now.timestamp())
        answer = self.endpoint.post(
            body,
            {
                "Content-Type": "application/x-ndjson",
                "X-Obs-Timestamp": str(timestamp),
                "X-Obs-Signature": signature_of(body, timestamp=timestamp, secret=self.secret),
                "X-Obs-Delivery": sha256(body).hexdigest(),
                "X-Obs-Ledger": batch.ledger,
                "X-Obs-First-Seq": str(batch.first),
                "X-Obs-Last-Seq": str(batch.last),
            },
        )
        return f"{answer.status} {answer.text()}".strip()
