-- Only what differs from queries.sql.

-- name: table_columns (login)
-- Differs because: the catalogue has other names.
select a.attname, coalesce(array_position(i.indkey::smallint[], a.attnum) + 1, 0)
from pg_attribute a
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(:table) and a.attnum > 0 and not a.attisdropped
order by a.attnum;

-- name: has_table (owner)
-- Differs because: the catalogue has other names.
select count(*) from pg_class where oid = to_regclass(:table);

-- name: schema_of (owner)
-- Differs because: "like" copies all but foreign keys and triggers; those are written out.
select kind, name, definition from (
select 'table' as kind, '' as name, format('create table %s__rebuild (like %s including all)', t.oid::regclass,
  t.oid::regclass) as definition
from pg_class t where t.oid = to_regclass(:table)
union all
select 'constraint', c.conname, format('alter table %s__rebuild add constraint %I %s',
  c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
from pg_constraint c
where c.conrelid = to_regclass(:table) and c.contype = 'f' and c.conparentid = 0
union all
select 'trigger', g.tgname, pg_get_triggerdef(g.oid)
from pg_trigger g
where g.tgrelid = to_regclass(:table) and not g.tgisinternal
) as parts
order by kind <> 'table', name;

-- name: create_progress (owner)
-- Differs because: integers are wider.
create table if not exists perdure_rebuild (
  slice   smallint not null,
  subject text     not null,
  stream  text     not null,
  version bigint   not null,
  primary key (slice, subject, stream)
);
