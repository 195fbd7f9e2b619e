-- Forget what was asked to be signed; what was signed stays with the files it is in.
DROP TABLE audit_signature;
DROP FUNCTION audit_signature_stays();
