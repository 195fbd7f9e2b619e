"""The embedded Postgres starts again, whatever moment it was killed in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from obsplatform.local import Postgres


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="obs-local-"))
    folder.chmod(0o755)
    server = Postgres(folder, settings={"shared_buffers": "32MB"})
    try:
        server.start()
        yield server
    finally:
        server.remove()
        shutil.rmtree(folder)


def test_it_starts_over_lock_files_that_were_made_and_never_filled(postgres: Postgres) -> None:
    (socket,) = postgres._sockets.glob(".s.PGSQL.*.lock")
    locks = [postgres.folder / "postmaster.pid", socket]
    with psycopg.connect(postgres.url("owner")) as owner:
        owner.execute("CREATE SCHEMA kept")
    assert postgres.process is not None
    os.kill(postgres.pid, signal.SIGKILL)
    postgres.process.wait()
    for lock in locks:
        lock.write_text("")  # as after a kill between making the file and writing to it

    postgres.start()

    with psycopg.connect(postgres.url("owner")) as owner:
        owner.execute("DROP SCHEMA kept")
    assert all(lock.stat().st_size > 0 for lock in locks)


def test_a_lock_file_that_names_a_server_is_left_to_postgres(postgres: Postgres) -> None:
    lock = postgres.folder / "postmaster.pid"

    postgres._remove_empty_locks()

    assert int(lock.read_text().split()[0]) == postgres.pid
    assert postgres.is_ready()


def test_a_server_that_answers_is_not_stuck(postgres: Postgres) -> None:
    assert not postgres.is_stuck()


def test_a_login_that_came_later_gets_its_password_and_the_others_keep_theirs(
    tmp_path: Path,
) -> None:
    before = Postgres(tmp_path).url("web")
    passwords = json.loads((tmp_path / "passwords.json").read_text())
    del passwords["obs_grafana"]
    (tmp_path / "passwords.json").write_text(json.dumps(passwords))

    grafana = Postgres(tmp_path).url("grafana")

    assert Postgres(tmp_path).url("grafana") == grafana
    assert Postgres(tmp_path).url("web") == before
    assert stat.S_IMODE((tmp_path / "passwords.json").stat().st_mode) == 0o600
