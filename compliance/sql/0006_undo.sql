-- Undoes 0006: requests are derived, and each answer is an entry of its ledger.
DROP TABLE compliance_approvalanswer, compliance_approvalrequest;
DROP FUNCTION compliance_answer_is_another_persons();
DELETE FROM audit_projection WHERE name = 'approvals';
