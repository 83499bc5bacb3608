drop trigger if exists perdure_stay_forgotten;
drop table if exists perdure_tombstones;
drop table if exists perdure_vaults;
