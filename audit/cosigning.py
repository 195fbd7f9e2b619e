"""Have a policy's witnesses cosign a checkpoint that is about to be published. Used by sealing.

Asks them all within OBS_WITNESS_SECONDS and writes down how each did, in audit_anchor under
`witness:<name>`. A witness that fails never keeps a checkpoint from being published: the policy
says what it is worth, and `2 of 3` is shown. What comes later is kept in audit_cosignature.
Asking: audit.sinks.witness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from django.conf import settings
from django.db import transaction

from audit.database import rows
from audit.ledger.note import format_signature, parse_note
from audit.ledger.policy import Policy, weigh
from audit.seal import Cosigned
from audit.sinks import Published
from audit.sinks.configured import policy_from_settings, witnesses_of
from audit.sinks.witness import Cosigned as OfWitness
from audit.sinks.witness import Outstanding, Witness, collect_cosignatures

log = structlog.get_logger(__name__)

_TOOK = """
INSERT INTO audit_anchor (ledger_id, sink, state, interval_seconds, tried_at, ok_at, size, root,
                          reference)
SELECT l.id, %s, 'ok', 0, clock_timestamp(), clock_timestamp(), %s, %s, %s
FROM audit_ledger AS l
WHERE l.name = %s
ON CONFLICT (ledger_id, sink) DO UPDATE
SET state = 'ok',
    tried_at = excluded.tried_at,
    ok_at = excluded.ok_at,
    size = excluded.size,
    root = excluded.root,
    failures = 0,
    error = '',
    reference = excluded.reference
RETURNING ledger_id
"""
_FAILED = """
INSERT INTO audit_anchor (ledger_id, sink, state, interval_seconds, tried_at, failures, error)
SELECT l.id, %s, %s, 0, clock_timestamp(), 1, %s
FROM audit_ledger AS l
WHERE l.name = %s
ON CONFLICT (ledger_id, sink) DO UPDATE
SET state = excluded.state,
    tried_at = excluded.tried_at,
    failures = audit_anchor.failures + 1,
    error = excluded.error
RETURNING ledger_id
"""


_LATE = """
INSERT INTO audit_cosignature (ledger_id, size, witness, line)
SELECT c.ledger_id, c.size, %s, %s
FROM audit_checkpoint AS c
JOIN audit_ledger AS l ON l.id = c.ledger_id
WHERE l.name = %s
  AND c.size = %s
ON CONFLICT DO NOTHING
RETURNING witness
"""
_COSIGNERS = """
SELECT s.witness
FROM audit_cosignature AS s
JOIN audit_ledger AS l ON l.id = s.ledger_id
WHERE l.name = %s
  AND s.size = %s
"""
_NOTE = """
SELECT c.note
FROM audit_checkpoint AS c
JOIN audit_ledger AS l ON l.id = c.ledger_id
WHERE l.name = %s
  AND c.size = %s
"""
# Only while that checkpoint is the newest: a later one has its own standing.
_STANDS = """
UPDATE audit_sealing AS s
SET witnessed = %s
FROM audit_ledger AS l
WHERE l.id = s.ledger_id
  AND l.name = %s
  AND %s = (SELECT max(c.size) FROM audit_checkpoint AS c WHERE c.ledger_id = l.id)
RETURNING s.ledger_id
"""
_OUTSTANDING_AT_MOST = 100  # checkpoints with a witness that has not answered yet


class PolicyWitnesses:
    """The witnesses of a policy; a `seal.Witnesses`."""

    def __init__(self, policy: Policy, witnesses: Sequence[Witness], *, seconds: float) -> None:
        self.witnesses = witnesses
        """Those with an address."""
        self._policy = policy
        self._seconds = seconds
        self._late: list[Outstanding] = []

    def ask(self, published: Published, prove: Callable[[int], Sequence[bytes]], /) -> Cosigned:
        """Ask all, within a bound, and say how the policy stands."""
        given = collect_cosignatures(
            published, self.witnesses, prove, self._seconds, late=self._late
        )
        for each in given:
            _write(published, each)
        standing = weigh(self._policy, [each.key for each in given if each.signature])
        return Cosigned(
            signatures=tuple(each.signature for each in given if each.signature),
            said=str(standing),
        )

    def collect_late(self) -> int:
        """Keep the cosignatures that came after their checkpoint was published; return how many."""
        kept = 0
        for outstanding in list(self._late):
            for each in outstanding.collect():
                kept += self._keep(outstanding.published, each)
            if not outstanding.names:
                self._late.remove(outstanding)
        del self._late[:-_OUTSTANDING_AT_MOST]
        return kept

    def _keep(self, published: Published, each: OfWitness) -> int:
        assert each.signature is not None, "only cosignatures are kept"
        line = format_signature(each.signature)
        with transaction.atomic():
            added = rows(_LATE, (str(each.key), line, published.ledger, published.size))
            _write(published, each)
            if added:
                names = _cosigners(published)
                standing = weigh(
                    self._policy, [one.key for one in self.witnesses if str(one.key) in names]
                )
                rows(_STANDS, (str(standing), published.ledger, published.size))
        return len(added)


def _cosigners(published: Published) -> set[str]:
    """Return who signed this checkpoint, in time or late, as `name+key id`."""
    place = (published.ledger, published.size)
    ((note,),) = rows(_NOTE, place)
    in_time = {f"{one.name}+{one.key_id.hex()}" for one in parse_note(bytes(note)).signatures}
    return in_time | {name for (name,) in rows(_COSIGNERS, place)}


def witnesses_from_settings() -> PolicyWitnesses | None:
    """Return the witnesses of OBS_WITNESS_POLICY, None when it is not set.

    Raises ImproperlyConfigured when the policy cannot be read.
    """
    policy = policy_from_settings()
    if policy is None:
        return None
    return PolicyWitnesses(policy, witnesses_of(policy), seconds=settings.WITNESS_SECONDS)


def _write(published: Published, each: OfWitness) -> None:
    sink = f"witness:{each.witness}"
    if each.signature is not None:
        rows(_TOOK, (sink, published.size, published.root, str(each.key), published.ledger))
        return
    state = "mismatch" if each.is_mismatch else "failing"
    text = each.failure.replace("\0", "")[:2000]  # Postgres takes no zero bytes
    rows(_FAILED, (sink, state, text, published.ledger))
    log.warning("witness.failed", ledger=published.ledger, witness=each.witness, error=text)
