"""Read what the interpreter and the kernel know of this process: times, switches, pauses.

Each reader adds to `Sums` what has come since it was asked last. They hold no lock: the collector
of garbage never runs within itself, and one thread asks (flushing.py). The machine's own numbers:
host.py.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from bisect import bisect_left
from typing import Final

from metrics.own_series import Sums, add_count
from metrics.platform_families import CONTEXT_SWITCHES, GC_PAUSE, PROCESS_CPU

_GENERATIONS: Final = 3
_US: Final = 1_000_000


class Times:
    """Processor time and context switches of this process since it began."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._told = dict.fromkeys(("cpu", "voluntary", "involuntary"), 0)

    def skip(self) -> None:
        """Leave out what was until now."""
        self._told = self._now()

    def add_to(self, sums: Sums) -> None:
        """Add what has come."""
        now = self._now()
        new = {name: number - self._told[name] for name, number in now.items()}
        self._told = now
        add_count(sums.totals, (PROCESS_CPU.name, (self._role,)), new.pop("cpu"))
        for kind, number in new.items():
            add_count(sums.totals, (CONTEXT_SWITCHES.name, (kind,)), number)

    @staticmethod
    def _now() -> dict[str, int]:
        times, usage = os.times(), resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu": round((times.user + times.system) * _US),
            "voluntary": usage.ru_nvcsw,
            "involuntary": usage.ru_nivcsw,
        }


class Pauses:
    """How long collections of garbage took, by generation.

    Rows only grow, and what is new is a difference: a row that was taken away under the collector's
    feet would lose what it adds at that moment.
    """

    def __init__(self) -> None:
        self._edges = GC_PAUSE.edges
        self._rows = [[0] * (len(self._edges) + 2) for _ in range(_GENERATIONS)]
        self._told = [list(row) for row in self._rows]
        self._began = 0
        self._is_listening = False

    def listen(self, *, on: bool) -> None:
        """Have the collector tell us, or no more."""
        if on and not self._is_listening:
            gc.callbacks.append(self._hear)
        elif not on and self._is_listening:
            gc.callbacks.remove(self._hear)
        self._is_listening = on

    def add_to(self, sums: Sums) -> None:
        """Add what has come. A generation that was never collected shows its zeros."""
        for generation, row in enumerate(self._rows):
            now = list(row)
            told, self._told[generation] = self._told[generation], now
            key = GC_PAUSE.name, (str(generation),)
            kept = sums.totals.histograms.get(key) or [0] * len(now)
            sums.totals.histograms[key] = [
                a + b - c for a, b, c in zip(kept, now, told, strict=True)
            ]

    def _hear(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter_ns()
            return
        took = time.perf_counter_ns() - self._began
        row = self._rows[info["generation"]]
        row[bisect_left(self._edges, took / 1_000_000_000)] += 1
        row[-1] += took // 1_000
