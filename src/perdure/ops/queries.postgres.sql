-- Only what differs from queries.sql.

-- name: has_table (login)
-- Differs because: the catalogue has other names.
select count(*) from pg_class where oid = to_regclass(:table);

-- name: schema_of (owner)
-- Differs because: "like" copies all but foreign keys and triggers; those are written out.
select kind, name, definition from (
select 'table' as kind, '' as name,
  format('create table %s__rebuild (like %s including all)', t.oid::regclass, t.oid::regclass)
  as definition
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

-- name: server_settings (login)
-- Differs because: only PostgreSQL has settings of a server.
select name, setting from pg_settings
where name in ('server_version', 'server_version_num', 'fsync', 'full_page_writes',
  'synchronous_commit', 'TimeZone', 'server_encoding')
order by name;

-- name: login_rights (login)
-- Differs because: only PostgreSQL has roles.
select rolname, rolsuper, rolbypassrls from pg_roles where rolname = session_user;

-- name: missing_roles (login)
-- Differs because: only PostgreSQL has roles.
select wanted from unnest(string_to_array(:roles, ' ')) as wanted
left join pg_roles r on r.rolname = wanted
where r.oid is null or not pg_has_role(session_user, r.oid, 'member')
order by wanted;

-- name: unguarded_tables (login)
-- Differs because: only PostgreSQL has row-level security.
select c.oid::regclass::text
from pg_class c
where c.relnamespace = to_regnamespace(current_schema()) and c.relkind in ('r', 'p')
  and c.relowner = to_regrole('perdure_owner') and not c.relispartition
  and c.relname !~ '__rebuild$|^perdure_rebuild$'
  and not (c.relrowsecurity and c.relforcerowsecurity)
  and exists (select from pg_attribute a
    where a.attrelid = c.oid and a.attname in ('subject', 'user_id'))
order by 1;

-- name: same_moment (login)
-- Differs because: only PostgreSQL has a time zone of its own.
select cast('2026-01-01T12:00:00+00:00' as timestamptz);

-- name: can_set_config (login)
-- Differs because: only PostgreSQL has settings that policies look at.
select has_function_privilege(
  'perdure_app', 'pg_catalog.set_config(text, text, boolean)', 'execute');
