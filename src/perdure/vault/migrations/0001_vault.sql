-- The key store: what is here now is all there ever is. No history, no log.

create table if not exists perdure_vault (
  vault      blob    not null primary key check (length(vault) = 16),
  format     integer not null,
  created_at integer not null
) strict;

-- One row, two while keys are being rewrapped. The check tells a wrong master key from a right one.
create table if not exists perdure_vault_epochs (
  epoch      integer not null primary key check (epoch > 0),
  source     text    not null,
  parameters text    not null,
  checked    blob    not null check (length(checked) = 16),
  root       blob    not null,
  is_settled integer not null check (is_settled in (0, 1)),
  created_at integer not null
) strict;

-- Of a forgotten subject nothing but the token stays. The handle of zeros means nobody.
create table if not exists perdure_vault_subjects (
  token      blob    not null primary key check (length(token) = 32),
  handle     text    unique
    check (length(handle) = 32 and handle <> '00000000000000000000000000000000'),
  name       blob,
  state      text    not null check (state in ('active', 'forgetting', 'forgotten')),
  created_at integer,
  check ((state = 'forgotten') = (handle is null and name is null and created_at is null))
) strict, without rowid;

create table if not exists perdure_vault_keys (
  handle     text    not null references perdure_vault_subjects (handle),
  number     integer not null check (number > 0),
  generation blob    not null unique check (length(generation) = 16),
  epoch      integer not null references perdure_vault_epochs (epoch),
  wrapped    blob    not null,
  commitment blob    not null check (length(commitment) = 16),
  created_at integer not null,
  messages   integer not null,
  bytes      integer not null,
  primary key (handle, number)
) strict, without rowid;

create index if not exists perdure_vault_keys_epoch on perdure_vault_keys (epoch);
