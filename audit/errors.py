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


class TilesMissing(AuditError):
    """A tile that a ledger of this size must have is not there; `manage.py filltiles` makes it."""

    def __init__(self, *, ledger_id: int, tile: str) -> None:
        super().__init__(ledger_id, tile)
        self.ledger_id = ledger_id
        self.tile = tile

    def __str__(self) -> str:
        """Read as a sentence that names the way out."""
        return f"{self.tile} is missing; run manage.py filltiles"


class EntryPruned(AuditError):
    """An entry is below the minimum index of its ledger; the text says who let it go, and when."""


class EntriesMissing(AuditError):
    """A stretch of a ledger has fewer or more entries than seqs, so no tile can be made of it."""

    def __init__(self, *, ledger: str, start: int, end: int, found: int) -> None:
        super().__init__(ledger, start, end, found)
        self.ledger = ledger
        self.start = start
        self.end = end
        self.found = found

    def __str__(self) -> str:
        """Read as a sentence that names the way out."""
        return (
            f"{self.ledger} has {self.found:,} entries from #{self.start:,} to #{self.end - 1:,}, "
            f"not {self.end - self.start:,}; run manage.py verifychain --ledger {self.ledger}"
        )


class RecordUnreadable(AuditError):
    """A stored record is no record any more, so somebody changed it in the database."""

    def __init__(self, *, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq

    def __str__(self) -> str:
        """Name the entry and the way out."""
        return (
            f"the record of entry {self.seq} cannot be read any more: verify the ledger, and "
            "export a bundle without renderings, or leave that entry out"
        )


class ExportStopped(AuditError):
    """An export ended before its end: it was cancelled, or another worker has taken it."""


class ExportOvertaken(AuditError):
    """A purge began while an export read what it prunes, so the file has to be made again."""


class NoCheckpoint(AuditError):
    """There is no checkpoint to export at; the text says what to do."""


class NotSealed(AuditError):
    """An entry, or a size, is beyond the newest checkpoint: it may be sealed in a moment."""

    def __init__(self, *, seq: int, sealed_size: int) -> None:
        super().__init__(seq, sealed_size)
        self.seq = seq
        self.sealed_size = sealed_size

    def __str__(self) -> str:
        """Say how far the ledger is sealed."""
        how_far = f"up to #{self.sealed_size - 1:,}" if self.sealed_size else "nowhere yet"
        return f"no checkpoint covers entry #{self.seq:,}; the ledger is sealed {how_far}"


class NotExported(AuditError):
    """An export cannot be made or had as asked; the text says why, and the way out."""


class SigningKeyMissing(AuditError):
    """A ledger has no signing key; the text says how to make one."""


class SigningKeyWrong(AuditError):
    """The signing key is none that this ledger has ever announced; the text says the way out."""


class SignerFailed(AuditError):
    """A signing key is there and cannot be used; the text says which and why."""


class LedgerBehind(AuditError):
    """A ledger is shorter than what was signed or anchored: it was restored, or cut off."""


class LedgerForked(AuditError):
    """A ledger does not continue what was signed or anchored: its history was rewritten."""


class NotSucceeded(AuditError):
    """A ledger cannot be followed by a new one as asked; the text says what to change."""


class TooManyExports(NotExported):
    """So many exports of a ledger are unfinished that another one has to wait."""


class HeldUnusable(AuditError):
    """A file with checkpoints that somebody kept cannot be read; the text says which and why."""


class NotErased(AuditError):
    """An erasure cannot be asked for, confirmed or had as asked; the text says the way out.

    It never holds the subject's id.
    """


class ErasureStopped(AuditError):
    """An erasure ended before its end: it was cancelled, or another worker has taken it."""


class TombstonesUnreadable(AuditError):
    """The file of destroyed keys cannot be read; the text says which line and the way out."""


class PolicyRefused(AuditError):
    """A retention policy cannot be kept as asked; `field` says which part, the text the way out."""

    def __init__(self, *, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        """Name the field and the rule."""
        return f"{self.field}: {self.message}"


class NotPurged(AuditError):
    """A purge is not proposed, approved, withdrawn or done as asked; the text says why."""


class PurgeBlocked(AuditError):
    """Entries of an approved purge must stay after all; the text says which and why."""


class PurgeStopped(AuditError):
    """Work on a purge ended before its end: it was withdrawn meanwhile."""


class CarryUnreadable(AuditError):
    """What a projection had counted before a purge cannot be read; the text says the way out."""


class EntriesPruned(AuditError):
    """Entries went while somebody was reading on from them; whoever reads begins again."""


class HoldRefused(AuditError):
    """A legal hold cannot be applied or released as asked; `field` says which part."""

    def __init__(self, *, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        """Name the field and the rule."""
        return f"{self.field}: {self.message}"


class NoSuchSubject(HoldRefused):
    """A data subject has no living key in this ledger. Never holds the subject's id."""


class NoLivingKey(AuditError):
    """A data subject has no key any more, or never had one; the text never holds its id."""
