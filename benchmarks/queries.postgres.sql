-- Only what differs from queries.sql.

-- name: create_states
-- Differs because: types, and row-level security as on every owned table.
create table bench_states (
  slice   smallint not null,
  subject text     not null,
  note    text     not null,
  details text     not null,
  version bigint   not null,
  digest  bytea    not null,
  primary key (slice, subject)
);
call perdure_protect('bench_states', 'perdure_app', 'select, insert, update, delete');
