-- The key store: what is here now is all there ever is. No history, no log.
-- It belongs to the role that logs in, and to nobody else.

create table if not exists perdure_vault (
  vault      bytea  not null primary key check (length(vault) = 16),
  format     bigint not null,
  created_at bigint not null
);

-- One row, two while keys are being rewrapped. The check tells a wrong master key from a right one.
create table if not exists perdure_vault_epochs (
  epoch      bigint   not null primary key check (epoch > 0),
  source     text     not null,
  parameters text     not null,
  checked    bytea    not null check (length(checked) = 16),
  root       bytea    not null,
  is_settled smallint not null check (is_settled in (0, 1)),
  created_at bigint   not null
);

-- Of a forgotten subject nothing but the token stays. The handle of zeros means nobody.
create table if not exists perdure_vault_subjects (
  token      bytea  not null primary key check (length(token) = 32),
  handle     text   collate "C" unique
    check (length(handle) = 32 and handle <> '00000000000000000000000000000000'),
  name       bytea,
  state      text   not null check (state in ('active', 'forgetting', 'forgotten')),
  created_at bigint,
  check ((state = 'forgotten') = (handle is null and name is null and created_at is null))
);

create table if not exists perdure_vault_keys (
  handle     text   collate "C" not null references perdure_vault_subjects (handle),
  number     bigint not null check (number > 0),
  generation bytea  not null unique check (length(generation) = 16),
  epoch      bigint not null references perdure_vault_epochs (epoch),
  wrapped    bytea  not null,
  commitment bytea  not null check (length(commitment) = 16),
  created_at bigint not null,
  messages   bigint not null,
  bytes      bigint not null,
  primary key (handle, number)
);

create index if not exists perdure_vault_keys_epoch on perdure_vault_keys (epoch);

revoke all on perdure_vault, perdure_vault_epochs, perdure_vault_subjects, perdure_vault_keys
from public;
