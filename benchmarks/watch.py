"""Watch an installation while it works: how large the ledger is, and what its processes take."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from types import TracebackType

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg

from benchmarks.ground import Installation, with_children
from benchmarks.seed import size_of

_PAUSE = 0.1
_PROCESSES_EVERY = 20  # sizes; memory moves slowly and looking costs


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How large the ledger was at a time."""

    at: float
    """On the clock of `time.perf_counter`."""
    size: int


class Watch:
    """A thread that looks every 0.1 s; use it as a context."""

    def __init__(self, running: Installation, ledger: str = "main") -> None:
        """Look at this ledger of a running installation."""
        self._running = running
        self._ledger = ledger
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._error: BaseException | None = None
        self.moments: list[Moment] = []
        self.memory: dict[str, int] = defaultdict(int)
        """The most bytes that one process of each name held."""
        self.cpu: dict[str, float] = {}
        """Seconds of CPU of all processes of each name so far."""
        self._spent: dict[tuple[int, float], tuple[str, float]] = {}

    def __enter__(self) -> Watch:
        """Begin to look."""
        self._look_at_processes()
        self._before = self._cpu()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop looking; raises what the looking thread raised."""
        self._stop.set()
        self._thread.join()
        self._look_at_processes()
        after = self._cpu()
        self.cpu = {name: after[name] - self._before.get(name, 0.0) for name in after}
        if self._error is not None and error is None:
            raise self._error

    def rate(self, *, start: int, stop: int) -> float:
        """Return entries a second between two sizes of the ledger."""
        began = next(each for each in self.moments if each.size >= start)
        ended = next(each for each in self.moments if each.size >= stop)
        assert ended.at > began.at, "a slice lasts longer than one look; take more events"
        return (ended.size - began.size) / (ended.at - began.at)

    def _look(self) -> None:
        try:
            with psycopg.connect(self._running.database_url, autocommit=True) as connection:
                looks = 0
                while not self._stop.wait(_PAUSE):
                    size = size_of(connection, self._ledger)
                    self.moments.append(Moment(at=time.perf_counter(), size=size))
                    looks += 1
                    if looks % _PROCESSES_EVERY == 0:
                        self._look_at_processes()
        except BaseException as error:
            self._error = error

    def _look_at_processes(self) -> None:
        for name, pid in self._running.pids.items():
            for process in with_children(pid):
                try:
                    memory, times = process.memory_info().rss, process.cpu_times()
                    started = process.create_time()
                except psutil.NoSuchProcess:
                    continue  # a worker's child that was recycled
                self.memory[name] = max(self.memory[name], memory)
                self._spent[process.pid, started] = (name, times.user + times.system)

    def _cpu(self) -> dict[str, float]:
        spent: dict[str, float] = defaultdict(float)
        for name, seconds in self._spent.values():
            spent[name] += seconds
        return dict(spent)
