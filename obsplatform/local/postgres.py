"""The embedded Postgres: one cluster in the data folder, with its roles, database and guards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from obsplatform import processes
from obsplatform.local.errors import ServerDied
from obsplatform.local.passwords import LOGINS, Role, passwords_of, set_password
from obsplatform.local.place import account_of, binaries_for, home_of, socket_folder
from obsplatform.local.servers import (
    LOOPBACK,
    free_port,
    is_free,
    launch_server,
    start_server,
    stop_orphan,
    stop_server,
)

DATABASE = "obsplatform"
SQL = Path(__file__).resolve().parents[2] / "docker" / "postgres"
PING_SECONDS = 2  # a server that is stopped would never answer
# Fast, then immediate: both keep every commit. SIGTERM would wait for every client to leave.
POSTGRES_STOPS: processes.Stops = (
    (signal.SIGINT, 1.0),
    (signal.SIGQUIT, 0.5),
    (signal.SIGKILL, 10.0),
)


class Postgres:
    """One Postgres cluster in a data folder, started and stopped as a whole.

    Postgres refuses to run as root, so as root it runs as `nobody`, or as whoever already owns
    the cluster. When that user cannot reach the data folder, the cluster is made under
    /var/lib/obsplatform and `data/postgres` links to it; the same goes for the binaries.
    Of two of these objects over one folder, the one started later stops the other's server.
    """

    def __init__(self, data: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """Name the folder; nothing is touched before `start` or `prepare`.

        `settings` are Postgres settings that replace ours, for example a small `shared_buffers`.
        """
        self.data = data.absolute()
        self.settings = {**_settings(), **(settings or {})}
        self.port = 0  # chosen at the first launch, then kept
        self.process: subprocess.Popen[bytes] | None = None
        self._has_answered = False
        self._sockets = Path()
        self._binaries = Path()
        self._account: tuple[int, int] | None = None

    @property
    def pid(self) -> int:
        """The postmaster's pid; valid after a launch."""
        assert self.process is not None, "Postgres was not launched"
        return self.process.pid

    @property
    def folder(self) -> Path:
        """Where the cluster really is."""
        return (self.data / "postgres").resolve()

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.data / "logs" / "postgres.log"

    def url(self, role: Role, *, database: str = DATABASE, over_socket: bool = False) -> str:
        """Return the address for a role, over loopback or over the private socket."""
        login = f"{LOGINS[role]}:{passwords_of(self.data)[LOGINS[role]]}"
        if over_socket:
            folder = quote(str(self._sockets), safe="")
            return f"postgresql://{login}@/{database}?host={folder}&port={self.port}"
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Start, and return once the roles, the database and its guards stand.

        Safe on an empty folder, after a clean stop and after `kill -9` of server or starter.
        Raises ServerDied when the server does not come up.
        """
        self.prepare()
        start_server(self.launch, self.is_ready, self.log)
        self.create_database()

    def prepare(self) -> None:
        """Make the cluster if there is none, and stop a server that an earlier starter left."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "logs").mkdir(exist_ok=True)
        self._account = account_of(self.data / "postgres")
        self._binaries = binaries_for(self._account)
        stop_orphan(self.data / "postgres.json", POSTGRES_STOPS)
        if not (self.data / "postgres").exists():
            self._initialise()
        self._sockets = socket_folder(self.folder, self._account)

    def _initialise(self) -> None:
        passwords = passwords_of(self.data)
        home = home_of(self.data, self._account)
        fresh, secret = home / "postgres.new", home / "postgres.secret"
        shutil.rmtree(fresh, ignore_errors=True)  # what a start cut short left
        secret.unlink(missing_ok=True)
        fresh.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(passwords[LOGINS["superuser"]])
        if self._account is not None:
            os.chown(fresh, *self._account)
            os.chown(secret, *self._account)
        try:
            self._initdb(fresh, secret)
        finally:
            secret.unlink()
        fresh.rename(home / "postgres")  # a cluster is there whole or not at all
        if home != self.data:
            (self.data / "postgres").symlink_to(home / "postgres")

    def _initdb(self, folder: Path, secret: Path) -> None:
        uid, gid = self._account or (None, None)
        done = subprocess.run(
            [
                *(self._binaries / "initdb", "-D", folder, "--pwfile", secret),
                *("-U", LOGINS["superuser"], "-A", "scram-sha-256", "--data-checksums"),
                *("-E", "UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=None if self._account is None else [],
            start_new_session=True,  # Ctrl-C is for the supervisor
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerDied(f"initdb failed:\n{done.stderr}")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server and return at once; `is_ready` tells when it answers.

        The port stays the same once the server has answered on it.
        """
        if not self.port or (not self._has_answered and not is_free(self.port)):
            self.port = free_port()
        self._remove_empty_locks()
        access = self.data / "pg_hba.conf"
        if self.folder.parent != self.data.resolve():
            access = self.folder.parent / "pg_hba.conf"
        access.write_text(_ACCESS)
        access.chmod(0o644)  # names no secret; Postgres' own user must read it
        options = {
            **self.settings,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": f'"{self._sockets}"',
            "unix_socket_permissions": "0700",
            "hba_file": str(access),
        }
        command = [str(self._binaries / "postgres"), "-D", str(self.folder)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self.process = launch_server(
            command,
            log=self.log,
            record=self.data / "postgres.json",
            account=self._account,
            signal_when_orphaned=POSTGRES_STOPS[0][0],
        )
        return self.process

    def _remove_empty_locks(self) -> None:
        """Remove lock files that a server killed between making and filling them has left.

        Postgres refuses to start over an empty one for ever, since another server might just be
        starting. Here none is: who starts one holds the installation's lock.
        """
        locks = [self.folder / "postmaster.pid", *self._sockets.glob(".s.PGSQL.*.lock")]
        for lock in locks:
            if lock.exists() and lock.stat().st_size == 0:
                lock.unlink()

    def is_ready(self) -> bool:
        """Tell whether it takes connections now."""
        answer = self._ping()
        self._has_answered = self._has_answered or answer == Ping.OK
        return answer == Ping.OK

    def _ping(self) -> Ping:
        address = self.url("superuser", database="postgres") + f"?connect_timeout={PING_SECONDS}"
        return Ping(PGconn.ping(address.encode()))

    def is_stuck(self) -> bool:
        """Tell whether it refuses connections as if it recovered while nothing recovers.

        Postgres 18.6 does not notice when its recovering process is killed after a crash: the
        postmaster lives on and is "in recovery mode" for ever. A look may also fall into the
        moment before that process is started, so one look proves nothing.
        """
        if self._ping() != Ping.REJECT:
            return False
        return not any(
            title.startswith("postgres: startup") for title in processes.titles_below(self.pid)
        )

    def create_database(self, name: str = DATABASE, *, template: str | None = None) -> None:
        """Make roles, database and guards, or make them right again; safe to repeat.

        `template` names a database without connections that a new one is copied from.
        """
        with self._connect("postgres") as connection:
            # The database's owner may drop it from any other database, so it may enter none.
            connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [name]
            ).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        sql.Identifier(name), sql.Identifier(template or "template1")
                    )
                )
        passwords = passwords_of(self.data)
        with self._connect(name) as connection, connection.transaction():
            # Held while roles change, so that two databases made at once do not collide on them.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('obsplatform.roles'))")
            for script in ("roles.sql", "event_trigger.sql"):
                connection.execute((SQL / script).read_bytes())
            for login in set(LOGINS.values()) - {LOGINS["superuser"]}:
                set_password(connection, login, passwords[login])

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            self.url("superuser", database=database), autocommit=True, connect_timeout=5
        )

    def stop(self) -> None:
        """Stop fast: clients are cut, every committed row stays. Nothing when none runs."""
        if self.process is not None:
            stop_server(self.process, self.data / "postgres.json", POSTGRES_STOPS)
            self.process = None

    def remove(self) -> None:
        """Stop and delete the cluster with all its rows: for throw-away servers alone."""
        self.stop()
        link, folder = self.data / "postgres", self.folder
        if self._sockets != Path():
            shutil.rmtree(self._sockets, ignore_errors=True)
        if link.is_symlink():
            link.unlink()
            shutil.rmtree(folder.parent)
        elif folder.exists():
            shutil.rmtree(folder)


# No line says trust, not even for the socket: other users of the machine are not the auditor.
_ACCESS = """\
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
"""


def _settings() -> dict[str, str]:
    """Return our settings; fsync, full_page_writes and synchronous_commit stay on, as shipped."""
    return {
        "shared_buffers": f"{min(_memory() // 4, 2 << 30) >> 20}MB",
        # Random-order indexes at ten million rows cost thrice as much with the defaults of both.
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        "max_connections": "100",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d ",
        # A failing row's values, which may be personal, are in DETAIL: it stays out of the log.
        "log_error_verbosity": "terse",
    }


def _memory() -> int:
    """Return the bytes of memory that we may use: the machine's, or the container's if less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    said = limit.read_text().strip() if limit.exists() else "max"
    return machine if said == "max" else min(machine, int(said))
