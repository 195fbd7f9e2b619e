"""Lines of log: JSON with context and fields, without secrets, and never a reason to fail."""

from __future__ import annotations

import io
import json
import math
import unittest
from datetime import datetime, timezone
from enum import IntEnum
from typing import Any

from obsagent.logs import Line, Logs


class _Words(str):
    """A text of a class of its own, as frameworks have."""


class _Level(IntEnum):
    LOW = 2


class Logging(unittest.TestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.logs = Logs("svc", stream=self.stream)
        self.addCleanup(self.logs.clear_context)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def test_a_line_is_json_with_context_and_fields(self) -> None:
        self.logs.add_context(agent_id="alice")
        self.logs.get_logger("x").info("Agent execution completed", tokens_used=5)

        (line,) = self.lines()
        assert line["message"] == "Agent execution completed"
        assert (line["level"], line["logger"], line["service"]) == ("INFO", "x", "svc")
        assert (line["agent_id"], line["tokens_used"]) == ("alice", 5)
        assert line["timestamp"].endswith("Z")

    def test_a_line_is_written_as_json_writes_it(self) -> None:
        fields: dict[str, Any] = {
            "text": 'quote " back \\ line\n tab\t bell\x07 é \u2028 \U0001f600',
            "key \" é": "x", "whole": -3, "large": 10**30, "zero": -0.0, "small": 1e-7,
            "exact": 0.1 + 0.2, "huge": 1e300, "yes": True, "none": None,
            "tree": {"a": [1, 2.5, "é", {"b": False}]}, "list": [], "no_number": math.nan,
            "beyond": math.inf, "below": -math.inf, "own": _Words("said"), "level_of": _Level(2),
        }  # fmt: skip
        self.logs.get_logger("x").info("m", **fields)

        text = self.stream.getvalue()
        written = json.loads(text)
        for name in ("timestamp", "level", "logger", "message", "service"):
            del written[name]
        bare = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode(fields)
        assert text.endswith(f",{bare[1:]}\n")
        assert repr(written) == repr(json.loads(bare))

    def test_no_field_takes_the_place_of_what_a_line_is(self) -> None:
        taken: list[Line] = []
        self.logs = Logs("svc", stream=self.stream, take=lambda *each: taken.append(Line(*each)))
        self.logs.add_context(service="other")
        logger = self.logs.get_logger("x")
        logger.info("said", level="high", message="m", logger="l", timestamp=0, n=1)
        with logger.timed("took", status="s", duration_ms="d", self_="x"):
            pass

        said, took = self.lines()
        assert (said["level"], said["logger"], said["message"], said["service"]) == (
            "INFO", "x", "said", "svc",
        )  # fmt: skip
        fields: dict[str, Any] = {"field.level": "high", "field.message": "m", "field.logger": "l"}
        fields |= {"field.timestamp": 0, "field.service": "other", "n": 1}
        assert said.items() >= fields.items()
        assert taken[0].fields == fields
        assert (took["status"], took["self_"]) == ("success", "x")
        assert isinstance(took["duration_ms"], float)  # its own, and not what was given

    def test_what_json_has_no_word_for_is_written_as_text(self) -> None:
        at = datetime(2026, 1, 2, tzinfo=timezone.utc)
        self.logs.get_logger("x").info("m", at=at, n=1)

        (line,) = self.lines()
        assert "2026-01-02" in line["at"]
        assert line["n"] == 1

    def test_a_text_that_was_clean_once_hides_no_secret_later(self) -> None:
        secret = "sk-abcdefghijklmnop1234"
        for number in range(3_000):  # more than are remembered
            self.logs.get_logger("x").info(f"step {number}", what="clean")
            if number % 500 == 0:
                self.logs.get_logger("x").info(f"with {secret}", what=secret)

        assert secret not in self.stream.getvalue()
        assert self.stream.getvalue().count("***REDACTED***") == 12

    def test_a_logger_of_a_name_is_one(self) -> None:
        assert self.logs.get_logger("x") is self.logs.get_logger("x")
        assert list(self.logs.get_all_loggers()) == ["x"]

    def test_levels_are_of_all_or_of_one_logger(self) -> None:
        self.logs.set_log_level("WARNING")
        self.logs.set_log_level("DEBUG", "loud")
        self.logs.get_logger("quiet").info("no")
        self.logs.get_logger("loud").debug("yes")

        assert [each["message"] for each in self.lines()] == ["yes"]

    def test_secrets_are_taken_out_and_counts_stay(self) -> None:
        self.logs.get_logger("x").info("with sk-abcdefghijklmnop1234", api_key="a", max_tokens=9)

        (line,) = self.lines()
        assert "abcdefghijklmnop" not in line["message"]
        assert line["api_key"] == "***REDACTED***"
        assert line["max_tokens"] == 9

    def test_what_is_no_json_is_written_as_text(self) -> None:
        self.logs.get_logger("x").info("m", what=object, when={1, 2})

        assert self.lines()[0]["when"] == [1, 2]

    def test_a_closed_stream_is_counted_and_never_raised(self) -> None:
        self.stream.close()

        self.logs.get_logger("x").info("m")

        assert self.logs.dropped == 1

    def test_an_exception_is_told_by_type_and_message(self) -> None:
        try:
            raise ValueError("bad")
        except ValueError:
            self.logs.get_logger("x").exception("Execution failed")

        (line,) = self.lines()
        assert (line["error_type"], line["error_message"]) == ("ValueError", "bad")

    def test_a_timed_block_writes_how_it_went(self) -> None:
        with self.assertRaises(KeyError), self.logs.get_logger("x").timed("work"):
            raise KeyError("k")

        assert (self.lines()[0]["status"], self.lines()[0]["error_type"]) == ("error", "KeyError")
