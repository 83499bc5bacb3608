-- Only what differs from queries.sql.

-- name: milestones_named
-- Differs because: ids are of type uuid, and JSON is taken apart by another function.
select id, created_at, event_description, emotional_weight, lesson_learned, source_thread_id, digest
from soul_milestones
where slice = :slice and subject = :subject
  and id in (
    select cast(value as uuid) from jsonb_array_elements_text(cast(:ids as jsonb)) as value)
order by created_at desc, id desc;
