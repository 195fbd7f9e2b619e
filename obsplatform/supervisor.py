"""Keep the processes of one installation running, show what they say, and stop them all.

One thread, one loop: `turn` reads the children's lines, restarts who died, and looks whether
someone asked to stop. Every pid is on disk, with its start time, before the next turn, so that
after `kill -9` of this process the next one clears up what is left (`clear_left_behind`).
Which processes there are, and in which order: management/commands/up.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from obsplatform import processes
from obsplatform.private_file import write_private
from obsplatform.processes import Mark, Stops

PAUSES = (0.5, 1, 2, 4)  # seconds before the first, second, … restart in a row
SETTLED_SECONDS = 60  # who has lived this long starts again at the first pause
STOPS: Stops = ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))  # all tiers stay under 5 s in all
HELD_LINES = 10_000  # what is kept for a terminal that does not read; the oldest go first
LOOK_SECONDS = 2  # between two questions whether a process is stuck
STUCK_SECONDS = 10  # who has been so for this long is killed, and starts again as after any death
CHUNK = 4096  # bytes that a pipe which is writable takes without blocking


class StopAsked(Exception):
    """SIGINT, SIGTERM or SIGHUP has come: end what was started."""


class NotInTime(Exception):
    """Something that was waited for did not come true; the lines above say why."""


class CommandFailed(Exception):
    """A command that must end well did not; its lines above say why."""


@dataclass(kw_only=True)
class Child:
    """One process that shall always run, and how its last start went."""

    name: str
    """Prefix of its lines and key in the record."""
    launch: Callable[[], subprocess.Popen[bytes]]
    """Starts it, each time anew."""
    tier: int
    """Stopped tier by tier, 0 first: who uses others goes before them."""
    stops: Stops
    """How it is asked to end, and how it is made to."""
    process: subprocess.Popen[bytes] | None = None
    """The running one, or None between a death and the restart."""
    mark: Mark | None = None
    """Which process that is."""
    began: float = 0.0
    """When it was started, on the monotonic clock, in seconds."""
    deaths: int = 0
    """How often in a row it did not settle."""
    due: float = 0.0
    """When it starts again, on the monotonic clock."""
    is_stuck: Callable[[], bool] | None = None
    """Tells that it lives and will never work again, for who can end up like that."""
    looked: float = 0.0
    """When it was last asked, on the monotonic clock."""
    stuck_since: float | None = None
    """Since when every look has found it stuck, on the monotonic clock."""


class Lines:
    """Print whole lines and never wait for who reads them: a full pipe must not stop the audit."""

    def __init__(self, out: IO[str]) -> None:
        """Write to this stream's descriptor."""
        self._out: int | None = out.fileno()
        self._held: deque[bytes] = deque()
        self._dropped = 0

    def say(self, name: str, text: str) -> None:
        """Print one line with its prefix, or hold it until the reader takes it."""
        self._held.append(f"{name:<8} | {text}\n".encode(errors="replace"))
        if len(self._held) > HELD_LINES:
            self._held.popleft()
            self._dropped += 1
        self.flush()

    def flush(self) -> None:
        """Write what is held, as far as the reader takes it now."""
        while self._held and self._out is not None and self._takes(self._out):
            if self._dropped:
                self._held.appendleft(f"up       | {self._dropped} lines left out\n".encode())
                self._dropped = 0
            line = self._held[0]
            try:
                written = os.write(self._out, line[:CHUNK])
            except (BrokenPipeError, OSError):
                # The terminal is gone. What runs goes on; nobody is left to be told.
                self._out = None
                self._held.clear()
                return
            self._held[0] = line[written:]
            if not self._held[0]:
                self._held.popleft()

    @staticmethod
    def _takes(out: int) -> bool:
        return bool(select.select([], [out], [], 0)[1])


class Supervisor:
    """The children of one installation. Used by one thread, the main one, as it takes signals."""

    def __init__(self, *, record: Path, lines: Lines) -> None:
        """Name the file that holds every pid, and where lines go."""
        self.run_id = secrets.token_hex(8)
        self.children: dict[str, Child] = {}
        self.lines = lines
        self.on_change: Callable[[], None] = lambda: None
        self._record = record
        self._passing: dict[str, Mark] = {}
        self._asked = False
        self._selector = selectors.DefaultSelector()

    # --- Signals ---

    @contextlib.contextmanager
    def taking_signals(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP as a request to stop, seen by the next `turn`."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        before = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        }
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, lambda: reader.recv(4096))
        try:
            yield
        finally:
            self._selector.unregister(reader)
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _note(self, number: int, _frame: object) -> None:
        # SIGCHLD only wakes the loop.
        self._asked = self._asked or number != signal.SIGCHLD

    # --- Running ---

    def add(
        self,
        name: str,
        launch: Callable[[], subprocess.Popen[bytes]],
        *,
        tier: int = 0,
        stops: Stops = STOPS,
        is_stuck: Callable[[], bool] | None = None,
    ) -> None:
        """Start a process and keep it running from now on."""
        child = Child(name=name, launch=launch, tier=tier, stops=stops, is_stuck=is_stuck)
        self.children[name] = child
        self._start(child)

    def pids(self) -> dict[str, int]:
        """Return the pid of each running child, by name."""
        return {name: child.mark.pid for name, child in self.children.items() if child.mark}

    def turn(self, seconds: float = 0.5) -> None:
        """Wait at most so long for news and deal with it. Raises StopAsked on request."""
        self._read(seconds)
        for child in self.children.values():
            self._look_after(child)
        if self._asked:
            raise StopAsked

    def wait_until(self, holds: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Take turns until it holds. Raises NotInTime after so long, StopAsked on request."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise NotInTime(f"{what} did not come within {seconds:.0f} s")
            self.turn(0.02)

    def begin(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Run:
        """Start a command that ends by itself; its standard output is for the caller to read."""
        process = processes.spawn(command, env=env, cwd=cwd, errors=subprocess.PIPE)
        known = processes.mark(process.pid)
        if known is not None:
            self._passing[name] = known
            self._write_record()
        said: list[str] = []
        self._listen(process.stdout, said.append)
        self._listen(process.stderr, lambda line: self.lines.say(name, line))
        return Run(name=name, process=process, said=said)

    def finish(self, run: Run, *, seconds: float) -> str:
        """Wait for a command, and return what it printed. Raises CommandFailed if it failed."""
        self.wait_until(
            lambda: processes.end_group(run.process) is not None, what=run.name, seconds=seconds
        )
        self._read(0)
        self._passing.pop(run.name, None)
        self._write_record()
        if run.process.returncode != 0:
            for line in run.said:
                self.lines.say(run.name, line)
            raise CommandFailed(f"{run.name} ended with exit code {run.process.returncode}")
        return "\n".join(run.said)

    def _start(self, child: Child) -> None:
        child.process = child.launch()
        child.mark = processes.mark(child.process.pid)
        child.began = time.monotonic()
        self._listen(child.process.stdout, lambda line: self.lines.say(child.name, line))
        self._write_record()

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.due and not self._asked:
                self._start(child)
                self.on_change()
            return
        now = time.monotonic()
        code = processes.end_group(child.process)
        if code is None:
            self._end_when_stuck(child, now)
            return
        child.deaths = 1 if now - child.began > SETTLED_SECONDS else child.deaths + 1
        pause = PAUSES[min(child.deaths, len(PAUSES)) - 1]
        child.process, child.mark, child.due = None, None, now + pause
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.lines.say("up", f"{child.name} ended with {ended}; it starts again in {pause} s")

    def _end_when_stuck(self, child: Child, now: float) -> None:
        """Kill a process that every look of the last STUCK_SECONDS has found stuck."""
        if child.is_stuck is None or child.mark is None or now - child.looked < LOOK_SECONDS:
            return
        child.looked = now
        if not child.is_stuck():
            child.stuck_since = None
            return
        child.stuck_since = child.stuck_since or now
        if now - child.stuck_since >= STUCK_SECONDS:
            self.lines.say("up", f"{child.name} has been stuck for {STUCK_SECONDS} s and is killed")
            child.stuck_since = None
            processes.send(child.mark, signal.SIGKILL)

    def _listen(self, stream: IO[bytes] | None, take: Callable[[str], None]) -> None:
        if stream is None:
            return
        os.set_blocking(stream.fileno(), False)
        rest = bytearray()

        def read() -> None:
            block = stream.read(65536)
            if block is None:  # another took it, or nothing came after all
                return
            rest.extend(block)
            *whole, last = bytes(rest).split(b"\n")
            rest[:] = last
            if not block:
                self._selector.unregister(stream)
                stream.close()
                whole += [last] if last else []
            for line in whole:
                take(line.decode(errors="replace").rstrip("\r"))

        self._selector.register(stream, selectors.EVENT_READ, read)

    def _read(self, seconds: float) -> None:
        while ready := self._selector.select(seconds):
            for key, _ in ready:
                key.data()
            seconds = 0  # then only what is there already
        self.lines.flush()

    def _write_record(self) -> None:
        marks = {c.name: (c.mark, c.stops) for c in self.children.values() if c.mark}
        marks |= {name: (known, STOPS) for name, known in self._passing.items()}
        left = {n: {**asdict(known), "stops": stops} for n, (known, stops) in marks.items()}
        write_private(self._record, json.dumps({"run": self.run_id, "processes": left}, indent=1))

    # --- Stopping ---

    def stop(self) -> None:
        """Stop every child, tier by tier, whatever it takes; nothing of this run is left."""
        self._asked = True
        for name, known in self._passing.items():
            self.lines.say("up", f"{name} is cut short")
            processes.send(known, signal.SIGKILL)
        for tier in sorted({child.tier for child in self.children.values()}):
            self._stop_tier([c for c in self.children.values() if c.tier == tier])
        _kill_run(self.run_id)
        self._read(0)
        self._record.unlink(missing_ok=True)

    def _stop_tier(self, children: list[Child]) -> None:
        running = {c.name: c.process for c in children if c.process is not None}
        for turn in range(max(len(child.stops) for child in children)):
            seconds = 0.0
            for child in children:
                if child.name in running and child.mark and turn < len(child.stops):
                    number, patience = child.stops[turn]
                    seconds = max(seconds, patience)
                    if turn > 0:
                        self.lines.say("up", f"{child.name} does not end and gets {number.name}")
                    processes.send(child.mark, number)
            self._wait_ended(running, seconds)

    def _wait_ended(self, running: dict[str, subprocess.Popen[bytes]], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while running and time.monotonic() < deadline:
            self._read(0.02)
            for name, process in list(running.items()):
                if processes.end_group(process) is not None:
                    del running[name]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command that was begun and ends by itself."""

    name: str
    """Prefix of its lines."""
    process: subprocess.Popen[bytes]
    """The process."""
    said: list[str]
    """The lines of its standard output so far."""


def clear_left_behind(record: Path, lines: Lines) -> None:
    """Stop what a supervisor that was killed has left, by pid and start time, and by its run.

    Raises TimeoutError when a process does not even end by SIGKILL.
    """
    if not record.exists():
        return
    left = json.loads(record.read_text())
    found: dict[Mark, Stops] = {}
    for name, told in left["processes"].items():
        known = Mark(pid=told["pid"], started=told["started"])
        if processes.is_running(known):
            lines.say("up", f"{name} (pid {known.pid}) was left by an earlier run and is stopped")
            found[known] = tuple((signal.Signals(n), seconds) for n, seconds in told["stops"])
            processes.send(known, found[known][0][0])
    for known, stops in found.items():
        processes.stop(known, stops)  # one after the other, but all have been asked already
    _kill_run(left["run"])
    record.unlink()


def _kill_run(run: str) -> None:
    """Kill whoever carries the mark of this run still: children of children that lost both."""
    for known in processes.of_run(run):
        processes.send_alone(known, signal.SIGKILL)
        processes.wait_gone(known, STOPS[-1][1])
