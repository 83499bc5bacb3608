-- perdure_append as it was in 0001_log.
create or replace function perdure_append(
  p_slice smallint, p_subject text, p_stream text, p_expected bigint,
  p_id uuid, p_type text, p_schema integer, p_at bigint, p_payload bytea,
  out version bigint, out "position" bigint
) language plpgsql security definer set search_path from current as $$
declare
  known    bigint;
  previous bytea;
  payload_hash bytea := sha256(p_payload);
  linked   bytea;
begin
  select s.version, s.hash into known, previous from perdure_streams s
  where s.slice = p_slice and s.subject = p_subject and s.stream = p_stream for update;
  known := coalesce(known, 0);
  if p_expected = -2 and known = 0 or p_expected >= 0 and p_expected <> known then
    raise exception using errcode = 'PD001', detail = known::text,
      hint = 'read it again and retry',
      message = format('stream ''%s'' is %s, not %s', p_stream,
        case known when 0 then 'empty' else 'at version ' || known end,
        case p_expected when -2 then 'existing as expected' when 0 then 'new as expected'
          else p_expected::text end);
  end if;
  version := known + 1;
  linked := sha256(
    coalesce(previous, decode(repeat('00', 32), 'hex'))
    || int2send(p_slice) || int8send(version) || int4send(p_schema) || int8send(p_at)
    || uuid_send(p_id) || perdure_lp(p_subject) || perdure_lp(p_stream) || perdure_lp(p_type)
    || payload_hash);
  if known = 0 then
    insert into perdure_streams (slice, subject, stream, version, hash)
    values (p_slice, p_subject, p_stream, version, linked);
  else
    update perdure_streams s set version = perdure_append.version, hash = linked
    where s.slice = p_slice and s.subject = p_subject and s.stream = p_stream;
  end if;
  insert into perdure_slices as c (slice, position) values (p_slice, 1)
  on conflict (slice) do update set position = c.position + 1
  returning c.position into "position";
  insert into perdure_events
    (slice, position, subject, stream, version, id, type, schema, at, payload, payload_hash, hash)
  values
    (p_slice, "position", p_subject, p_stream, version, p_id, p_type, p_schema, p_at, p_payload,
     payload_hash, linked);
end $$;

-- It runs as its owner: a caller's temporary tables must not stand in front of the real ones.
do $$
begin
  execute format('alter function perdure_append set search_path = %I, pg_temp', current_schema());
end $$;

revoke update (result) on perdure_outcomes from perdure_app;
drop function if exists perdure_erase;
drop table if exists perdure_tombstones;
drop table if exists perdure_vaults;
