"""Give one answer to all who ask a process within a moment.

A crowd that asked the database each for itself would be the load that makes a check fail. One
makes the answer at a time, the others wait for it. What is asked: readiness.py, health.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class SharedAnswer(Generic[Made]):
    """What was made last, for all who ask within some seconds."""

    def __init__(self, make: Callable[[], Made], *, seconds: float) -> None:
        """Make nothing yet; an answer that raises is made again for the next who asks."""
        self._make = make
        self._seconds = seconds
        self._turn = threading.Lock()  # held while one makes the answer and others wait for it
        self._made: list[Made] = []
        self._until = float("-inf")

    def get(self) -> Made:
        """Return an answer that is at most so many seconds old."""
        with self._turn:
            if time.monotonic() >= self._until:
                self._made = [self._make()]
                self._until = time.monotonic() + self._seconds
            return self._made[0]

    def forget(self) -> None:
        """Make the answer anew for the next who asks, however soon."""
        with self._turn:
            self._until = float("-inf")
