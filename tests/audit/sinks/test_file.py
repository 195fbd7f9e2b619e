"""The file keeps every checkpoint, and tells when it was cut or rewritten."""

from __future__ import annotations

import json
import multiprocessing
from contextlib import suppress
from pathlib import Path

import pytest

from audit.sinks import SinkFailed, SinkUnreachable
from audit.sinks.file import FileSink
from tests.audit.sinks.publishing import ORIGIN, Log

LOG = Log()


@pytest.fixture
def sink(tmp_path: Path) -> FileSink:
    return FileSink(tmp_path / "anchors", interval=0)


def path_of(sink: FileSink) -> Path:
    return sink._folder / "main.checkpoints"


def test_the_newest_note_comes_back_byte_for_byte(sink: FileSink) -> None:
    for size in (1, 5, 9):
        sink.publish(LOG.published(size))

    assert sink.newest(ORIGIN) == LOG.note(9)
    assert [json.loads(line)["size"] for line in path_of(sink).open()] == [1, 5, 9]


def test_an_empty_place_holds_nothing(sink: FileSink) -> None:
    assert sink.newest(ORIGIN) is None


def test_each_ledger_has_its_file(sink: FileSink) -> None:
    other = Log(origin="example.com/other")
    sink.publish(LOG.published(3))
    sink.publish(other.published(7, ledger="other"))

    assert (sink.newest(ORIGIN), sink.newest(other.origin)) == (LOG.note(3), other.note(7))


def test_the_same_checkpoint_is_written_once(sink: FileSink) -> None:
    receipts = {sink.publish(LOG.published(3)).reference for _ in range(3)}

    assert len(receipts) == len(path_of(sink).read_text().splitlines()) == 1


def test_a_line_that_a_crash_tore_is_left_and_the_next_one_counts(sink: FileSink) -> None:
    sink.publish(LOG.published(3))
    with path_of(sink).open("a") as file:
        file.write('{"origin": "example.com/ma')

    assert sink.newest(ORIGIN) == LOG.note(3)
    sink.publish(LOG.published(4))
    assert sink.newest(ORIGIN) == LOG.note(4)


def test_the_newest_is_found_behind_a_long_torn_line(sink: FileSink) -> None:
    sink.publish(LOG.published(3))
    with path_of(sink).open("a") as file:
        file.write("x" * 200_000)

    assert sink.newest(ORIGIN) == LOG.note(3)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_cut_file_is_refused(sink: FileSink, restarted: bool) -> None:
    for size in (3, 4):
        sink.publish(LOG.published(size))
    first = path_of(sink).read_text().splitlines(keepends=True)[0]
    path_of(sink).write_text(first)
    if restarted:
        sink = FileSink(sink._folder, interval=0)

    with pytest.raises(SinkFailed, match="cut or rewritten") as refused:
        sink.publish(LOG.published(5))

    assert refused.value.is_mismatch
    with pytest.raises(SinkFailed, match="cut or rewritten"):
        sink.newest(ORIGIN)


def test_a_deleted_file_is_refused(sink: FileSink) -> None:
    sink.publish(LOG.published(3))
    path_of(sink).unlink()

    with pytest.raises(SinkFailed, match="gone"):
        sink.newest(ORIGIN)
    with pytest.raises(SinkFailed, match="cut or rewritten"):
        sink.publish(LOG.published(5))


def test_a_rewritten_last_line_is_refused(sink: FileSink) -> None:
    sink.publish(LOG.published(3))
    path_of(sink).write_text(path_of(sink).read_text().replace('"size": 3', '"size": 2'))

    with pytest.raises(SinkFailed, match="cut or rewritten"):
        sink.publish(LOG.published(5))


def test_an_older_checkpoint_than_the_newest_is_a_mismatch(sink: FileSink) -> None:
    sink.publish(LOG.published(5))

    with pytest.raises(SinkFailed, match="restored or cut") as refused:
        sink.publish(LOG.published(3))

    assert refused.value.is_mismatch


def test_another_root_at_one_size_is_a_mismatch(sink: FileSink) -> None:
    sink.publish(LOG.published(5))

    with pytest.raises(SinkFailed, match="rewritten") as refused:
        sink.publish(Log(word="other").published(5))

    assert refused.value.is_mismatch


def test_two_ledgers_that_were_swapped_are_a_mismatch(sink: FileSink) -> None:
    sink.publish(LOG.published(5))

    with pytest.raises(SinkFailed, match="find out which ledger") as refused:
        sink.publish(Log(origin="example.com/other").published(9))

    assert refused.value.is_mismatch


def test_a_place_that_cannot_be_written_says_which(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    sink = FileSink(tmp_path / "taken" / "anchors", interval=0)

    with pytest.raises(SinkFailed, match="cannot be written") as refused:
        sink.publish(LOG.published(5))

    assert not refused.value.is_mismatch
    with pytest.raises(SinkUnreachable):
        sink.newest(ORIGIN)


def publish_all(folder: Path, sizes: list[int]) -> None:
    sink = FileSink(folder, interval=0)
    for size in sizes:
        with suppress(SinkFailed):  # the other process was faster
            sink.publish(LOG.published(size))


def test_two_processes_tear_no_line(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [
        context.Process(target=publish_all, args=(tmp_path, list(range(start, 40, 2))))
        for start in (1, 2)
    ]
    for each in both:
        each.start()
    for each in both:
        each.join(60)

    sizes = [json.loads(line)["size"] for line in (tmp_path / "main.checkpoints").open()]
    assert [each.exitcode for each in both] == [0, 0]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == 39
