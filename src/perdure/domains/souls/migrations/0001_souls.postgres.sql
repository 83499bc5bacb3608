-- Seed B. Every table has slice and subject in front; names, checks and indexes are the seed's.

create table if not exists threads (
  slice      smallint    not null,
  subject    text        not null,
  id         uuid        not null default gen_random_uuid(),
  created_at timestamptz not null default now(),
  primary key (slice, subject, id)
) /* partition */;

create table if not exists bot_soul (
  slice      smallint    not null,
  subject    text        not null,
  id         uuid        not null default gen_random_uuid(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  content    text        not null,
  is_active  boolean     not null default true,
  primary key (slice, subject, id)
) /* partition */;

create table if not exists soul_versions (
  slice            smallint    not null,
  subject          text        not null,
  id               uuid        not null default gen_random_uuid(),
  created_at       timestamptz not null default now(),
  version          integer     not null check (version >= 0),
  core_identity    text        not null,  -- layer 1: who I am (stable, ~200 tokens)
  active_values    text        not null,  -- layer 2: what I care about now (~300 tokens)
  recent_growth    text        not null,  -- layer 3: what I learned recently (~300 tokens)
  reflection_notes text,                  -- uncompressed journal entry (never in a prompt)
  token_count      integer     not null default 0,
  digest           bytea       not null,
  primary key (slice, subject, id),
  unique (slice, subject, version)
) /* partition */;
create index if not exists soul_versions_created_at
  on soul_versions (slice, subject, created_at desc);
create index if not exists soul_versions_version
  on soul_versions (slice, subject, version desc);

create table if not exists soul_milestones (
  slice             smallint    not null,
  subject           text        not null,
  id                uuid        not null default gen_random_uuid(),
  created_at        timestamptz not null default now(),
  event_description text        not null,
  emotional_weight  text        not null default 'meaningful'
    check (emotional_weight in ('formative', 'meaningful', 'challenging')),
  lesson_learned    text        not null,
  source_thread_id  uuid,
  digest            bytea       not null,
  primary key (slice, subject, id),
  foreign key (slice, subject, source_thread_id) references threads (slice, subject, id)
    on delete set null (source_thread_id)
) /* partition */;
create index if not exists soul_milestones_created_at
  on soul_milestones (slice, subject, created_at desc);
create index if not exists soul_milestones_weight
  on soul_milestones (slice, subject, emotional_weight);
create index if not exists soul_milestones_thread
  on soul_milestones (slice, subject, source_thread_id);

-- The service role alone reaches these tables.
do $$
declare
  owned text;
begin
  foreach owned in array array['threads', 'bot_soul', 'soul_versions', 'soul_milestones'] loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format('drop policy if exists service_role_all on %I', owned);
    execute format('create policy service_role_all on %I to service_role, perdure_owner '
      'using (subject = (select perdure_subject())) '
      'with check (subject = (select perdure_subject()))', owned);
    execute format('revoke all on %I from public', owned);
    execute format('grant select, insert, update, delete on %I to service_role', owned);
    execute format('alter table %I owner to perdure_owner', owned);
  end loop;
end $$;
