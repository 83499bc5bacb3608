create table if not exists fault_counters (
  slice   smallint not null,
  subject text     not null,
  name    text     not null,
  value   bigint   not null,
  digest  bytea    not null,
  primary key (slice, subject, name)
) /* partition */;
call perdure_protect('fault_counters', 'perdure_app', 'select, insert, update, delete');
