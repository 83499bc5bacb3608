-- What operators ask. {table}, {owner} (the subject's column), {key}, {columns} and {beyond} are
-- filled with names from the schema itself. Roles on PostgreSQL: reader sees the log of all, owner
-- one subject's rows of every table, login whatever the one who logged in may see.

-- name: slices_in_use (reader)
with recursive used(slice) as (
  select min(slice) from perdure_events
  union all
  select (select min(e.slice) from perdure_events e where e.slice > used.slice)
  from used where used.slice is not null
)
select slice from used where slice is not null
union
select slice from perdure_slices
union
select slice from perdure_streams
order by slice;

-- name: table_slices (login)
-- exempt: rows of everybody, also those that were moved to nobody
select distinct slice from {table};

-- name: shape (reader)
select coalesce((select position from perdure_slices where slice = :slice), 0), count(*),
  coalesce(max(position), 0)
from perdure_events
where slice = :slice;

-- name: gaps (reader)
select position, following from (
  select position, lead(position) over (order by position) as following from perdure_events
  where slice = :slice and position <= :upto
) as neighbours
where following > position + 1
order by position
limit :most;

-- name: first_position (reader)
select min(position) from perdure_events where slice = :slice;

-- name: next_stream (reader)
select subject, stream, version, hash from perdure_streams
where slice = :slice and (subject, stream) > (:after_subject, :after_stream)
order by subject, stream
limit 1;

-- name: strays (reader)
select e.subject, e.stream, coalesce(s.version, 0), max(e.version), count(*)
from perdure_events e
left join perdure_streams s
  on s.slice = e.slice and s.subject = e.subject and s.stream = e.stream
where e.slice = :slice and e.position <= :upto and (s.version is null or s.version < e.version)
group by e.subject, e.stream, coalesce(s.version, 0)
order by e.subject, e.stream
limit :most;

-- name: event_at (reader)
select hash from perdure_events where slice = :slice and position = :position;

-- name: slice_subjects (reader)
select distinct subject from perdure_streams
where slice = :slice and subject > :after
order by subject
limit :most;

-- name: strange_subjects (login)
-- exempt: rows whose subject has no events were moved, or written by somebody else
select distinct {owner} from {table} as t
where slice = :slice and {owner} > :after and not exists (
  select 1 from perdure_streams s where s.slice = t.slice and s.subject = t.{owner})
order by {owner}
limit :most;

-- name: stored_rows (owner)
select {key}, {columns} from {table}
where slice = :slice and {owner} = :subject {beyond}
order by {key}
limit :most;

-- name: heads_of (owner)
select stream, version from perdure_streams
where slice = :slice and subject = :subject
order by stream;

-- name: streams_by_type (owner)
select s.stream, e.type
from perdure_streams s
left join perdure_events e
  on e.slice = s.slice and e.subject = s.subject and e.stream = s.stream and e.version = 1
where s.slice = :slice and s.subject = :subject;

-- name: schema_of (owner)
select type, name, sql from sqlite_schema
where tbl_name = :table and sql is not null
order by type = 'table' desc, name;

-- name: has_table (login)
select count(*) from sqlite_schema where type = 'table' and name = :table;

-- name: create_progress (owner)
create table if not exists perdure_rebuild (
  slice   integer not null,
  subject text    not null,
  stream  text    not null,
  version integer not null,
  primary key (slice, subject, stream)
);

-- name: progress_of (owner)
select stream, version from perdure_rebuild where slice = :slice and subject = :subject;

-- name: note_progress (owner)
insert into perdure_rebuild (slice, subject, stream, version)
values (:slice, :subject, :stream, :version)
on conflict (slice, subject, stream) do update set version = excluded.version;

-- name: clear_rows (owner)
delete from {table} where slice = :slice and {owner} = :subject;

-- name: clear_snapshots (owner)
delete from {table} where slice = :slice and subject = :subject and stream = :stream;

-- name: copy_rows (owner)
insert into {table} select * from {table}__rebuild where slice = :slice and {owner} = :subject;

-- name: copy_snapshots (owner)
insert into {table} select * from {table}__rebuild
where slice = :slice and subject = :subject and stream = :stream;

-- name: only_live (owner)
select {key}, {columns} from {table} where slice = :slice and {owner} = :subject
except
select {key}, {columns} from {table}__rebuild where slice = :slice and {owner} = :subject
limit :most;

-- name: only_replayed (owner)
select {key}, {columns} from {table}__rebuild where slice = :slice and {owner} = :subject
except
select {key}, {columns} from {table} where slice = :slice and {owner} = :subject
limit :most;

-- name: count_rows (owner)
select count(*) from {table} where slice = :slice and {owner} = :subject;

-- name: drop_table (owner)
drop table if exists {table};

-- name: count_subjects (reader)
select count(*) from (select distinct slice, subject from perdure_streams) as everybody;

-- name: ends (reader)
select c.slice, c.position, e.hash
from perdure_slices c
join perdure_events e on e.slice = c.slice and e.position = c.position
order by c.slice;

-- name: sqlite_version
select sqlite_version();

-- name: count_unerased (owner)
select count(*) from perdure_events
where slice = :slice and subject = :subject and payload is not null;

-- name: row_at (owner)
select {columns} from {table}
where slice = :slice and {owner} = :subject {beyond};
