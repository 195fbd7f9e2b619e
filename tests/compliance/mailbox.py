"""A real mail server on loopback that keeps, refuses or hangs as a test says: `mailbox`."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from pytest_django import Settings


class Mailbox:
    """Keeps what arrives, to whom it went beside it."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], EmailMessage]] = []
        self.refuses: dict[str, str] = {}
        """What is answered to RCPT TO, by address."""
        self.says = "250 kept"
        """What is answered to DATA."""
        self.hangs = 0.0
        """Seconds before DATA is answered."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.hangs)
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        if self.says.startswith("250"):
            self.got.append((list(envelope.rcpt_tos), mail))
        return self.says


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    """Run a mail server for a test, and have mail sent to it."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.EMAIL_HOST, settings.EMAIL_PORT = free.getsockname()
    box = Mailbox()
    controller = Controller(
        box,
        hostname=settings.EMAIL_HOST,
        port=settings.EMAIL_PORT,
        data_size_limit=64_000_000,
    )
    controller.start()
    yield box
    controller.stop()
