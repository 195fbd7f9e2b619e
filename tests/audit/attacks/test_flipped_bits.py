"""Hundreds of flipped bits, in the database and in a bundle: every one is found."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from psycopg.conninfo import conninfo_to_dict

from audit.database import raw_connection
from audit.exportfile import path_of
from audit.ledger.note import openssl_verify
from audit.ledger.offline import Trust, verify_bundle
from audit.models import Ledger
from audit.seal import known_keys
from audit.verify import verify
from tests.audit.attacks.finding import tell
from tests.audit.attacks.sealed import Sealed
from tests.audit.exporting import made
from tests.audit.tampering import AsRole, tampering
from tests.sizes import size as times

FLIPS = times(240, 1_000)
BUNDLE_FLIPS = times(40, 200)


@pytest.fixture
def tampered_connection(as_role: AsRole) -> Iterator[None]:
    """Let verification run inside a superuser's transaction, in which no trigger fires.

    So that a flip is seen by it and by nobody else, and is taken back by a rollback.
    """
    place = conninfo_to_dict(as_role("superuser").info.dsn)
    wrapper = connection.copy()
    wrapper.settings_dict |= {
        "USER": place["user"],
        "PASSWORD": conninfo_to_dict(_superuser_url())["password"],
    }
    ordinary = connections["default"]
    connections["default"] = wrapper
    try:
        yield
    finally:
        connections["default"] = ordinary
        wrapper.close()


def _superuser_url() -> str:
    return os.environ["OBS_TEST_SUPERUSER_URL"]


_FLIP_BYTES = """
UPDATE {table} SET {column} = set_bit({column}::bytea, %s, 1 - get_bit({column}::bytea, %s))
WHERE ledger_id = %s AND {where}
"""
_COLUMNS = {
    "received_at": "received_at + make_interval(secs => power(2, {n} %% 20) / 1e6)",
    "occurred_at": "occurred_at + make_interval(secs => power(2, {n} %% 20) / 1e6)",
    "is_backfill": "NOT is_backfill",
    "event_id": "encode(set_bit(uuid_send(event_id), {n} %% 128, "
    "1 - get_bit(uuid_send(event_id), {n} %% 128)), 'hex')::uuid",
    **{
        name: f"overlay({name} PLACING chr(ascii({name}) # 1) FROM 1)"
        for name in (
            *("agent_id", "actor_id", "category", "action", "outcome", "severity"),
            *("environment", "run_id", "key_id"),
        )
    },
}
KINDS = ("record", "hash", "column", "event key", "tile hashes", "tile root", "note", "root")


def flip(ledger: Ledger, chance: random.Random, number: int) -> tuple[str, str, int]:
    """Flip one bit, of kinds and columns in turn; return its kind, what, and of which entry."""
    turn, kind = number // len(KINDS), KINDS[number % len(KINDS)]
    seq, size = chance.randrange(600), chance.choice([300, 600])
    at_seq, at_tile = f"seq = {seq}", f"level = 0 AND index = {chance.randrange(2)}"
    table, column, where = {
        "record": ("audit_entry", "record", at_seq),
        "hash": ("audit_entry", "hash", at_seq),
        "tile hashes": ("audit_tile", "hashes", at_tile),
        "tile root": ("audit_tile", "root", at_tile),
        "note": ("audit_checkpoint", "note", f"size = {size}"),
        "root": ("audit_checkpoint", "root", f"size = {size}"),
    }.get(kind, ("", "", ""))
    with connection.cursor() as cursor:
        if table:
            cursor.execute(
                f"SELECT bit_length({column}) FROM {table} WHERE ledger_id = %s AND {where}",
                (ledger.id,),
            )
            bit = chance.randrange(cursor.fetchone()[0])
            cursor.execute(
                _FLIP_BYTES.format(table=table, column=column, where=where), (bit, bit, ledger.id)
            )
            what = f"{kind}, bit {bit}, {where}"
        elif kind == "event key":
            becomes = _COLUMNS["event_id"].format(n=chance.randrange(128))
            cursor.execute(
                f"UPDATE audit_eventkey SET event_id = {becomes} WHERE ledger_id = %s AND {at_seq}",
                (ledger.id,),
            )
            what = f"{kind}, {where or at_seq}"
        else:
            column, becomes = list(_COLUMNS.items())[turn % len(_COLUMNS)]
            becomes = becomes.format(n=chance.randrange(128))
            cursor.execute(
                f"UPDATE audit_entry SET {column} = {becomes} WHERE ledger_id = %s AND {at_seq}",
                (ledger.id,),
            )
            what = f"{column}, {at_seq}"
        assert cursor.rowcount == 1, what
    return kind, what, seq


@pytest.mark.usefixtures("tampered_connection")
def test_of_hundreds_of_flipped_bits_every_one_is_found(
    sealed: Sealed, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORT_DIR = tmp_path / "exports"
    chance = random.Random(4)

    missed = [
        *missed_in_the_database(sealed.ledger, chance, FLIPS - BUNDLE_FLIPS),
        *missed_in_a_bundle(sealed.ledger, chance, BUNDLE_FLIPS),
    ]

    assert missed == []
    tell(
        f"{FLIPS:,} single bits flipped: entries, keys, tiles, checkpoints, bundles",
        "verification, offline verifier",
        "tampered",
        f"{FLIPS - len(missed):,} found",
    )


def missed_in_the_database(ledger: Ledger, chance: random.Random, flips: int) -> list[object]:
    missed: list[object] = []
    with tampering(raw_connection()) as raw:
        for number in range(flips):
            with raw.transaction(force_rollback=True):
                kind, what, seq = flip(ledger, chance, number)
                report = verify(ledger)
            first = report.first
            is_entry = kind in {"record", "hash", "column", "event key"}
            if report.result != "tampered" or first is None or (is_entry and first.seq != seq):
                missed.append((what, report))
        assert verify(ledger).result == "intact"
    return missed


def missed_in_a_bundle(ledger: Ledger, chance: random.Random, flips: int) -> list[object]:
    data = path_of(made(ledger)).read_bytes()
    trust = Trust(keys=tuple(known_keys(ledger)))
    missed: list[object] = []
    for _ in range(flips):
        bit = chance.randrange(8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        verdict = verify_bundle(BytesIO(flipped), trust=trust, verify=openssl_verify)
        if verdict.result != "tampered" or verdict.finding is None:
            missed.append((bit, verdict))
    assert verify_bundle(BytesIO(data), trust=trust, verify=openssl_verify).result == "intact"
    return missed
