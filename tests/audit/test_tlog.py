"""The public log: each tile under its one name, to whoever may have it, and nothing unsigned."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.append import append_pending
from audit.database import rows
from audit.ledger.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from audit.ledger.errors import TilePathMalformed
from audit.ledger.merkle import HASH_SIZE, perfect_root
from audit.ledger.note import (
    VerifierKey,
    cosign,
    format_signature,
    format_verifier_key,
    make_signing_key,
    parse_verifier_key,
)
from audit.ledger.record import leaf_hash
from audit.ledger.tiles import (
    Bundle,
    Tile,
    decode_bundle,
    format_bundle_path,
    format_tile_path,
    is_in_tree,
    parse_tile_path,
    partial_tiles,
)
from audit.ledgers import open_ledger
from audit.models import CheckpointNote, Ledger
from audit.proofs import newest_checkpoint
from audit.seal import known_keys, seal
from audit.signer import make_key as make_ledger_key
from audit.tlog import _takes_gzip as takes_gzip
from tests.audit.desk import make_client
from tests.audit.tampering import Connection, tampering
from tests.audit.test_seal import keys
from tests.audit.test_tree import grow_to, leaves_of
from tests.conftest import make_event
from tests.sizes import size as times

__all__ = ["keys"]  # a fixture, found by its name here

ApiKey = Callable[..., str]
SIZE = 600
WITNESS = make_signing_key(name="witness.example.org", seed=bytes([3]) * 32).as_cosigner()


@pytest.fixture
def log(ledger: Ledger, keys: Path) -> Ledger:
    """Return a public ledger that is sealed at 600 entries and holds one more, not sealed."""
    make_ledger_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, SIZE)
    seal(ledger)
    append_pending(ledger.id)  # the entry that announces the key
    publish(ledger)
    return ledger


def publish(ledger: Ledger, *, is_public: bool = True) -> None:
    Ledger.objects.filter(id=ledger.id).update(is_public=is_public)


def get(ledger: Ledger, path: str, *, token: str = "", **headers: str) -> Any:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return Client().get(f"/ledger/{ledger.name}/{path}", headers=headers)


def code(answer: Any) -> str:
    return str(json.loads(answer.content)["code"])


# --- What is served -------------------------------------------------------------------------------


def test_every_tile_of_every_published_size_is_there_for_ever(ledger: Ledger, keys: Path) -> None:
    make_ledger_key(ledger.name, origin=ledger.origin)
    publish(ledger)
    published: list[int] = []
    sizes = [1, 255, 256, 257, 511, 512, 513]
    for size in sizes:
        grow_to(ledger, size)
        seal(ledger)
        append_pending(ledger.id)
        newest = newest_checkpoint(ledger.id)
        assert newest is not None
        published.append(newest.size)
        leaves = leaves_of(ledger)
        for each in published:
            for tile in [*partial_tiles(each), *(Tile(level=0, index=n) for n in range(each >> 8))]:
                answer = get(ledger, format_tile_path(tile))

                assert answer.status_code == 200, (tile, published)
                assert answer.content == hashes_by_hand(tile, leaves)
    assert published == sizes


def hashes_by_hand(tile: Tile, leaves: list[bytes]) -> bytes:
    start, span = tile.index * 256, 256**tile.level
    return b"".join(
        perfect_root(leaves[place * span : (place + 1) * span])
        for place in range(start, start + tile.width)
    )


def test_nothing_beyond_the_newest_checkpoint_is_there(log: Ledger, api_key: ApiKey) -> None:
    token = api_key(log, "entries:read")
    assert len(leaves_of(log)) == SIZE + 1
    for path, status in {
        "tile/0/002.p/88": 200,
        "tile/0/002.p/89": 404,
        "tile/0/002": 404,
        "tile/0/003": 404,
        "tile/1/000.p/2": 200,
        "tile/1/000.p/3": 404,
        "tile/2/000.p/1": 404,
        "tile/entries/002.p/88": 200,
        "tile/entries/002.p/89": 404,
        "tile/entries/003.p/1": 404,
    }.items():
        assert get(log, path, token=token).status_code == status, path


PATHS = (
    "tile/0/000", "tile/0/000.p/1", "tile/0/000.p/255", "tile/1/000.p/2", "tile/0/000.p/0",
    "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p",
    "tile/0/000.p/abc", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/000", "tile/0/x000",
    "tile/0/x001/000/", "tile/0/x001/x000", "tile/00/000", "tile/+0/000", "tile/64/000",
    "tile/63/000", "tile/100/000", "tile/-1/000", "tile/0/000/", "tile//000", "tile/0//000",
    "tile/0/000\n", "tile/0/000\0", "tile/0/\u0660\u0660\u0660", "tile/0/000.p/\uff11",
    "tile/0/X001/000",
    "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    "tile/entries", "tile/entries/", "tile/data/000", "tile/8/0/000", "tile/", "tile",
    "tile/0/../0/000", "tile/0/000?", "tile/0/000#", "Tile/0/000", "tile/0/000%00",
)  # fmt: skip


def test_a_path_is_a_tile_of_this_tree_or_is_not_found(log: Ledger) -> None:
    client = Client()

    @hypothesis_settings(
        max_examples=times(60, 150),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.one_of(
            st.text(max_size=20).map(lambda text: f"tile/0/{text}"),
            st.from_regex(r"\Atile/[0-9]{1,2}/(x[0-9]{3}/){0,2}[0-9]{1,4}(\.p/[0-9]{0,3})?\Z"),
            st.from_regex(r"\Atile/0/00[0-3](\.p/[0-9]{1,3})?\Z"),
        )
    )
    def is_as_said(path: str) -> None:
        try:
            expected = 200 if is_in_tree(parse_tile_path(path), size=SIZE) else 404
        except TilePathMalformed:
            expected = 404

        answer = client.get(f"/ledger/{log.name}/{quote(path)}")

        assert answer.status_code == expected
        if expected == 200:
            assert len(answer.content) == parse_tile_path(path).width * HASH_SIZE

    for path in PATHS:
        is_as_said = example(path)(is_as_said)
    is_as_said()


def test_a_bundle_holds_the_records_whose_hashes_the_tile_holds(
    log: Ledger, api_key: ApiKey
) -> None:
    token = api_key(log, "entries:read")
    leaves = leaves_of(log)
    for bundle in (Bundle(index=0), Bundle(index=2, width=88), Bundle(index=1, width=7)):
        answer = get(log, format_bundle_path(bundle), token=token)

        records = decode_bundle(answer.content, width=bundle.width)
        assert [leaf_hash(each) for each in records] == [leaves[seq] for seq in bundle.entries()]


@pytest.mark.parametrize("path", ["x000/000", "000.p/0", "000.p/256", "000.p/x", "0", "000/", "a"])
def test_a_bundle_under_another_name_is_not_found(log: Ledger, api_key: ApiKey, path: str) -> None:
    assert get(log, f"tile/entries/{path}", token=api_key(log, "entries:read")).status_code == 404


def test_the_checkpoint_is_the_newest_note_byte_for_byte(log: Ledger) -> None:
    answer = get(log, "checkpoint")

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == bytes(CheckpointNote.objects.get(ledger=log).note)
    found = open_checkpoint(answer.content, origin=log.origin, keys=known_keys(log))
    assert found.checkpoint.size == SIZE


def test_a_cosignature_that_came_later_is_in_the_checkpoint_once(log: Ledger) -> None:
    newest = newest_checkpoint(log.id)
    assert newest is not None
    text = format_checkpoint(Checkpoint(origin=log.origin, size=SIZE, root=newest.root))
    line = format_signature(cosign(text, signer=WITNESS, moment=1_795_212_414))
    rows(
        "INSERT INTO audit_cosignature (ledger_id, size, witness, line) VALUES (%s, %s, %s, %s)"
        " RETURNING size",
        (log.id, SIZE, str(WITNESS.key), line),
    )

    answer = get(log, "checkpoint")

    assert answer.content == newest.note + line.encode()
    found = open_checkpoint(
        answer.content, origin=log.origin, keys=known_keys(log), witnesses=[WITNESS.key]
    )
    assert WITNESS.key in found.opened.keys()  # noqa: SIM118  # a method of ours, no dictionary's


def test_verifier_keys_are_listed_newest_first(log: Ledger) -> None:
    rows(
        "INSERT INTO audit_signingkey (ledger_id, vkey, first_size) VALUES (%s, %s, %s)"
        " RETURNING vkey",
        (log.id, format_verifier_key(VerifierKey(name=log.origin, public=bytes([7]) * 32)), 601),
    )

    lines = get(log, "vkey").content.decode().splitlines()

    assert [parse_verifier_key(line) for line in lines] == known_keys(log)
    assert parse_verifier_key(lines[0]).public == bytes([7]) * 32


def test_before_the_first_checkpoint_there_is_nothing(ledger: Ledger) -> None:
    publish(ledger)
    for path in ("checkpoint", "vkey", "tile/0/000", "tile/0/000.p/1"):
        assert get(ledger, path).status_code == 404


# --- How it is served -----------------------------------------------------------------------------


def test_caches_keep_tiles_for_ever_and_the_checkpoint_for_a_moment(
    log: Ledger, api_key: ApiKey
) -> None:
    token = api_key(log, "entries:read")
    said = {
        path: get(log, path, token=token)["Cache-Control"]
        for path in ("checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/entries/000")
    }

    assert said == {
        "checkpoint": "public, max-age=1",
        "tile/0/000": "public, max-age=31536000, immutable",
        "tile/0/002.p/88": "public, max-age=31536000, immutable",
        "tile/entries/000": "private, max-age=31536000, immutable",
    }
    assert get(log, "tile/0/009")["Cache-Control"] == "no-store"
    publish(log, is_public=False)
    private = get(log, "tile/0/000", token=token)
    assert private["Cache-Control"].startswith("private, ")
    assert {"Authorization", "Cookie"} <= {each.strip() for each in private["Vary"].split(",")}


def test_what_did_not_change_is_not_sent_again(log: Ledger) -> None:
    for path in ("checkpoint", "vkey", "tile/0/000", "tile/0/002.p/88"):
        first = get(log, path)

        again = get(log, path, **{"If-None-Match": first["ETag"]})
        other = get(log, path, **{"If-None-Match": '"another"'})

        assert (again.status_code, again.content) == (304, b"")
        assert (again["ETag"], again["Cache-Control"]) == (first["ETag"], first["Cache-Control"])
        assert (other.status_code, other.content) == (200, first.content)


def test_head_says_what_get_says_without_the_body(log: Ledger) -> None:
    for path in ("checkpoint", "vkey", "tile/0/000"):
        whole = get(log, path)
        head = Client().head(f"/ledger/{log.name}/{path}")

        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
            assert head[name] == whole[name]
        assert int(head["Content-Length"]) == len(whole.content)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_allowed(log: Ledger, method: str) -> None:
    for path in ("checkpoint", "vkey", "tile/0/000", "tile/entries/000"):
        client = Client(enforce_csrf_checks=True)
        answer = client.generic(method, f"/ledger/{log.name}/{path}")

        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_a_bundle_is_packed_for_whoever_can_unpack_it(log: Ledger, api_key: ApiKey) -> None:
    token = api_key(log, "entries:read")
    plain = get(log, "tile/entries/000", token=token)
    packed = get(log, "tile/entries/000", token=token, **{"Accept-Encoding": "br, gzip;q=0.8"})
    again = get(log, "tile/entries/000", token=token, **{"Accept-Encoding": "gzip"})

    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content) / 2
    assert not plain.has_header("Content-Encoding")
    assert "Accept-Encoding" in plain["Vary"]
    assert packed["ETag"] == again["ETag"] != plain["ETag"]


@pytest.mark.parametrize(
    ("said", "taken"),
    [("", False), ("gzip", True), ("GZIP", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False),
     ("gzip; q=0.000", False), ("gzip;q=0.01", True), ("x-gzip-like", False), ("identity", False)],
)  # fmt: skip
def test_gzip_is_sent_to_whoever_asks_for_it(said: str, taken: bool) -> None:
    assert takes_gzip(said) == taken


def test_a_tile_that_somebody_took_away_is_an_error_and_not_an_absence(
    log: Ledger, superuser: Connection
) -> None:
    with tampering(superuser) as cursor:
        cursor.execute("DELETE FROM audit_tile WHERE ledger_id = %s AND index = 1", (log.id,))

    answer = get(log, "tile/0/001")

    assert (answer.status_code, code(answer)) == (503, "tree-incomplete")


def test_records_that_somebody_took_away_are_an_error(
    log: Ledger, api_key: ApiKey, superuser: Connection
) -> None:
    token = api_key(log, "entries:read")
    with tampering(superuser) as cursor:
        cursor.execute("DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 7", (log.id,))

    answer = get(log, "tile/entries/000", token=token)

    assert (answer.status_code, code(answer)) == (503, "tree-incomplete")


# --- Who may --------------------------------------------------------------------------------------

WHO = (
    "anonymous",
    "no key",
    "other ledger",
    "no scope",
    "key",
    "nobody",
    "auditor",
    "administrator",
)
HASHES = ("checkpoint", "vkey", "tile/0/000", "tile/0/000.p/3")
# Hashes of a public ledger, hashes of another, entry bundles of any, anything of no ledger.
ALLOWED: dict[str, tuple[int, int, int, int]] = {
    "anonymous": (200, 401, 401, 401),
    "no key": (200, 401, 401, 401),
    "other ledger": (200, 403, 403, 403),
    "no scope": (200, 403, 403, 403),
    "key": (200, 200, 200, 403),
    "nobody": (200, 403, 401, 403),
    "auditor": (200, 200, 401, 404),
    "administrator": (200, 200, 401, 404),
}


@pytest.mark.parametrize("who", WHO)
def test_who_may_read_what(log: Ledger, api_key: ApiKey, who: str) -> None:
    ask = asker(who, log, api_key)
    absent = f"no-such-{uuid.uuid4().hex[:8]}"

    found = []
    for is_public, paths in ((True, HASHES), (False, HASHES)):
        publish(log, is_public=is_public)
        statuses = {ask(log.name, path).status_code for path in paths}
        found.append(statuses.pop() if len(statuses) == 1 else 0)
    found.append(ask(log.name, "tile/entries/000").status_code)
    found.append(ask(absent, "checkpoint").status_code)

    assert tuple(found) == ALLOWED[who]


@pytest.mark.parametrize("who", ["anonymous", "no key", "other ledger", "no scope", "nobody"])
def test_a_private_ledger_looks_to_strangers_like_none(
    log: Ledger, api_key: ApiKey, who: str
) -> None:
    publish(log, is_public=False)
    ask = asker(who, log, api_key)
    absent = f"no-such-{uuid.uuid4().hex[:8]}"
    for path in (*HASHES, "tile/entries/000", "tile/0/nonsense"):
        there, not_there = ask(log.name, path), ask(absent, path)

        assert there.status_code == not_there.status_code in {401, 403}
        assert there.content == not_there.content
        assert log.name not in there.content.decode()


def asker(who: str, log: Ledger, api_key: ApiKey) -> Callable[[str, str], Any]:
    """Return what asks as somebody."""
    client, token = Client(), ""
    if who in {"nobody", "auditor", "administrator"}:
        client = make_client(who)
    elif who == "no key":
        token = "obs_live_made_up"
    elif who == "other ledger":
        token = api_key(open_ledger(f"t.{uuid.uuid4().hex[:16]}"), "entries:read")
    elif who != "anonymous":
        token = api_key(log, "events:write" if who == "no scope" else "entries:read")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return lambda name, path: client.get(f"/ledger/{name}/{path}", headers=headers)


@pytest.mark.parametrize("name", ["UPPER", "a b", "a%00", "a%0A", "-a", "a" * 64, "é"])
def test_a_name_that_no_ledger_has_is_asked_for_like_any_other(database: None, name: str) -> None:
    assert Client().get(f"/ledger/{name}/checkpoint").status_code == 401


def test_a_record_that_was_changed_shows_in_its_bundle(
    log: Ledger, api_key: ApiKey, superuser: Connection
) -> None:
    token = api_key(log, "entries:read")
    with tampering(superuser) as cursor:
        cursor.execute(
            "UPDATE audit_entry SET record = convert_to(replace(convert_from(record, 'UTF8'),"
            " 'alice', 'mallo'), 'UTF8') WHERE ledger_id = %s AND seq = 5",
            (log.id,),
        )

    records = decode_bundle(get(log, "tile/entries/000", token=token).content, width=256)

    tile = get(log, "tile/0/000").content
    assert b"mallo" in records[5]
    assert sha256(b"\0" + records[5]).digest() != tile[5 * HASH_SIZE : 6 * HASH_SIZE]
    assert sha256(b"\0" + records[6]).digest() == tile[6 * HASH_SIZE : 7 * HASH_SIZE]
    assert make_event()["agent"]["id"].encode() in records[6]


def test_a_full_tile_is_read_and_never_made_of_entries_again(
    log: Ledger, superuser: Connection
) -> None:
    paths = ("tile/0/000", "tile/0/001", "tile/0/001.p/9", "tile/1/000.p/2")
    before = {path: get(log, path).content for path in paths}
    edge = get(log, "tile/0/002.p/88").content
    with tampering(superuser) as cursor:
        cursor.execute("UPDATE audit_entry SET hash = sha256(hash) WHERE ledger_id = %s", (log.id,))

    assert {path: get(log, path).content for path in paths} == before
    assert get(log, "tile/0/002.p/88").content != edge
