"""Start processes, tell ours from any other, and stop them.

A pid alone names nothing: it is used again. So a process is remembered as pid and start time, and
a signal goes only where both still agree. Every process leads a session of its own, so its
children are stopped with it and Ctrl-C in a terminal reaches the supervisor alone.
Used by local/ (the two servers) and supervisor.py (everything of one installation).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import psutil  # type: ignore[import-untyped]  # ships no types

RUN_VARIABLE = "OBS_RUN"  # marks every process of one run, so that orphans of orphans are found
Stops: TypeAlias = tuple[tuple[signal.Signals, float], ...]
"""How to end a process: each signal with the seconds it is given, the last one SIGKILL."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One process, told from every other that has had or will have its pid."""

    pid: int
    """Its process id, also the id of the session that it leads."""
    started: str
    """When it started, as the kernel counts it; opaque, only compared."""


def mark(pid: int) -> Mark | None:
    """Return the mark of a running process, or None when there is none (a zombie runs no more)."""
    try:
        started = _started(pid)
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None
    return Mark(pid=pid, started=started) if started else None


def _started(pid: int) -> str:
    if sys.platform != "linux":
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    # Ticks since boot: psutil's create_time() is wall time and moves when the clock is set.
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "" if state in "ZX" else f"{boot}:{fields[18]}"


def is_running(known: Mark) -> bool:
    """Tell whether this very process still runs."""
    return mark(known.pid) == known


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: int | IO[bytes] = subprocess.PIPE,
    errors: int | IO[bytes] = subprocess.STDOUT,
    cwd: Path = Path("/"),
    account: tuple[int, int] | None = None,
    signal_when_orphaned: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process as the leader of its own session; `account` is a (uid, gid) to run as.

    On Linux the kernel sends it `signal_when_orphaned` when its starter dies, if the main thread
    started it. That makes the usual case short; correctness comes from the recorded marks.
    """
    uid, gid = account or (None, None)
    return subprocess.Popen(
        [str(word) for word in command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        user=uid,
        group=gid,
        extra_groups=None if account is None else [],
        start_new_session=True,
        preexec_fn=_die_with_parent(signal_when_orphaned),
    )


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    # The kernel watches the thread that forks, not the process: another thread's end would kill.
    if _LIBC is None or threading.current_thread() is not threading.main_thread():
        return None
    libc, wanted = _LIBC, int(number)

    def ask_kernel() -> None:
        if libc.prctl(_PR_SET_PDEATHSIG, wanted) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")

    return ask_kernel


def send(known: Mark, number: signal.Signals) -> None:
    """Send a signal to the process, SIGKILL to its children too; nothing when it no longer runs.

    Any other signal is for the process alone: it ends its own children better than we could.
    """
    if not is_running(known):
        return
    if number == signal.SIGKILL:
        _kill_group(known.pid)
    else:
        send_alone(known, number)


def send_alone(known: Mark, number: signal.Signals) -> None:
    """Send a signal to this process and no other; nothing when it no longer runs."""
    if is_running(known):
        with contextlib.suppress(ProcessLookupError):  # it ended since the look, as was wanted
            os.kill(known.pid, number)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nobody is left in it, as was wanted
    except PermissionError:
        if sys.platform != "darwin":  # macOS says this of a group that holds only zombies
            raise


def wait_gone(known: Mark, seconds: float) -> bool:
    """Wait until the process has ended, at most so long; tell whether it has."""
    deadline = time.monotonic() + seconds
    while is_running(known):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def stop(known: Mark, stops: Stops) -> None:
    """Send each signal in turn and give it its seconds, until the process has ended.

    Raises TimeoutError when it outlives the last one.
    """
    for number, seconds in stops:
        send(known, number)
        if wait_gone(known, seconds):
            return
    raise TimeoutError(f"process {known.pid} does not end")


def end_group(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a child that has ended, after killing what it left behind.

    None while it runs. Its pid is reaped last: until then no other process can get the number.
    """
    if process.returncode is not None:
        return process.returncode
    if sys.platform == "linux":
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
    elif process.poll() is None:
        return None
    _kill_group(process.pid)
    return process.wait()


def titles_below(pid: int) -> list[str]:
    """Return the command lines of the process' own children."""
    found = []
    try:
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
                found.append(" ".join(child.cmdline()))
    except psutil.NoSuchProcess:
        return []
    return found


def of_run(run: str) -> list[Mark]:
    """Return every process that carries the mark of this run in its environment, but us."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(RUN_VARIABLE) == run:
                found.append(mark(process.pid))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended meanwhile, or is another user's and so not ours
    return [known for known in found if known is not None]
