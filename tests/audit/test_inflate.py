"""Bodies: inflated step by step, never beyond the limit, and only when they are whole."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.inflate import INFLATED_LIMIT, WIRE_LIMIT, BodyRefused, inflate, read_body

STEP = 64 * 1024
WHOLE = gzip.compress(b'{"a":1}' * 100)


def refused(call: Callable[[], bytes]) -> tuple[int, str]:
    with pytest.raises(BodyRefused) as told:
        call()
    return told.value.status, told.value.code


def sent(body: bytes, **headers: str) -> bytes:
    return read_body(
        RequestFactory().post(
            "/api/v1/events", data=body, content_type="application/json", headers=headers
        )
    )


# --- What is whole --------------------------------------------------------------------------------


@settings(deadline=None)
@given(data=st.binary(max_size=3000), level=st.integers(0, 9))
def test_what_was_compressed_comes_back(data: bytes, level: int) -> None:
    assert inflate(gzip.compress(data, level)) == data


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("is_random", [False, True])
def test_bodies_that_end_at_the_edge_of_a_step_come_back_whole(
    steps: int, more: int, is_random: bool
) -> None:
    size = steps * STEP + more
    data = os.urandom(size) if is_random else b"a" * size

    assert inflate(gzip.compress(data)) == data


def test_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert len(inflate(gzip.compress(bytes(INFLATED_LIMIT), 1))) == INFLATED_LIMIT
    assert refused(lambda: inflate(gzip.compress(bytes(INFLATED_LIMIT + 1), 1))) == (
        *(413, "body-too-large"),
    )


def test_the_limit_on_the_wire_is_exact_with_and_without_compression() -> None:
    assert len(sent(b" " * WIRE_LIMIT)) == WIRE_LIMIT
    assert refused(lambda: sent(b" " * (WIRE_LIMIT + 1))) == (413, "body-too-large")
    noise = os.urandom(WIRE_LIMIT)
    stored = gzip.compress(noise, 0)
    assert len(stored) > WIRE_LIMIT
    assert refused(lambda: sent(stored, **{"Content-Encoding": "gzip"})) == (413, "body-too-large")


def test_a_body_longer_than_it_said_is_not_read_to_its_end() -> None:
    request = RequestFactory().post(
        "/api/v1/events", data=b" " * (WIRE_LIMIT + 10), content_type="application/json"
    )
    request.META["CONTENT_LENGTH"] = ""

    assert refused(lambda: read_body(request)) == (413, "body-too-large")


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP", " gzip "])
def test_encodings_we_read(encoding: str) -> None:
    body = WHOLE if "gzip" in encoding.lower() else b"[]"

    assert sent(body, **{"Content-Encoding": encoding}) in {b"[]", b'{"a":1}' * 100}


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "x-gzip", "*"])
def test_encodings_we_do_not(encoding: str) -> None:
    assert refused(lambda: sent(WHOLE, **{"Content-Encoding": encoding})) == (415, "encoding")


# --- Bombs ----------------------------------------------------------------------------------------


def bomb(size: int) -> bytes:
    """Return a gzip stream of so many zeros, made without holding them."""
    deflater = zlib.compressobj(9, wbits=31)
    block = bytes(1024 * 1024)
    pieces = [deflater.compress(block) for _ in range(size // len(block))]
    return b"".join([*pieces, deflater.flush()])


def test_a_bomb_is_refused_in_little_memory() -> None:
    body = bomb(100 * 1024 * 1024)
    assert len(body) < WIRE_LIMIT
    tracemalloc.start()
    try:
        answer = refused(lambda: inflate(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer == (413, "body-too-large")
    assert peak < 2 * INFLATED_LIMIT


def test_a_bomb_inside_a_bomb_stays_closed() -> None:
    inner = bomb(50 * 1024 * 1024)

    assert inflate(gzip.compress(inner)) == inner  # one layer only: the rest is no JSON


# --- What is not whole ----------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_stream_cut_anywhere_is_refused(length: int) -> None:
    assert refused(lambda: inflate(WHOLE[:length])) == (400, "gzip")


@pytest.mark.parametrize("junk", [b"\0", b"x", b"\n", WHOLE, gzip.compress(b""), bytes(512)])
def test_nothing_may_follow_the_one_stream(junk: bytes) -> None:
    assert refused(lambda: inflate(WHOLE + junk)) == (400, "gzip")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"\x1f\x8b", zlib.compress(b"[]"), b"PK\x03\x04", b"\0" * 100, WHOLE[1:], WHOLE[::-1]],
)
def test_what_is_no_gzip_is_refused(body: bytes) -> None:
    assert refused(lambda: inflate(body)) == (400, "gzip")


@settings(max_examples=300, deadline=None)
@given(position=st.integers(0, 8 * len(WHOLE) - 1))
def test_a_flipped_bit_gives_the_same_bytes_or_a_refusal_and_never_others(position: int) -> None:
    """The checksum at the end covers the content; flags and the time in the head it does not."""
    forged = bytearray(WHOLE)
    forged[position // 8] ^= 1 << position % 8

    try:
        found = inflate(bytes(forged))
    except BodyRefused as told:
        assert told.code == "gzip"  # noqa: PT017
    else:
        assert found == b'{"a":1}' * 100
