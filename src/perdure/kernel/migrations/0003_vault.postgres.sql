-- Which vault seals this database, and who was forgotten.

create table if not exists perdure_vaults (
  vault text   not null primary key,  -- its id, never a key
  since bigint not null
);
alter table perdure_vaults owner to perdure_owner;
revoke all on perdure_vaults from public;
grant select on perdure_vaults to perdure_app, perdure_reader;

create table if not exists perdure_tombstones (
  slice   smallint not null,
  subject text     not null,
  at      bigint   not null,
  counts  jsonb    not null default '{}',  -- rows erased, by table
  receipt text,
  done    boolean  not null default false,
  primary key (slice, subject)
) /* partition */;
call perdure_protect('perdure_tombstones', 'perdure_app', 'select, insert, update');
grant update (result) on perdure_outcomes to perdure_app;  -- to blank it

-- As in 0001_log, and it refuses who was forgotten.
-- p_expected: a version, or -1 for "any", -2 for "the stream exists"; 0 is "no stream yet".
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
  if exists (select from perdure_tombstones t
    where t.slice = p_slice and t.subject = p_subject)
  then
    raise exception using errcode = 'PD002', message = 'the subject was forgotten';
  end if;
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

-- Erase payloads for good. The hashes stay, so the chain still verifies.
create or replace function perdure_erase(
  p_slice smallint, p_subject text, p_stream text, p_after bigint, p_upto bigint
) returns void
language plpgsql security definer set search_path from current as $$
begin
  update perdure_events e set payload = null
  where e.slice = p_slice and e.subject = p_subject and e.stream = p_stream
    and e.version > p_after and e.version <= p_upto and e.payload is not null;
end $$;
revoke execute on function perdure_erase from public;
grant execute on function perdure_erase to perdure_app;
alter function perdure_erase owner to perdure_owner;

-- They run as their owner: a caller's temporary tables must not stand in front of the real ones.
do $$
declare
  own text;
begin
  foreach own in array array['perdure_append', 'perdure_erase'] loop
    execute format('alter function %I set search_path = %I, pg_temp', own, current_schema());
  end loop;
end $$;
