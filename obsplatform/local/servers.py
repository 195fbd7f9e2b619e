"""An embedded server as a process: launched, waited for, found again and stopped.

Processes of any sort: obsplatform.processes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO

from obsplatform import processes
from obsplatform.local.errors import ServerDied
from obsplatform.private_file import write_private
from obsplatform.processes import Mark

LOOPBACK = "127.0.0.1"
START_SECONDS = 600  # crash recovery may replay gigabytes; a server that dies is noticed at once
RETRY_SECONDS = 20  # how long a lock of a server just killed may stand in the way
LOG_LIMIT = 20_000_000  # bytes; a larger log is set aside at the next start


def launch_server(
    command: list[str],
    *,
    log: Path,
    record: Path,
    account: tuple[int, int] | None,
    signal_when_orphaned: signal.Signals,
) -> subprocess.Popen[bytes]:
    """Start a server and write down who it is, so that it is found again after our own end."""
    with _open_log(log) as said:
        process = processes.spawn(
            command,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            output=said,
            account=account,
            signal_when_orphaned=signal_when_orphaned,
        )
    known = processes.mark(process.pid)
    if known is not None:  # else it has died already, and whoever waits for it is told why
        write_private(record, json.dumps(asdict(known)))
    return process


def _open_log(log: Path) -> IO[bytes]:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def start_server(
    launch: Callable[[], subprocess.Popen[bytes]], is_ready: Callable[[], bool], log: Path
) -> None:
    """Launch until it answers. A server killed a moment ago may still hold its lock: try again."""
    process = launch()
    began = time.monotonic()
    while not is_ready():
        waited = time.monotonic() - began
        if processes.end_group(process) is not None:
            if waited > RETRY_SECONDS:
                raise ServerDied(f"{process.args!r} ended instead of answering:\n{_tail(log)}")
            time.sleep(0.2)
            process = launch()
        elif waited > START_SECONDS:
            processes.end_group(process)
            raise ServerDied(f"{process.args!r} does not answer:\n{_tail(log)}")
        time.sleep(0.02)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def stop_server(process: subprocess.Popen[bytes], record: Path, stops: processes.Stops) -> None:
    """Stop a server of ours and forget its record; nothing when it has ended already."""
    known = processes.mark(process.pid) if process.returncode is None else None
    if known is not None:
        processes.stop(known, stops)
    processes.end_group(process)
    record.unlink(missing_ok=True)


def stop_orphan(record: Path, stops: processes.Stops) -> None:
    """Stop the server that this record names, if that very process still runs."""
    if not record.exists():
        return
    known = Mark(**json.loads(record.read_text()))
    processes.stop(known, stops)
    record.unlink()


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Tell whether we could listen on this port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
