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

-- name: delete_version
delete from soul_versions where slice = :slice and subject = :subject and version = :version;

-- name: delete_bot_soul
delete from bot_soul where slice = :slice and subject = :subject;

-- name: milestone
select id, created_at, event_description, emotional_weight, lesson_learned, source_thread_id, digest
from soul_milestones
where slice = :slice and subject = :subject and id = :id;

-- name: thread_of_milestone
select source_thread_id from soul_milestones
where slice = :slice and subject = :subject and id = :id;

-- name: delete_milestone
delete from soul_milestones where slice = :slice and subject = :subject and id = :id;

-- name: delete_idle_thread
delete from threads where slice = :slice and subject = :subject and id = :id and not exists (
  select 1 from soul_milestones m
  where m.slice = :slice and m.subject = :subject and m.source_thread_id = :id);

-- name: begin_thread
-- A thread began with the first milestone that names it.
update threads set created_at = (
  select min(m.created_at) from soul_milestones m
  where m.slice = :slice and m.subject = :subject and m.source_thread_id = :id)
where slice = :slice and subject = :subject and id = :id;

-- name: versions_beyond
-- Never the newest: it is who this is now.
select version from soul_versions
where slice = :slice and subject = :subject
  and version < (
    select max(v.version) from soul_versions v where v.slice = :slice and v.subject = :subject)
  and (created_at < :before or version <= (
    select v.version from soul_versions v where v.slice = :slice and v.subject = :subject
    order by v.version desc limit 1 offset :count))
order by version
limit :most;

-- name: milestones_beyond
select id from soul_milestones
where slice = :slice and subject = :subject
  and (created_at < :before or (created_at, id) <= (
    select m.created_at, m.id from soul_milestones m
    where m.slice = :slice and m.subject = :subject
    order by m.created_at desc, m.id desc limit 1 offset :count))
order by created_at, id
limit :most;
