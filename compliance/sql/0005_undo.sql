-- Find every item by its entry, and ask for the ledger with each row again.
DROP INDEX compliance_item_entry;
CREATE INDEX compliance_item_entry ON compliance_item (ledger_id, seq);

ALTER TABLE compliance_bucket ADD CONSTRAINT compliance_bucket_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES audit_ledger;
ALTER TABLE compliance_tally ADD CONSTRAINT compliance_tally_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES audit_ledger;
ALTER TABLE compliance_state ADD CONSTRAINT compliance_state_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES audit_ledger;
ALTER TABLE compliance_item ADD CONSTRAINT compliance_item_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES audit_ledger;
