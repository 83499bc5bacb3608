-- Only what differs from queries.sql.

-- name: by_position
-- Differs because: without statistics of a new table the planner collects all events of the subject
-- and sorts them, for every page; SQLite walks along the key.
set local enable_sort to off;
