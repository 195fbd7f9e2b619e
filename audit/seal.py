"""Seal a ledger: sign its head as a checkpoint. The only module that inserts a checkpoint.

Before it signs, it proves to itself that the tree continues what it signed last (signer.py keeps
that outside the database) and every anchored checkpoint it knows. When it does not, the database
was restored or rewritten: the ledger goes read-only, an entry says why, and nothing is signed any
more; the way out is succeed.py. Everything else that keeps it from signing is written down in
audit_sealing for people to see, and tried again.

Order, so that no crash makes two histories: the state file, then the cosignatures, then the row.
A checkpoint that was signed and never shown is signed again, at the same size and root.
Run by `manage.py seal --follow`, a process of its own: web and workers never open a signing key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from django.db import transaction

from audit import measures, spans
from audit.database import rows
from audit.errors import (
    LedgerBehind,
    LedgerForked,
    SignerFailed,
    SigningKeyMissing,
    SigningKeyWrong,
    TilesMissing,
)
from audit.ledger.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from audit.ledger.errors import LedgerFact, NotConsistent
from audit.ledger.merkle import check_consistency, prove_consistency, root_of
from audit.ledger.note import (
    Note,
    Signature,
    Signer,
    VerifierKey,
    format_note,
    format_verifier_key,
    parse_verifier_key,
    sign,
)
from audit.models import Ledger
from audit.receive import receive_own
from audit.signer import Signed, SignedState, signers_of, state_of
from audit.sinks import Published
from audit.tree import tree_of

log = structlog.get_logger(__name__)

_SIZE = "SELECT size FROM audit_head WHERE ledger_id = %s"
_NEWEST = """
SELECT size, note
FROM audit_checkpoint
WHERE ledger_id = %s
ORDER BY size DESC
LIMIT 1
"""
_GROWN = """
SELECT l.*
FROM audit_ledger AS l
JOIN audit_head AS h ON h.ledger_id = l.id
LEFT JOIN audit_sealing AS s ON s.ledger_id = l.id
WHERE l.succeeded_by = ''
  AND (
      h.size > coalesce(
          (SELECT max(c.size) FROM audit_checkpoint AS c WHERE c.ledger_id = l.id), 0
      )
      OR s.state <> 'ok'
  )
ORDER BY l.id
"""
# When the entries of a stretch were received, those of a POST at once. A stretch that is long is
# asked at every so many entries, which then stand for those up to the next.
_RECEIVED = """
SELECT received_at, count(*)
FROM audit_entry
WHERE ledger_id = %(ledger)s
  AND seq >= %(from)s
  AND seq < %(to)s
  AND NOT is_backfill
GROUP BY received_at
"""
_RECEIVED_AT = """
SELECT received_at, least(%(each)s, %(to)s - seq)  -- the last stands for what is left
FROM audit_entry
WHERE ledger_id = %(ledger)s
  AND seq = ANY(%(seqs)s::bigint[])
  AND NOT is_backfill
"""
_NEWEST_RECORDS = """
SELECT record
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
  AND trace_id IS NOT NULL
ORDER BY seq
"""
_LONG_STRETCH = 5_000
_LOOKS = 500
_KEYS = "SELECT vkey FROM audit_signingkey WHERE ledger_id = %s ORDER BY first_used_at DESC, vkey"
_ADD_KEY = """
INSERT INTO audit_signingkey (ledger_id, vkey, first_size)
VALUES (%s, %s, %s)
ON CONFLICT DO NOTHING
RETURNING vkey
"""
_ADD = """
INSERT INTO audit_checkpoint (ledger_id, size, root, note)
VALUES (%s, %s, %s, %s)
RETURNING signed_at
"""
_SAY = """
INSERT INTO audit_sealing (ledger_id, state, error, witnessed, tried_at, since)
VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp())
ON CONFLICT (ledger_id) DO UPDATE
SET state = excluded.state,
    error = excluded.error,
    -- What witnesses said of the newest checkpoint stays true while nothing can be signed.
    witnessed = CASE WHEN excluded.state = 'ok' THEN excluded.witnessed
                     ELSE audit_sealing.witnessed
                END,
    tried_at = excluded.tried_at,
    since = CASE WHEN audit_sealing.state = excluded.state THEN audit_sealing.since
                 ELSE excluded.since
            END
RETURNING ledger_id
"""
_MENDED = """
UPDATE audit_sealing
SET state = 'ok', error = '', tried_at = clock_timestamp(), since = clock_timestamp()
WHERE ledger_id = %s
  AND state <> 'ok'
RETURNING ledger_id
"""
_CONTRADICTED = """
SELECT s.state, s.error
FROM audit_sealing AS s
JOIN audit_ledger AS l ON l.id = s.ledger_id
WHERE s.ledger_id = %s
  AND s.state IN ('behind', 'forked')
  AND l.is_read_only
"""
_STOP = """
UPDATE audit_ledger
SET is_read_only = true, read_only_reason = %s
WHERE id = %s
  AND NOT is_read_only
RETURNING id
"""
_STATES: tuple[tuple[type[Exception], str], ...] = (
    (SigningKeyMissing, "no_key"),
    (SigningKeyWrong, "wrong_key"),
    (TilesMissing, "no_tiles"),
    (LedgerBehind, "behind"),
    (LedgerForked, "forked"),
    (SignerFailed, "failed"),
)
_CONTRADICTS = (LedgerBehind, LedgerForked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cosigned:
    """What witnesses gave for a checkpoint in time."""

    signatures: tuple[Signature, ...] = ()
    said: str = ""
    """How many of the policy, such as "2 of 3"; empty without a policy."""


class Witnesses(Protocol):
    """Who is asked to cosign."""

    def ask(self, published: Published, prove: Callable[[int], Sequence[bytes]], /) -> Cosigned:
        """Ask all, within a bound; `prove` gives the consistency proof from an older size."""


def seal(
    ledger: Ledger,
    *,
    anchored: Iterable[bytes] = (),
    witnesses: Witnesses | None = None,
) -> Published | None:
    """Sign the ledger's head if it has grown; None when there is nothing to sign.

    `anchored` are notes that others gave back. Raises what keeps it from signing, after having
    written it down: SigningKeyMissing, SigningKeyWrong, SignerFailed, TilesMissing, LedgerBehind,
    LedgerForked.
    """
    try:
        return _seal(ledger, tuple(anchored), witnesses)
    except tuple(kind for kind, _ in _STATES) as problem:
        say_why_not(ledger, problem)
        raise


def say_why_not(ledger: Ledger, problem: Exception) -> None:
    """Write down why nothing is signed, and stop a ledger that contradicts what was signed."""
    state = next((state for kind, state in _STATES if isinstance(problem, kind)), "failed")
    log.warning("seal.refused", ledger=ledger.name, state=state, error=str(problem))
    with transaction.atomic():
        rows(_SAY, (ledger.id, state, str(problem)[:2000], ""))
        if isinstance(problem, _CONTRADICTS) and rows(_STOP, (str(problem)[:2000], ledger.id)):
            receive_own(
                ledger,
                "audit.anchor_mismatch",
                outcome="failure",
                target={"type": "ledger", "id": ledger.name},
                error={"type": state, "message": str(problem)[:500]},
            )


def grown_ledgers() -> list[Ledger]:
    """Return the ledgers that have entries which no checkpoint covers, or could not be signed."""
    return list(Ledger.objects.raw(_GROWN))


def known_keys(ledger: Ledger) -> list[VerifierKey]:
    """Return every public key the ledger was ever signed with, the newest first."""
    return [parse_verifier_key(text) for (text,) in rows(_KEYS, (ledger.id,))]


def _seal(
    ledger: Ledger, anchored: tuple[bytes, ...], witnesses: Witnesses | None
) -> Published | None:
    _check_contradicted(ledger)
    signers = signers_of(ledger.name, origin=ledger.origin)
    known = known_keys(ledger)
    _check_keys(ledger, signers, known)
    with state_of(ledger.name, origin=ledger.origin).held() as state:
        ((size,),) = rows(_SIZE, (ledger.id,))
        newest = rows(_NEWEST, (ledger.id,))
        keys = [*known, *(signer.key for signer in signers)]
        before = [
            *_signed_last(state),
            *(_open(ledger, bytes(note), keys, "its own table") for _, note in newest),
            *(_open(ledger, note, keys, "an anchor") for note in anchored),
        ]
        _check_continues(ledger, before, size)
        if size == 0 or (newest and newest[0][0] == size):
            rows(_MENDED, (ledger.id,))
            return None
        covered = newest[0][0] if newest else 0
        with spans.span(
            "audit.seal", ledger=ledger.name, size=size, entries=size - covered
        ) as span:
            if span.is_recording():
                spans.link_to_acts(span, _newest_records(ledger, covered, size))
            root = root_of(size, tree_of(ledger.id, size=size))
            received = _received(ledger, covered, size)
            sealed = _sign(ledger, size, root, signers, state, witnesses)
        for received_at, number in received:
            measures.observe(
                "obs_ingest_lag_seconds",
                *("sealed", ledger.name),
                value=(sealed.signed_at - received_at).total_seconds(),
                times=number,
            )
        return sealed


def _newest_records(ledger: Ledger, start: int, end: int) -> list[bytes]:
    """Return the newest records of a stretch, for the traces that they tell of."""
    asked = (ledger.id, max(start, end - spans.MOST_LINKS), end)
    return [record for (record,) in rows(_NEWEST_RECORDS, asked)]


def _received(ledger: Ledger, start: int, end: int) -> list[tuple[datetime, int]]:
    """Return when the entries of a stretch were received, and how many at each time."""
    if not measures.is_gathering():
        return []
    asked: dict[str, object] = {"ledger": ledger.id, "from": start, "to": end}
    if end - start <= _LONG_STRETCH:
        return [(at, number) for at, number in rows(_RECEIVED, asked)]
    each = -(-(end - start) // _LOOKS)
    asked |= {"seqs": list(range(start, end, each)), "each": each}
    return [(at, number) for at, number in rows(_RECEIVED_AT, asked)]


def _check_contradicted(ledger: Ledger) -> None:
    """Refuse a ledger that was found to contradict what others hold, however it looks now.

    An anchor may have found it that is not asked here, so finding nothing proves nothing.
    """
    for state, error in rows(_CONTRADICTED, (ledger.id,)):
        raise (LedgerBehind if state == "behind" else LedgerForked)(error)


def _check_keys(ledger: Ledger, signers: Sequence[Signer], known: Sequence[VerifierKey]) -> None:
    """Refuse a key nobody has announced, unless it signs beside a known one or a new ledger."""
    if known and not any(signer.key in known for signer in signers):
        raise SigningKeyWrong(
            f"{signers[0].key} has never signed {ledger.name}, {known[0]} has; put that key back, "
            f"or rotate it with manage.py makesigningkey --ledger {ledger.name} --rotate"
        )


def _signed_last(state: SignedState) -> list[Signed]:
    found = state.read()
    return [] if found is None else [found]


def _open(ledger: Ledger, note: bytes, keys: Sequence[VerifierKey], place: str) -> Signed:
    try:
        found = open_checkpoint(note, origin=ledger.origin, keys=keys).checkpoint
    except LedgerFact as problem:
        raise LedgerForked(
            f"the newest checkpoint of {ledger.name} in {place} is not what was signed: {problem}"
        ) from problem
    return Signed(size=found.size, root=found.root)


def _check_continues(ledger: Ledger, before: Iterable[Signed], size: int) -> None:
    """Raise unless the tree of this size continues each of these heads."""
    for signed in {(each.size, each.root): each for each in before if each.size}.values():
        if signed.size > size:
            raise LedgerBehind(
                f"{ledger.name} has {size:,} entries, but {signed.size:,} were signed: the "
                "database was restored to an earlier time, or cut off"
            )
        tree = tree_of(ledger.id, size=size)
        try:
            check_consistency(
                prove_consistency(old_size=signed.size, new_size=size, hashes=tree),
                old_size=signed.size,
                old_root=signed.root,
                new_size=size,
                new_root=root_of(size, tree),
            )
        except NotConsistent as problem:
            raise LedgerForked(
                f"{ledger.name} does not continue what was signed at size {signed.size:,}: an "
                f"entry below #{signed.size:,} was changed or another history put in its place"
            ) from problem


def _sign(
    ledger: Ledger,
    size: int,
    root: bytes,
    signers: Sequence[Signer],
    state: SignedState,
    witnesses: Witnesses | None,
) -> Published:
    text = format_checkpoint(Checkpoint(origin=ledger.origin, size=size, root=root))
    signatures = tuple(sign(text, signer=signer) for signer in signers)
    state.write(Signed(size=size, root=root))
    own = Published(
        ledger=ledger.name,
        origin=ledger.origin,
        size=size,
        root=root,
        note=format_note(Note(text=text, signatures=signatures)),
        signed_at=datetime.now(UTC),
    )
    tree = tree_of(ledger.id, size=size)
    cosigned = (
        Cosigned()
        if witnesses is None
        else witnesses.ask(
            own, lambda old: prove_consistency(old_size=old, new_size=size, hashes=tree)
        )
    )
    note = format_note(Note(text=text, signatures=(*signatures, *cosigned.signatures)))
    with transaction.atomic():
        for signer in signers:
            _announce(ledger, signer, size)
        ((signed_at,),) = rows(_ADD, (ledger.id, size, root, note))
        rows(_SAY, (ledger.id, "ok", "", cosigned.said))
    log.info("sealed", ledger=ledger.name, size=size, root=root.hex(), witnessed=cosigned.said)
    return Published(
        ledger=ledger.name,
        origin=ledger.origin,
        size=size,
        root=root,
        note=note,
        signed_at=signed_at,
    )


def _announce(ledger: Ledger, signer: Signer, size: int) -> None:
    """Write down a key's first use; an entry names it."""
    vkey = format_verifier_key(signer.key)
    if rows(_ADD_KEY, (ledger.id, vkey, size)):
        receive_own(
            ledger,
            "audit.key_announced",
            target={"type": "signing_key", "id": str(signer.key)},
            details={"vkey": vkey, "size": size},
        )
