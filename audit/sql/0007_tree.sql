-- The Merkle tree of each ledger, what was signed of it, and what others hold of that.
-- Every table leads its primary key with ledger_id; those that append writes carry no foreign key.

-- Full tiles: 256 neighbouring hashes of one tile level and the root over them, written once while
-- chaining. What no full tile holds yet is read from entries and from the roots below.
CREATE TABLE audit_tile (
    ledger_id integer NOT NULL,
    level smallint NOT NULL CONSTRAINT audit_tile_level CHECK (level BETWEEN 0 AND 63),
    index bigint NOT NULL CONSTRAINT audit_tile_index CHECK (index >= 0),
    hashes bytea NOT NULL CONSTRAINT audit_tile_hashes CHECK (octet_length(hashes) = 8192),
    root bytea NOT NULL CONSTRAINT audit_tile_root CHECK (octet_length(root) = 32),
    PRIMARY KEY (ledger_id, level, index)
);
ALTER TABLE audit_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- hashes do not compress

-- Signed notes, each with the cosignatures held when it was published.
CREATE TABLE audit_checkpoint (
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint NOT NULL CONSTRAINT audit_checkpoint_size CHECK (size > 0),
    ledger_id integer NOT NULL,
    root bytea NOT NULL CONSTRAINT audit_checkpoint_root CHECK (octet_length(root) = 32),
    note bytea NOT NULL,
    PRIMARY KEY (ledger_id, size)
);

-- Cosignatures that came after a checkpoint was published. `witness` is `name+key id`.
CREATE TABLE audit_cosignature (
    cosigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint NOT NULL,
    ledger_id integer NOT NULL,
    witness text COLLATE "C" NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (ledger_id, size, witness)
);

-- Every public key that a ledger was ever signed with, in signed-note form.
CREATE TABLE audit_signingkey (
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    first_size bigint NOT NULL,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    vkey text COLLATE "C" NOT NULL,
    PRIMARY KEY (ledger_id, vkey)
);

-- How sealing goes, one row a ledger: `state` is ok, or why nothing is signed.
CREATE TABLE audit_sealing (
    tried_at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    ledger_id integer PRIMARY KEY REFERENCES audit_ledger,
    state text NOT NULL CONSTRAINT audit_sealing_state CHECK
        (state IN ('ok', 'no_key', 'wrong_key', 'no_tiles', 'behind', 'forked', 'failed')),
    error text NOT NULL DEFAULT '',
    witnessed text NOT NULL DEFAULT ''
);

-- How each anchor goes, one row a ledger and sink; and what the sinks gave, one row a publication.
CREATE TABLE audit_anchor (
    tried_at timestamptz NOT NULL,
    ok_at timestamptz,
    interval_seconds double precision NOT NULL,
    size bigint,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    failures integer NOT NULL DEFAULT 0,
    sink text COLLATE "C" NOT NULL,
    state text NOT NULL CONSTRAINT audit_anchor_state CHECK (state IN ('ok', 'failing', 'mismatch')),
    root bytea,
    error text NOT NULL DEFAULT '',
    reference text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, sink)
);
CREATE TABLE audit_anchorreceipt (
    anchored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint NOT NULL,
    ledger_id integer NOT NULL,
    sink text COLLATE "C" NOT NULL,
    root bytea NOT NULL CONSTRAINT audit_anchorreceipt_root CHECK (octet_length(root) = 32),
    reference text NOT NULL,
    proof bytea NOT NULL,
    PRIMARY KEY (ledger_id, sink, size)
);

ALTER TABLE audit_ledger
    -- Hash tiles and checkpoints for everyone; entry bundles never.
    ADD COLUMN is_public boolean NOT NULL DEFAULT false,
    ADD COLUMN read_only_reason text NOT NULL DEFAULT '';

-- Inserted once, never touched again.
DO $$
DECLARE
    a_table text;
BEGIN
    FOREACH a_table IN ARRAY ARRAY[
        'audit_tile', 'audit_checkpoint', 'audit_cosignature', 'audit_signingkey', 'audit_anchorreceipt'
    ] LOOP
        EXECUTE format('CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()', a_table);
        EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', a_table);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER audit_no_change', a_table);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER audit_no_truncate', a_table);
    END LOOP;
END
$$;

DO $$
DECLARE
    a_table text;
    a_role text;
BEGIN
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        FOREACH a_table IN ARRAY ARRAY[
            'audit_tile', 'audit_checkpoint', 'audit_cosignature', 'audit_signingkey',
            'audit_sealing', 'audit_anchor', 'audit_anchorreceipt'
        ] LOOP
            -- Default privileges open every new table to the running roles; close ours first.
            EXECUTE format('REVOKE ALL ON %I FROM %I', a_table, a_role);
            EXECUTE format('GRANT SELECT ON %I TO %I', a_table, a_role);
        END LOOP;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT UPDATE (is_public) ON audit_ledger TO obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT ON audit_tile, audit_checkpoint, audit_cosignature, audit_signingkey,
            audit_anchorreceipt TO obs_worker;
        GRANT INSERT, UPDATE ON audit_sealing, audit_anchor TO obs_worker;
        -- The sealer stops a ledger that is behind or forked.
        GRANT UPDATE (is_read_only, read_only_reason) ON audit_ledger TO obs_worker;
    END IF;
END
$$;
