"""Run Debian's Prometheus on loopback, configured by the YAML that the docs show, and ask it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import documents
from tests.documents import DOCS

OBSERVABILITY = DOCS / "observability.md"
PROGRAM = shutil.which("prometheus")
_START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """One that runs, and its API."""

    url: str

    def get(self, path: str, **asked: str | float) -> Any:
        """Return the `data` of an answer; anything but a success raises."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            body = json.loads(answer.read())
        assert body["status"] == "success", body
        return body["data"]

    def query(self, text: str) -> list[Any]:
        """Return the series that a query shows now."""
        data = self.get("query", query=text)
        assert data["resultType"] in ("vector", "scalar"), data
        found: list[Any] = data["result"]
        return found

    def names(self) -> set[str]:
        """Return the names of all samples of ours."""
        return set(self.get("label/__name__/values", **{"match[]": '{__name__=~"obs_.+"}'}))


def documented_configuration(*, target: str, token: str) -> dict[str, Any]:
    """Return what observability.md shows, with addresses and token of an installation on test.

    All else is as it is shown, the renaming of requests above all.
    """
    (shown,) = documents.fences(OBSERVABILITY, "yaml")
    configuration: dict[str, Any] = yaml.safe_load(shown)
    configuration["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    for job in configuration["scrape_configs"]:
        assert job["authorization"]["credentials"]
        job["authorization"] = {"credentials": token}
        job["static_configs"] = [{"targets": [target]}]
        job["scheme"] = "http"
    return configuration


@contextmanager
def running(folder: Path, configuration: dict[str, Any]) -> Iterator[Prometheus]:
    """Run a Prometheus whose data is in this folder, with exemplars, until the end."""
    assert PROGRAM is not None
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(yaml.safe_dump(configuration))
    listen = f"127.0.0.1:{_free_port()}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={listen}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=out,
            stderr=out,
        )
    try:
        ends = time.monotonic() + _START_SECONDS
        while not _is_ready(listen):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < ends, log.read_text()[-4000:]
            time.sleep(0.1)
        yield Prometheus(url=f"http://{listen}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_ready(listen: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{listen}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
