-- The log: the only truth. Everything else can be rebuilt from it.

create table if not exists perdure_slices (
  slice    smallint not null primary key check (slice between 0 and 1023),
  position bigint   not null
) /* partition */;

create table if not exists perdure_streams (
  slice   smallint not null,
  subject text     not null,
  stream  text     not null,
  version bigint   not null,
  hash    bytea    not null,
  primary key (slice, subject, stream)
) /* partition */;

create table if not exists perdure_events (
  slice        smallint not null,
  position     bigint   not null,
  subject      text     not null,
  stream       text     not null,
  version      bigint   not null,
  id           uuid     not null,
  type         text     not null,
  schema       integer  not null,
  at           bigint   not null,
  payload      bytea,
  payload_hash bytea    not null,
  hash         bytea    not null,
  primary key (slice, position),
  unique (slice, subject, stream, version),
  foreign key (slice, subject, stream) references perdure_streams (slice, subject, stream)
) /* partition */;

create table if not exists perdure_outcomes (
  slice   smallint not null,
  subject text     not null,
  key     text     not null,
  unit    text     not null,
  result  text     not null,
  at      bigint   not null,
  primary key (slice, subject, key)
) /* partition */;

create table if not exists perdure_snapshots (
  slice   smallint not null,
  subject text     not null,
  stream  text     not null,
  version bigint   not null,
  state   text     not null,
  digest  bytea    not null,
  primary key (slice, subject, stream, version)
) /* partition */;

-- A text in the canonical encoding: four bytes of length, then UTF-8 (kernel/chain.py).
create or replace function perdure_lp(part text) returns bytea
language sql immutable strict parallel safe
set search_path = pg_catalog as $$
  select int4send(octet_length(convert_to(part, 'UTF8'))) || convert_to(part, 'UTF8')
$$;

-- Append one event: check the expectation, link, insert, take the position last (shortest lock).
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
