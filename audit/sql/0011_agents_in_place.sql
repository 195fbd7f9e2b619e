-- The agent registry is updated with every batch that is read. An index on what changes each time
-- makes each update a new row and a new index entry, and the list of agents walked through those
-- that were dead: at a million entries it took 1.4 times what it took at ten thousand. Without that
-- index, and with room on each page, updates stay in place; a ledger's agents are few enough to sort.
DROP INDEX audit_agent_latest;
ALTER TABLE audit_agent SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE audit_agentversion SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE audit_agentday SET (fillfactor = 70);
