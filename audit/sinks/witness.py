"""Ask witnesses to cosign: the client's side of C2SP tlog-witness.

A witness remembers the largest tree it saw of each ledger and cosigns only what continues it, so
its cosignature says that nobody was shown another history. All are asked at once, each by a
thread that does nothing but the request: proofs are made by the caller, whose database connection
they need. Every cosignature is checked under the key that the policy names; what does not hold is
a failure with a sentence, never a signature. A witness that fails is left alone for a while, each
time longer, so that it does not slow sealing.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar

from audit.ledger.errors import LedgerFact
from audit.ledger.note import (
    Note,
    Signature,
    VerifierKey,
    format_note,
    open_note,
    parse_note,
    parse_signatures,
)
from audit.ledger.witness import CosignRequest, format_cosign_request
from audit.outbound import AddressRefused, Answer, NoAnswer, Rules, send
from audit.sinks import Published, SinkUnreachable

LONGEST_REST = 60.0
"""Seconds a failing witness is left alone at most."""

_ROUNDS = 3
"""Requests to one witness for one checkpoint: it may say twice that it has seen another size."""


@dataclass(frozen=True, kw_only=True)
class Cosigned:
    """What one witness gave for one checkpoint."""

    witness: str
    """Its name in the policy."""
    key: VerifierKey
    signature: Signature | None = None
    """Checked; None when it gave none that holds."""
    failure: str = ""
    """Why not, in a sentence."""
    is_mismatch: bool = False
    """The witness holds what contradicts us."""


@dataclass(kw_only=True)
class Witness:
    """One witness and what this process knows of it. One thread calls it at a time."""

    name: str
    key: VerifierKey
    url: str
    """The submission prefix, to which `add-checkpoint` is added."""
    rules: Rules
    sizes: dict[str, int] = field(default_factory=dict)
    """The size it cosigned last, by origin; 0 is tried first, and it says what is right."""
    failures: int = 0
    rests_until: float = 0.0
    """By the monotonic clock."""
    is_asked: bool = False
    """A request of an earlier checkpoint has not come back yet."""
    can_read: ClassVar[bool] = True

    def succeed(self, origin: str, size: int) -> None:
        """Remember what it cosigned."""
        self.sizes[origin] = size
        self.failures = 0
        self.rests_until = 0.0

    def fail(self, now: float) -> None:
        """Leave it alone for a while, twice as long each time."""
        self.failures += 1
        self.rests_until = now + min(2.0 ** min(self.failures, 10), LONGEST_REST)

    def newest(self, origin: str, /) -> bytes | None:
        """Return the note that it cosigned last, where it serves that. Raises SinkUnreachable."""
        url = f"{self.url.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint"
        try:
            answer = send("GET", url, rules=self.rules)
        except (AddressRefused, NoAnswer) as error:
            raise SinkUnreachable(f"witness {self.name}: {error}") from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise SinkUnreachable(f"witness {self.name} answered {answer.status}: {answer.text()}")
        return answer.body

    def ask(self, request: CosignRequest) -> Answer:
        """Send one request. Raises AddressRefused, NoAnswer."""
        return send(
            "POST",
            f"{self.url.rstrip('/')}/add-checkpoint",
            rules=self.rules,
            body=format_cosign_request(request),
            headers={"Content-Type": "text/plain; charset=utf-8"},
        )


@dataclass(frozen=True, kw_only=True)
class _Came:
    """What a thread brought back."""

    witness: Witness
    request: CosignRequest
    round: int
    answer: Answer | None
    failure: str


@dataclass(kw_only=True)
class Outstanding:
    """Witnesses that had not answered in time for one checkpoint."""

    published: Published
    names: set[str]
    """Who may still answer."""
    came: queue.SimpleQueue[_Came]

    def collect(self) -> list[Cosigned]:
        """Return the cosignatures that have come since the last call; never waits."""
        found = []
        while not self.came.empty():
            each = self.came.get_nowait()
            self.names.discard(each.witness.name)
            settled = _settle(self.published, each)
            if settled.signature is not None:
                found.append(settled)
        return found


def collect_cosignatures(
    published: Published,
    witnesses: Sequence[Witness],
    prove: Callable[[int], Sequence[bytes]],
    seconds: float,
    *,
    late: list[Outstanding] | None = None,
) -> list[Cosigned]:
    """Ask every witness to cosign and return what each gave, in their order, within the time.

    `prove` gives the consistency proof from an older size to the published one; it is called in
    this thread, never for size 0. Whoever has not answered by then is a failure; what it answers
    later is told by what is added to `late`.
    """
    ends = time.monotonic() + seconds
    came: queue.SimpleQueue[_Came] = queue.SimpleQueue()
    found: dict[str, Cosigned] = {}
    waiting: set[str] = set()
    for witness in witnesses:
        if why := _why_not_now(witness):
            found[witness.name] = Cosigned(witness=witness.name, key=witness.key, failure=why)
            continue
        waiting.add(witness.name)
        _start(witness, _request(published, witness, prove), 1, came)
    while waiting and (left := ends - time.monotonic()) > 0:
        try:
            each = came.get(timeout=left)
        except queue.Empty:
            break
        again = _next_size(published, each)
        if again is not None:
            each.witness.sizes[published.origin] = again
            _start(each.witness, _request(published, each.witness, prove), each.round + 1, came)
            continue
        waiting.discard(each.witness.name)
        found[each.witness.name] = _settle(published, each)
    if waiting and late is not None:
        late.append(Outstanding(published=published, names=set(waiting), came=came))
    for witness in witnesses:
        if witness.name in waiting:
            witness.fail(time.monotonic())
            found[witness.name] = Cosigned(
                witness=witness.name,
                key=witness.key,
                failure=f"witness {witness.name} did not answer within {seconds:g} s",
            )
    return [found[witness.name] for witness in witnesses]


def _why_not_now(witness: Witness) -> str:
    if witness.is_asked:
        return f"witness {witness.name} has not answered for an earlier checkpoint yet"
    rest = witness.rests_until - time.monotonic()
    if rest > 0:
        return (
            f"witness {witness.name} failed {witness.failures} times; asked again in {rest:.0f} s"
        )
    return ""


def _request(
    published: Published, witness: Witness, prove: Callable[[int], Sequence[bytes]]
) -> CosignRequest:
    # Never beyond ours: a witness that saw more is told what we have, and says so itself.
    old = min(witness.sizes.get(published.origin, 0), published.size)
    proof = tuple(prove(old)) if 0 < old < published.size else ()
    return CosignRequest(old_size=old, proof=proof, checkpoint=published.note)


def _start(
    witness: Witness, request: CosignRequest, round: int, came: queue.SimpleQueue[_Came]
) -> None:
    witness.is_asked = True

    def go() -> None:
        answer, failure = None, ""
        try:
            answer = witness.ask(request)
        except (AddressRefused, NoAnswer) as error:
            failure = f"witness {witness.name}: {error}"
        finally:
            witness.is_asked = False
        came.put(
            _Came(witness=witness, request=request, round=round, answer=answer, failure=failure)
        )

    threading.Thread(target=go, name=f"witness-{witness.name}", daemon=True).start()


def _next_size(published: Published, came: _Came) -> int | None:
    """Return the size that a witness says it saw last, when asking again from there makes sense."""
    said = _said_size(came.answer)
    if said is None or said == came.request.old_size or came.round == _ROUNDS:
        return None
    return said if said <= published.size else None


def _said_size(answer: Answer | None) -> int | None:
    if answer is None or answer.status != 409:
        return None
    text = answer.body.removesuffix(b"\n")
    return int(text) if text.isdigit() and len(text) < 20 else None


def _settle(published: Published, came: _Came) -> Cosigned:
    """Return what a witness gave in the end, and remember how it went."""
    witness, answer = came.witness, came.answer
    failure, is_mismatch = came.failure, False
    if answer is not None:
        if answer.status == 200:
            try:
                signature = _check(published, witness, answer.body)
            except LedgerFact as error:
                failure = f"witness {witness.name} gave a cosignature that does not hold: {error}"
            else:
                witness.succeed(published.origin, published.size)
                return Cosigned(witness=witness.name, key=witness.key, signature=signature)
        else:
            failure, is_mismatch = _refusal(published, came, answer)
    witness.fail(time.monotonic())
    return Cosigned(witness=witness.name, key=witness.key, failure=failure, is_mismatch=is_mismatch)


def _refusal(published: Published, came: _Came, answer: Answer) -> tuple[str, bool]:
    """Return why a witness refused, and whether it holds what contradicts us."""
    name, said = came.witness.name, _said_size(answer)
    if said is not None and said > published.size:
        text = f"witness {name} has cosigned size {said:,}, newer than {published.size:,}"
        return f"{text}: the database was restored or cut", True
    if answer.status == 422:
        # Forgotten, so that the next request begins with what it has.
        came.witness.sizes.pop(published.origin, None)
        text = f"witness {name} cannot link this checkpoint to what it cosigned"
        return f"{text} at size {came.request.old_size:,}: {answer.text()}", True
    reasons = {
        403: "it knows another key of this ledger; give it the one of /ledger/NAME/vkey",
        404: "it was not told of this ledger; give it the key of /ledger/NAME/vkey",
    }
    why = reasons.get(answer.status, answer.text())
    return f"witness {name} refused with {answer.status}: {why}", False


def _check(published: Published, witness: Witness, body: bytes) -> Signature:
    """Return the cosignature of the policy's key. Raises what open_note raises, NoteMalformed."""
    text = parse_note(published.note).text
    # As a note of its own: lines of other keys count for nothing, a wrong one of this key does.
    lines = body.decode("utf-8", "surrogateescape")
    whole = Note(text=text, signatures=parse_signatures(lines))
    opened = open_note(format_note(whole), keys=[witness.key])
    (signed, *_) = opened.signed
    for each in opened.note.signatures:
        if (each.name, each.key_id) == (signed.key.name, signed.key.key_id):
            return each
    raise AssertionError("open_note told of a signature that is not there")
