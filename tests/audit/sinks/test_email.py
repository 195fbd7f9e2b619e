"""The mail holds the note byte for byte. Against a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from pytest_django import Settings

from audit.sinks import SinkFailed
from audit.sinks.email import EmailSink
from tests.audit.sinks.publishing import ORIGIN, Log

LOG = Log()


class Mailbox:
    """Keeps what arrives, and may refuse it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[str] = []
        self.says = "250 kept"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.to += envelope.rcpt_tos
        return self.says


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.EMAIL_HOST, settings.EMAIL_PORT = free.getsockname()
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname=settings.EMAIL_HOST, port=settings.EMAIL_PORT)
    controller.start()
    yield mailbox
    controller.stop()


SINK = EmailSink(["auditor@example.org", "board@example.org"], interval=86_400)


def test_everybody_gets_the_note_byte_for_byte(mailbox: Mailbox) -> None:
    receipt = SINK.publish(LOG.published(1234))

    (mail,) = mailbox.mails
    (attachment,) = mail.iter_attachments()
    assert attachment.get_payload(decode=True) == LOG.note(1234)
    assert attachment.get_filename() == "main-1234.checkpoint"
    assert mailbox.to == ["auditor@example.org", "board@example.org"]
    assert receipt.reference == f"message {mail['Message-ID']}"


def test_the_text_says_size_and_root(mailbox: Mailbox) -> None:
    SINK.publish(LOG.published(1234))

    body = mailbox.mails[0].get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert all(part in text for part in ("1,234 entries", LOG.root(1234).hex(), ORIGIN))
    assert mailbox.mails[0]["Subject"] == "Checkpoint of main: 1,234 entries"


def test_a_mail_that_is_refused_is_a_failure(mailbox: Mailbox) -> None:
    mailbox.says = "554 no room"

    with pytest.raises(SinkFailed, match="no room") as refused:
        SINK.publish(LOG.published(5))

    assert not refused.value.is_mismatch


def test_no_mail_server_is_a_failure_that_names_it(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.EMAIL_HOST, settings.EMAIL_PORT = free.getsockname()

    with pytest.raises(SinkFailed, match=f"127.0.0.1:{settings.EMAIL_PORT}"):
        SINK.publish(LOG.published(5))
