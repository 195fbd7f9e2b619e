"""Every error of the SDK, each named for the fact it states. Owns no behaviour.

An audit call that cannot record raises one of these. Metrics, logs and spans never raise into the
agent: they count what they could not keep.
"""

from __future__ import annotations


class ObsagentError(Exception):
    """Something that the SDK was asked for could not be done."""


class NotConfigured(ObsagentError):
    """A setting is missing or cannot be; the text names it and the way out."""


class EventInvalid(ObsagentError):
    """An event breaks a rule of the schema; nothing was recorded.

    `path` is where, such as `tool.risk`.
    """

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}")
        self.path = path
        self.rule = rule


class NotCanonical(ObsagentError):
    """A value has no canonical JSON form: NaN, a lone surrogate, an integer beyond ±(2^53-1)."""


class SpoolFull(ObsagentError):
    """The spool holds as much as it may, or the disk is full; the event was not recorded."""


class SpoolClosed(ObsagentError):
    """The client was closed; the event was not recorded."""


class SpoolDamaged(ObsagentError):
    """A file of the spool is not what the spool writes."""


class NotDelivered(ObsagentError):
    """The platform did not take what was sent, or was not reached.

    `status` is the answer's status, None when there was none; `retry_after` seconds or None.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class EventRefused(ObsagentError):
    """The platform looked at an event and refused it; `receipt` says which rule and where."""

    def __init__(self, receipt: dict[str, object]) -> None:
        super().__init__(f"the platform refused the event: {receipt.get('error')}")
        self.receipt = receipt


class ApprovalDenied(ObsagentError):
    """A person said no, or an approval was for other arguments. `entry` is the answer."""

    def __init__(self, reason: str, *, entry: dict[str, object] | None = None) -> None:
        super().__init__(reason)
        self.entry = entry


class ApprovalTimeout(ObsagentError):
    """Nobody answered in time; the request stands as expired."""


class ProofWrong(ObsagentError):
    """A proof does not lead from the entry to the checkpoint's root, or a signature is wrong."""
