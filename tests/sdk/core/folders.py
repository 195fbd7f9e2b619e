"""Folders and events for tests that know nothing but the standard library."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any

from obsagent.spool import Spool

EVENT = b'{"id":"x","action":"tool.invoke"}'


class WithFolder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="obsagent-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def spool(self, **options: Any) -> Spool:
        """Return a spool in the folder, closed at the end."""
        made = Spool(self.folder, **options)
        self.addCleanup(made.close)
        return made


def drain(spool: Spool, *, most: int = 500) -> list[bytes]:
    """Take everything that a spool holds, as a sender does, and acknowledge it."""
    taken: list[bytes] = []
    while True:
        batch = spool.next_batch(most=most, most_bytes=1_000_000)
        if batch is None:
            return taken
        taken += batch.events
        spool.acknowledge(batch)
