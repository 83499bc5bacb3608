drop table if exists perdure_snapshots;
drop table if exists perdure_outcomes;
drop table if exists perdure_events;
drop table if exists perdure_streams;
drop table if exists perdure_slices;
drop function if exists perdure_append;
drop function if exists perdure_lp;
