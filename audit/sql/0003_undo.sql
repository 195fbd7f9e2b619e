-- Undoes 0003: the figures of past appends are lost, the entries are not touched.
DROP INDEX audit_verification_tampered;
DROP TABLE audit_appendfailure, audit_appendstat;
