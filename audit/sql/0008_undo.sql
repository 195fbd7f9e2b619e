-- Undoes 0008: the list of exports goes, their entries stay in the ledger and their files on disk.
DROP TABLE audit_export;
