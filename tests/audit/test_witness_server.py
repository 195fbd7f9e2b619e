"""A witness cosigns one history, whatever happens to it. As a process, without a database."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.ledger.checkpoint import parse_checkpoint
from audit.ledger.note import (
    COSIGNATURE,
    Note,
    encode_base64,
    format_note,
    make_signing_key,
    open_note,
    parse_note,
    sign_note,
)
from audit.ledger.witness import CosignRequest, format_cosign_request
from audit.witnessing import ServerLimits, WitnessServer, WitnessUnusable, open_cosigner
from tests.audit.sinks.publishing import LOG_KEY, ORIGIN, Log
from tests.audit.witnessed import HASH, LOG, Answered, add, call, check_line, port, server, start

__all__ = ["port", "server", "start"]  # fixtures, which pytest finds by their names here


# --- The rules of C2SP --------------------------------------------------------------------------


def test_it_cosigns_what_continues_what_it_cosigned(server: WitnessServer, port: int) -> None:
    for old, new in itertools.pairwise([0, 1, 2, 7, 7, 8, 64, 65]):
        answered = add(port, old, new)

        assert (answered.status, answered.kind) == (200, "text/plain; charset=utf-8")
        check_line(server, new, answered)


def test_a_log_it_was_not_told_of_is_404(port: int) -> None:
    key = make_signing_key(name="example.com/other", seed=b"o" * 32)

    assert add(port, 0, 5, log=Log(origin="example.com/other", key=key)).status == 404


def test_another_key_of_the_log_is_403(port: int) -> None:
    key = make_signing_key(name=ORIGIN, seed=b"x" * 32)

    assert add(port, 0, 5, log=Log(key=key)).status == 403


def test_a_signature_of_the_log_that_fails_is_403_also_beside_one_that_holds(port: int) -> None:
    good, wrong = parse_note(LOG.note(5)), parse_note(LOG.note(6)).signatures
    for signatures in (wrong, (*good.signatures, *wrong)):
        note = format_note(Note(text=good.text, signatures=signatures))
        body = format_cosign_request(CosignRequest(old_size=0, proof=(), checkpoint=note))

        assert call(port, "POST", "/add-checkpoint", body).status == 403


def test_signatures_of_unknown_keys_are_ignored_and_not_kept(
    server: WitnessServer, port: int
) -> None:
    stranger = make_signing_key(name=ORIGIN, seed=b"x" * 32)
    note = sign_note(parse_note(LOG.note(5)).text, signers=[stranger, LOG_KEY])
    body = format_cosign_request(CosignRequest(old_size=0, proof=(), checkpoint=note))

    assert call(port, "POST", "/add-checkpoint", body).status == 200
    kept = parse_note(call(port, "GET", f"/{HASH}/checkpoint").body)
    assert [each.key_id for each in kept.signatures] == [
        LOG_KEY.key.key_id,
        server.cosigner.key.key.key_id,
    ]


def test_an_old_size_above_the_checkpoint_is_400(port: int) -> None:
    add(port, 0, 9)

    assert add(port, 9, 8).status == 400


def test_another_old_size_is_409_with_the_right_one(port: int) -> None:
    assert add(port, 3, 5) == Answered(status=409, kind="text/x.tlog.size", body=b"0\n")
    add(port, 0, 5)
    assert add(port, 3, 7) == Answered(status=409, kind="text/x.tlog.size", body=b"5\n")
    assert add(port, 0, 7) == Answered(status=409, kind="text/x.tlog.size", body=b"5\n")


def test_a_proof_that_does_not_hold_is_422(port: int) -> None:
    add(port, 0, 5)
    right = LOG.prove(5, 9)

    for proof in ([], right[:-1], [*right, right[0]], [b"\0" * 32, *right[1:]], right[::-1]):
        assert add(port, 5, 9, proof=proof).status == 422
    assert add(port, 5, 9).status == 200


def test_a_proof_from_nothing_is_422(port: int) -> None:
    assert add(port, 0, 5, proof=[b"\0" * 32]).status == 422


def test_two_roots_at_one_size_are_422(port: int) -> None:
    add(port, 0, 5)

    assert add(port, 5, 5, log=Log(word="other")).status == 422
    assert add(port, 5, 5).status == 200


def test_another_history_is_422(port: int) -> None:
    add(port, 0, 5)

    assert add(port, 5, 9, log=Log(word="other")).status == 422


def test_the_empty_tree_has_one_root(port: int) -> None:
    text = f"{ORIGIN}\n0\n{encode_base64(b'x' * 32)}\n"
    note = sign_note(text, signers=[LOG_KEY])
    body = format_cosign_request(CosignRequest(old_size=0, proof=(), checkpoint=note))

    assert call(port, "POST", "/add-checkpoint", body).status == 422
    assert add(port, 0, 0).status == 200
    assert add(port, 0, 5).status == 200


@pytest.mark.parametrize(
    "body", [b"", b"old 0\n", b"old 01\n\n" + LOG.note(5), b"old 0\nxyz\n\n" + LOG.note(5), b"\xff"]
)
def test_what_is_no_request_is_400(port: int, body: bytes) -> None:
    assert call(port, "POST", "/add-checkpoint", body).status == 400


def test_a_note_of_the_log_that_is_no_checkpoint_is_400(port: int) -> None:
    note = sign_note(f"{ORIGIN}\nabc\n", signers=[LOG_KEY])

    assert call(port, "POST", "/add-checkpoint", b"old 0\n\n" + note).status == 400


def test_what_was_cosigned_last_is_shown(server: WitnessServer, port: int) -> None:
    assert call(port, "GET", f"/{HASH}/checkpoint").status == 404
    add(port, 0, 5)
    add(port, 5, 9)

    shown = call(port, "GET", f"/{HASH}/checkpoint")

    opened = open_note(shown.body, keys=[LOG_KEY.key, server.cosigner.key.key])
    assert parse_checkpoint(opened.text).size == 9
    assert {each.key.algorithm for each in opened.signed} == {1, COSIGNATURE}


@pytest.mark.parametrize("path", ["/", "/x", f"/{HASH}", f"/{HASH.upper()}/checkpoint", "/../x"])
def test_there_is_nothing_else(port: int, path: str) -> None:
    assert call(port, "GET", path).status == 404
    assert call(port, "POST", path, b"").status == 404


def test_several_requests_go_over_one_connection(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    statuses = []
    for old, new in [(0, 5), (3, 9), (5, 9)]:
        request = CosignRequest(
            old_size=old, proof=tuple(LOG.prove(old, new) if old else ()), checkpoint=LOG.note(new)
        )
        connection.request("POST", "/add-checkpoint", format_cosign_request(request))
        response = connection.getresponse()
        statuses.append(response.status)
        response.read()
    connection.close()

    assert statuses == [200, 409, 200]


def test_a_log_in_rotation_has_two_keys(start: Callable[..., WitnessServer]) -> None:
    new = make_signing_key(name=ORIGIN, seed=b"n" * 32)
    port = start(logs=[LOG_KEY.key, new.key]).server_address[1]

    assert add(port, 0, 5).status == 200
    assert add(port, 5, 9, log=Log(key=new)).status == 200


# --- Clients that mean no good ------------------------------------------------------------------


def test_a_body_that_is_too_long_is_413(port: int) -> None:
    assert call(port, "POST", "/add-checkpoint", b"x" * 65_537).status == 413


def talk(port: int, data: bytes) -> bytes:
    """Send bytes and return all that comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        found = b""
        while piece := connection.recv(65_536):
            found += piece
        return found


def test_a_body_without_length_is_411(port: int) -> None:
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
    for headers in (
        b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
    ):
        assert talk(port, head + headers).startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize(
    "start_of",
    [b"", b"POST /add-ch", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\nold"],
)
def test_a_slow_client_is_sent_away(start: Callable[..., WitnessServer], start_of: bytes) -> None:
    port = start(limits=ServerLimits(seconds=0.5)).server_address[1]
    with socket.create_connection(("127.0.0.1", port), timeout=0.1) as connection:
        connection.sendall(start_of)
        for _ in range(100):
            try:
                if not connection.recv(1000):
                    return
                connection.sendall(b"x")
            except TimeoutError:
                connection.sendall(b"x")  # never quiet for as long as one wait may last
            except OSError:
                return
    pytest.fail("it listened for ten seconds")


def test_idle_clients_do_not_keep_others_out(start: Callable[..., WitnessServer]) -> None:
    port = start(limits=ServerLimits(seconds=0.5, connections=2)).server_address[1]
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]

    assert add(port, 0, 5).status == 200
    for each in idle:
        each.close()


# --- One history, whatever happens --------------------------------------------------------------


def test_of_many_at_once_one_history_wins(port: int) -> None:
    logs = [Log(word=word) for word in ("leaf", "other", "third", "fourth")]
    for log in logs:
        log.note(5)
    answers: list[tuple[Log, int]] = []

    def ask(log: Log) -> None:
        answers.append((log, add(port, 0, 5, log=log).status))

    threads = [threading.Thread(target=ask, args=(log,)) for log in logs * 5]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [status for _, status in answers].count(200) == 1
    assert {status for _, status in answers} <= {200, 409}


def test_it_remembers_after_a_restart(start: Callable[..., WitnessServer]) -> None:
    add(start().server_address[1], 0, 5)

    port = start().server_address[1]

    assert add(port, 0, 9, log=Log(word="other")).status == 409
    assert add(port, 5, 9, log=Log(word="other")).status == 422
    assert add(port, 5, 9).status == 200


@pytest.mark.parametrize("content", [b"", b"garbage", LOG.note(5)[:-9]])
def test_a_state_that_cannot_be_read_cosigns_nothing(
    start: Callable[..., WitnessServer], tmp_path: Path, content: bytes
) -> None:
    port = start().server_address[1]
    (tmp_path / "state" / f"{HASH}.checkpoint").write_bytes(content)

    assert add(port, 0, 5).status == 500


def test_a_folder_that_takes_nothing_cosigns_nothing(
    start: Callable[..., WitnessServer], tmp_path: Path
) -> None:
    port = start().server_address[1]
    # Root may write anywhere, so a folder stands where the new file should.
    (tmp_path / "state" / f"{HASH}.new").mkdir()

    assert add(port, 0, 5).status == 500
    assert call(port, "GET", f"/{HASH}/checkpoint").status == 404


def test_the_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first, second = (open_cosigner(folder, name="w", logs=[]) for _ in range(2))

    assert first.key.key == second.key.key
    assert (folder / "witness.key").stat().st_mode & 0o777 == 0o600


def test_another_name_than_the_keys_is_refused(tmp_path: Path) -> None:
    open_cosigner(tmp_path, name="w", logs=[])

    with pytest.raises(WitnessUnusable, match="--name w"):
        open_cosigner(tmp_path, name="x", logs=[])
