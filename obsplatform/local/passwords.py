"""The logins of the embedded servers and their passwords, kept in data/passwords.json."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from obsplatform.local.errors import DataNotOurs
from obsplatform.private_file import write_private

Role = Literal["superuser", "owner", "web", "worker", "read", "grafana"]
LOGINS: dict[Role, str] = {
    "superuser": "postgres",
    "owner": "obs_owner",
    "web": "obs_web",
    "worker": "obs_worker",
    "read": "obs_read",
    "grafana": "obs_grafana",
}


def passwords_of(data: Path) -> dict[str, str]:
    """Return the passwords by login, making the file on an empty folder.

    A login that an older version did not have gets its password here.
    """
    path = data / "passwords.json"
    try:
        found: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        if (data / "postgres").exists():
            raise DataNotOurs(
                f"{path} is missing, and without it nobody can log in to {data / 'postgres'}; "
                "bring the file back, or choose another OBS_DATA"
            ) from None
        found = {}
    missing = [name for name in (*LOGINS.values(), "valkey") if name not in found]
    if missing:
        found |= {name: secrets.token_urlsafe(24) for name in missing}
        write_private(path, json.dumps(found, indent=1))
    return found


def set_password(connection: psycopg.Connection, login: str, password: str) -> None:
    """Give a role its password, of which the server is told the hash alone."""
    # Hashed here, so that the server's log cannot come to hold it.
    hashed = connection.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(hashed))
    )
