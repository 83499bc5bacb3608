-- What an export reads and an import writes. {table}, {owner} (the subject's column), {key},
-- {columns} and {beyond} are filled with names from the schema itself.

-- name: events_of
-- In the order they were written, each with the hash it was linked to. The version before is
-- counted inside: behind row-level security PostgreSQL uses no index for what it has to calculate.
select e.position, e.stream, e.version, e.id, e.type, e.schema, e.at, e.payload, e.payload_hash,
  e.hash, e.subject, p.hash
from (
  select *, version - 1 as version_before from perdure_events
  where slice = :slice and subject = :subject and position > :after
  order by position
  limit :most
) e
left join perdure_events p
  on p.slice = e.slice and p.subject = e.subject and p.stream = e.stream
  and p.version = e.version_before
order by e.position;

-- name: size_of
select count(*), coalesce(sum(version), 0) from perdure_streams
where slice = :slice and subject = :subject;

-- name: broken_head
-- Streams whose last event is not the one their head names.
select s.stream, s.version from perdure_streams s
left join perdure_events e
  on e.slice = s.slice and e.subject = s.subject and e.stream = s.stream and e.version = s.version
where s.slice = :slice and s.subject = :subject and (e.hash is null or e.hash <> s.hash)
order by s.stream
limit 1;

-- name: rows_of
select {columns} from {table}
where slice = :slice and {owner} = :subject {beyond}
order by {key}
limit :most;

-- name: outcomes_of
select key, unit, result, at from perdure_outcomes
where slice = :slice and subject = :subject and key > :after
order by key
limit :most;
