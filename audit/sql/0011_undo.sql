-- Undoes 0011.
ALTER TABLE audit_agentday RESET (fillfactor);
ALTER TABLE audit_agentversion RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE audit_agent RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
CREATE INDEX audit_agent_latest ON audit_agent (ledger_id, last_seq);
