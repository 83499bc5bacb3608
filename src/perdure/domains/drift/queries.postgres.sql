-- Only what differs from queries.sql.

-- name: save_state
-- Differs because: recent_hashes is text[].
insert into vera_qiv_states
  (slice, user_id, id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
   total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
   digest)
values
  (:slice, :subject, :id, :created_at, :updated_at, :drift_coefficient, :dimensions,
   :fitness_position, :total_interactions, :speciation_index, :momentum,
   array(select jsonb_array_elements_text(cast(:recent_hashes as jsonb))), :voice, :replies,
   :filter_digest, :digest)
on conflict (slice, user_id) do update set
  created_at = excluded.created_at, updated_at = excluded.updated_at,
  drift_coefficient = excluded.drift_coefficient, dimensions = excluded.dimensions,
  fitness_position = excluded.fitness_position, total_interactions = excluded.total_interactions,
  speciation_index = excluded.speciation_index, momentum = excluded.momentum,
  recent_hashes = excluded.recent_hashes, voice = excluded.voice, replies = excluded.replies,
  filter_digest = excluded.filter_digest, digest = excluded.digest;

-- name: save_state_and_filter
-- Differs because: recent_hashes is text[].
insert into vera_qiv_states
  (slice, user_id, id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
   total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
   bloom_filter, digest)
values
  (:slice, :subject, :id, :created_at, :updated_at, :drift_coefficient, :dimensions,
   :fitness_position, :total_interactions, :speciation_index, :momentum,
   array(select jsonb_array_elements_text(cast(:recent_hashes as jsonb))), :voice, :replies,
   :filter_digest, :bloom_filter, :digest)
on conflict (slice, user_id) do update set
  created_at = excluded.created_at, updated_at = excluded.updated_at,
  drift_coefficient = excluded.drift_coefficient, dimensions = excluded.dimensions,
  fitness_position = excluded.fitness_position, total_interactions = excluded.total_interactions,
  speciation_index = excluded.speciation_index, momentum = excluded.momentum,
  recent_hashes = excluded.recent_hashes, voice = excluded.voice, replies = excluded.replies,
  filter_digest = excluded.filter_digest, bloom_filter = excluded.bloom_filter,
  digest = excluded.digest;

-- name: state
-- Differs because: recent_hashes is text[].
select id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
  total_interactions, speciation_index, momentum, array_to_json(recent_hashes), voice, replies,
  filter_digest, null, digest
from vera_qiv_states
where slice = :slice and user_id = :subject;

-- name: state_to_extend
-- Differs because: recent_hashes is text[].
select id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
  total_interactions, speciation_index, momentum, array_to_json(recent_hashes), voice, replies,
  filter_digest,
  case when replies < :fresh_below or replies % :batch = :batch - 1 then bloom_filter end, digest
from vera_qiv_states
where slice = :slice and user_id = :subject;

-- name: state_and_filter
-- Differs because: recent_hashes is text[].
select id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
  total_interactions, speciation_index, momentum, array_to_json(recent_hashes), voice, replies,
  filter_digest, bloom_filter, digest
from vera_qiv_states
where slice = :slice and user_id = :subject;

-- name: save_bands
-- Differs because: there is no json_each with a key for arrays.
insert into drift_bands (slice, subject, band, value, hash)
select cast(:slice as smallint), cast(:subject as text), place - 1, cast(value as bigint),
  cast(:hash as bigint)
from jsonb_array_elements_text(cast(:bands as jsonb)) with ordinality as wanted (value, place)
on conflict (slice, subject, band, value, hash) do nothing;

-- name: alike
-- Differs because: there is no json_each with a key for arrays.
select hash from drift_hashes
where slice = :slice and subject = :subject and hash = :hash
union all
select * from (
  select said.hash from (
    select b.hash
    from jsonb_array_elements_text(cast(:bands as jsonb)) with ordinality as wanted (value, place)
    join drift_bands as b
      on b.slice = :slice and b.subject = :subject and b.band = wanted.place - 1
      and b.value = cast(wanted.value as bigint)
    limit :most
  ) as sharing
  join drift_hashes as said
    on said.slice = :slice and said.subject = :subject and said.hash = sharing.hash
  group by said.hash, said.version
  order by count(*) desc, said.version
  limit :nearest
) as nearest;

-- name: said
-- Differs because: there is no json_each.
select hash, said_at, version, signature, exact, digest from drift_hashes
where slice = :slice and subject = :subject
  and hash in (select cast(jsonb_array_elements_text(cast(:hashes as jsonb)) as bigint))
order by version;
