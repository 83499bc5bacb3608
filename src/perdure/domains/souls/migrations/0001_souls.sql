-- Seed B. Every table has slice and subject in front; names, checks and indexes are the seed's.

create table if not exists threads (
  slice      integer not null,
  subject    text    not null,
  id         text    not null,
  created_at text    not null,
  primary key (slice, subject, id)
) strict, without rowid;

create table if not exists bot_soul (
  slice      integer not null,
  subject    text    not null,
  id         text    not null,
  created_at text    not null,
  updated_at text    not null,
  content    text    not null,
  is_active  integer not null default 1 check (is_active in (0, 1)),
  primary key (slice, subject, id)
) strict, without rowid;

create table if not exists soul_versions (
  slice            integer not null,
  subject          text    not null,
  id               text    not null,
  created_at       text    not null,
  version          integer not null check (version >= 0),
  core_identity    text    not null,
  active_values    text    not null,
  recent_growth    text    not null,
  reflection_notes text,
  token_count      integer not null default 0,
  digest           blob    not null,
  primary key (slice, subject, id),
  unique (slice, subject, version)
) strict;
create index if not exists soul_versions_created_at
  on soul_versions (slice, subject, created_at desc);
create index if not exists soul_versions_version
  on soul_versions (slice, subject, version desc);

create table if not exists soul_milestones (
  slice             integer not null,
  subject           text    not null,
  id                text    not null,
  created_at        text    not null,
  event_description text    not null,
  emotional_weight  text    not null default 'meaningful'
    check (emotional_weight in ('formative', 'meaningful', 'challenging')),
  lesson_learned    text    not null,
  source_thread_id  text,
  digest            blob    not null,
  primary key (slice, subject, id),
  foreign key (slice, subject, source_thread_id) references threads (slice, subject, id)
) strict;
create index if not exists soul_milestones_created_at
  on soul_milestones (slice, subject, created_at desc);
create index if not exists soul_milestones_weight
  on soul_milestones (slice, subject, emotional_weight);
create index if not exists soul_milestones_thread
  on soul_milestones (slice, subject, source_thread_id);

-- "on delete set null" would null the slice too; SQLite has no column list there.
create trigger if not exists soul_milestones_outlive_threads
before delete on threads begin
  update soul_milestones set source_thread_id = null
  where slice = old.slice and subject = old.subject and source_thread_id = old.id;
end;
