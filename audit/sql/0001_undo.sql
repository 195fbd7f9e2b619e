-- Undoes the first migration: only for an installation that holds nothing yet.
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_entry) OR EXISTS (SELECT FROM audit_inbox) THEN
        RAISE EXCEPTION 'the ledger holds entries: it is not dropped by a migration';
    END IF;
END
$$;
DROP VIEW audit_standing;
DROP TABLE audit_verification, audit_agentversion, audit_agent, audit_projection, audit_keyusage, audit_agentkey,
    audit_subjectkey, audit_quarantine, audit_eventkey, audit_entry, audit_inbox, audit_head, audit_ledger;
DROP FUNCTION audit_make_month(date);
DROP FUNCTION audit_refuse_change(), audit_head_only_grows(), audit_ledger_keeps_its_name(), audit_quarantine_keeps_content();
