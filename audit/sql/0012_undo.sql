-- Undoes 0012, unless something was pruned: what is gone cannot be numbered from 0 again.
-- The view audit_standing is made again from 0010 by the migration.
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_purge) THEN
        RAISE EXCEPTION 'entries were pruned: that is not undone by a migration';
    END IF;
END
$$;
DROP VIEW audit_standing;
DROP INDEX audit_verification_kept;
DROP FUNCTION audit_prune(integer, bigint, integer), audit_drop_month(date), audit_kept(integer, bigint, bigint);
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'OBS01', HINT = 'A correction is a new event that names the old one.';
END
$$;
CREATE OR REPLACE FUNCTION audit_quarantine_keeps_content() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.ledger_id, NEW.id, NEW.event_id, NEW.digest, NEW.event, NEW.source, NEW.source_id, NEW.key_id, NEW.request_id, NEW.traceparent, NEW.received_at, NEW.quarantined_at, NEW.reason, NEW.error)
            IS NOT DISTINCT FROM
            (OLD.ledger_id, OLD.id, OLD.event_id, OLD.digest, OLD.event, OLD.source, OLD.source_id, OLD.key_id, OLD.request_id, OLD.traceparent, OLD.received_at, OLD.quarantined_at, OLD.reason, OLD.error)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what is in quarantine stays as it came: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
ALTER TABLE audit_export DROP COLUMN verified_at;
DROP VIEW audit_minimum;
DROP TABLE audit_carry, audit_purge, audit_purgeapproval, audit_purgeplan, audit_hold, audit_retention;
DROP FUNCTION audit_purge_needs_two_people(), audit_approval_is_a_persons(), audit_purgeplan_keeps_range(), audit_hold_is_only_released();
