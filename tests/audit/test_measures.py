"""Gathering: free when off, bounded, safe from any thread and within a collection of garbage."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from audit import measures


@pytest.fixture(autouse=True)
def _gathering() -> Iterator[None]:
    was_on = measures.is_gathering()
    measures.gather(False)
    measures.gather(True)
    yield
    measures.gather(False)
    measures.gather(was_on)


def test_what_was_counted_comes_back_once_and_in_order() -> None:
    measures.count("obs_log_records_total", "info")
    measures.observe("obs_ingest_batch_events", "main", value=3, times=2)

    # The bell's own thread may log meanwhile, at another level.
    ours = [each for each in measures.drain() if each[1] in {("info",), ("main",)}]
    assert ours == [
        ("obs_log_records_total", ("info",), 1, None),
        ("obs_ingest_batch_events", ("main",), 2, 3),
    ]
    assert [each for each in measures.drain() if each[1] in {("info",), ("main",)}] == []


def test_nothing_is_kept_while_nobody_gathers() -> None:
    measures.gather(False)

    measures.count("obs_log_records_total", "info")
    measures.overhead("metrics", seconds=1.0)

    assert not measures.is_gathering()
    measures.gather(True)
    # The bell's own thread may log meanwhile, at another level.
    assert [each for each in measures.drain() if each[1] in {("info",), ("metrics",)}] == []


def test_beyond_its_room_the_oldest_goes_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MOST", 3)

    for each in ("a", "b", "c", "d", "e"):
        measures.count(f"obs_{each}")

    assert [family for family, *_ in measures.drain()] == ["obs_c", "obs_d", "obs_e"]
    assert measures.lost() == ["obs_a", "obs_b"]
    assert measures.lost() == []


def test_threads_lose_nothing_while_one_fetches() -> None:
    def work() -> None:
        for _ in range(5_000):
            measures.count("obs_log_records_total", "info")

    threads = [threading.Thread(target=work) for _ in range(6)]
    found = 0

    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        found += len(measures.drain())
    found += len(measures.drain())

    assert found + len(measures.lost()) == 30_000


def test_counting_within_a_collection_of_garbage_does_not_hang() -> None:
    def hear(phase: str, _info: dict[str, int]) -> None:
        measures.count("obs_gc", phase)

    gc.callbacks.append(hear)
    try:
        for _ in range(100):
            measures.count("obs_log_records_total", "info")
            gc.collect(0)
    finally:
        gc.callbacks.remove(hear)

    assert len([each for each in measures.drain() if each[0] == "obs_gc"]) >= 200
