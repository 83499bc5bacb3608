-- Tokens for what is personal in texts (seed E). A forgotten one keeps its number alone.

create table if not exists pii_tokens (
  slice   integer not null,
  subject text    not null,
  kind    text    not null,
  number  integer not null check (number > 0),
  at      text    not null,
  version integer not null,  -- of the stream
  value   text,              -- sealed
  blind   text,              -- the same for the same value
  digest  blob    not null,
  primary key (slice, subject, kind, number),
  unique (slice, subject, blind)
) strict, without rowid;
