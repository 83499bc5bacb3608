-- Tokens for what is personal in texts (seed E). A forgotten one keeps its number alone.

create table if not exists pii_tokens (
  slice   smallint    not null,
  subject text        not null,
  kind    text        not null,
  number  bigint      not null check (number > 0),
  at      timestamptz not null,
  version bigint      not null,  -- of the stream
  value   text,                  -- sealed
  blind   text,                  -- the same for the same value
  digest  bytea       not null,
  primary key (slice, subject, kind, number),
  unique (slice, subject, blind)
) /* partition */;

call perdure_protect('pii_tokens', 'perdure_app', 'select, insert, update, delete');
revoke all on pii_tokens from anon, authenticated;
