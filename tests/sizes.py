"""Say how big a test is: as big as finds the bug, or as big as `make soak` wants it."""

from __future__ import annotations

import os


def size(short: int, long: int) -> int:
    """Return the short size, or the long one where OBS_LONG is set, as `make soak` does."""
    return long if os.environ.get("OBS_LONG") else short
