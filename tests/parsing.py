"""Let one thread at a time turn source into a tree, in a process that has servers' threads.

CPython before 3.11.8 and 3.12.1 keeps one count of depth for all threads that do (gh-106905): where
a collection of garbage calls Python in the middle of one and another thread begins its own, the
first ends with SystemError. Coverage parses each module that a server's thread imports.
"""

from __future__ import annotations

import ast
import threading
from functools import wraps
from typing import Any

_ONE = threading.RLock()


def one_at_a_time() -> None:
    """Make `ast.parse` wait for the thread that is in it; a second call changes nothing."""
    if getattr(ast.parse, "one_at_a_time", False):
        return
    parse = ast.parse

    @wraps(parse)
    def waiting(*arguments: Any, **named: Any) -> Any:
        with _ONE:
            return parse(*arguments, **named)

    vars(waiting)["one_at_a_time"] = True
    ast.parse = waiting
