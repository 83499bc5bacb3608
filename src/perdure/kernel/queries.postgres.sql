-- Only what differs from queries.sql.

-- name: append
-- Differs because: one round trip; SQLite has no functions of its own and needs none.
select version, "position" from perdure_append(
  cast(:slice as smallint), :subject, :stream, :expected, cast(:id as uuid), :type, :schema, :at,
  :payload);

-- name: erase
-- Differs because: the application role may not change the log; a function of its owner may.
select perdure_erase(cast(:slice as smallint), :subject, :stream, :after, :upto);

-- name: partitions
-- Differs because: only PostgreSQL has partitions.
select count(*) from pg_inherits where inhparent = to_regclass('perdure_events');

-- name: create_partition
-- Differs because: only PostgreSQL has partitions.
create table if not exists {table}_p{remainder} partition of {table}
for values with (modulus {modulus}, remainder {remainder});

-- name: has_vaults
-- Differs because: the catalogue has another name.
select to_regclass('perdure_vaults') is not null;

-- name: has_migrations
-- Differs because: the catalogue has another name.
select to_regclass('perdure_migrations') is not null;
