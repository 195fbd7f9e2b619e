"""Run Debian's Alertmanager on loopback, configured by the file that is shipped, and post to it.

All of the file is kept, routes, grouping and inhibition above all; what a test must change is where
others stand, where secrets lie and how long is waited.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.documents import ROOT

CONFIGURATION = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
PROGRAM = shutil.which("prometheus-alertmanager")
AMTOOL = shutil.which("amtool")
WAITS = ("group_wait", "group_interval")
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where what the file names stands on test."""

    incidents: str
    """POST /api/v1/alerts of the platform."""
    pagerduty: str
    mail: str
    """host:port of a mail server."""
    secrets: Path
    """The folder in which each secret is a file of the name that the file gives."""


def configuration(places: Places) -> dict[str, Any]:
    """Return the shipped configuration with others at these places, and short waits."""
    text = CONFIGURATION.read_text().replace("/run/secrets/", f"{places.secrets}/")
    found: dict[str, Any] = yaml.safe_load(text)
    found["global"] |= {"smtp_smarthost": places.mail, "smtp_require_tls": False}
    for name in ("smtp_auth_username", "smtp_auth_password_file"):
        del found["global"][name]  # the mail server on test asks nobody who he is
    for route in (found["route"], *found["route"]["routes"]):
        route |= {name: "1s" for name in WAITS if name in route}
    receivers = {each["name"]: each for each in found["receivers"]}
    receivers["incidents"]["webhook_configs"][0]["url"] = places.incidents
    receivers["pager"]["pagerduty_configs"][0]["url"] = places.pagerduty
    return found


@dataclass(frozen=True, kw_only=True)
class Alertmanager:
    """One that runs, and its API."""

    url: str

    def post(self, *, starts: str, ends: str = "", summary: str = "", **labels: str) -> None:
        """Tell it of an alert as Prometheus does; one with an end in the past is resolved."""
        alert: dict[str, Any] = {
            "labels": labels,
            "annotations": {"summary": summary},
            "startsAt": starts,
        }
        if ends:
            alert["endsAt"] = ends
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            json.dumps([alert]).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


@contextmanager
def running(folder: Path, configured: Mapping[str, Any]) -> Iterator[Alertmanager]:
    """Run an Alertmanager whose data is in this folder until the end."""
    assert PROGRAM is not None
    file, log = folder / "alertmanager.yml", folder / "alertmanager.log"
    file.write_text(yaml.safe_dump(dict(configured)))
    listen = f"127.0.0.1:{_free_port()}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={listen}",
                "--cluster.listen-address=",
                "--log.level=debug",
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
        yield Alertmanager(url=f"http://{listen}")
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
