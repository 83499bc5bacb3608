-- Which vault seals this database, and who was forgotten.

create table if not exists perdure_vaults (
  vault text    not null primary key,  -- its id, never a key
  since integer not null
) strict, without rowid;

create table if not exists perdure_tombstones (
  slice   integer not null,
  subject text    not null,
  at      integer not null,
  counts  text    not null default '{}' check (json_valid(counts)),  -- rows erased, by table
  receipt text,
  done    integer not null default 0 check (done in (0, 1)),
  primary key (slice, subject)
) strict, without rowid;

-- On PostgreSQL perdure_append does the same.
create trigger if not exists perdure_stay_forgotten
before insert on perdure_events
when exists (select 1 from perdure_tombstones
  where slice = new.slice and subject = new.subject)
begin
  select raise(abort, 'PD002');
end;
