-- Only what differs from queries.sql.

-- name: has_table
-- Differs because: the catalogue has another name.
select count(*) from pg_class where oid = to_regclass(:name);
