create table if not exists fault_counters (
  slice   integer not null,
  subject text    not null,
  name    text    not null,
  value   integer not null,
  digest  blob    not null,
  primary key (slice, subject, name)
) strict, without rowid;
