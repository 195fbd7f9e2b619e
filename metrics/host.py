"""Read the machine's own numbers: processors, memory, disks, network, and Celery's queue.

One process of the installation does so, whichever holds the lock; when it ends, its connection
goes and another takes over. Gauges are written to metrics_fact, bytes moved are added to
metrics_process with the process's own numbers (flushing.py). They are those of the machine on
which that process runs: other machines of an installation have an exporter of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg
import redis
import structlog
from django.conf import settings

from metrics.agent_families import TASK_QUEUE_SIZE
from metrics.labels import Key, normalise
from metrics.own_series import Sums, add_count
from metrics.platform_families import (
    HOST_CPU,
    HOST_DISK,
    HOST_DISK_IO,
    HOST_MEMORY,
    HOST_NETWORK_IO,
)

log = structlog.get_logger(__name__)

_REDIS_SECONDS: Final = 0.5
_MOUNTS: Final = HOST_DISK.cap // 2 - 1

# Held as long as the connection lives.
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('metrics.host'))"
_SAY = """
INSERT INTO metrics_fact (family, labels, value)
SELECT *
FROM unnest(%s::text[], %s::text[], %s::float8[])
ON CONFLICT (family, labels) DO UPDATE SET value = excluded.value, at = clock_timestamp()
"""
_UNSAY = "DELETE FROM metrics_fact WHERE family = ANY(%s::text[]) AND NOT labels = ANY(%s::text[])"
_SHOWN: Final = (HOST_CPU.name, HOST_MEMORY.name, HOST_DISK.name)


class Host:
    """The machine as this process sees it, while it is the one that tells."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._moved: dict[Key, int] = {}

    def is_ours(self, connection: psycopg.Connection[Any]) -> bool:
        """Tell whether this process is the one that tells, and make it so where nobody is."""
        if connection is self._connection:
            return True
        self._connection = None
        found = connection.execute(_TRY_LOCK).fetchone()
        if found is None or not found[0]:
            return False
        self._connection = connection
        self._moved = _moved()  # what moved before is not ours to tell
        psutil.cpu_percent()  # the first answer is that of no time at all
        return True

    @property
    def is_telling(self) -> bool:
        """Whether this process was the one that tells, when it was looked at last."""
        return self._connection is not None

    def add_to(self, sums: Sums) -> None:
        """Add the bytes that have moved since this was asked last."""
        now = _moved()
        for key, number in now.items():
            # A device that was taken away takes its count along; that is no traffic backwards.
            add_count(sums.totals, key, max(0, number - self._moved.get(key, number)))
        self._moved = now

    def tell(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write how the machine is now, in the caller's transaction."""
        facts = {
            (HOST_CPU.name, ""): psutil.cpu_percent() / 100,
            **_memory(),
            **_disks(),
            **_queue(),
        }
        families, labels = zip(*sorted(facts), strict=True)
        cursor.execute(
            _SAY, (list(families), list(labels), [float(facts[key]) for key in sorted(facts)])
        )
        # A file system that is gone, and a queue that cannot be asked, must not look alive.
        cursor.execute(_UNSAY, (list(_SHOWN), list(labels)))
        if not any(family == TASK_QUEUE_SIZE.name for family in families):
            cursor.execute(
                "DELETE FROM metrics_fact WHERE family = %s AND labels = %s",
                (TASK_QUEUE_SIZE.name, _celery_queue()),
            )


def _memory() -> Mapping[tuple[str, str], float]:
    found = psutil.virtual_memory()
    return {
        (HOST_MEMORY.name, "used"): found.total - found.available,
        (HOST_MEMORY.name, "available"): found.available,
    }


def _disks() -> Mapping[tuple[str, str], float]:
    """Return used and free space of the file systems that the platform writes to."""
    facts: dict[tuple[str, str], float] = {}
    for mount in _mounts():
        found = psutil.disk_usage(mount)
        label = normalise(mount)
        facts[HOST_DISK.name, f"{label} free"] = found.free  # what is left for users but root
        facts[HOST_DISK.name, f"{label} used"] = found.total - found.free
    return facts


def _mounts() -> list[str]:
    """Return where these file systems are mounted, each once, at most what the cap takes."""
    folders = (settings.DATA, settings.EXPORT_DIR, settings.REPORT_DIR, settings.ANCHOR_FOLDER)
    found = dict.fromkeys(_mount_of(Path(each)) for each in folders)
    return [str(each) for each in found][:_MOUNTS]


def _mount_of(folder: Path) -> Path:
    folder = folder.resolve()
    while not folder.is_mount():  # also of a folder that is yet to be made; the root ends it
        folder = folder.parent
    return folder


def _moved() -> dict[Key, int]:
    disks, network = psutil.disk_io_counters(), psutil.net_io_counters()
    moved: dict[Key, int] = {}
    if disks is not None:  # a container may not see them
        moved[HOST_DISK_IO.name, ("read",)] = disks.read_bytes
        moved[HOST_DISK_IO.name, ("written",)] = disks.write_bytes
    if network is not None:
        moved[HOST_NETWORK_IO.name, ("received",)] = network.bytes_recv
        moved[HOST_NETWORK_IO.name, ("sent",)] = network.bytes_sent
    return moved


def _queue() -> Mapping[tuple[str, str], float]:
    """Return how many messages wait for a worker; nothing when Redis does not say."""
    queue = _celery_queue()
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
        ) as broker:
            return {(TASK_QUEUE_SIZE.name, queue): int(broker.llen(queue))}
    except redis.RedisError as error:
        log.info("metrics.no_queue", error=type(error).__name__)
        return {}


def _celery_queue() -> str:
    return "celery"  # Celery's own name for its queue, which we do not change
