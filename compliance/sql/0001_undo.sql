-- Forget what checks found. The ledger keeps all of it, and a rebuild finds it again.
DROP TABLE compliance_act, compliance_state, compliance_item, compliance_bucket, compliance_tally,
    compliance_day, compliance_clock, compliance_lens;
DELETE FROM audit_projection WHERE name = 'tallies';
