"""Witnesses are asked all at once; what they give counts when it holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from audit.ledger.note import (
    Note,
    OpenedNote,
    SigningKey,
    cosign,
    format_note,
    format_signature,
    make_signing_key,
    open_note,
    parse_note,
    sign,
)
from audit.ledger.witness import parse_cosign_request
from audit.outbound import Rules
from audit.sinks import Published, SinkUnreachable
from audit.sinks.witness import Cosigned, Witness, collect_cosignatures
from audit.witnessing import WitnessServer, open_cosigner
from tests.audit.sinks.publishing import (
    LOG_KEY,
    LOOPBACK,
    ORIGIN,
    Log,
    Receiver,
    Request,
    receiving,
)

LOG = Log()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Witness]]:
    """Return what runs a witness of ours and returns how it is asked."""
    with ExitStack() as stack:

        def go(name: str) -> Witness:
            cosigner = open_cosigner(tmp_path / name, name=f"{name}.example", logs=[LOG_KEY.key])
            server = stack.enter_context(WitnessServer(("127.0.0.1", 0), cosigner))
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            return Witness(name=name, key=cosigner.key.key, url=url, rules=LOOPBACK)

        yield go


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def key_of(name: str) -> SigningKey:
    return make_signing_key(name=f"{name}.example", seed=name.encode().ljust(32)).as_cosigner()


def witness_at(receiver: Receiver, name: str = "A", *, rules: Rules = LOOPBACK) -> Witness:
    return Witness(name=name, key=key_of(name).key, url=receiver.url, rules=rules)


def ask(
    witnesses: Sequence[Witness], size: int, *, log: Log = LOG, seconds: float = 5
) -> list[Cosigned]:
    published = log.published(size)
    return collect_cosignatures(published, witnesses, lambda old: log.prove(old, size), seconds)


def opened(published: Published, found: Cosigned) -> OpenedNote:
    assert found.signature is not None, found.failure
    note = Note(text=parse_note(published.note).text, signatures=(found.signature,))
    return open_note(format_note(note), keys=[found.key])


def test_each_witness_gives_a_cosignature_that_holds(start: Callable[[str], Witness]) -> None:
    witnesses = [start("A"), start("B"), start("C")]

    for size in (1, 2, 9, 9):
        found = ask(witnesses, size)

        assert [each.witness for each in found] == ["A", "B", "C"]
        for each in found:
            assert opened(LOG.published(size), each).keys() == {each.key}


def test_a_witness_that_saw_other_sizes_is_asked_again_from_there(
    start: Callable[[str], Witness],
) -> None:
    known = start("A")
    ask([known], 5)
    fresh = Witness(name="A", key=known.key, url=known.url, rules=LOOPBACK)
    asked: list[int] = []

    def prove(old: int) -> list[bytes]:
        asked.append(old)
        return LOG.prove(old, 9)

    (found,) = collect_cosignatures(LOG.published(9), [fresh], prove, 5)

    assert found.signature is not None
    assert asked == [5]


def test_proofs_are_made_in_the_thread_that_asks(start: Callable[[str], Witness]) -> None:
    witnesses = [start("A"), start("B")]
    ask(witnesses, 5)
    threads: set[str] = set()

    def prove(old: int) -> list[bytes]:
        threads.add(threading.current_thread().name)
        return LOG.prove(old, 9)

    collect_cosignatures(LOG.published(9), witnesses, prove, 5)

    assert threads == {threading.current_thread().name}


def test_a_witness_that_saw_more_than_we_have_is_a_mismatch(
    start: Callable[[str], Witness],
) -> None:
    witness = start("A")
    ask([witness], 9)

    (found,) = ask([witness], 5)

    assert found.is_mismatch
    assert "newer than 5" in found.failure


@pytest.mark.parametrize("size", [5, 9])
def test_a_witness_that_saw_another_history_is_a_mismatch(
    start: Callable[[str], Witness], size: int
) -> None:
    witness = start("A")
    ask([witness], 5)

    (found,) = ask([witness], size, log=Log(word="other"))

    assert found.is_mismatch
    assert "cannot link" in found.failure


def test_a_ledger_it_was_not_told_of_says_what_to_do(start: Callable[[str], Witness]) -> None:
    origin = "example.com/other"
    other = Log(origin=origin, key=make_signing_key(name=origin, seed=b"o" * 32))

    (found,) = ask([start("A")], 5, log=other)

    assert "was not told of this ledger" in found.failure


# --- Lying witnesses ----------------------------------------------------------------------------


def text_of(request: Request) -> str:
    return parse_note(parse_cosign_request(request.body).checkpoint).text


def line(text: str, *, name: str = "A", moment: int = 1_790_000_000) -> bytes:
    return format_signature(cosign(text, signer=key_of(name), moment=moment)).encode()


def renamed(text: str) -> bytes:
    """A cosignature of another key that says it is that of A."""
    wrong = cosign(text, signer=key_of("B"), moment=1)
    key = key_of("A").key
    return format_signature(
        type(wrong)(name=key.name, key_id=key.key_id, signature=wrong.signature)
    ).encode()


LIES: dict[str, Callable[[Request], bytes]] = {
    "another key": lambda request: line(text_of(request), name="B"),
    "another key under this name": lambda request: renamed(text_of(request)),
    "another text": lambda _: line(f"{ORIGIN}\n9\nAAAA\n"),
    "a plain signature": lambda request: format_signature(
        sign(text_of(request), signer=make_signing_key(name="A.example", seed=b"A".ljust(32)))
    ).encode(),
    "nothing": lambda _: b"",
    "garbage": lambda _: b"garbage\n",
    "no text": lambda _: b"\xff\xfe\x00",
    "the checkpoint itself": lambda request: parse_cosign_request(request.body).checkpoint,
    "a wrong one beside one that holds": lambda request: (
        line(text_of(request)) + renamed(text_of(request))
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_cosignature_that_does_not_hold_is_refused_and_told(
    receiver: Receiver, lie: Callable[[Request], bytes]
) -> None:
    receiver.answer = lie

    (found,) = ask([witness_at(receiver)], 5)

    assert found.signature is None
    assert "does not hold" in found.failure


def test_lines_of_others_beside_its_own_are_left_out(receiver: Receiver) -> None:
    receiver.answer = lambda request: line(text_of(request), name="B") + line(text_of(request))

    (found,) = ask([witness_at(receiver)], 5)

    assert opened(LOG.published(5), found).keys() == {key_of("A").key}


@pytest.mark.parametrize("said", [b"3\n", b"4\n", b"x\n", b"", b"9" * 30, b"-1\n", b"\xb2\n"])
def test_a_witness_that_only_ever_conflicts_is_given_up(receiver: Receiver, said: bytes) -> None:
    receiver.status, receiver.answer = 409, lambda _: said

    (found,) = ask([witness_at(receiver)], 5)

    assert "refused with 409" in found.failure or "newer than" in found.failure
    assert len(receiver.requests) <= 3


def test_a_witness_that_says_another_size_each_time_is_given_up(receiver: Receiver) -> None:
    receiver.status = 409
    receiver.answer = lambda _: b"%d\n" % (len(receiver.requests) % 4)

    (found,) = ask([witness_at(receiver)], 5)

    assert "refused with 409" in found.failure
    assert len(receiver.requests) == 3


# --- Slow and dead ones -------------------------------------------------------------------------


@pytest.fixture
def hanging() -> Iterator[Receiver]:
    """Return a receiver that answers once the test lets it."""
    release = threading.Event()
    with receiving() as receiver:

        def wait(request: Request) -> bytes:
            release.wait(20)
            return line(text_of(request))

        receiver.answer = wait
        receiver.release = release  # type: ignore[attr-defined]
        yield receiver
        release.set()


def test_one_that_hangs_holds_up_nobody(start: Callable[[str], Witness], hanging: Receiver) -> None:
    slow = witness_at(hanging, "S")

    first, second = ask([slow, start("B")], 5, seconds=0.5)

    assert "within 0.5 s" in first.failure
    assert second.signature is not None


def test_it_is_not_asked_again_before_it_answered(hanging: Receiver) -> None:
    slow = witness_at(hanging)
    ask([slow], 5, seconds=0.2)
    slow.rests_until = 0.0  # its rest is over, its answer still out

    (found,) = ask([slow], 6, seconds=0.2)

    assert "an earlier checkpoint" in found.failure
    assert len(hanging.requests) == 1


def test_one_that_failed_is_left_alone(receiver: Receiver) -> None:
    receiver.status = 500
    witness = witness_at(receiver)
    ask([witness], 5)
    witness.fail(time.monotonic() + 100)

    (found,) = ask([witness], 5)

    assert len(receiver.requests) == 1
    assert "failed 2 times" in found.failure


def test_it_rests_twice_as_long_each_time_up_to_a_minute(receiver: Receiver) -> None:
    witness = witness_at(receiver)
    rests = []
    for _ in range(20):
        witness.fail(0.0)
        rests.append(witness.rests_until)

    assert rests[:6] == [2, 4, 8, 16, 32, 60]
    assert set(rests[6:]) == {60}


def test_one_that_came_back_is_asked_at_once(start: Callable[[str], Witness]) -> None:
    witness = start("A")
    witness.fail(time.monotonic() - 100)

    ask([witness], 5)

    assert (witness.failures, witness.rests_until) == (0, 0.0)


def test_our_own_network_is_not_asked_unless_allowed(receiver: Receiver) -> None:
    (found,) = ask([witness_at(receiver, rules=Rules())], 5)

    assert "OBS_OUTBOUND_ALLOW" in found.failure
    assert receiver.requests == []


# --- What it holds ------------------------------------------------------------------------------


def test_what_it_cosigned_last_comes_back(start: Callable[[str], Witness]) -> None:
    witness = start("A")
    assert witness.newest(ORIGIN) is None

    ask([witness], 5)

    note = witness.newest(ORIGIN)
    assert note is not None
    assert open_note(note, keys=[LOG_KEY.key, witness.key]).keys() == {LOG_KEY.key, witness.key}


@pytest.mark.parametrize("status", [302, 500])
def test_one_that_cannot_say_is_unreachable(receiver: Receiver, status: int) -> None:
    receiver.status = status

    with pytest.raises(SinkUnreachable, match=str(status)):
        witness_at(receiver).newest(ORIGIN)
