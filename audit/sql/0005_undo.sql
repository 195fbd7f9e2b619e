-- Undoes 0005: the days are derived, so nothing is lost.
DROP INDEX audit_agent_latest;
DROP TABLE audit_agentday;
