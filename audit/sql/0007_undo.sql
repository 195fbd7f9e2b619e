-- Undoes 0007, unless something was signed: a checkpoint that others hold must stay.
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_checkpoint) THEN
        RAISE EXCEPTION 'checkpoints were signed: they are not dropped by a migration';
    END IF;
END
$$;
ALTER TABLE audit_ledger DROP COLUMN is_public, DROP COLUMN read_only_reason;
DROP TABLE audit_anchorreceipt, audit_anchor, audit_sealing, audit_signingkey, audit_cosignature, audit_checkpoint, audit_tile;
