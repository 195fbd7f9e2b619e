"""Writers to kill: `python -m tests.faults.writer` forks one for each line `LEDGER_ID BATCH`.

A writer calls audit.append.append_pending, as the platform's own do, until the inbox is empty, and
then says `writer PID ENTRIES`. Each fork says `started PID` first. At the end of standard input the
parent waits for all. Run as the worker's role by tests that need the pid of exactly one writer.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Fork a writer a line; open no connection before."""
    import django

    django.setup()
    for line in sys.stdin:
        ledger_id, batch = map(int, line.split())
        pid = os.fork()
        if pid == 0:
            _write(ledger_id, batch)
        _say(f"started {pid}")
    while _has_child():
        os.wait()


def _write(ledger_id: int, batch: int) -> None:
    from audit.append import append_pending
    from audit.database import rows

    made, code = 0, 1
    try:
        while rows("SELECT 1 FROM audit_inbox WHERE ledger_id = %s LIMIT 1", (ledger_id,)):
            made += append_pending(ledger_id, batch=batch)
        code = 0
    finally:
        _say(f"{'writer' if code == 0 else 'broken'} {os.getpid()} {made}")
        os._exit(code)  # what the parent holds is the parent's to close


def _has_child() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # in one piece, whoever else writes


if __name__ == "__main__":
    main()
