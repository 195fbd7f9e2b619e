r"""Send entries as syslog lines over TCP, with TLS or without, in Common Event Format.

One connection a batch. Each line is framed by its length (RFC 6587 §3.4.1) and reads (RFC 5424):

    <LENGTH> SP <110>1 2026-11-20T22:06:54.123456Z HOST obsplatform - ACTION - CEF:0|…

The facility is 13, log audit; the severity that of the event: info 6, low 5, medium 4, high 3,
critical 2. The time is when the event was received. ACTION is cut at 32 characters, the most that a
MSGID has; CEF holds all of it. No byte order mark stands before the message, since readers look for
`CEF:` at its beginning. What CEF holds: audit.cef.

Syslog knows no acknowledgement, so the end of the connection is one: we say that nothing follows,
and the batch is taken once the other side, having read all, closes in order. With TLS that is its
close_notify (RFC 5425 §4.4 demands it); in the clear it is the end of its stream. A reset, as a
server that dies with unread bytes sends, or silence, and the batch is sent again.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from audit.destinations import Batch, NotDelivered
from audit.destinations.lines import rendered_line
from audit.outbound import AddressRefused, NoAnswer, Rules, open_stream

_FACILITY: Final = 13
_SEVERITIES: Final = {"info": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
_MOST_MSGID: Final = 32


@dataclass(frozen=True, kw_only=True)
class SyslogServer:
    """A server that takes RFC 5424 lines over TCP."""

    address: str
    """`tcp://host:port` or `tls://host:port`."""
    host: str
    """The HOSTNAME of each line."""
    rules: Rules
    tls: ssl.SSLContext | None = None

    def take(self, batch: Batch, /, *, now: datetime) -> str:
        """Send the batch and wait for the orderly end. Raises NotDelivered, RecordUnreadable."""
        frames = b"".join(
            frame(syslog_line(*rendered_line(item, "cef"), host=self.host)) for item in batch.items
        )
        try:
            with open_stream(self.address, rules=self.rules, tls=self.tls) as stream:
                stream.sendall(frames)
                _end(stream)
        except AddressRefused as error:
            raise NotDelivered(f"the address may not be reached: {error}") from error
        except NoAnswer as error:
            raise NotDelivered(str(error)) from error
        return f"closed in order after {len(frames):,} bytes"


def syslog_line(record: Mapping[str, Any], cef: bytes, *, host: str) -> bytes:
    """Return one line of RFC 5424 without a line end."""
    event = record["event"]
    priority = _FACILITY * 8 + _SEVERITIES[event.get("severity", "info")]
    message_id = str(event["action"])[:_MOST_MSGID]
    head = f"<{priority}>1 {record['received_at']} {host} obsplatform - {message_id} - "
    return head.encode() + cef.rstrip(b"\n")


def frame(line: bytes) -> bytes:
    """Return a line led by its length in bytes (octet counting)."""
    return b"%d %s" % (len(line), line)


def _end(stream: socket.socket) -> None:
    """Say that nothing follows, and wait until the other side closes in order."""
    if isinstance(stream, ssl.SSLSocket):
        stream.unwrap()  # sends close_notify and waits for the other one
        return
    stream.shutdown(socket.SHUT_WR)
    while stream.recv(4096):  # what a server says meanwhile means nothing in syslog
        pass
