-- Forget the drafts and files of people's work. What was decided stays in the ledger as entries.
DROP TABLE compliance_framework, compliance_finding, compliance_review, compliance_nilreturn,
    compliance_decision, compliance_statement;
DROP FUNCTION compliance_finding_is_closed, compliance_statement_is_prepared,
    compliance_decision_is_asked, compliance_decision_is_approved, compliance_statement_is_signed,
    compliance_refuse_change, compliance_person;
