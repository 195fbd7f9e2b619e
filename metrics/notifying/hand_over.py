"""Hand one message to one receiver, now. Writes no row: deliver.py does.

Slack and PagerDuty get JSON by POST. A webhook gets

    Content-Type: application/json
    X-Obs-Timestamp: 1790000000             seconds since 1970, when it was sent
    X-Obs-Signature: v1=<hex>               HMAC-SHA-256(key, timestamp "." body)
    X-Obs-Delivery: <number>                the same at each try

and a mail goes to all mailboxes at once, its Message-ID the same at each try. Taken is a 2xx, or
what the mail server accepts. Addresses: audit.outbound, at each message. A server may repeat in its
answer what it was sent, so nothing that holds the secret leaves here.
"""

from __future__ import annotations

import time
from email.utils import parseaddr
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.views.decorators.debug import sensitive_variables

from audit.outbound import AddressRefused, NoAnswer, send
from audit.sinks.webhook import signature_of
from metrics.models import Receiver
from metrics.notifying import messages
from metrics.notifying.kinds import check_routing_address, mailboxes, secret_of
from metrics.notifying.messages import Message
from metrics.notifying.secret_files import SecretUnreadable

_JSON = {"Content-Type": "application/json"}
_MASKED = "[secret]"
_MOST_SAID = 500


class NotTold(Exception):
    """A receiver did not take a message; the text says what happened, without any secret."""


@sensitive_variables("secret")
def hand_over(receiver: Receiver, message: Message, *, delivery: int) -> None:
    """Send a message; `delivery` is its number, the same at each try. Raises NotTold."""
    try:
        secret = secret_of(receiver.kind, receiver.secret)
    except SecretUnreadable as error:
        raise NotTold(str(error)) from error
    try:
        _send(receiver, message, secret, delivery)
    except AddressRefused as error:
        raise NotTold(_without(secret, f"the address may not be reached: {error}")) from None
    except NoAnswer as error:
        raise NotTold(_without(secret, str(error))) from None


@sensitive_variables("secret")
def _send(receiver: Receiver, message: Message, secret: str, delivery: int) -> None:
    match receiver.kind:
        case "slack":
            _post(secret, messages.slack(message), _JSON, secret)
        case "pagerduty":
            check_routing_address(receiver.target)
            for body in messages.pagerduty(message, secret):
                _post(receiver.target, body, _JSON, secret)
        case "webhook":
            body, timestamp = messages.webhook(message), int(time.time())
            signature = signature_of(body, timestamp=timestamp, secret=secret)
            signed = {
                "X-Obs-Timestamp": str(timestamp),
                "X-Obs-Signature": signature,
                "X-Obs-Delivery": str(delivery),
            }
            _post(receiver.target, body, _JSON | signed, secret)
        case "email":
            _mail(receiver.target, message, delivery)
        case _:
            raise AssertionError(f"the database knows no kind {receiver.kind}")


@sensitive_variables("address", "body", "secret")
def _post(address: str, body: bytes, headers: dict[str, str], secret: str) -> None:
    answer = send("POST", address, rules=settings.OUTBOUND_RULES, body=body, headers=headers)
    if not 200 <= answer.status < 300:  # what HTTP calls success
        said = f"it answered {answer.status}: {answer.text()}".strip(": ")
        raise NotTold(_without(secret, said))


def _mail(target: str, message: Message, delivery: int) -> None:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    subject, text = messages.mail(message)
    mail = EmailMessage(
        subject=subject,
        body=text,
        to=list(mailboxes(target)),
        headers={"Message-ID": f"<obs-notification-{delivery}@{domain}>"},
    )
    try:
        mail.send()
    except (SMTPException, OSError) as error:
        raise NotTold(
            f"the mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} did not take the mail:"
            f" {error}; see the OBS_EMAIL settings"
        ) from error


def _without(secret: str, text: str) -> str:
    """Return the beginning of a text without the secret, nor the path of an address that is one."""
    if secret:
        text = text.replace(secret, _MASKED)
        _, _, behind = secret.partition("://")
        _, _, path = behind.partition("/")
        if path:
            text = text.replace(path, _MASKED)
    return text[:_MOST_SAID]
