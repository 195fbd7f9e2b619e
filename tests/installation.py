"""A whole installation for tests: `manage.py up` in a folder of its own, stopped at the end."""

from __future__ import annotations

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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 120
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
    with data_folder() as data, started(data, port=port, settings=settings) as ready:
        yield ready


@contextmanager
def data_folder() -> Iterator[Path]:
    """Return a folder for an installation, removed with all that it holds."""
    data = Path(tempfile.mkdtemp(prefix="obs-up-"))
    data.chmod(0o755)  # as root, Postgres runs as another user, who must get through
    try:
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
