-- Seed A. Columns, defaults, index, trigger and policies are the seed's; slice stands in front and
-- user_id is the subject. Behind updated_at is what the seed's columns do not hold.

create table if not exists vera_qiv_states (
  slice              smallint         not null,
  id                 uuid             not null default gen_random_uuid(),
  user_id            text             not null,
  -- core drift
  drift_coefficient  double precision not null default 0 check (drift_coefficient between 0 and 1),
  -- dimensional drift
  dimensions         jsonb            not null default '{
    "lexical": 0,
    "structural": 0,
    "tonal": 0,
    "creative": 0,
    "thermal": 0,
    "amplitude": 0
  }'::jsonb,
  -- fitness position
  fitness_position   jsonb            not null default '{
    "x": 0.5,
    "y": 0.5,
    "z": 0.5
  }'::jsonb,
  -- metrics
  total_interactions bigint           not null default 0 check (total_interactions >= 0),
  speciation_index   double precision not null default 0 check (speciation_index between 0 and 1),
  momentum           double precision not null default 0 check (momentum between 0 and 2),
  -- said before
  bloom_filter       text,    -- base64
  recent_hashes      text[],
  -- timestamps
  created_at         timestamptz      not null default now(),
  updated_at         timestamptz      not null default now(),
  -- not in the seed
  voice              text             not null default '{}',  -- json
  replies            bigint           not null default 0,  -- different ones, in drift_hashes
  filter_digest      bytea,                                -- of bloom_filter
  digest             bytea            not null,
  primary key (slice, id),
  unique (slice, user_id)
) /* partition */;
create index if not exists idx_qiv_user_id on vera_qiv_states (user_id);

-- What was said: the truth behind bloom_filter and recent_hashes. Never a text.
create table if not exists drift_hashes (
  slice     smallint    not null,
  subject   text        not null,
  hash      bigint      not null,
  said_at   timestamptz not null,
  version   bigint      not null,  -- of the stream, when it was said first
  signature bytea       not null,  -- MinHash
  digest    bytea       not null,
  primary key (slice, subject, hash)
) /* partition */;

-- An index over the signatures: replies that share a band may be alike.
create table if not exists drift_bands (
  slice   smallint not null,
  subject text     not null,
  band    smallint not null,
  value   bigint   not null,
  hash    bigint   not null,
  primary key (slice, subject, band, value, hash)
) /* partition */;

-- What an app brought along: its filter, a filter of ours, its recent hashes.
create table if not exists drift_imports (
  slice         smallint    not null,
  subject       text        not null,
  imported_at   timestamptz not null,
  app_filter    text,
  own_filter    text,
  recent_hashes text        not null,  -- json
  digest        bytea       not null,
  primary key (slice, subject)
) /* partition */;

call perdure_protect('drift_hashes', 'perdure_app', 'select, insert, update, delete');
call perdure_protect('drift_bands', 'perdure_app', 'select, insert, update, delete');
call perdure_protect('drift_imports', 'perdure_app', 'select, insert, update, delete');

create or replace function update_qiv_timestamp()
returns trigger as $$
begin
  new.updated_at = now();
  return new;
end;
$$ language plpgsql;

-- A projection writes updated_at itself and brings a new digest, so the trigger stands back: a
-- rebuild has to give the same row. Everybody else's update gets the time. Plain tables only.
do $$
begin
  if (select relkind from pg_class where oid = 'vera_qiv_states'::regclass) = 'r' then
    create or replace trigger qiv_state_updated
      before update on vera_qiv_states
      for each row
      when (old.digest is not distinct from new.digest and old.* is distinct from new.*)
      execute function update_qiv_timestamp();
  end if;
end $$;

-- The seed's policies are for people who come through Supabase; the store comes as perdure_app.
alter table vera_qiv_states enable row level security;
alter table vera_qiv_states force row level security;
do $$
declare
  own text := case when to_regprocedure('auth.uid()') is null
    then 'user_id = (select perdure_subject())'
    else 'user_id = (select auth.uid())::text' end;
begin
  drop policy if exists "Users can read own QIV state" on vera_qiv_states;
  drop policy if exists "Users can update own QIV state" on vera_qiv_states;
  drop policy if exists "Users can insert own QIV state" on vera_qiv_states;
  execute 'create policy "Users can read own QIV state" on vera_qiv_states '
    'for select to authenticated using (' || own || ')';
  execute 'create policy "Users can update own QIV state" on vera_qiv_states '
    'for update to authenticated using (' || own || ') with check (' || own || ')';
  execute 'create policy "Users can insert own QIV state" on vera_qiv_states '
    'for insert to authenticated with check (' || own || ')';
end $$;
drop policy if exists own_subject on vera_qiv_states;
create policy own_subject on vera_qiv_states to perdure_app, perdure_owner
  using (user_id = (select perdure_subject()))
  with check (user_id = (select perdure_subject()));
drop policy if exists reads_all on vera_qiv_states;
create policy reads_all on vera_qiv_states for select to perdure_reader using (true);
revoke all on vera_qiv_states from public;
revoke all on vera_qiv_states, drift_hashes, drift_bands, drift_imports from anon;
revoke all on drift_hashes, drift_bands, drift_imports from authenticated;
grant select, insert, update on vera_qiv_states to authenticated;
grant select, insert, update, delete on vera_qiv_states to perdure_app;
grant select on vera_qiv_states to perdure_reader;
alter table vera_qiv_states owner to perdure_owner;
alter function update_qiv_timestamp() owner to perdure_owner;
