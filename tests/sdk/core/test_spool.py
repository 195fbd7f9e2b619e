"""What was recorded is on disk, is sent once or more, and never goes missing without a word."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from obsagent.errors import SpoolClosed, SpoolFull
from obsagent.frames import frame
from obsagent.lanes import Lane
from obsagent.spool import Spool

from tests.sdk.core.folders import EVENT, WithFolder, drain

SDK = str(Path(__file__).parents[3] / "sdk")


class Recording(WithFolder):
    def test_events_come_out_in_order_with_their_number(self) -> None:
        spool = self.spool()

        seqs = [spool.append("alice", EVENT) for _ in range(3)]

        assert seqs == [1, 2, 3]
        assert drain(spool) == [b'{"client_seq":%d,%b' % (seq, EVENT[1:]) for seq in seqs]
        assert not spool.has_unsent()

    def test_each_agent_is_counted_by_itself(self) -> None:
        spool = self.spool()

        assert [spool.append(name, EVENT) for name in ("alice", "bob", "alice")] == [1, 1, 2]

    def test_the_next_start_sends_what_was_left(self) -> None:
        before = self.spool()
        for _ in range(5):
            before.append("alice", EVENT)
        batch = before.next_batch(most=2, most_bytes=10_000)
        assert batch is not None
        before.acknowledge(batch)
        before.close()

        after = self.spool()

        assert after.adopt() == 1
        assert len(drain(after)) == 3
        assert list((self.folder / "lanes").iterdir()) == []

    def test_a_lane_whose_owner_lives_is_left_alone(self) -> None:
        alive = self.spool()
        alive.append("alice", EVENT)

        assert self.spool().adopt() == 0

    def test_two_spools_never_adopt_one_lane(self) -> None:
        before = self.spool()
        before.append("alice", EVENT)
        before.close()

        assert sorted([self.spool().adopt(), self.spool().adopt()]) == [0, 1]

    def test_files_that_were_sent_are_removed(self) -> None:
        spool = self.spool(most_bytes=400_000)
        for _ in range(10):
            for _ in range(1_000):
                spool.append("alice", EVENT)
            drain(spool)

        assert spool.used_bytes() < 200_000
        assert len(list(self.folder.glob("lanes/*/*.seg"))) <= 2

    def test_a_closed_spool_refuses(self) -> None:
        spool = self.spool()
        spool.close()

        with self.assertRaises(SpoolClosed):
            spool.append("alice", EVENT)

    def test_a_strict_spool_reads_the_same(self) -> None:
        spool = self.spool(is_strict=True)
        threads = [threading.Thread(target=spool.append, args=("a", EVENT)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert len(drain(spool)) == 8

    def test_a_strict_spool_that_is_full_and_sent_again_and_again_keeps_count(self) -> None:
        spool = self.spool(is_strict=True, most_bytes=400_000)
        for _ in range(4):
            for _ in range(1_000):
                spool.append("alice", EVENT)
            assert len(drain(spool)) == 1_000

        assert spool.used_bytes() < 200_000

    def test_a_strict_spool_waits_for_the_disk_while_others_begin_new_files(self) -> None:
        spool = self.spool(is_strict=True, most_bytes=40_000)
        taken: list[bytes] = []
        done = threading.Event()

        def send() -> None:
            while not done.is_set() or spool.has_unsent():
                taken.extend(drain(spool))

        sender = threading.Thread(target=send)
        sender.start()
        threads = [
            threading.Thread(target=lambda: [spool.append("a", EVENT) for _ in range(300)])
            for _ in range(4)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        done.set()
        sender.join()
        spool.close()

        assert len(taken) == 1_200
        gc.collect()
        opened = Path("/proc/self/fd")
        if opened.is_dir():  # no descriptor is left
            mine = [str(each.readlink()) for each in opened.iterdir() if each.exists()]
            assert not any(str(self.folder) in each for each in mine), mine

    def test_a_strict_spool_that_is_closed_leaves_no_more_than_its_records(self) -> None:
        before = self.spool(is_strict=True)
        for _ in range(3):
            before.append("alice", EVENT)
        (segment,) = self.folder.glob("lanes/*/*.seg")
        ahead = segment.stat().st_size
        before.close()

        used = before.used_bytes()
        assert segment.stat().st_size == used < ahead

    def test_thirty_two_threads_lose_nothing_and_number_without_a_gap(self) -> None:
        spool, seqs = self.spool(), []

        def record() -> None:
            seqs.extend([spool.append("alice", EVENT) for _ in range(100)])

        threads = [threading.Thread(target=record) for _ in range(32)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert sorted(seqs) == list(range(1, 3_201))
        assert len(drain(spool)) == 3_200

    def test_a_signal_handler_may_record_while_its_thread_does(self) -> None:
        spool = self.spool()
        seqs: list[int] = []
        old = signal.signal(signal.SIGALRM, lambda *_: seqs.append(spool.append("alice", EVENT)))
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            for _ in range(3_000):
                seqs.append(spool.append("alice", EVENT))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

        assert sorted(seqs) == list(range(1, len(seqs) + 1))
        assert len(drain(spool)) == len(seqs)


class Full(WithFolder):
    def test_a_full_spool_raises_when_asked_to(self) -> None:
        spool = self.spool(most_bytes=2_000, when_full="raise")

        with self.assertRaises(SpoolFull):
            while True:
                spool.append("alice", EVENT)

        recorded = spool.recorded
        assert len(drain(spool)) == recorded > 0
        assert spool.append("alice", EVENT) == recorded + 1

    def test_a_full_spool_waits_until_there_is_room(self) -> None:
        spool = self.spool(most_bytes=2_000, when_full="block")
        taken: list[bytes] = []
        done = threading.Event()

        def send() -> None:
            while not done.is_set() or spool.has_unsent():
                taken.extend(drain(spool))
                time.sleep(0.001)

        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(200):
            spool.append("alice", EVENT)
        done.set()
        sender.join()

        assert len(taken) == 200

    def test_an_event_larger_than_the_spool_is_refused_at_once(self) -> None:
        spool = self.spool(most_bytes=1_000, when_full="block")

        with self.assertRaises(SpoolFull):
            spool.append("alice", b'{"a":"' + b"x" * 1_000 + b'"}')

    def test_a_full_disk_raises_and_leaves_no_half_record(self) -> None:
        """The kernel refuses to let a file grow beyond RLIMIT_FSIZE, as a full disk would."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        spool = self.spool(when_full="raise")
        spool.append("alice", EVENT)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        try:
            with self.assertRaises(SpoolFull):
                while True:
                    spool.append("alice", EVENT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        recorded = spool.recorded

        assert spool.append("alice", EVENT) == recorded + 1
        assert len(drain(spool)) == recorded + 1
        assert (spool.torn, spool.damaged_bytes) == (0, 0)


class Crashes(WithFolder):
    def test_a_record_that_was_cut_off_is_skipped_and_told(self) -> None:
        before = self.spool()
        for _ in range(3):
            before.append("alice", EVENT)
        before.close()
        (segment,) = self.folder.glob("lanes/*/*.seg")
        segment.write_bytes(segment.read_bytes()[:-5])

        after = self.spool()
        after.adopt()

        assert len(drain(after)) == 2
        assert after.torn == 1
        assert len(list((self.folder / "damaged").iterdir())) == 1

    def test_what_a_strict_spool_had_not_used_when_it_died_is_no_damage(self) -> None:
        for cut_off in (0, 5):
            before = self.spool(is_strict=True)
            for _ in range(3):
                before.append("alice", EVENT)
            (segment,) = self.folder.glob("lanes/*/*.seg")
            with segment.open("r+b") as file:
                file.seek(before.used_bytes() - cut_off)
                file.write(bytes(cut_off))  # power went before all of the last record was there
            died = segment.read_bytes()
            assert before._lane is not None
            before._lane.let_go()

            after = self.spool()
            after.adopt()

            assert died.endswith(bytes(50_000))
            assert len(drain(after)) == (2 if cut_off else 3)
            assert (after.torn, after.damaged_bytes) == (1 if cut_off else 0, 0)

    def test_damage_in_the_middle_costs_what_was_damaged_and_is_kept(self) -> None:
        before = self.spool()
        for _ in range(3):
            before.append("alice", EVENT)
        before.close()
        (segment,) = self.folder.glob("lanes/*/*.seg")
        data = bytearray(segment.read_bytes())
        data[20] ^= 1
        segment.write_bytes(bytes(data))

        after = self.spool()
        after.adopt()

        assert len(drain(after)) == 2
        assert after.damaged_bytes > 0
        (kept,) = (self.folder / "damaged").iterdir()
        assert kept.read_bytes() == bytes(data)[: len(kept.read_bytes())]

    def test_a_cut_off_note_of_what_was_sent_means_sending_again(self) -> None:
        before = self.spool()
        for _ in range(3):
            before.append("alice", EVENT)
        batch = before.next_batch(most=2, most_bytes=10_000)
        assert batch is not None
        before.acknowledge(batch)
        before.close()
        (sent,) = self.folder.glob("lanes/*/sent")
        sent.write_bytes(b"000")

        after = self.spool()
        after.adopt()

        assert len(drain(after)) == 3

    def test_a_record_larger_than_what_is_read_at_once_is_read(self) -> None:
        spool = self.spool()
        large = b'{"a":"' + b"x" * 900_000 + b'"}'
        spool.append("alice", EVENT)
        spool.append("alice", large)

        first = spool.next_batch(most=500, most_bytes=1_000)
        assert first is not None
        assert len(first.events) == 1
        assert len(drain(spool)[-1]) > 900_000


class Forks(WithFolder):
    def test_a_child_has_a_lane_and_numbers_of_its_own(self) -> None:
        spool = self.spool()
        parents = spool.instance_id
        spool.append("alice", EVENT)

        child = os.fork()
        if child == 0:
            fits = spool.append("alice", EVENT) == 1 and spool.instance_id != parents
            os._exit(0 if fits else 1)
        _, status = os.waitpid(child, 0)

        assert status == 0
        assert spool.append("alice", EVENT) == 2
        assert spool.adopt() == 1
        assert len(drain(spool)) == 3

    def test_a_storm_of_forks_loses_nothing(self) -> None:
        spool = self.spool()
        children = []
        for _ in range(20):
            spool.append("alice", EVENT)
            child = os.fork()
            if child == 0:
                grandchild = os.fork()
                for _ in range(5):
                    spool.append("alice", EVENT)
                if grandchild:
                    os.waitpid(grandchild, 0)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)

        adopted = spool.adopt()

        assert adopted == 40
        assert len(drain(spool)) == 20 + 40 * 5

    def test_the_childs_copy_of_a_lock_does_not_outlive_the_parent(self) -> None:
        """A child that lives on must not keep anybody from its dead parent's events."""
        code = (
            "import os, sys, time\n"
            "from obsagent.spool import Spool\n"
            f"spool = Spool({str(self.folder)!r})\n"
            f"spool.append('alice', {EVENT!r})\n"
            "if os.fork() == 0:\n"
            "    os.close(1); time.sleep(3); os._exit(0)\n"
            "print('recorded', flush=True); os.kill(os.getpid(), 9)\n"
        )
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": SDK},
            stdout=subprocess.PIPE,
            check=False,
            timeout=60,
        )

        spool = self.spool()

        assert spool.adopt() == 1
        assert len(drain(spool)) == 1


class Kills(WithFolder):
    def test_what_returned_before_kill_9_is_there(self) -> None:
        rounds = int(os.environ.get("OBS_FAULT_ROUNDS") or 10)
        code = (
            "import os, sys\n"
            "from obsagent.spool import Spool\n"
            f"spool = Spool({str(self.folder)!r}, is_strict=sys.argv[1] == 'strict')\n"
            "while True:\n"
            "    seq = spool.append('alice', b'{\"pid\":%d}' % os.getpid())\n"
            "    os.write(1, b'%d %d\\n' % (os.getpid(), seq))\n"
        )
        promised: set[bytes] = set()
        for turn in range(rounds):
            process = subprocess.Popen(
                [sys.executable, "-c", code, "strict" if turn % 3 == 2 else "buffered"],
                env={"PYTHONPATH": SDK},
                stdout=subprocess.PIPE,
            )
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(50 + 13 * turn % 97)]
            process.kill()
            lines += process.stdout.readlines()
            process.stdout.close()
            process.wait()
            for line in lines:
                if line.endswith(b"\n"):
                    pid, seq = line.split()
                    promised.add(b'{"client_seq":%b,"pid":%b}' % (seq, pid))

        spool = self.spool()
        assert spool.adopt() == rounds
        found = drain(spool)

        assert len(found) == len(set(found))
        assert promised <= set(found)
        assert len(found) - len(promised) <= rounds  # recorded, killed before it could say so


class Lanes(WithFolder):
    def test_a_lane_without_a_name_is_nobodys_to_send(self) -> None:
        lane = Lane.make(self.folder / "lanes")
        lane.path(1).write_bytes(frame(EVENT))
        lane.folder.rename(lane.folder.with_name(".new-" + lane.folder.name))
        lane.let_go()

        spool = self.spool()

        assert spool.adopt() == 0
        assert drain(spool) == []

    def test_spools_of_one_folder_count_each_others_bytes(self) -> None:
        one = self.spool()
        one.append("alice", EVENT)
        other = Spool(self.folder)
        self.addCleanup(other.close)

        other.adopt()

        assert other.used_bytes() == one.used_bytes() > 0


if __name__ == "__main__":
    unittest.main()
