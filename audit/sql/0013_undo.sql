-- Undoes 0013. What was erased stays erased.
DROP TRIGGER audit_waits_for_erasure ON audit_hold;
DROP TRIGGER audit_only_erased ON audit_subjectkey;
DROP TABLE audit_erasure, audit_subjectentry;
DROP FUNCTION audit_hold_waits_for_erasure(), audit_subjectkey_is_only_erased(), audit_erasure_keeps_its_end();
ALTER TABLE audit_subjectkey RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
DELETE FROM audit_projection WHERE name = 'subjects';
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        REVOKE UPDATE (lookup, wrapped, erased_at) ON audit_subjectkey FROM obs_worker;
    END IF;
END
$$;
