"""A whole installation for tests: `manage.py up` in a folder of its own, stopped at the end.

Its database is a copy of one that is migrated once for all; `test_up` begins with nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from obsplatform.local import Postgres

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 240  # a bound against hanging, not a claim about speed
_OURS = ("DATABASE_", "REDIS_URL", "OBS_", "OTEL_", "DJANGO_SETTINGS_MODULE")
_KEEP = ("OBS_SAMPLES", "OBS_VECTORS", "OBS_PEERS")


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment without any setting of ours, and with `settings`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEEP or not name.startswith(_OURS)
    }
    return kept | settings


@contextmanager
def running(*, port: int = 18200, **settings: str) -> Iterator[dict[str, Any]]:
    """Run an installation and yield what its ready.json says, with `data` and `log` added."""
    with (
        data_folder(migrated=True) as data,
        started(data, port=port, settings=settings) as ready,
    ):
        yield ready


@cache
def _migrated() -> Path:
    """Return a folder with a migrated cluster that stands still, and its passwords."""
    data = _folder()
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    postgres = Postgres(data)
    postgres.start()
    try:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"],
            cwd=ROOT,
            env=clean_environment(
                OBS_DATA=str(data),
                OBS_DATABASE_ROLE="owner",
                DATABASE_URL=postgres.url("web"),
                DATABASE_WORKER_URL=postgres.url("worker"),
                DATABASE_OWNER_URL=postgres.url("owner"),
            ),
            check=True,
        )
    finally:
        postgres.stop()
    return data


def _copy_cluster(source: Path, data: Path) -> None:
    """Copy a cluster that stands still, with its owner and its rights; keys are not copied."""
    if not (source / "postgres").is_symlink():  # two folders would then be one cluster
        parts = [str(source / "postgres"), str(source / "passwords.json")]
        subprocess.run(["cp", "-a", *parts, str(data)], check=True)


def _folder() -> Path:
    data = Path(tempfile.mkdtemp(prefix="obs-up-"))
    data.chmod(0o755)  # as root, Postgres runs as another user, who must get through
    return data


@contextmanager
def data_folder(*, migrated: bool = False) -> Iterator[Path]:
    """Return a folder for an installation, removed with all that it holds.

    It is empty, or it has a migrated database that nobody has written to.
    """
    data = _folder()
    try:
        if migrated:
            _copy_cluster(_migrated(), data)
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def started(
    data: Path,
    *,
    code: Path = ROOT,
    port: int = 18200,
    settings: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Run the installation of a folder with this checkout's code, and stop it at the end."""
    log = data / "up.log"
    environment = clean_environment(OBS_DATA=str(data), OBS_PORT=str(port), **(settings or {}))
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=code, env=environment, stdout=out, stderr=out
        )
    try:
        yield _ready(process, data, log) | {"data": data, "log": log, "environment": environment}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> dict[str, Any]:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            found: dict[str, Any] = json.loads((data / "ready.json").read_text())
        except FileNotFoundError:
            time.sleep(0.1)
        else:
            return found
    raise AssertionError(f"the installation did not come up:\n{log.read_text()[-4000:]}")
