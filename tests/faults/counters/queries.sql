-- name: counter
select name, value, digest from fault_counters
where slice = :slice and subject = :subject and name = :name;

-- name: save_counter
insert into fault_counters (slice, subject, name, value, digest)
values (:slice, :subject, :name, :value, :digest)
on conflict (slice, subject, name) do update set value = excluded.value, digest = excluded.digest;

-- name: by_id (reader)
-- How not to follow a log: ids are drawn before their transactions commit.
select slice, position, stream, version, id, type, schema, at, payload, payload_hash, hash, subject
from perdure_events
where id > :last
order by id
limit 100;
