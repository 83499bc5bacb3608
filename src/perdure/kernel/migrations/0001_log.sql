-- The log: the only truth. Everything else can be rebuilt from it.

create table if not exists perdure_slices (
  slice    integer not null primary key check (slice between 0 and 1023),
  position integer not null
) strict;

create table if not exists perdure_streams (
  slice   integer not null,
  subject text    not null,
  stream  text    not null,
  version integer not null,
  hash    blob    not null,
  primary key (slice, subject, stream)
) strict, without rowid;

create table if not exists perdure_events (
  slice        integer not null,
  position     integer not null,
  subject      text    not null,
  stream       text    not null,
  version      integer not null,
  id           text    not null,
  type         text    not null,
  schema       integer not null,
  at           integer not null,
  payload      blob,
  payload_hash blob    not null,
  hash         blob    not null,
  primary key (slice, position),
  unique (slice, subject, stream, version),
  foreign key (slice, subject, stream) references perdure_streams (slice, subject, stream)
) strict;

create table if not exists perdure_outcomes (
  slice   integer not null,
  subject text    not null,
  key     text    not null,
  unit    text    not null,
  result  text    not null,
  at      integer not null,
  primary key (slice, subject, key)
) strict, without rowid;

create table if not exists perdure_snapshots (
  slice   integer not null,
  subject text    not null,
  stream  text    not null,
  version integer not null,
  state   text    not null,
  digest  blob    not null,
  primary key (slice, subject, stream, version)
) strict, without rowid;
