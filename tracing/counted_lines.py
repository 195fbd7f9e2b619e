"""Write log lines, and count them and the time that writing takes.

The one handler of logs.py. The clock is looked at for one line in 64, which then stands for all of
them: a look at each would be a cost of its own.
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final

from audit import measures

if TYPE_CHECKING:
    _Handler = logging.StreamHandler[Any]
else:
    _Handler = logging.StreamHandler

EVERY: Final = 64
"""Lines that one measurement stands for."""

_LEVELS: Final = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))


class CountedLines(_Handler):
    """A stream handler that counts what it writes."""

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream)
        # Begun anywhere, so that a process of a few lines tells its share all the same.
        self._lines = random.randrange(EVERY)  # noqa: S311

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; called by one thread at a time, as logging sees to."""
        if not measures.is_gathering():
            super().emit(record)
            return
        self._lines += 1
        if self._lines % EVERY:
            super().emit(record)
        else:
            began = time.thread_time()
            super().emit(record)
            measures.overhead("logging", seconds=(time.thread_time() - began) * EVERY)
        measures.count("obs_log_records_total", level_of(record.levelno))


def level_of(number: int) -> str:
    """Return the name of the level that a number lies in, `debug` for all that is below."""
    return next((name for least, name in _LEVELS if number >= least), "debug")
