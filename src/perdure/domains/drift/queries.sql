-- Drift. Columns stand in the order of the dataclass fields (stored.py), the digest last. The
-- subject's column is called user_id in seed A's table.

-- name: save_state
insert into vera_qiv_states
  (slice, user_id, id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
   total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
   digest)
values
  (:slice, :subject, :id, :created_at, :updated_at, :drift_coefficient, :dimensions,
   :fitness_position, :total_interactions, :speciation_index, :momentum, :recent_hashes, :voice,
   :replies, :filter_digest, :digest)
on conflict (slice, user_id) do update set
  created_at = excluded.created_at, updated_at = excluded.updated_at,
  drift_coefficient = excluded.drift_coefficient, dimensions = excluded.dimensions,
  fitness_position = excluded.fitness_position, total_interactions = excluded.total_interactions,
  speciation_index = excluded.speciation_index, momentum = excluded.momentum,
  recent_hashes = excluded.recent_hashes, voice = excluded.voice, replies = excluded.replies,
  filter_digest = excluded.filter_digest, digest = excluded.digest;

-- name: save_state_and_filter
insert into vera_qiv_states
  (slice, user_id, id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
   total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
   bloom_filter, digest)
values
  (:slice, :subject, :id, :created_at, :updated_at, :drift_coefficient, :dimensions,
   :fitness_position, :total_interactions, :speciation_index, :momentum, :recent_hashes, :voice,
   :replies, :filter_digest, :bloom_filter, :digest)
on conflict (slice, user_id) do update set
  created_at = excluded.created_at, updated_at = excluded.updated_at,
  drift_coefficient = excluded.drift_coefficient, dimensions = excluded.dimensions,
  fitness_position = excluded.fitness_position, total_interactions = excluded.total_interactions,
  speciation_index = excluded.speciation_index, momentum = excluded.momentum,
  recent_hashes = excluded.recent_hashes, voice = excluded.voice, replies = excluded.replies,
  filter_digest = excluded.filter_digest, bloom_filter = excluded.bloom_filter,
  digest = excluded.digest;

-- name: state
select id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
  total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
  null, digest
from vera_qiv_states
where slice = :slice and user_id = :subject;

-- name: state_to_extend
-- The filter comes along when the next new reply has to be put into it.
select id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
  total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
  case when replies < :fresh_below or replies % :batch = :batch - 1 then bloom_filter end, digest
from vera_qiv_states
where slice = :slice and user_id = :subject;

-- name: state_and_filter
select id, created_at, updated_at, drift_coefficient, dimensions, fitness_position,
  total_interactions, speciation_index, momentum, recent_hashes, voice, replies, filter_digest,
  bloom_filter, digest
from vera_qiv_states
where slice = :slice and user_id = :subject;

-- name: save_reply
insert into drift_hashes (slice, subject, hash, said_at, version, signature, exact, digest)
values (:slice, :subject, :hash, :said_at, :version, :signature, :exact, :digest)
on conflict (slice, subject, hash) do nothing;

-- name: save_bands
insert into drift_bands (slice, subject, band, value, hash)
select :slice, :subject, key, value, :hash from json_each(:bands) where true
on conflict (slice, subject, band, value, hash) do nothing;

-- name: alike
-- The same reply first, then those that share most bands, the earliest first: a rank that does not
-- depend on what the hashes are.
select hash from drift_hashes
where slice = :slice and subject = :subject and hash = :hash
union all
select * from (
  select said.hash from (
    select b.hash from json_each(:bands) as wanted cross join drift_bands as b
    where b.slice = :slice and b.subject = :subject and b.band = wanted.key
      and b.value = wanted.value
    limit :most
  ) as sharing
  join drift_hashes as said
    on said.slice = :slice and said.subject = :subject and said.hash = sharing.hash
  group by said.hash, said.version
  order by count(*) desc, said.version
  limit :nearest
);

-- name: said
select hash, said_at, version, signature, exact, digest from drift_hashes
where slice = :slice and subject = :subject
  and hash in (select value from json_each(:hashes))
order by version;

-- name: newest
select hash, said_at, version, signature, exact, digest from drift_hashes
where slice = :slice and subject = :subject
order by version desc
limit :most;

-- name: save_evidence
insert into drift_imports
  (slice, subject, imported_at, app_filter, own_filter, recent_hashes, digest)
values
  (:slice, :subject, :imported_at, :app_filter, :own_filter, :recent_hashes, :digest)
on conflict (slice, subject) do update set
  imported_at = excluded.imported_at, app_filter = excluded.app_filter,
  own_filter = excluded.own_filter, recent_hashes = excluded.recent_hashes,
  digest = excluded.digest;

-- name: evidence
select imported_at, app_filter, own_filter, recent_hashes, digest from drift_imports
where slice = :slice and subject = :subject;

-- name: clear_hashes
delete from drift_hashes where slice = :slice and subject = :subject;

-- name: clear_bands
delete from drift_bands where slice = :slice and subject = :subject;

-- name: clear_evidence
delete from drift_imports where slice = :slice and subject = :subject;
