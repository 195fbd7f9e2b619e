"""What a benchmark stands on: a bare database or a whole installation, started and stopped here.

Both live in a temporary folder, listen on loopback only and are gone afterwards. Nothing of the
caller's settings reaches them: each variable of ours is cleared first.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg

ROOT = Path(__file__).resolve().parent.parent
_OURS = ("DATABASE_", "REDIS_URL", "OBS_", "OTEL_", "DJANGO_SETTINGS_MODULE")
_KEEP = frozenset({"OBS_SAMPLES", "OBS_PEERS"})
_START_SECONDS = 180
_STOP_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A running `manage.py up`."""

    url: str
    key: str
    governance_key: str
    database_url: str
    worker_url: str
    pids: dict[str, int]
    """The processes that `up` started, by name; each may have children."""
    data: Path
    """Where all of it lives, for commands."""


def clean_environment(**settings: str) -> dict[str, str]:
    """Return our environment without settings of ours, and with these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEEP or not name.startswith(_OURS)
    }
    return kept | settings


@contextmanager
def _folder() -> Iterator[Path]:
    """Lend a folder that Postgres' own user can reach; nothing else of it is open to others."""
    data = Path(tempfile.mkdtemp(prefix="obs-bench-"))
    data.chmod(0o711)
    try:
        yield data
    finally:
        cluster = data / "postgres"
        if cluster.is_symlink():
            shutil.rmtree(cluster.resolve().parent)
        shutil.rmtree(data)


@contextmanager
def installation(
    *, port: int = 18_600, code: Path = ROOT, **settings: str
) -> Iterator[Installation]:
    """Run a whole installation in a folder of its own, by the code of this checkout or another.

    `settings` are variables for it.
    """
    with _folder() as data:
        log = data / "up.log"
        environment = clean_environment(OBS_DATA=str(data), OBS_LOG_LEVEL="WARNING", **settings)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(port)],
                cwd=code,
                env=environment,
                stdout=out,
                stderr=out,
            )
        try:
            yield _when_ready(process, data, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_STOP_SECONDS)


def _when_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> Installation:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        # Workers start last, so wait until ready.json names the one that chains.
        if (data / "ready.json").exists():
            ready = json.loads((data / "ready.json").read_text())
            services = json.loads((data / "services.json").read_text())
            return Installation(
                url=ready["url"],
                key=ready["key"],
                governance_key=ready["governance_key"],
                database_url=ready["database_url"],
                worker_url=services["database_worker_url"],
                pids=ready["pids"],
                data=data,
            )
        time.sleep(0.1)
    raise RuntimeError(f"the installation did not come up:\n{log.read_text()[-4000:]}")


@contextmanager
def database(**postgres_settings: str) -> Iterator[str]:
    """Start a bare Postgres, migrate it, set Django up on it as the owner; yield its address.

    Once a process: Django reads its settings once. Nothing chains but what the caller calls.
    """
    with _folder() as data:
        for name in [each for each in os.environ if each not in _KEEP and each.startswith(_OURS)]:
            del os.environ[name]
        from obsplatform.local import Postgres

        server = Postgres(data, settings=postgres_settings)
        server.start()
        try:
            os.environ |= {
                "OBS_DATA": str(data),
                "OBS_DATABASE_ROLE": "owner",
                "OBS_LOG_LEVEL": "WARNING",
                "DJANGO_SETTINGS_MODULE": "obsplatform.settings",
                "DATABASE_URL": server.url("web", over_socket=True),
                "DATABASE_WORKER_URL": server.url("worker", over_socket=True),
                "DATABASE_OWNER_URL": server.url("owner", over_socket=True),
                "REDIS_URL": "redis://127.0.0.1:1/0",  # nobody there: a bell may be lost
            }
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"],
                cwd=ROOT,
                check=True,
            )
            import django

            django.setup()
            yield server.url("superuser", over_socket=True)
            from django.db import connection

            connection.close()
        finally:
            server.stop()
            server.remove()


def postgres_version(address: str) -> str:
    """Return the server's version as it says it."""
    with psycopg.connect(address) as connection:
        return str(connection.info.parameter_status("server_version"))


def with_children(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it; what has ended meanwhile is left out."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
