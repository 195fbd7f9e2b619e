"""Every error of the audit app, named for the fact it states. Owns no behaviour.

An error that a client may see carries a `code`; `docs/errors/<code>.md` explains it.
Pure: imports nothing of ours, and no Django.
"""

from __future__ import annotations


class AuditError(Exception):
    """Something the audit app refuses, or found to be false."""


class EventRejected(AuditError):
    """An event, or a whole body, cannot be accepted as it was sent.

    `path` says where (`$.agent.id`), `message` which limit or rule; neither ever holds the value,
    since rejected events may carry what must not reach a log.
    """

    def __init__(self, *, code: str, path: str, message: str) -> None:
        super().__init__(code, path, message)
        self.code = code
        self.path = path
        self.message = message

    def __str__(self) -> str:
        """Read as a line of a log: code, place, rule."""
        return f"{self.code} at {self.path}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, which would pass the arguments by position."""
        return (_event_rejected, (self.code, self.path, self.message))


def _event_rejected(code: str, path: str, message: str) -> EventRejected:
    return EventRejected(code=code, path=path, message=message)


class NotCanonical(AuditError):
    """A value has no canonical form: NaN, an integer beyond ±(2^53-1), a lone surrogate."""


class AuthRefused(AuditError):
    """A request's key is missing, not known, or may not do this.

    `status` is 401 or 403, `code` the page under docs/errors that explains it.
    """

    def __init__(self, *, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message


class RunStopped(AuditError):
    """A verification ended before its end: it was cancelled, or another worker has taken it."""


class NotSettled(AuditError):
    """What is in quarantine stays as it is: it was settled before, or cannot be replayed.

    The text says which, and the way out; it never holds content of the event.
    """
