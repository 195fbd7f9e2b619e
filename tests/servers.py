"""Starts the Postgres that tests run on, before Django reads its settings.

Loaded by `-p tests.servers`. A real server in a folder of its own, a copy of one that was migrated
as the owner; with DATABASE_URL set nothing starts, and that database (an empty one, given as its
owner) is migrated and used.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(tempfile.mkdtemp(prefix="obs-tests-"))
DATA.chmod(0o755)  # as root, Postgres runs as another user, who must get through
os.environ["OBS_DATA"] = str(DATA)
os.environ["OBS_DATABASE_ROLE"] = "owner"
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody there: a bell may be lost

_EMPTY = "obs_tests_empty"
_numbers = itertools.count(1)
_postgres = None
if "DATABASE_URL" not in os.environ:
    from obsplatform.local import DATABASE, Postgres
    from tests.installation import copy_cluster

    copy_cluster(DATA)
    _postgres = Postgres(DATA, settings={"shared_buffers": "128MB", "max_wal_size": "1GB"})
    _postgres.start()
    os.environ["DATABASE_URL"] = _postgres.url("web")
    os.environ["DATABASE_WORKER_URL"] = _postgres.url("worker")
    os.environ["DATABASE_OWNER_URL"] = _postgres.url("owner")
    os.environ["OBS_TEST_SUPERUSER_URL"] = _postgres.url("superuser")
    os.environ["OBS_TEST_READ_URL"] = _postgres.url("read")
    os.environ["OBS_TEST_GRAFANA_URL"] = _postgres.url("grafana")


@contextmanager
def empty_database() -> Iterator[dict[str, str]]:
    """Make a migrated database that nobody has written to; yield its addresses by variable.

    Yield none where DATABASE_URL names a server of one's own: we make no databases there.
    """
    if _postgres is None:
        yield {}
        return
    number = next(_numbers)
    name = f"obs_tests_{number}"
    _postgres.create_database(name, template=_EMPTY)
    with _superuser() as superuser:
        try:
            with psycopg.connect(_postgres.url("superuser", database=name)) as inside:
                # What a process remembers by a ledger's number is of one ledger all the same.
                inside.execute(
                    "SELECT setval(pg_get_serial_sequence('audit_ledger', 'id'), %s)",
                    [number * 1_000_000],
                )
            yield {
                "DATABASE_URL": _postgres.url("web", database=name),
                "DATABASE_WORKER_URL": _postgres.url("worker", database=name),
                "DATABASE_OWNER_URL": _postgres.url("owner", database=name),
                "OBS_TEST_SUPERUSER_URL": _postgres.url("superuser", database=name),
                "OBS_TEST_READ_URL": _postgres.url("read", database=name),
                "OBS_TEST_GRAFANA_URL": _postgres.url("grafana", database=name),
            }
        finally:
            superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _superuser() -> psycopg.Connection:
    assert _postgres is not None
    return psycopg.connect(_postgres.url("superuser", database="postgres"), autocommit=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Migrate a server of one's own; a failure ends the session with its own words."""
    if session.config.option.collectonly:
        return
    if _postgres is None:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"], cwd=ROOT, check=True
        )
    else:
        with _superuser() as superuser:
            superuser.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(_EMPTY), sql.Identifier(DATABASE)
                )
            )


def pytest_unconfigure() -> None:
    """Stop what was started and remove its folder."""
    if _postgres is not None:
        _postgres.stop()
        _postgres.remove()
    shutil.rmtree(DATA, ignore_errors=True)
