"""Start a whole installation in one command, keep it running, and stop it as a whole.

Order: lock, what an earlier run left, Postgres and Valkey, migrate, the web server beside
`prepare` (the administrator and the keys), then the Celery worker, beat, and the loops that append,
seal and deliver.
`ready.json` appears once the address answers, and goes when all is stopped.
Which processes: obsplatform.process_list. The servers: obsplatform.local. Restarts, logs,
stopping: obsplatform.supervisor.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from obsplatform import process_list, processes
from obsplatform.local import (
    LOOPBACK,
    POSTGRES_STOPS,
    VALKEY_STOPS,
    DataNotOurs,
    Postgres,
    ServerDied,
    Valkey,
)
from obsplatform.private_file import write_private
from obsplatform.process_list import Process
from obsplatform.processes import Stops
from obsplatform.supervisor import (
    STOPS,
    CommandFailed,
    Lines,
    NotInTime,
    Run,
    StopAsked,
    Supervisor,
    clear_left_behind,
)

SERVER_SECONDS = 600  # crash recovery may replay gigabytes
MIGRATE_SECONDS = 3600  # a later migration may rewrite a large table
COMMAND_SECONDS = 60
DEMO_SECONDS = 900
ANSWER_SECONDS = 60
PORTS_TRIED = 100


class Command(BaseCommand):
    """`manage.py up`."""

    help = (
        "Start everything of one installation and keep it running until Ctrl-C or SIGTERM.\n\n"
        "Example:\n"
        "  OBS_DATA=/srv/obs python manage.py up --port 9000\n\n"
        "OBS_DATA is where all of it lives; OBS_DATA/ready.json holds address, user, password\n"
        "and keys once it answers. With DATABASE_URL or REDIS_URL set that server is not started."
    )
    requires_system_checks = ()  # each process that is started here makes its own

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the example's line breaks."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the port; all else is a setting."""
        parser.add_argument(
            "--port",
            type=int,
            default=settings.PORT,
            help="port of the address (default OBS_PORT); the next free one when it is busy",
        )
        parser.add_argument(
            "--demo", action="store_true", help="load demo data through the API once it answers"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until asked to stop."""
        data: Path = settings.DATA
        for folder in (data, settings.STATIC_ROOT):  # whitenoise warns of a missing one
            folder.mkdir(parents=True, exist_ok=True)
        with _only_one(data):
            supervisor = Supervisor(record=data / "run.json", lines=Lines(sys.stdout))
            with supervisor.taking_signals():
                try:
                    Installation(
                        data, supervisor, first_port=options["port"], demo=options["demo"]
                    ).run()
                except StopAsked:
                    pass
                except (CommandFailed, DataNotOurs, NotInTime, ServerDied) as problem:
                    raise CommandError(str(problem)) from problem
                finally:
                    for name in ("ready.json", "services.json"):
                        (data / name).unlink(missing_ok=True)
                    supervisor.stop()
                    supervisor.lines.say("up", "stopped")


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the lock of the data folder; the kernel lets it go however we end."""
    with (data / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(_who_runs(data, file.name)) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _who_runs(data: Path, lock: str) -> str:
    try:
        return f"already running for {data}: {json.loads((data / 'ready.json').read_text())['url']}"
    except FileNotFoundError:
        return f"already starting or stopping for {data}: pid {Path(lock).read_text().strip()}"


class Installation:
    """Everything that `up` starts, in its order."""

    def __init__(
        self, data: Path, supervisor: Supervisor, *, first_port: int, demo: bool = False
    ) -> None:
        """Name the parts; nothing is started."""
        self.data = data
        self.supervisor = supervisor
        self.first_port = first_port
        self.port = first_port
        self.demo = demo
        self.postgres = Postgres(data) if settings.EMBEDDED_POSTGRES else None
        self.valkey = Valkey(data) if settings.EMBEDDED_REDIS else None
        self.addresses: dict[str, str] = {}  # of our own servers, as settings name them
        self.prepared: dict[str, str] = {}

    def run(self) -> None:
        """Start all, say so, and look after it. Raises StopAsked on request."""
        for name in ("ready.json", "services.json"):
            (self.data / name).unlink(missing_ok=True)  # a killed run could not
        clear_left_behind(self.data / "run.json", self.supervisor.lines)
        self._start_servers()
        migrating = self._begin("migrate", "--noinput", role="owner")
        self.supervisor.finish(migrating, seconds=MIGRATE_SECONDS)
        with claim_port(self.first_port) as self.port:
            if self.port != self.first_port:
                self._say(f"port {self.first_port} is busy, {self.port} is taken")
            self._start_web()
            # `migrate` has made the checks a moment ago.
            preparing = self._begin("prepare", "--skip-checks", role="owner")
            # Asked meanwhile: the first request makes the web server load all its pages.
            self.supervisor.wait_until(
                self._answers, what=f"an answer from {self.url}/health", seconds=ANSWER_SECONDS
            )
            self.prepared = json.loads(self.supervisor.finish(preparing, seconds=COMMAND_SECONDS))
            self._start_workers()
            self.supervisor.on_change = self._write_ready
            self._write_ready()
            first_look = self._load_demo() if self.demo else []
            self._greet(first_look)
            while True:
                self.supervisor.turn()

    @property
    def url(self) -> str:
        """The address that people and agents use."""
        return f"http://{LOOPBACK}:{self.port}"

    def _say(self, text: str) -> None:
        self.supervisor.lines.say("up", text)

    def _start_servers(self) -> None:
        if self.valkey is not None:
            self.valkey.prepare()
            self.supervisor.add("valkey", self.valkey.launch, tier=1, stops=VALKEY_STOPS)
            self.addresses["REDIS_URL"] = self.valkey.url
        if self.postgres is not None:
            self.postgres.prepare()
            self._say(f"the database lives in {self.postgres.folder}")
            self.supervisor.add(
                "postgres",
                self.postgres.launch,
                tier=2,
                stops=POSTGRES_STOPS,
                is_stuck=self.postgres.is_stuck,
            )
            self._wait_for("postgres", self.postgres)
            self.postgres.create_database()
            for variable, role in _ROLES.items():
                self.addresses[variable] = self.postgres.url(role, over_socket=True)
        if self.valkey is not None:
            self._wait_for("valkey", self.valkey)
        self._write_services()

    def _wait_for(self, name: str, server: Postgres | Valkey) -> None:
        self.supervisor.wait_until(
            server.is_ready, what=f"{name} (see {server.log})", seconds=SERVER_SECONDS
        )

    def _write_services(self) -> None:
        """Tell commands in other terminals where our servers are; settings.py reads it."""
        services = {name.lower(): address for name, address in self.addresses.items()}
        if self.postgres is not None:
            services["database_superuser_url"] = self.postgres.url("superuser", over_socket=True)
            services["database_grafana_url"] = self.postgres.url("grafana")  # for a Grafana here
        write_private(self.data / "services.json", json.dumps(services, indent=1))

    def _environment(self, role: str) -> dict[str, str]:
        return {
            **os.environ,
            **self.addresses,
            "OBS_DATA": str(self.data),
            "OBS_DATABASE_ROLE": role,
            "OBS_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",  # lines as they are said
            processes.RUN_VARIABLE: self.supervisor.run_id,
        }

    def _begin(self, name: str, *arguments: str, role: str) -> Run:
        command = [sys.executable, "manage.py", name, *arguments]
        return self.supervisor.begin(
            name, command, env=self._environment(role), cwd=settings.BASE_DIR
        )

    def _add(self, one: Process, *, stops: Stops = STOPS) -> None:
        def launch() -> subprocess.Popen[bytes]:
            return processes.spawn(
                [sys.executable, *one.command],
                env=self._environment(one.role),
                cwd=settings.BASE_DIR,
            )

        self.supervisor.add(one.name, launch, stops=stops)

    def _start_web(self) -> None:
        self._add(
            process_list.web(
                host=LOOPBACK,
                port=str(self.port),
                workers=str(settings.WEB_WORKERS),
                threads=str(settings.WEB_THREADS),
            )
        )

    def _start_workers(self) -> None:
        for one in process_list.WORKERS:
            self._add(one, stops=_STOPS.get(one.name, STOPS))
        if settings.OTLP_GRPC:
            self._add(process_list.OTLP_GRPC)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False  # not yet; the wait for it has an end
        finally:
            connection.close()

    def _write_ready(self) -> None:
        """Say to scripts what runs and how to get in; again whenever a pid changes."""
        database = self.postgres.url("web") if self.postgres else settings.DATABASE_URLS["web"]
        ready = {
            "url": self.url,
            **{name: self.prepared[name] for name in _PREPARED},
            "database_url": database,
            "version": settings.VERSION,
            "pids": {"supervisor": os.getpid(), **self.supervisor.pids()},
        }
        write_private(self.data / "ready.json", json.dumps(ready, indent=1))

    def _load_demo(self) -> list[str]:
        """Load demo data and return what to look at first; a failure leaves an empty platform."""
        try:
            run = self._begin("demo", role="web")
            return self.supervisor.finish(run, seconds=DEMO_SECONDS).splitlines()
        except (CommandFailed, NotInTime) as failure:
            return [f"the demo data is not complete: {failure}; try manage.py demo again"]

    def _greet(self, first_look: Sequence[str]) -> None:
        for line in (
            "",
            f"obsplatform {settings.VERSION} is ready: {self.url}/admin/",
            f"  user      {self.prepared['user']}",
            f"  password  {self.prepared['password']}",
            f"  API key   {self.prepared['key']}",
            f"  scripts   read {self.data / 'ready.json'}",
            *first_look,
            "Ctrl-C stops everything.",
            "",
        ):
            self._say(line)


_STOPS: dict[str, Stops] = {
    # Cold: a task cut short rolls back and is found again; to end warm takes it 3 s.
    process_list.WORKER.name: ((signal.SIGQUIT, 2.8), (signal.SIGKILL, 5.0)),
}
_PREPARED = ("user", "password", "ledger", "key", "governance_key")
_ROLES: dict[str, Any] = {
    "DATABASE_URL": "web",
    "DATABASE_WORKER_URL": "worker",
    "DATABASE_OWNER_URL": "owner",
}


@contextmanager
def claim_port(first: int) -> Iterator[int]:
    """Find the first free port from `first` on, and keep others like us from taking it.

    The web server shares its port (SO_REUSEPORT), so a second installation could join it without
    an error and get half of the requests. On Linux a socket that is bound and never listens
    holds the port against everyone who does not share; elsewhere the port is only looked at.
    """
    last = min(first + PORTS_TRIED, 65536)
    for port in range(first, last):
        with socket.socket() as claim:
            # Ports of connections that have just ended are free; set for the bind alone.
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                claim.bind((LOOPBACK, port))
            except OSError:
                continue
            if sys.platform == "linux":
                claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
                claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            else:
                claim.close()
            yield port
            return
    raise CommandError(f"no port from {first} to {last - 1} is free; set OBS_PORT")
