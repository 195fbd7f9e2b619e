"""Scrape several web instances in turn, each second, and note whatever falls.

As Prometheus sees it: a counter that is less than a scrape before has begun anew, so its increase
is what it says now. What was there and is gone has fallen too.
"""

from __future__ import annotations

import http.client
import itertools
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.faults.counted import SECONDS, Counters, counters_of
from tests.faults.targets import eventually
from tests.installation import ROOT, clean_environment

PATH = "/metrics?scope=platform"
_START_SECONDS = 120


class Scrapes:
    """Scrapes while the block lasts; afterwards it says what rose and what fell."""

    def __init__(self, urls: Sequence[str], *, before: Counters, every: float = 1.0) -> None:
        self._urls = itertools.cycle(urls)
        self._every = every
        self._last = before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scraper", daemon=True)
        self._trouble: list[BaseException] = []
        self.pages = 0
        self.changed = 0
        """Pages that showed another state than the page before."""
        self.increases: Counters = {}
        self.falls: list[str] = []
        self.answered: set[tuple[str, float]] = set()
        """The web processes that answered: instance, and when the process started."""

    def __enter__(self) -> Scrapes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._trouble:
            raise self._trouble[0]

    def take(self, page: Counters, *, of: str) -> None:
        """Compare a page with the page before, and add up what rose."""
        for sample, number in page.items():
            before = self._last.get(sample, 0)
            if number < before:
                self.falls.append(f"{sample} of {of}: {number}, before {before}")
            rise = number - before if number >= before else number
            self.increases[sample] = self.increases.get(sample, 0) + rise
        self.falls += [f"{sample} of {of}: gone" for sample in self._last.keys() - page.keys()]
        self.pages += 1
        self.changed += page != self._last
        self._last = page

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self._stop.is_set():
                url = next(self._urls)
                self.take(self._ask(url), of=url)
                due += self._every
                self._stop.wait(max(0.0, due - time.monotonic()))
        except BaseException as error:  # a thread's trouble is the test's
            self._trouble.append(error)

    def _ask(self, url: str) -> Counters:
        """Scrape over a connection of its own, so that any process of the instance may answer."""
        where = urlsplit(url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=SECONDS)
        try:
            page = _get(connection, PATH)
            self.answered.add((url, _started(_get(connection, "/metrics?scope=process"))))
        finally:
            connection.close()
        return counters_of(page)


def _get(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    answer = connection.getresponse()
    said = answer.read().decode()
    assert answer.status == http.HTTPStatus.OK, f"{answer.status}: {said[:300]}"
    return said


def _started(page: str) -> float:
    (started,) = (
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "process_start_time_seconds"
    )
    return started


@contextmanager
def web_instance(services: dict[str, Any], data: Path, *, port: int, workers: int) -> Iterator[str]:
    """Run one more web instance of an installation, as on another machine: a folder of its own."""
    environment = clean_environment(
        OBS_DATA=str(data),
        OBS_DATABASE_ROLE="web",
        DATABASE_URL=services["database_url"],
        REDIS_URL=services["redis_url"],
    )
    url = f"http://127.0.0.1:{port}"
    with (data / "web.log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "granian", "--interface", "wsgi", "obsplatform.wsgi:application",
             "--host", "127.0.0.1", "--port", str(port), "--no-ws", "--workers", str(workers)],
            cwd=ROOT, env=environment, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        eventually(
            lambda: process.poll() is None and _answers(url),
            what=f"{url} answers", within=_START_SECONDS,
        )  # fmt: skip
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=SECONDS) as answer:
            return bool(answer.status == http.HTTPStatus.OK)
    except OSError:
        return False
