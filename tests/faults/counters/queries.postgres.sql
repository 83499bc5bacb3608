-- name: by_id (reader)
-- Differs because: ids are UUIDs.
select slice, position, stream, version, id, type, schema, at, payload, payload_hash, hash, subject
from perdure_events
where id > cast(:last as uuid)
order by id
limit 100;
