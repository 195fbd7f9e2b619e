"""Write log lines to the stream and to the files, and count them and the time that writing takes.

The one handler of logs.py. The clock is looked at for one line in 64, which then stands for all of
them: a look at each would be a cost of its own.
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final

from audit import measures
from tracing.log_files import LogFiles

if TYPE_CHECKING:
    _Handler = logging.StreamHandler[Any]
else:
    _Handler = logging.StreamHandler

EVERY: Final = 64
"""Lines that one measurement stands for."""

_LEVELS: Final = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))


class CountedLines(_Handler):
    """A stream handler that counts what it writes, and keeps it in files as well."""

    def __init__(
        self,
        stream: Any = None,
        files: LogFiles | None = None,
        file_format: logging.Formatter | None = None,
    ) -> None:
        """Write to a stream and, where there are any, to files: as the stream or in their form."""
        super().__init__(stream)
        self._files = files
        self._file_format = file_format
        # Begun anywhere, so that a process of a few lines tells its share all the same.
        self._lines = random.randrange(EVERY)  # noqa: S311

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; called by one thread at a time, as logging sees to."""
        if not measures.is_gathering():
            self._write(record)
            return
        self._lines += 1
        if self._lines % EVERY:
            self._write(record)
        else:
            began = time.thread_time()
            self._write(record)
            measures.overhead("logging", seconds=(time.thread_time() - began) * EVERY)
        measures.count("obs_log_records_total", level_of(record.levelno))

    def _write(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
            self._to_files(record, line)
            self.stream.write(f"{line}{self.terminator}")
            self.flush()
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)  # as logging does: on stderr, and the process goes on

    def _to_files(self, record: logging.LogRecord, line: str) -> None:
        if self._files is None:
            return
        if self._file_format is not None:
            line = self._file_format.format(record)
        is_error = record.levelno >= logging.ERROR
        self._files.write(line, is_error=is_error, at=record.created)


def level_of(number: int) -> str:
    """Return the name of the level that a number lies in, `debug` for all that is below."""
    return next((name for least, name in _LEVELS if number >= least), "debug")
