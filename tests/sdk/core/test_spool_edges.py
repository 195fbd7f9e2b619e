"""What a spool promises holds where calls meet: signals, threads, forks, full tables of files."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from typing import Any

from obsagent.frames import frame
from obsagent.lanes import Lane
from obsagent.receipts import Receipts

from tests.sdk.core.folders import EVENT, WithFolder, drain


class Interrupted(WithFolder):
    def on_alarm(self, handler: object) -> None:
        """Let a handler run at each alarm, as long as the test does."""
        old = signal.signal(signal.SIGALRM, handler)  # type: ignore[arg-type]
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)

    def test_a_signal_handler_may_record_while_its_thread_waits_for_the_disk(self) -> None:
        child = os.fork()  # which a lock that its own thread holds would keep for ever
        if child == 0:
            threading.Timer(20, os._exit, (3,)).start()
            spool = self.spool(is_strict=True)
            seqs: list[int] = []
            signal.signal(signal.SIGALRM, lambda *_: seqs.append(spool.append("alice", EVENT)))
            for number in range(100):
                signal.setitimer(signal.ITIMER_REAL, 0.000_01 * (number + 1))
                for _ in range(5):
                    seqs.append(spool.append("alice", EVENT))
            signal.setitimer(signal.ITIMER_REAL, 0)
            is_whole = sorted(seqs) == list(range(1, len(seqs) + 1))
            os._exit(0 if is_whole and len(drain(spool)) == len(seqs) else 1)
        _, status = os.waitpid(child, 0)

        assert status == 0

    def test_what_a_signal_handler_recorded_before_it_ended_the_call_is_kept(self) -> None:
        """A handler that records that the agent ends, and ends it."""
        handled = 0
        recorded: list[int] = []
        while handled < 20:
            spool = self.spool()

            def end(*_: object, spool: object = spool) -> None:
                recorded.append(spool.append("alice", EVENT))  # type: ignore[attr-defined]
                raise SystemExit

            self.on_alarm(end)
            whole = 0
            signal.setitimer(signal.ITIMER_REAL, 0.003)
            try:
                while True:
                    spool.append("bob", EVENT)
                    whole += 1
            except SystemExit:
                handled += 1
            spool.close()
            after = self.spool()
            after.adopt()
            # The call that was ended may have written, or not; what returned is there.
            assert len(drain(after)) in (whole + 1, whole + 2)
            after.close()

    def test_a_call_that_is_interrupted_behind_its_write_leaves_no_half_record(self) -> None:
        """As the interrupt of a key does, behind a call of the system."""
        spool = self.spool()
        spool.append("alice", EVENT)

        def trace(frame: Any, event: str, _: object) -> Any:
            if frame.f_code.co_name == "_write" and written():
                raise KeyboardInterrupt
            return trace

        (path,) = self.folder.glob("lanes/*/*.seg")
        before = path.stat().st_size

        def written() -> bool:
            return path.stat().st_size > before

        sys.settrace(trace)
        try:
            with self.assertRaises(KeyboardInterrupt):
                spool.append("alice", EVENT)
        finally:
            sys.settrace(None)
        assert len(drain(spool)) == 1

        spool.close()

        assert list((self.folder / "lanes").iterdir()) == []

    def test_a_segment_that_could_not_be_begun_is_begun_again(self) -> None:
        """A strict spool opens its folder to sync it; here no more files may be open."""
        spool = self.spool(is_strict=True, most_bytes=4_000)
        spool.append("alice", EVENT)
        drain(spool)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = os.open("/", os.O_RDONLY)
        held = [os.open("/", os.O_RDONLY) for _ in range(3)]
        for each in held:
            self.addCleanup(os.close, each)
        os.close(room)  # the lowest that is free, and the only one below the limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (room + 1, hard))
        try:
            with self.assertRaises(OSError):
                while True:
                    spool.append("alice", EVENT)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        seq = spool.append("alice", EVENT)

        assert seq == spool.recorded


class Shared(WithFolder):
    def test_a_strict_event_whose_file_was_sent_and_closed_meanwhile_is_no_error(self) -> None:
        spool = self.spool(is_strict=True)
        large = b'{"a":"' + b"x" * 100_000 + b'"}'
        failed: list[BaseException] = []

        def record() -> None:
            try:
                spool.append("alice", large)
            except OSError as error:
                failed.append(error)

        with spool._syncing:  # another thread waits for the disk
            recording = threading.Thread(target=record)
            recording.start()
            ends = time.monotonic() + 10
            while not spool.has_unsent() and time.monotonic() < ends:
                time.sleep(0.001)
            drain(spool)
        recording.join()

        assert failed == []

    def test_a_lane_that_is_being_made_is_left_to_its_maker(self) -> None:
        fresh = self.folder / "lanes" / ".new-1-2-3"
        fresh.mkdir(parents=True)
        (fresh / "lock").touch()
        tried: list[str] = []
        adopt = Lane.adopt.__func__  # type: ignore[attr-defined]

        def trace(frame: Any, event: str, _: object) -> None:
            if frame.f_code is adopt.__code__:
                tried.append(event)

        spool = self.spool()
        sys.settrace(trace)
        try:
            spool.adopt()
        finally:
            sys.settrace(None)

        assert tried == []
        assert fresh.is_dir()


class Crashed(WithFolder):
    def test_a_file_shorter_than_what_was_sent_is_all_sent(self) -> None:
        """Power was lost before the records were on the disk, and after the note of them was."""
        before = self.spool()
        before.append("alice", EVENT)
        before.append("alice", EVENT)
        batch = before.next_batch(most=1, most_bytes=10_000)
        assert batch is not None
        before.acknowledge(batch)
        before.close()
        (path,) = self.folder.glob("lanes/*/*.seg")
        os.truncate(path, 10)

        after = self.spool()
        assert after.adopt() == 1

        assert drain(after) == []
        assert list((self.folder / "lanes").iterdir()) == []

    def test_a_gap_is_counted_once_however_often_it_is_read(self) -> None:
        before = self.spool()
        before.append("alice", EVENT)
        before.close()
        (path,) = self.folder.glob("lanes/*/*.seg")
        with path.open("ab") as file:
            file.write(frame(EVENT)[:20])
        after = self.spool()
        after.adopt()

        for _ in range(3):  # the platform does not answer
            after.next_batch(most=10, most_bytes=10_000)
        drain(after)

        assert after.torn == 1

    def test_a_lane_that_cannot_be_read_is_adopted_when_it_can(self) -> None:
        before = self.spool()
        before.append("alice", EVENT)
        before.close()
        (path,) = self.folder.glob("lanes/*/*.seg")
        aside = path.with_name("aside")
        path.rename(aside)
        path.mkdir()
        after = self.spool()
        with self.assertRaises(OSError):
            after.adopt()
        path.rmdir()
        aside.rename(path)

        assert after.adopt() == 1
        assert len(drain(after)) == 1

    def test_an_answer_that_was_cut_off_within_a_character_hides_no_other(self) -> None:
        receipts = Receipts(self.folder)
        receipts.reject(EVENT, "the first")
        (path,) = (self.folder / "rejected").iterdir()
        path.write_bytes(path.read_bytes() + '{"error":"é'.encode()[:-1] + b"\n")
        receipts.reject(EVENT, "the last")

        assert [each["error"] for each in receipts.rejected()] == ["the first", "the last"]
