-- Forget reports, schedules and samples. Their entries stay in the ledger, files where they lie.
DROP TABLE compliance_sampleitem;
DROP TABLE compliance_sample;
DROP TABLE compliance_delivery;
DROP TABLE compliance_slot;
DROP TABLE compliance_reportfile;
DROP TABLE compliance_report;
DROP TABLE compliance_schedule;
DROP FUNCTION compliance_sampleitem_stays();
DROP FUNCTION compliance_sample_stays();
DROP FUNCTION compliance_reportfile_stays();
DROP FUNCTION compliance_report_stays();
