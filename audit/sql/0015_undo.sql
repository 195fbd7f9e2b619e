-- The entries audit.exported keep what was said.
ALTER TABLE audit_export DROP COLUMN reason, DROP COLUMN owner;
