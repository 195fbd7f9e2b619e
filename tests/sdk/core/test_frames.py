"""Records are found again after any cut and any damage; what is no record is told."""

from __future__ import annotations

import unittest

from obsagent.frames import frame, read_frames

THREE = [b"one", b"", b"three" * 100]
BYTES = b"".join(map(frame, THREE))


class Frames(unittest.TestCase):
    def test_what_was_framed_is_read_again(self) -> None:
        found = read_frames(BYTES, most=10, is_whole=True)

        assert (found.payloads, found.gaps) == (THREE, [])
        assert found.ends[-1] == len(BYTES)

    def test_a_file_cut_anywhere_gives_whole_records_and_one_gap_at_its_end(self) -> None:
        for length in range(len(BYTES)):
            found = read_frames(BYTES[:length], most=10, is_whole=True)

            assert found.payloads == THREE[: len(found.payloads)], length
            at = found.ends[-1] if found.ends else 0
            assert [gap.at_end for gap in found.gaps] == ([True] if at < length else []), length

    def test_a_file_that_still_grows_has_no_gap_at_its_end(self) -> None:
        for length in range(len(BYTES)):
            assert read_frames(BYTES[:length], most=10, is_whole=False).gaps == [], length

    def test_each_flipped_bit_costs_one_record_at_most_and_is_told(self) -> None:
        second = len(frame(THREE[0]))
        for at in range(second * 8):
            damaged = bytearray(BYTES)
            damaged[at // 8] ^= 1 << at % 8

            found = read_frames(bytes(damaged), most=10, is_whole=True)

            assert found.payloads == THREE[1:], at
            assert [(gap.start, gap.end) for gap in found.gaps] == [(0, second)], at

    def test_no_more_are_read_than_were_asked_for(self) -> None:
        assert read_frames(BYTES, most=2, is_whole=True).payloads == THREE[:2]
