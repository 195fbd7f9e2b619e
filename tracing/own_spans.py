"""Begin to make spans of the platform's own work in this process, where they go anywhere.

Without an address to send them to, and without the console, nothing is loaded, nothing is wrapped
and nothing costs: what the code calls is OpenTelemetry's API, which then does nothing. Making and
sending: otel.py. Whether and how many, while we run: sampling.py.
"""

from __future__ import annotations

import sys

from django.conf import settings


def start(role: str) -> None:
    """Make spans in this process from now on; a second call changes nothing.

    Call it before connections are opened and, in a web process, before the middleware is loaded.
    """
    if settings.TRACING_SET_UP:
        from tracing import otel  # 20 MB of modules, for those who use them

        otel.set_up(role)


def flush() -> None:
    """Send what was made; call it where a process ends without exit functions. Bounded in time."""
    otel = sys.modules.get("tracing.otel")
    if otel is not None:
        otel.send_the_rest()
