"""The owner of the ledger's tables may add to them and may not disarm them.

Tables of our own stand in for the ledger's, so that this tells what the guard does for any
shape of them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from obsplatform.local import Postgres

LEDGER = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'append only'; END $$;
CREATE TABLE audit_entry (
    ledger_id int NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    record bytea NOT NULL,
    agent text COLLATE "C",
    CONSTRAINT audit_entry_seq CHECK (seq >= 0),
    PRIMARY KEY (ledger_id, seq, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE audit_entry_2026_11 PARTITION OF audit_entry
    FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
CREATE INDEX audit_entry_agent ON audit_entry (agent);
CREATE TRIGGER audit_entry_rows BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_rows;
CREATE TRIGGER audit_entry_truncate BEFORE TRUNCATE ON audit_entry_2026_11
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_entry_2026_11 ENABLE ALWAYS TRIGGER audit_entry_truncate;
CREATE TABLE audit_tile (ledger_id int, level int, index bigint, hashes bytea NOT NULL,
    PRIMARY KEY (ledger_id, level, index));
CREATE TRIGGER audit_tile_rows BEFORE UPDATE OR DELETE ON audit_tile
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_tile ENABLE ALWAYS TRIGGER audit_tile_rows;
CREATE TABLE audit_hold (id int PRIMARY KEY, note text);
INSERT INTO audit_entry VALUES (1, 0, '2026-11-20', 'x', 'Alice');
CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
"""

REFUSED = """
DROP TABLE audit_entry
DROP TABLE audit_entry CASCADE
DROP TABLE audit_entry_2026_11
DROP TABLE audit_tile
DROP SCHEMA public CASCADE
DROP OWNED BY obs_owner
DROP TRIGGER audit_entry_rows ON audit_entry
DROP TRIGGER audit_entry_truncate ON audit_entry_2026_11
DROP FUNCTION audit_refuse() CASCADE
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'
CREATE OR REPLACE TRIGGER audit_tile_rows AFTER INSERT ON audit_tile EXECUTE FUNCTION harmless()
CREATE OR REPLACE TRIGGER audit_tile_rows BEFORE UPDATE ON audit_tile EXECUTE FUNCTION harmless()
ALTER FUNCTION audit_refuse() RENAME TO gone
ALTER FUNCTION audit_refuse() SET search_path = pg_temp
ALTER TRIGGER audit_tile_rows ON audit_tile RENAME TO gone
ALTER TABLE audit_entry DISABLE TRIGGER ALL
ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_rows
ALTER TABLE audit_entry_2026_11 DISABLE TRIGGER USER
ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_rows
ALTER TABLE audit_tile ENABLE REPLICA TRIGGER audit_tile_rows
ALTER TABLE audit_entry DETACH PARTITION audit_entry_2026_11
ALTER TABLE audit_entry RENAME TO gone
ALTER TABLE audit_entry RENAME COLUMN record TO gone
ALTER TABLE audit_entry SET SCHEMA other
ALTER TABLE audit_entry DROP COLUMN agent
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_seq
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_pkey
ALTER TABLE audit_tile ALTER COLUMN hashes DROP NOT NULL
ALTER TABLE audit_entry ALTER COLUMN record TYPE bytea USING 'forged'::bytea
ALTER TABLE audit_entry ALTER COLUMN agent TYPE varchar(4)
ALTER TABLE audit_tile ALTER COLUMN hashes TYPE bytea USING ''::bytea
ALTER TABLE audit_tile SET UNLOGGED
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY
ALTER TABLE audit_entry ADD COLUMN at timestamptz DEFAULT clock_timestamp()
CREATE RULE quiet AS ON INSERT TO audit_entry DO INSTEAD NOTHING
ALTER SCHEMA public RENAME TO gone
DO $$ BEGIN EXECUTE 'ALTER TABLE audit_' || 'tile DISABLE ' || 'TRIGGER ALL'; END $$
ALTER EVENT TRIGGER obs_guard_after DISABLE
DROP EVENT TRIGGER obs_guard_after
DELETE FROM obs_guard.fact
DROP SCHEMA obs_guard CASCADE
SET session_replication_role = replica
""".strip().splitlines()

ALLOWED = """
ALTER TABLE audit_entry ADD COLUMN trace text
ALTER TABLE audit_entry ADD COLUMN version int NOT NULL DEFAULT 1
ALTER TABLE audit_entry ADD CONSTRAINT more CHECK (ledger_id > 0)
ALTER TABLE audit_tile ADD CONSTRAINT level_known CHECK (level >= 0) NOT VALID
ALTER TABLE audit_entry ALTER COLUMN agent SET NOT NULL
ALTER TABLE audit_entry ALTER COLUMN record SET STORAGE EXTERNAL
ALTER TABLE audit_entry_2026_11 SET (fillfactor = 90)
CREATE INDEX more ON audit_entry (seq)
DROP INDEX audit_entry_agent
CREATE TABLE audit_entry_next PARTITION OF audit_entry FOR VALUES FROM ('2026-12-01') TO (MAXVALUE)
CREATE TRIGGER more BEFORE TRUNCATE ON audit_tile EXECUTE FUNCTION audit_refuse()
CREATE TABLE audit_checkpoint (ledger_id int)
ALTER TABLE audit_hold ALTER COLUMN note TYPE varchar(9)
ALTER TABLE audit_hold RENAME TO audit_holds
DROP TABLE audit_hold
CREATE OR REPLACE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
GRANT SELECT ON audit_entry TO obs_read
""".strip().splitlines()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="obs-guard-"))
    folder.chmod(0o755)
    postgres = Postgres(folder, settings={"shared_buffers": "32MB"})
    try:
        postgres.start()
        with psycopg.connect(postgres.url("owner")) as owner:
            owner.execute("CREATE SCHEMA other")
            owner.execute(LEDGER)
        yield postgres
    finally:
        postgres.remove()
        shutil.rmtree(folder)


@pytest.fixture
def owner(server: Postgres) -> Iterator[psycopg.Connection]:
    """Connect as the owner; what a test did is rolled back."""
    with psycopg.connect(server.url("owner")) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("statement", REFUSED)
def test_owner_cannot_disarm_the_ledger(owner: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(statement)


@pytest.mark.parametrize("statement", ALLOWED)
def test_owner_can_add_to_the_ledger(owner: psycopg.Connection, statement: str) -> None:
    owner.execute(statement)


def test_owner_cannot_detach_concurrently(server: Postgres, owner: psycopg.Connection) -> None:
    owner.autocommit = True

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("ALTER TABLE audit_entry DETACH PARTITION audit_entry_2026_11 CONCURRENTLY")

    pending = owner.execute("SELECT inhdetachpending FROM pg_inherits").fetchall()
    assert not any(row[0] for row in pending)


def test_a_partition_attached_later_is_guarded_from_then_on(owner: psycopg.Connection) -> None:
    owner.execute("CREATE TABLE audit_entry_2027_01 (LIKE audit_entry INCLUDING ALL)")
    owner.execute(
        "ALTER TABLE audit_entry ATTACH PARTITION audit_entry_2027_01 "
        "FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')"
    )

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("DROP TABLE audit_entry_2027_01")


def test_owner_cannot_drop_the_database_from_another(server: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url("owner", database="postgres"))


def test_a_guard_that_a_superuser_takes_away_is_told_and_blocks_further_changes(
    server: Postgres,
) -> None:
    with psycopg.connect(server.url("superuser")) as superuser:
        superuser.execute("SET LOCAL event_triggers = off")
        superuser.execute("ALTER TABLE audit_tile DISABLE TRIGGER audit_tile_rows")
        superuser.execute("SET LOCAL event_triggers = on")

        lost = superuser.execute("SELECT fact FROM obs_guard.lost").fetchall()
        assert any("audit_tile_rows" in row[0] for row in lost)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="would lose this guard"):
            superuser.execute("CREATE TABLE another (id int)")
        superuser.rollback()


def test_running_roles_see_what_is_lost_and_nothing_else_of_the_guard(server: Postgres) -> None:
    with psycopg.connect(server.url("web")) as web:
        assert web.execute("SELECT fact FROM obs_guard.lost").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute("SELECT fact FROM obs_guard.fact")


def test_the_script_can_be_repeated_and_forgets_nothing(server: Postgres) -> None:
    with psycopg.connect(server.url("superuser")) as superuser:
        before = superuser.execute("SELECT fact FROM obs_guard.fact ORDER BY 1").fetchall()

    server.create_database()

    with psycopg.connect(server.url("superuser")) as superuser:
        after = superuser.execute("SELECT fact FROM obs_guard.fact ORDER BY 1").fetchall()
        armed = superuser.execute(
            "SELECT count(*) FROM pg_event_trigger WHERE evtenabled = 'A' AND evtname IN "
            "('obs_guard_before', 'obs_guard_after', 'obs_guard_rewrite')"
        ).fetchone()
    assert before == after
    assert armed == (3,)


_ANOTHER = "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS '{}'"


def test_a_guard_becomes_the_wording_that_a_superuser_listed_and_no_other(
    server: Postgres,
) -> None:
    listed, other = (_ANOTHER.format(f"BEGIN RETURN {each}; END") for each in ("OLD", "NEW"))
    with psycopg.connect(server.url("superuser")) as superuser:
        superuser.execute("SET LOCAL event_triggers = off")
        was = superuser.execute(_FACT).fetchone()
        superuser.execute(listed)
        becomes = superuser.execute(_FACT).fetchone()
        superuser.rollback()
        assert was is not None
        assert becomes is not None
        superuser.execute("INSERT INTO obs_guard.successor VALUES (%s, %s)", [was[0], becomes[0]])
        superuser.execute("SET LOCAL ROLE obs_owner")

        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="would lose this guard"),
            superuser.transaction(),
        ):
            superuser.execute(other)
        superuser.execute(listed)
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="would lose this guard"),
            superuser.transaction(),
        ):
            superuser.execute(other)
        superuser.rollback()


_FACT = (
    "SELECT fact FROM obs_guard.standing() WHERE fact LIKE 'function public.audit_refuse() is %'"
)
_PURGES = """
CREATE TABLE audit_purge (ledger_id int, from_seq bigint, to_seq bigint);
CREATE TRIGGER audit_purge_rows BEFORE UPDATE OR DELETE ON audit_purge
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_purge ENABLE ALWAYS TRIGGER audit_purge_rows;
"""


def test_a_month_goes_when_a_purge_covers_all_of_it_and_through_one_function(
    owner: psycopg.Connection,
) -> None:
    owner.execute(_PURGES)
    drop = "SELECT obs_guard.drop_month('audit_entry_2026_11')"
    for kept in ("SELECT", "INSERT INTO audit_purge VALUES (1, 0, 0), (2, 0, 9)"):
        owner.execute(kept)
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="no approved purge"),
            owner.transaction(),
        ):
            owner.execute(drop)
    for stranger in ("audit_tile", "audit_entry", "nothing"):
        with pytest.raises(psycopg.errors.RaiseException, match="is no month"), owner.transaction():
            owner.execute("SELECT obs_guard.drop_month(%s)", [stranger])

    owner.execute("INSERT INTO audit_purge VALUES (1, 0, 1)")
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="would lose this guard"),
        owner.transaction(),
    ):
        owner.execute("DROP TABLE audit_entry_2026_11")
    owner.execute(drop)

    assert owner.execute("SELECT to_regclass('audit_entry_2026_11')").fetchone() == (None,)
    owner.execute("CREATE TABLE unrelated (id int)")  # nothing else was lost
