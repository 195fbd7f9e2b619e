"""What processes that answer requests and run tasks ask every few seconds: switches and captures.

Asked by the thread that writes what a process counts, so that no request waits for it.
"""

from __future__ import annotations

from metrics import switches
from tracing import capture


def metrics_on() -> bool:
    """Ask which captures of slow work are in force, and return whether metrics are on."""
    capture.ask()
    return switches.metrics_on()
