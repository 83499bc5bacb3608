-- One read model: the state an agent has after its latest event.

-- name: create_states
create table if not exists bench_states (
  slice   integer not null,
  subject text    not null,
  note    text    not null,
  details text    not null,
  version integer not null,
  digest  blob    not null,
  primary key (slice, subject)
) strict, without rowid;

-- name: save_state
insert into bench_states (slice, subject, note, details, version, digest)
values (:slice, :subject, :note, :details, :version, :digest)
on conflict (slice, subject) do update
set note = excluded.note, details = excluded.details, version = excluded.version,
  digest = excluded.digest;

-- name: state
select note, details, version, digest from bench_states
where slice = :slice and subject = :subject;
