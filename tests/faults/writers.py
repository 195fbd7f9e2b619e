"""Start single writers on the tests' own database, with pids that a test may kill: writer.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from obsplatform import processes
from obsplatform.processes import Mark
from tests.faults.targets import eventually
from tests.installation import ROOT

ENDED_SECONDS = 120


class Writers:
    """A process that forks writers on demand; each says what it has made when it ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.made: dict[int, int] = {}
        """Entries by the pid of each writer that ended well."""
        self.broken: dict[int, int] = {}
        """Likewise of each that ended with an error."""
        self.log: list[str] = []
        """What else they said."""

    def start(self, ledger_id: int, *, batch: int) -> Mark:
        """Start a writer on one ledger."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{ledger_id} {batch}\n")
        self._process.stdin.flush()
        pid = int(self._hear("started"))
        known = processes.mark(pid)
        return known or Mark(pid=pid, started="ended already")

    def wait_ended(self, known: Mark) -> None:
        """Wait until a writer has ended, however it did."""
        eventually(
            lambda: not processes.is_running(known),
            what=f"writer {known.pid} ends",
            within=ENDED_SECONDS,
        )

    def finish(self) -> None:
        """Wait for all and take in what they have made."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._note(line)
        assert self._process.wait(ENDED_SECONDS) == 0

    def _hear(self, word: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(f"{word} "):
                return line.split()[1]
            self._note(line)
        raise AssertionError("the process that forks writers has ended")

    def _note(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind not in {"writer", "broken"}:
            self.log.append(line)
            return
        pid, made = map(int, rest.split())
        (self.made if kind == "writer" else self.broken)[pid] = made


@contextmanager
def writers() -> Iterator[Writers]:
    """Run the forking process with the worker's rights."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.writer"],
        cwd=ROOT,
        env={
            **os.environ,
            "OBS_DATABASE_ROLE": "worker",
            "DJANGO_SETTINGS_MODULE": "obsplatform.settings",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    made = Writers(process)
    try:
        yield made
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait(ENDED_SECONDS)
