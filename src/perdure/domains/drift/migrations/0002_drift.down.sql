alter table drift_hashes drop column exact;
