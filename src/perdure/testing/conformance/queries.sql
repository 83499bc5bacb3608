-- What the cases do behind the store's back, as an operator could.

-- name: erase_payload
update perdure_events set payload = null
where slice = :slice and subject = :subject and stream = :stream and version = :version;

-- name: change_payload
update perdure_events set payload = :payload
where slice = :slice and subject = :subject and stream = :stream and version = :version;

-- name: no_such_table
select count(*) from perdure_nowhere;
