DROP FUNCTION audit_known(integer, uuid[]);
