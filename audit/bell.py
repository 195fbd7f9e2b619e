"""Wake a worker after an insert. A bell and nothing else: whatever it loses is found by polling.

Ringing costs some 450 µs and can block while Redis refuses, so a thread of its own rings, at most
once per 50 ms, task and ledger, and stays silent for a while after a failure. What rings stands in
the trace of whoever asked first.
"""

from __future__ import annotations

import os
import threading
import time

import structlog
from celery import current_app
from kombu.exceptions import OperationalError
from opentelemetry import context as contexts

log = structlog.get_logger(__name__)

_PAUSE = 0.05
_PAUSES = {"audit.project": 0.5}  # nobody waits for a projection; fewer turns read more at once
_SILENCE = 5.0  # seconds without a try after Redis refused

_wanted: dict[tuple[str, int], contexts.Context] = {}
_woken = threading.Condition()  # held while `_wanted` or `_ringer` is read or written
_ringer: tuple[int, threading.Thread] | None = None


def ring(ledger_id: int, *, task: str = "audit.append") -> None:
    """Ask for an append of this ledger, or another task, soon. Returns at once and never fails."""
    global _ringer
    with _woken:
        _wanted.setdefault((task, ledger_id), contexts.get_current())
        if _ringer is None or _ringer[0] != os.getpid():  # a fork leaves its threads behind
            thread = threading.Thread(target=_ring_for_ever, name="bell", daemon=True)
            _ringer = (os.getpid(), thread)
            thread.start()
        _woken.notify()


def _ring_for_ever() -> None:
    rung: dict[tuple[str, int], float] = {}
    while True:
        with _woken:
            while not (due := _due(rung)):
                _woken.wait(timeout=_PAUSE if _wanted else None)
            rings = [(each, _wanted.pop(each)) for each in due]
        rung |= dict.fromkeys(due, time.monotonic())
        if not _ring_all(rings):
            time.sleep(_SILENCE)


def _due(rung: dict[tuple[str, int], float]) -> list[tuple[str, int]]:
    """Return what is wanted and was not rung for just now. Call with `_woken` held."""
    now = time.monotonic()
    return [
        (task, ledger_id)
        for task, ledger_id in sorted(_wanted)
        if now - rung.get((task, ledger_id), -_SILENCE) >= _PAUSES.get(task, _PAUSE)
    ]


def _ring_all(rings: list[tuple[tuple[str, int], contexts.Context]]) -> bool:
    # Every one is tried: a task of its own each, and Redis may come back between two.
    return False not in [_ring_once(*each, context) for each, context in rings]


def _ring_once(task: str, ledger_id: int, context: contexts.Context) -> bool:
    token = contexts.attach(context)
    try:
        current_app.send_task(task, args=[ledger_id], retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        log.warning("bell.silent", ledger_id=ledger_id, error=type(error).__name__)
        return False
    finally:
        contexts.detach(token)
    return True
