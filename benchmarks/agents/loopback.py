"""Keep a process on this machine: every connection and look-up that leads elsewhere is refused.

An audit hook, so no library can take it away again. What was refused is kept, since libraries
swallow errors of their telemetry; the process tells it at its end.
"""

from __future__ import annotations

import sys
from typing import Any, Final

_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost", "", None})
_LOOKED_UP: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_WATCHED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})

refused: list[str] = []
"""Where the process wanted to go, in the order of its tries."""


def only_loopback() -> None:
    """From now on nothing of this process leaves the machine."""
    sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LOOKED_UP:
        _refuse_unless_here(arguments[0])
    elif event in _WATCHED and type(arguments[1]) is tuple:  # else a socket of this machine's files
        _refuse_unless_here(arguments[1][0])


def _refuse_unless_here(host: Any) -> None:
    name = host.decode() if type(host) is bytes else host
    if name not in _HERE:
        refused.append(str(name))
        raise PermissionError(f"{name} is not on this machine, and nothing here may leave it")
