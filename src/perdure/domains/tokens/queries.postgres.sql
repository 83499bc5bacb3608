-- name: of_keys
-- Differs because: json_each is json_array_elements here.
select kind, number, at, version, value, blind, digest
from pii_tokens
where slice = :slice and subject = :subject and (kind, number) in
  (select each ->> 0, cast(each ->> 1 as bigint)
   from json_array_elements(cast(:keys as json)) as each);

-- name: of_blinds
-- Differs because: json_each is json_array_elements_text here.
select kind, number, at, version, value, blind, digest
from pii_tokens
where slice = :slice and subject = :subject and blind in
  (select json_array_elements_text(cast(:blinds as json)));
