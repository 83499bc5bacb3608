-- Only what differs from queries.sql.

-- name: append
-- Differs because: one round trip; SQLite has no functions of its own and needs none.
select version, "position" from perdure_append(
  cast(:slice as smallint), :subject, :stream, :expected, cast(:id as uuid), :type, :schema, :at,
  :payload);

-- name: erase
-- Differs because: the application role may not change the log; a function of its owner may.
select perdure_erase(cast(:slice as smallint), :subject, :stream, :after, :upto);

-- name: holdings (login)
-- Differs because: the catalogue has other names, and tables have roles that may delete from them.
select t.relname, o.attname, case
    when has_table_privilege('perdure_app', t.oid, 'delete') then 'app'
    when has_table_privilege('service_role', t.oid, 'delete') then 'service'
    else 'owner' end, r.relname
from pg_class t
join pg_attribute s on s.attrelid = t.oid and s.attname = 'slice' and not s.attisdropped
join pg_attribute o on o.attrelid = t.oid and o.attname in ('subject', 'user_id')
  and not o.attisdropped
left join pg_constraint f on f.conrelid = t.oid and f.contype = 'f' and f.conparentid = 0
left join pg_class r on r.oid = f.confrelid
where t.relnamespace = to_regnamespace(current_schema()) and t.relkind in ('r', 'p')
  and not t.relispartition and t.relowner = to_regrole('perdure_owner')
  and t.relname not in ('perdure_events', 'perdure_streams', 'perdure_tombstones')
order by t.relname, o.attname;

-- name: table_columns (login)
-- Differs because: the catalogue has other names.
select a.attname, coalesce(array_position(i.indkey::smallint[], a.attnum) + 1, 0)
from pg_attribute a
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(:table) and a.attnum > 0 and not a.attisdropped
order by a.attnum;

-- name: partitions
-- Differs because: only PostgreSQL has partitions.
select count(*) from pg_inherits where inhparent = to_regclass('perdure_events');

-- name: create_partition
-- Differs because: only PostgreSQL has partitions.
create table if not exists {table}_p{remainder} partition of {table}
for values with (modulus {modulus}, remainder {remainder});

-- name: has_keys
-- Differs because: the catalogue has another name.
select to_regclass('perdure_vault') is not null;

-- name: has_vaults
-- Differs because: the catalogue has another name.
select to_regclass('perdure_vaults') is not null;

-- name: has_migrations
-- Differs because: the catalogue has another name.
select to_regclass('perdure_migrations') is not null;
