-- The statements of the log. On SQLite the kernel links events, on PostgreSQL perdure_append.

-- name: head
select version, hash from perdure_streams
where slice = :slice and subject = :subject and stream = :stream;

-- name: take_position
insert into perdure_slices (slice, position) values (:slice, 1)
on conflict (slice) do update set position = position + 1
returning position;

-- name: insert_event
insert into perdure_events
  (slice, position, subject, stream, version, id, type, schema, at, payload, payload_hash, hash)
values
  (:slice, :position, :subject, :stream, :version, :id, :type, :schema, :at, :payload,
   :payload_hash, :hash);

-- name: save_head
insert into perdure_streams (slice, subject, stream, version, hash)
values (:slice, :subject, :stream, :version, :hash)
on conflict (slice, subject, stream) do update set version = excluded.version, hash = excluded.hash;

-- name: stream_events
select position, stream, version, id, type, schema, at, payload, payload_hash, hash, subject
from perdure_events
where slice = :slice and subject = :subject and stream = :stream and version > :after
order by version
limit :most;

-- name: event_hash
select hash from perdure_events
where slice = :slice and subject = :subject and stream = :stream and version = :version;

-- name: version_at
select coalesce(max(version), 0) from perdure_events
where slice = :slice and subject = :subject and stream = :stream and at <= :at;

-- name: erase
update perdure_events set payload = null
where slice = :slice and subject = :subject and stream = :stream
  and version > :after and version <= :upto and payload is not null;

-- name: streams_of
select stream, version from perdure_streams
where slice = :slice and subject = :subject
order by stream;

-- name: has_keys
select count(*) > 0 from sqlite_schema where name = 'perdure_vault';

-- name: has_vaults
select count(*) > 0 from sqlite_schema where name = 'perdure_vaults';

-- name: vaults
select vault from perdure_vaults order by vault;

-- name: is_used
-- The counters are not hidden by row-level security.
select count(*) > 0 from perdure_slices;

-- name: save_vault
insert into perdure_vaults (vault, since) values (:vault, :since);

-- name: outcome
select unit, result from perdure_outcomes
where slice = :slice and subject = :subject and key = :key;

-- name: save_outcome
insert into perdure_outcomes (slice, subject, key, unit, result, at)
values (:slice, :subject, :key, :unit, :result, :at);

-- name: save_snapshot
insert into perdure_snapshots (slice, subject, stream, version, state, digest)
values (:slice, :subject, :stream, :version, :state, :digest)
on conflict (slice, subject, stream, version) do update
set state = excluded.state, digest = excluded.digest;

-- name: nearest_snapshot
select stream, version, state, digest from perdure_snapshots
where slice = :slice and subject = :subject and stream = :stream and version <= :version
order by version desc
limit 1;

-- name: tombstone
select at, counts, receipt, done from perdure_tombstones
where slice = :slice and subject = :subject;

-- name: save_tombstone
insert into perdure_tombstones (slice, subject, at) values (:slice, :subject, :at)
on conflict (slice, subject) do nothing;

-- name: note_erased
update perdure_tombstones set counts = :counts where slice = :slice and subject = :subject;

-- name: draft_receipt
update perdure_tombstones set receipt = :receipt
where slice = :slice and subject = :subject and receipt is null;

-- name: drop_receipt
-- One that this vault has not signed: somebody planted it.
update perdure_tombstones set receipt = null, done = false
where slice = :slice and subject = :subject and receipt = :receipt;

-- name: save_receipt
update perdure_tombstones set receipt = :receipt, done = true
where slice = :slice and subject = :subject and not done;

-- name: drop_tombstone (owner)
delete from perdure_tombstones where slice = :slice and subject = :subject;

-- name: tombstones (reader)
select slice, subject, receipt, done from perdure_tombstones
where (slice, subject) > (:after, :after_subject)
order by slice, subject
limit :most;

-- name: holdings (login)
-- Tables with rows of a subject, the subject's column, the role that may delete them, and the
-- tables they refer to. The log and the tombstones stay.
select t.name, o.name, 'app', r."table"
from sqlite_schema t
join pragma_table_info(t.name) s on s.name = 'slice'
join pragma_table_info(t.name) o on o.name in ('subject', 'user_id')
left join pragma_foreign_key_list(t.name) r
where t.type = 'table'
  and t.name not in ('perdure_events', 'perdure_streams', 'perdure_tombstones')
order by t.name, o.name;

-- name: has_rows
select exists (select 1 from {table} where slice = :slice and {owner} = :subject);

-- name: forget_rows
delete from {table} where slice = :slice and {owner} = :subject and ({key}) in (
  select {key} from {table} where slice = :slice and {owner} = :subject limit :most)
returning 1;

-- name: count_payloads
select count(*) from perdure_events
where slice = :slice and subject = :subject and stream = :stream
  and version > :after and version <= :upto and payload is not null;

-- name: heads_of
select stream, version, hash from perdure_streams
where slice = :slice and subject = :subject
order by stream;

-- name: end_of (reader)
select c.position, e.hash
from perdure_slices c
join perdure_events e on e.slice = c.slice and e.position = c.position
where c.slice = :slice;

-- name: version_of
select version from perdure_events
where slice = :slice and subject = :subject and stream = :stream and id = :id;

-- name: drop_snapshots
delete from perdure_snapshots
where slice = :slice and subject = :subject and stream = :stream and version > :after;

-- name: blank_outcomes
-- Whatever was returned since the event behind :after. The key stays used.
update perdure_outcomes set result = ''
where slice = :slice and subject = :subject and result <> '' and at >= (
  select e.at from perdure_events e
  where e.slice = :slice and e.subject = :subject and e.stream = :stream
    and e.version = :after + 1);

-- name: prune_outcomes
delete from perdure_outcomes where slice = :slice and subject = :subject and key in (
  select key from perdure_outcomes
  where slice = :slice and subject = :subject and at < :before
  limit :most)
returning 1;

-- name: table_columns (login)
select name, pk from pragma_table_info(:table) order by cid;

-- name: heads (reader)
select slice, position from perdure_slices order by slice;

-- name: slice_events (reader)
select e.position, e.stream, e.version, e.id, e.type, e.schema, e.at, e.payload, e.payload_hash,
  e.hash, e.subject, p.hash
from perdure_events e
left join perdure_events p
  on p.slice = e.slice and p.subject = e.subject and p.stream = e.stream
  and p.version = e.version - 1
where e.slice = :slice and e.position > :after
order by e.position
limit :most;

-- name: streams (reader)
select subject, stream, version, hash from perdure_streams
where slice = :slice and (subject, stream) > (:after_subject, :after_stream)
order by subject, stream
limit :most;

-- name: subjects (reader)
select distinct subject from perdure_streams
where slice = :slice and subject > :after
order by subject
limit :most;

-- name: copies (reader)
-- In every slice: a copy may come from anybody. Run only when an event does not fit.
select subject, stream, version from perdure_events
where (hash = :hash or id = :id)
  and not (slice = :slice and subject = :subject and stream = :stream and version = :version)
limit 1;

-- name: payload_copies (reader)
select subject, stream, version from perdure_events
where payload_hash = :payload_hash
  and not (slice = :slice and subject = :subject and stream = :stream and version = :version)
limit 1;

-- name: has_migrations
select count(*) > 0 from sqlite_schema where name = 'perdure_migrations';

-- name: create_migrations
create table if not exists perdure_migrations (
  package    text    not null,
  number     integer not null,
  name       text    not null,
  checksum   text    not null,
  applied_at bigint  not null,
  primary key (package, number)
);

-- name: applied_migrations
select package, number, name, checksum, applied_at from perdure_migrations order by package, number;

-- name: record_migration
insert into perdure_migrations (package, number, name, checksum, applied_at)
values (:package, :number, :name, :checksum, :applied_at);

-- name: forget_migration
delete from perdure_migrations where package = :package and number = :number;
