-- Souls. Columns stand in the order of the dataclass fields, the digest last.

-- name: save_version
insert into soul_versions
  (slice, subject, id, created_at, version, core_identity, active_values, recent_growth,
   reflection_notes, token_count, digest)
values
  (:slice, :subject, :id, :created_at, :version, :core_identity, :active_values, :recent_growth,
   :reflection_notes, :token_count, :digest);

-- name: latest
select id, created_at, version, core_identity, active_values, recent_growth, reflection_notes,
  token_count, digest
from soul_versions
where slice = :slice and subject = :subject
order by version desc
limit 1;

-- name: version
select id, created_at, version, core_identity, active_values, recent_growth, reflection_notes,
  token_count, digest
from soul_versions
where slice = :slice and subject = :subject and version = :version;

-- name: version_at
select id, created_at, version, core_identity, active_values, recent_growth, reflection_notes,
  token_count, digest
from soul_versions
where slice = :slice and subject = :subject and created_at <= :at
order by version desc
limit 1;

-- name: history
select id, created_at, version, core_identity, active_values, recent_growth, reflection_notes,
  token_count, digest
from soul_versions
where slice = :slice and subject = :subject and version < :before
order by version desc
limit :most;

-- name: active_bot_soul
select content from bot_soul
where slice = :slice and subject = :subject and is_active
order by updated_at desc
limit 1;

-- name: save_milestone
insert into soul_milestones
  (slice, subject, id, created_at, event_description, emotional_weight, lesson_learned,
   source_thread_id, digest)
values
  (:slice, :subject, :id, :created_at, :event_description, :emotional_weight, :lesson_learned,
   :source_thread_id, :digest);

-- name: milestones
select id, created_at, event_description, emotional_weight, lesson_learned, source_thread_id, digest
from soul_milestones
where slice = :slice and subject = :subject
order by created_at desc, id desc
limit :most;

-- name: milestones_by_weight
select id, created_at, event_description, emotional_weight, lesson_learned, source_thread_id, digest
from soul_milestones
where slice = :slice and subject = :subject and emotional_weight = :emotional_weight
order by created_at desc, id desc
limit :most;

-- name: milestone_texts
select id, event_description, lesson_learned from soul_milestones
where slice = :slice and subject = :subject
order by created_at desc, id desc
limit :most;

-- name: milestones_named
select id, created_at, event_description, emotional_weight, lesson_learned, source_thread_id, digest
from soul_milestones
where slice = :slice and subject = :subject and id in (select value from json_each(:ids))
order by created_at desc, id desc;

-- name: note_thread
insert into threads (slice, subject, id, created_at)
values (:slice, :subject, :id, :created_at)
on conflict (slice, subject, id) do nothing;

-- name: delete_thread
delete from threads where slice = :slice and subject = :subject and id = :id;
