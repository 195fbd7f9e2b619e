"""Hand a parcel over: by mail, by a signed POST, into an object store. Never writes a row.

Mail: one recipient each, so that one who is refused is refused alone. The Message-ID is the
delivery's uid. Sent by Django's mail backend (OBS_EMAIL_…).

Webhook:

    POST <url>
    Content-Type: application/json
    X-Obs-Timestamp: 1790000000             seconds since 1970, when it was sent
    X-Obs-Signature: v1=<hex>               HMAC-SHA-256(secret, timestamp "." body)
    X-Obs-Delivery: <uid>                   the same at each try

The body is `parcel.facts`; files are links and sums, never content. Taken is a 2xx.

Object store: `<prefix><stem>/<name>` for each file, then `<prefix><stem>/delivery.json` with the
facts. That one comes last: a folder without it is not whole yet. Same names, same bytes at each
try. Addresses are checked by audit.outbound at each request.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parseaddr
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage

from compliance.gather import (
    AddressRefused,
    Bucket,
    BucketFailed,
    NoAnswer,
    put_locked,
    send_request,
    signature_of,
)
from compliance.parcel import NotDelivered, Parcel, attached, facts_json, mail_text

_SLOWEST: Final = 250_000
"""Bytes a second that an object store takes at the least; a big file gets more time."""
_PERMANENT: Final = 500
"""SMTP replies from here on say that another try will not help (RFC 5321 §4.2.1)."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a parcel goes, its secret in clear: for the length of a call alone."""

    kind: str
    address: str
    options: Mapping[str, Any]
    secret: str = field(repr=False, default="")


def hand_over(parcel: Parcel, to: Address, *, now: datetime) -> str:
    """Hand it over and return what the other side calls it. Raises NotDelivered."""
    if to.kind == "email":
        return _mail(parcel, to)
    try:
        return _post(parcel, to) if to.kind == "webhook" else _put(parcel, to, now=now)
    except AddressRefused as error:
        raise NotDelivered(f"the address may not be reached: {error}") from error


def _mail(parcel: Parcel, to: Address) -> str:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message_id = f"<{parcel.uid}@{domain}>"
    message = EmailMessage(
        subject=parcel.subject(),
        body=mail_text(parcel),
        to=[to.address],
        headers={"Message-ID": message_id},
    )
    for each in attached(parcel):
        message.attach(each.name, each.read(), each.content_type)
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise NotDelivered(
            f"the mail server refused {to.address}: {code} {_words(said)}",
            is_final=code >= _PERMANENT,
        ) from error
    except SMTPDataError as error:
        raise NotDelivered(
            f"the mail server did not take the mail: {error.smtp_code} {_words(error.smtp_error)}",
            is_final=error.smtp_code >= _PERMANENT,
        ) from error
    except (SMTPException, OSError) as error:
        raise NotDelivered(
            f"the mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} did not take the mail:"
            f" {error}; see the OBS_EMAIL settings"
        ) from error
    return message_id


def _words(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:300]


def _post(parcel: Parcel, to: Address) -> str:
    body = facts_json(parcel)
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "X-Obs-Timestamp": str(timestamp),
        "X-Obs-Signature": signature_of(body, timestamp=timestamp, secret=to.secret),
        "X-Obs-Delivery": str(parcel.uid),
    }
    try:
        answer = send_request(
            "POST", to.address, rules=settings.OUTBOUND_RULES, body=body, headers=headers
        )
    except NoAnswer as error:
        raise NotDelivered(f"the receiver is not there: {error}") from error
    if not 200 <= answer.status < 300:  # what HTTP calls success
        raise NotDelivered(f"the receiver answered {answer.status}: {answer.text()}")
    return f"answer {answer.status}"


def _put(parcel: Parcel, to: Address, *, now: datetime) -> str:
    given = to.options
    bucket = Bucket(
        url=to.address.rstrip("/"),
        prefix=given["prefix"],
        region=given["region"],
        key_id=given["key_id"],
        secret=to.secret,
        lock=given["lock"],
        lock_days=given["lock_days"],
    )
    folder = f"{bucket.prefix}{parcel.stem}"
    for each in parcel.files:
        _put_one(bucket, f"{folder}/{each.name}", each.read(), each.content_type, now)
    last = f"{folder}/delivery.json"
    version = _put_one(bucket, last, facts_json(parcel), "application/json", now)
    return f"{last} version {version or 'none'}"


def _put_one(bucket: Bucket, key: str, content: bytes, kind: str, now: datetime) -> str:
    rules = settings.OUTBOUND_RULES
    patient = replace(rules, seconds=rules.seconds + len(content) / _SLOWEST)
    try:
        return put_locked(bucket, key, content, kind=kind, now=now, rules=patient)
    except BucketFailed as error:
        raise NotDelivered(f"{key}: {error}") from error
