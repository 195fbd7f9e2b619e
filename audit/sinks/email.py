"""Mail the newest checkpoint once a day: a mailbox is a copy that few can rewrite.

The text says ledger, size and root; the whole signed note is attached, byte for byte, so that
whoever keeps the mail can hold us to it offline. Sent by Django's mail backend (OBS_EMAIL_…).
It cannot be read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from email.utils import make_msgid
from smtplib import SMTPException
from typing import ClassVar

from django.conf import settings
from django.core.mail import EmailMessage

from audit.sinks import Published, Receipt, SinkFailed

_TEXT = """\
Ledger {ledger} holds {size:,} entries.

origin     {origin}
size       {size}
root       {root}
signed at  {signed_at}

Keep this mail. The signed checkpoint is attached: whoever shows you this ledger later must prove
that it begins with these {size:,} entries. How: docs/anchors.md of the platform that sent it.
"""


class EmailSink:
    """Mailboxes that get a checkpoint a day."""

    name = "email"
    can_read: ClassVar[bool] = False

    def __init__(self, to: Sequence[str], *, interval: float) -> None:
        self.interval = interval
        self._to = list(to)

    @classmethod
    def from_settings(cls) -> EmailSink | None:
        """Return the sink, or None without OBS_ANCHOR_EMAIL_TO."""
        if not settings.ANCHOR_EMAIL_TO:
            return None
        return cls(settings.ANCHOR_EMAIL_TO, interval=settings.ANCHOR_EMAIL_SECONDS)

    def publish(self, published: Published, /) -> Receipt:
        """Send one mail to all; it counts once the mail server took it. Raises SinkFailed."""
        message_id = make_msgid(domain=settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">"))
        message = EmailMessage(
            subject=f"Checkpoint of {published.ledger}: {published.size:,} entries",
            body=_TEXT.format(
                ledger=published.ledger,
                origin=published.origin,
                size=published.size,
                root=published.root.hex(),
                signed_at=published.signed_at.isoformat(),
            ),
            to=self._to,
            headers={"Message-ID": message_id},
        )
        message.attach(_attachment(published))
        try:
            message.send()
        except (SMTPException, OSError) as error:
            raise SinkFailed(
                f"mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} did not take the mail:"
                f" {error}; see the OBS_EMAIL settings"
            ) from error
        return Receipt(reference=f"message {message_id}")

    def newest(self, origin: str, /) -> bytes | None:
        """Return None: mail gives nothing back."""
        return None


def _attachment(published: Published) -> MIMEBase:
    # Base64 as a text: a mail server may fold or re-encode lines, which would break the signature.
    part = MIMEBase("text", "plain", charset="utf-8")
    part.set_payload(published.note)
    encode_base64(part)
    file = f"{published.ledger}-{published.size}.checkpoint"
    part.add_header("Content-Disposition", "attachment", filename=file)
    return part
