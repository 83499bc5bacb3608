-- Who may do what. The application role owns nothing, appends only through perdure_append, and
-- can not change the log.
-- perdure_app: one subject at a time. perdure_reader: reads the log of all (relay, verify).
-- service_role: souls.
do $$
declare
  role text;
begin
  foreach role in array array['perdure_owner', 'perdure_app', 'perdure_reader', 'anon',
    'authenticated', 'service_role']
  loop
    begin
      if not exists (select from pg_roles where rolname = role) then
        execute format('create role %I nologin', role);
      end if;
    exception when duplicate_object or unique_violation then null;  -- another migrator was faster
    end;
  end loop;
  foreach role in array array['perdure_owner', 'perdure_app', 'perdure_reader', 'service_role']
  loop
    -- From 16 on who creates a role is a member of it who may not SET it, until granted.
    if (case when current_setting('server_version_num')::int < 160000
      then not pg_has_role(current_user, role, 'member')
      else not pg_has_role(current_user, role, 'set') end)
    then
      execute format('grant %I to current_user', role);
    end if;
  end loop;
  execute format('grant usage, create on schema %I to perdure_owner', current_schema());
  execute format('grant usage on schema %I to perdure_app, perdure_reader, service_role, anon, '
    'authenticated', current_schema());
end $$;

-- The subject of the open transaction, or nobody. SET LOCAL leaves an empty text behind: nullif.
create or replace function perdure_subject() returns text
language sql stable parallel safe as $$
  select nullif(current_setting('perdure.subject', true), '')
$$;

-- Give a table to the owner and force row-level security on it: one subject, for one role.
create or replace procedure perdure_protect(owned regclass, role name, rights text)
language plpgsql as $$
begin
  execute format('alter table %s enable row level security', owned);
  execute format('alter table %s force row level security', owned);
  execute format('drop policy if exists own_subject on %s', owned);
  execute format('create policy own_subject on %s using (subject = (select perdure_subject())) '
    'with check (subject = (select perdure_subject()))', owned);
  execute format('drop policy if exists reads_all on %s', owned);
  execute format('create policy reads_all on %s for select to perdure_reader using (true)', owned);
  execute format('revoke all on %s from public', owned);
  execute format('grant %s on %s to %I', rights, owned, role);
  execute format('grant select on %s to perdure_reader', owned);
  execute format('alter table %s owner to perdure_owner', owned);
end $$;

call perdure_protect('perdure_streams', 'perdure_app', 'select');
call perdure_protect('perdure_events', 'perdure_app', 'select');
call perdure_protect('perdure_outcomes', 'perdure_app', 'select, insert, delete');
call perdure_protect('perdure_snapshots', 'perdure_app', 'select, insert, update, delete');
grant select on perdure_slices, perdure_migrations to perdure_app, perdure_reader;
alter table perdure_slices owner to perdure_owner;
revoke execute on function perdure_append from public;
grant execute on function perdure_append to perdure_app;
alter function perdure_append owner to perdure_owner;

-- set_config() inside a statement would change the subject or the role in the middle of it, behind
-- the policies' back, so the roles that the store takes on may not call it; the store itself uses
-- SET. Everybody else who is there keeps it. Only a superuser can do this (docs/faults.md).
do $$
declare
  other text;
  has_postgrest boolean := exists (select from pg_roles where rolname = 'authenticator');
begin
  if not has_function_privilege('pg_catalog.set_config(text, text, boolean)',
    'execute with grant option')
  then
    raise notice 'set_config stays open to perdure_app: only a superuser can close it';
    return;
  end if;
  revoke execute on function pg_catalog.set_config(text, text, boolean) from public;
  for other in select rolname from pg_roles
    where rolname not like 'pg\_%' and rolname not in ('perdure_app', 'perdure_reader')
      and (has_postgrest or rolname not in ('anon', 'authenticated', 'service_role'))
  loop
    execute format(
      'grant execute on function pg_catalog.set_config(text, text, boolean) to %I', other);
  end loop;
end $$;
