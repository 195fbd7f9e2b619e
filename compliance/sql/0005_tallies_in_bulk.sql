-- Rows that come by the thousand refer to no ledger any more: Postgres asked audit_ledger once for
-- each of them, a third of what writing a failing item cost. Only the projection writes them, while
-- it holds the ledger's cursor; compliance_clock and compliance_lens still refer, so that a ledger
-- with tallies stays.
ALTER TABLE compliance_item DROP CONSTRAINT compliance_item_ledger_id_fkey;
ALTER TABLE compliance_state DROP CONSTRAINT compliance_state_ledger_id_fkey;
ALTER TABLE compliance_tally DROP CONSTRAINT compliance_tally_ledger_id_fkey;
ALTER TABLE compliance_bucket DROP CONSTRAINT compliance_bucket_ledger_id_fkey;

-- An item of an entry by itself is named by its seq and found by that name; only the others are
-- looked up by entry.
DROP INDEX compliance_item_entry;
CREATE INDEX compliance_item_entry ON compliance_item (ledger_id, seq) WHERE item <> seq::text;
