drop table if exists drift_imports;
drop table if exists drift_bands;
drop table if exists drift_hashes;
drop table if exists vera_qiv_states;
drop function if exists update_qiv_timestamp();
