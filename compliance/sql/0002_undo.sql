-- Forget the sealed results. Their digests stay in the ledger, and evaluating again finds them.
DROP TABLE compliance_snapshot;
DROP FUNCTION compliance_snapshot_stays;
