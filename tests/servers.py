"""Starts the Postgres that tests run on, before Django reads its settings.

Loaded by `-p tests.servers`. A real server in a folder of its own, migrated once as the owner; with
DATABASE_URL set nothing starts and that database (an empty one, given as its owner) is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(tempfile.mkdtemp(prefix="obs-tests-"))
DATA.chmod(0o755)  # as root, Postgres runs as another user, who must get through
os.environ["OBS_DATA"] = str(DATA)
os.environ["OBS_DATABASE_ROLE"] = "owner"
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody there: a bell may be lost

_postgres = None
if "DATABASE_URL" not in os.environ:
    from obsplatform.local import Postgres

    _postgres = Postgres(DATA, settings={"shared_buffers": "128MB", "max_wal_size": "1GB"})
    _postgres.start()
    os.environ["DATABASE_URL"] = _postgres.url("web")
    os.environ["DATABASE_WORKER_URL"] = _postgres.url("worker")
    os.environ["DATABASE_OWNER_URL"] = _postgres.url("owner")
    os.environ["OBS_TEST_SUPERUSER_URL"] = _postgres.url("superuser")
    os.environ["OBS_TEST_READ_URL"] = _postgres.url("read")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Migrate once; a failure ends the session with its own words."""
    if session.config.option.collectonly:
        return
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"], cwd=ROOT, check=True
    )


def pytest_unconfigure() -> None:
    """Stop what was started and remove its folder."""
    if _postgres is not None:
        _postgres.stop()
        _postgres.remove()
    shutil.rmtree(DATA, ignore_errors=True)
