"""Sources are parsed by several threads at once while garbage is collected."""

from __future__ import annotations

import ast
import gc
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.sources import python_sources


@pytest.fixture
def restless() -> Iterator[None]:
    """Collect garbage often, call Python each time, and change threads as often as there is."""
    before = gc.get_threshold(), sys.getswitchinterval()

    def called(_phase: str, _found: dict[str, int]) -> None:
        for _ in range(50):
            pass

    gc.callbacks.append(called)
    gc.set_threshold(200, 5, 5)
    sys.setswitchinterval(1e-5)
    yield
    gc.callbacks.remove(called)
    gc.set_threshold(*before[0])
    sys.setswitchinterval(before[1])


@pytest.mark.usefixtures("restless")
def test_threads_parse_at_once() -> None:
    sources = [file.read_text() for file in list(python_sources("audit"))[:20]]
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for source in sources:
                ast.parse(source)
        except SystemError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed
