-- Tokens. Columns stand in the order of the dataclass fields, the digest last.

-- name: save
insert into pii_tokens (slice, subject, kind, number, at, version, value, blind, digest)
values (:slice, :subject, :kind, :number, :at, :version, :value, :blind, :digest)
on conflict (slice, subject, kind, number) do update set
  at = excluded.at, version = excluded.version, value = excluded.value, blind = excluded.blind,
  digest = excluded.digest;

-- name: of_keys
select kind, number, at, version, value, blind, digest
from pii_tokens
where slice = :slice and subject = :subject and (kind, number) in
  (select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:keys));

-- name: of_blinds
select kind, number, at, version, value, blind, digest
from pii_tokens
where slice = :slice and subject = :subject and blind in (select value from json_each(:blinds));

-- name: known
select kind, number, at, version, value, blind, digest
from pii_tokens
where slice = :slice and subject = :subject and (kind, number) > (:kind, :number)
  and value is not null
order by kind, number
limit :most;

-- name: last_number
select coalesce(max(number), 0) from pii_tokens
where slice = :slice and subject = :subject and kind = :kind;
