-- The statements of the key store. They run as the login itself: nobody else may see these tables.

-- name: has_table
select count(*) from sqlite_schema where type = 'table' and name = :name;

-- name: secure_delete
pragma secure_delete = on;

-- name: vault
select vault, format, created_at from perdure_vault;

-- name: found_vault
insert into perdure_vault (vault, format, created_at) values (:vault, :format, :now);

-- name: epochs
select epoch, source, parameters, checked, root, is_settled
from perdure_vault_epochs order by epoch desc;

-- name: add_epoch
insert into perdure_vault_epochs
  (epoch, source, parameters, checked, root, is_settled, created_at)
values (:epoch, :source, :parameters, :checked, :root, :is_settled, :now);

-- name: drop_epochs
delete from perdure_vault_epochs where epoch < :epoch;

-- name: settle_epoch
update perdure_vault_epochs set is_settled = 1 where epoch = :epoch;

-- name: add_subject
insert into perdure_vault_subjects (token, handle, name, state, created_at)
values (:token, :handle, :name, 'active', :now);

-- name: keys_of_token
select s.handle, s.state, s.name, k.number, k.generation, k.epoch, k.wrapped, k.commitment,
  k.created_at
from perdure_vault_subjects s
left join perdure_vault_keys k on k.handle = s.handle
where s.token = :token
order by k.number;

-- name: keys_of_handle
select s.handle, s.state, s.name, k.number, k.generation, k.epoch, k.wrapped, k.commitment,
  k.created_at
from perdure_vault_subjects s
left join perdure_vault_keys k on k.handle = s.handle
where s.handle = :handle
order by k.number;

-- name: name_of
select name from perdure_vault_subjects where handle = :handle;

-- name: has_generation
select count(*) from perdure_vault_keys where generation = :generation;

-- name: add_key
insert into perdure_vault_keys
  (handle, number, generation, epoch, wrapped, commitment, created_at, messages, bytes)
values
  (:handle, :number, :generation, :epoch, :wrapped, :commitment, :now, :messages, :bytes)
on conflict (handle, number) do nothing;

-- name: use_key
update perdure_vault_keys set messages = messages + :messages, bytes = bytes + :bytes
where handle = :handle and number = :number and exists (
  select 1 from perdure_vault_subjects s where s.handle = :handle and s.state = 'active')
returning messages, bytes, created_at;

-- name: handles_after
select handle from perdure_vault_subjects
where handle > :after and state = 'active' order by handle limit :most;

-- name: set_state
update perdure_vault_subjects set state = :state where handle = :handle;

-- name: handles_in_state
select handle from perdure_vault_subjects where state = :state order by handle;

-- name: destroy_keys
delete from perdure_vault_keys where handle = :handle;

-- name: bury
update perdure_vault_subjects
set handle = null, name = null, created_at = null, state = 'forgotten'
where handle = :handle;

-- name: readmit
delete from perdure_vault_subjects where token = :token and state = 'forgotten'
returning state;

-- name: keys_behind
select handle, number, generation, epoch, wrapped, commitment from perdure_vault_keys
where epoch <> :epoch and (handle, number) > (:after, :number)
order by handle, number limit :most;

-- name: count_behind
select count(*) from perdure_vault_keys where epoch <> :epoch;

-- name: rewrap_key
update perdure_vault_keys set epoch = :epoch, wrapped = :wrapped
where handle = :handle and number = :number and epoch = :was;

-- name: count_states
select state, count(*) from perdure_vault_subjects group by state;

-- name: count_epochs
select epoch, count(*), min(created_at) from perdure_vault_keys group by epoch;

-- name: all_epochs
select epoch, source, parameters, checked, root, is_settled, created_at from perdure_vault_epochs;

-- name: all_subjects
select token, handle, name, state, created_at from perdure_vault_subjects
where token > :after order by token limit :most;

-- name: all_keys
select handle, number, generation, epoch, wrapped, commitment, created_at, messages, bytes
from perdure_vault_keys
where (handle, number) > (:after, :number) order by handle, number limit :most;

-- name: copy_subject
insert into perdure_vault_subjects (token, handle, name, state, created_at)
values (:token, :handle, :name, :state, :now);
