"""The processes of an installation that a test may kill, each by pid and start time.

Who they are is read anew each time from run.json, where the supervisor keeps them; what they have
started themselves is found below them. Nothing else is ever sent a signal.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg

from obsplatform import processes
from obsplatform.processes import Mark

CHILDREN = frozenset({"postgres", "valkey", "web", "worker", "beat", "append", "seal", "deliver"})
_CHAINED = re.compile(rb'^(\w+) +\| (\{.*"event": ?"chained".*\})', re.MULTILINE)
HEALING_SECONDS = (
    120  # a bound against hanging: the supervisor pauses up to 4 s, and kills who is stuck for 10 s
)


def eventually(holds: Callable[[], bool], *, what: str, within: float) -> float:
    """Wait until it holds and return how many seconds that took. AssertionError after so long."""
    began = time.monotonic()
    while not holds():
        waited = time.monotonic() - began
        assert waited < within, f"{what}: not within {within} s"
        time.sleep(0.02)
    return time.monotonic() - began


class Target:
    """One running installation, from the side of whoever wants to break it."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.url: str = ready["url"]
        self.key: str = ready["key"]
        self.governance_key: str = ready["governance_key"]
        self.ledger: str = ready["ledger"]
        self.log: Path = ready["log"]
        self.environment: dict[str, str] = ready["environment"]
        self._data: Path = ready["data"]

    # --- Processes ---

    def running(self, name: str) -> Mark | None:
        """Return the process of that name, or None between its death and its restart."""
        known = self._recorded().get(name)
        return known if known is not None and processes.is_running(known) else None

    def below(self, name: str) -> list[Mark]:
        """Return what the process of that name has started."""
        return [mark for mark, _ in self._children(name)]

    def of_postgres(self) -> list[Mark]:
        """Return Postgres' own processes: backends, writers, and the one that recovers."""
        return [mark for mark, title in self._children("postgres") if ": " in title]

    def recovering(self) -> list[Mark]:
        """Return the process of Postgres that recovers after a crash, while one does."""
        titled = self._children("postgres")
        return [mark for mark, title in titled if title.startswith("postgres: startup")]

    def _children(self, name: str) -> list[tuple[Mark, str]]:
        parent = self.running(name)
        if parent is None:
            return []
        found: list[tuple[Mark, str]] = []
        try:
            for child in psutil.Process(parent.pid).children(recursive=True):
                title, known = " ".join(child.cmdline()), processes.mark(child.pid)
                if known is not None:
                    found.append((known, title))
        except psutil.NoSuchProcess:
            pass  # one ended while we looked; who was found still counts
        return found

    def any_of(self, name: str) -> list[Mark]:
        """Return the process of that name alone, or nothing while it does not run."""
        known = self.running(name)
        return [known] if known is not None else []

    def wait_healed(self) -> None:
        """Wait until the supervisor runs every child again and the address answers."""
        eventually(
            lambda: all(self.running(name) for name in CHILDREN),
            what="every child runs again",
            within=HEALING_SECONDS,
        )

    def _recorded(self) -> dict[str, Mark]:
        told = json.loads((self._data / "run.json").read_text())["processes"]
        return {name: Mark(pid=each["pid"], started=each["started"]) for name, each in told.items()}

    # --- What it says ---

    def chained_lines(self, log_size: int) -> list[dict[str, Any]]:
        """Return what writers have logged about chaining since the log had this size.

        Each line has the writer's name as `who`.
        """
        with self.log.open("rb") as log:
            log.seek(log_size)
            found = _CHAINED.findall(log.read())
        return [json.loads(line) | {"who": who.decode()} for who, line in found]

    # --- Servers ---

    @property
    def redis_url(self) -> str:
        """The address of its Redis, with the password."""
        return self.services()["redis_url"]

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[Any]]:
        """Open a connection as the superuser, apart from every one of the platform's."""
        url = self.services()["database_superuser_url"]
        with psycopg.connect(url, autocommit=True) as opened:
            yield opened

    def services(self) -> dict[str, str]:
        """Return the addresses of its servers, as `up` writes them."""
        found: dict[str, str] = json.loads((self._data / "services.json").read_text())
        return found

    def inbox_is_empty(self) -> bool:
        """Tell whether nothing waits to be chained in this ledger."""
        with self.superuser() as connection:
            found = connection.execute(
                """
                SELECT 1
                FROM audit_inbox AS i
                JOIN audit_ledger AS l ON l.id = i.ledger_id
                WHERE l.name = %s
                LIMIT 1
                """,
                [self.ledger],
            ).fetchone()
        return found is None

    def signed_size(self) -> int:
        """Return the size of this ledger's newest checkpoint."""
        with self.superuser() as connection:
            ((size,),) = connection.execute(
                """
                SELECT coalesce(max(c.size), 0)
                FROM audit_checkpoint AS c
                JOIN audit_ledger AS l ON l.id = c.ledger_id
                WHERE l.name = %s
                """,
                [self.ledger],
            ).fetchall()
        return int(size)

    def is_sealed(self) -> bool:
        """Tell whether a checkpoint covers all of this ledger."""
        with self.superuser() as connection:
            found = connection.execute(
                """
                SELECT 1
                FROM audit_ledger AS l
                JOIN audit_head AS h ON h.ledger_id = l.id
                JOIN audit_checkpoint AS c ON c.ledger_id = l.id AND c.size = h.size
                WHERE l.name = %s
                """,
                [self.ledger],
            ).fetchone()
        return found is not None

    def is_projected(self) -> bool:
        """Tell whether metrics have read all that is chained, in every ledger."""
        with self.superuser() as connection:
            found = connection.execute(
                """
                SELECT 1
                FROM audit_head AS h
                LEFT JOIN audit_projection AS p
                    ON p.ledger_id = h.ledger_id AND p.name = 'metrics'
                WHERE h.size > coalesce(p.next_seq, 0)
                LIMIT 1
                """
            ).fetchone()
        return found is None

    def has_chained(self, event_id: str) -> bool:
        """Tell whether the event has a place in a chain; False too while the database is away."""
        try:
            with self.superuser() as connection:
                found = connection.execute(
                    "SELECT 1 FROM audit_eventkey WHERE event_id = %s", [event_id]
                ).fetchone()
        except psycopg.OperationalError:
            return False
        return found is not None


def kill(known: Mark) -> None:
    """End this very process at once, as a power cut would; nothing when it has ended already."""
    processes.send_alone(known, signal.SIGKILL)


@contextmanager
def frozen(known: Mark) -> Iterator[None]:
    """Keep the process from running while the block lasts; whoever talks to it waits."""
    processes.send_alone(known, signal.SIGSTOP)
    try:
        yield
    finally:
        processes.send_alone(known, signal.SIGCONT)
