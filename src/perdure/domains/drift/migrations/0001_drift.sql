-- Seed A. Columns, defaults and the index are the seed's; slice stands in front and user_id is the
-- subject. Behind updated_at is what the seed's columns do not hold.

create table if not exists vera_qiv_states (
  slice              integer not null,
  id                 text    not null default (
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
      || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
  user_id            text    not null,
  drift_coefficient  real    not null default 0 check (drift_coefficient between 0 and 1),
  dimensions         text    not null default
    ('{"lexical": 0, "structural": 0, "tonal": 0, "creative": 0, "thermal": 0, "amplitude": 0}')
    check (json_valid(dimensions)),
  fitness_position   text    not null default '{"x": 0.5, "y": 0.5, "z": 0.5}'
    check (json_valid(fitness_position)),
  total_interactions integer not null default 0 check (total_interactions >= 0),
  speciation_index   real    not null default 0 check (speciation_index between 0 and 1),
  momentum           real    not null default 0 check (momentum between 0 and 2),
  bloom_filter       text,   -- base64
  recent_hashes      text    check (json_valid(recent_hashes)),
  created_at         text    not null default (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
  updated_at         text    not null default (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
  voice              text    not null default '{}' check (json_valid(voice)),
  replies            integer not null default 0,  -- different ones, in drift_hashes
  filter_digest      blob,                        -- of bloom_filter
  digest             blob    not null,
  primary key (slice, id),
  unique (slice, user_id)
) strict;
create index if not exists idx_qiv_user_id on vera_qiv_states (user_id);

-- What was said: the truth behind bloom_filter and recent_hashes. Never a text.
create table if not exists drift_hashes (
  slice     integer not null,
  subject   text    not null,
  hash      integer not null,
  said_at   text    not null,
  version   integer not null,  -- of the stream, when it was said first
  signature blob    not null,  -- MinHash
  digest    blob    not null,
  primary key (slice, subject, hash)
) strict, without rowid;

-- An index over the signatures: replies that share a band may be alike.
create table if not exists drift_bands (
  slice   integer not null,
  subject text    not null,
  band    integer not null,
  value   integer not null,
  hash    integer not null,
  primary key (slice, subject, band, value, hash)
) strict, without rowid;

-- What an app brought along: its filter, a filter of ours, its recent hashes.
create table if not exists drift_imports (
  slice         integer not null,
  subject       text    not null,
  imported_at   text    not null,
  app_filter    text,
  own_filter    text,
  recent_hashes text    not null check (json_valid(recent_hashes)),
  digest        blob    not null,
  primary key (slice, subject)
) strict, without rowid;
