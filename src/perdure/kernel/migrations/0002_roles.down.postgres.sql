-- Roles stay: they belong to the cluster and other databases may use them.
drop procedure if exists perdure_protect;
drop policy if exists own_subject on perdure_snapshots;
drop policy if exists own_subject on perdure_outcomes;
drop policy if exists own_subject on perdure_events;
drop policy if exists own_subject on perdure_streams;
drop function if exists perdure_subject();
do $$
begin
  if has_function_privilege('pg_catalog.set_config(text, text, boolean)',
    'execute with grant option')
  then
    grant execute on function pg_catalog.set_config(text, text, boolean) to public;
  end if;
end $$;
