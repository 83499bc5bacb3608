drop table if exists perdure_vault_keys;
drop table if exists perdure_vault_subjects;
drop table if exists perdure_vault_epochs;
drop table if exists perdure_vault;
