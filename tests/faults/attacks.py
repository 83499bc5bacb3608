"""Statements that try to reach another subject's rows, as `perdure_app` with subject A set.

An attack is a list of statements sent one by one in A's transaction, each alone, as the extended
protocol sends them. `{table}`, `{owner}` (its subject column), `{b}` and `{schema}` are filled in.
`ALONE` attacks are one statement each: what an injection into a statement can be. `FREE` ones need
a session of one's own, so they are tried as a login that may be nothing but perdure_app.
Nothing is run here.
"""

from __future__ import annotations

FLIP = "set_config('perdure.subject', '{b}', true)"
ANYBODY = (
    "perdure_append({b_slice}::smallint, '{b}', 'stolen', -1, gen_random_uuid(), 'X', 1, 1, ''"
)

# Against every table.
EACH_TABLE: dict[str, str] = {
    "select all": "select * from {table}",
    "select by name": "select * from {table} where {owner} = '{b}'",
    "select by a lie": "select * from {table} where {owner} = '{b}' or true",
    "count": "select count(*) from {table} where {owner} = '{b}'",
    "whole rows as text": "select t::text from {table} t",
    "only": "select * from only {table}",
    "self join": "select x.* from {table} y right join {table} x on true",
    "lateral join": "select x.* from perdure_slices s, lateral (select * from {table}) x",
    "union": "select 1::text, null union all select t::text, {owner} from {table} t",
    "cte": "with x as materialized (select * from {table}) select * from x",
    "recursive cte": "with recursive x(r) as (select t::text from {table} t union select r from x)"
    " select * from x",
    "exists": "select 'it is there' where exists (select from {table} where {owner} = '{b}')",
    "aggregate": "select json_agg(t) from {table} t",
    "window": "select t, count(*) over () from {table} t",
    "lock": "select * from {table} where {owner} = '{b}' for update",
    "lock and skip": "select * from {table} where {owner} = '{b}' for share skip locked",
    "insert": 'insert into {table} select (jsonb_populate_record(t, \'{{"{owner}": "{b}"}}\')).*'
    " from {table} t",
    "update": "update {table} set slice = slice where {owner} = '{b}'",
    "update all": "update {table} set slice = 1 - slice",
    "give away": "update {table} set {owner} = '{b}'",
    "update returning": "update {table} set slice = slice returning *",
    "delete": "delete from {table} where {owner} = '{b}'",
    "delete using": "delete from {table} t using {table} u where u.{owner} = '{b}' returning t, u",
    "upsert": "insert into {table} select * from {table} on conflict do nothing returning *",
    "merge": "merge into {table} t using (values (1)) v on t.{owner} = '{b}'"
    " when matched then delete",
    "truncate": "truncate {table}",
    "copy out": "copy {table} to stdout",
    "copy a query": "copy (select * from {table}) to stdout",
    "explain analyze": "explain (analyze, verbose) select * from {table} where {owner} = '{b}'",
    "explain analyze a delete": "explain analyze delete from {table} where {owner} = '{b}'",
    "leaky division": "select * from {table} where 1 / (length({owner}) - length('{b}')) < 9",
    "leaky cast": "select * from {table} t where t::text::integer > 0",
    "statistics": "select most_common_vals::text, histogram_bounds::text from pg_stats"
    " where tablename = '{table}'",
    "statistics themselves": "select stavalues1::text from pg_statistic"
    " where starelid = '{table}'::regclass",
    "query_to_xml": "select query_to_xml('select * from {table}', true, false, '')",
    "table_to_xml": "select table_to_xml('{table}', true, false, '')",
    "ts_stat": "select * from ts_stat('select to_tsvector(t::text) from {table} t')",
    "set_config, then read": f"with f as materialized (select {FLIP}) select f, t"
    " from f, {table} t",
    "set_config while reading": f"select {FLIP}, t from {{table}} t",
    "set_config in the condition": f"select t from {{table}} t where {FLIP} is not null",
    "set_config, then query_to_xml": f"select {FLIP}, query_to_xml('select * from {{table}}',"
    " true, false, '')",
    "role by set_config": "select set_config('role', 'perdure_reader', true),"
    " query_to_xml('select * from {table}', true, false, '')",
    "service by set_config": f"select {FLIP}, set_config('role', 'service_role', true),"
    " query_to_xml('select * from {table}', true, false, '')",
    "no role by set_config": "select set_config('role', 'none', true),"
    " query_to_xml('select * from {table}', true, false, '')",
    "ts_stat without a role": "with f as materialized (select set_config('role', 'none', true) r)"
    " select s.* from f, lateral ts_stat(left('select to_tsvector(''simple'', t::text) from {table}"
    " t', 99 + length(r))) s",
    "ts_stat as the reader": "with f as materialized (select set_config('role', 'perdure_reader',"
    " true) r) select s.* from f, lateral ts_stat(left('select to_tsvector(''simple'', t::text)"
    " from {table} t', 99 + length(r))) s",
    "ts_stat as the service": f"with f as materialized (select {FLIP}, set_config('role',"
    " 'service_role', true) r) select s.* from f, lateral ts_stat(left('select to_tsvector("
    "''simple'', t::text) from {table} t', 99 + length(r))) s",
    "row security off by set_config": "select set_config('row_security', 'off', true),"
    " query_to_xml('select * from {table}', true, false, '')",
    "the setting by pg_settings": "with u as materialized (select 1) select * from {table}, u"
    " where (select count(*) from pg_settings) > 0",
    "set_config by its number": "select t from {table} t where"
    " (select count(set_config) from set_config('perdure.subject', '{b}', true)) > 0",
    "drop the policy": "drop policy own_subject on {table}",
    "change the policy": "alter policy own_subject on {table} using (true)",
    "security off": "alter table {table} disable row level security",
    "own the table": "alter table {table} owner to perdure_app",
    "grant": "grant all on {table} to public",
    "a view": "create view seen as select * from {table}",
    "a temporary view": "create temp view seen as select * from {table}",
    "a rule": "create rule r as on select to {table} do instead select 1",
    "a trigger": "create trigger r before insert on {table} for each row"
    " execute function suppress_redundant_updates_trigger()",
}

# Against the database as a whole.
ALONE: dict[str, str] = {
    "append for B": f"select {ANYBODY})",
    "append for B after set_config": f"with f as materialized (select {FLIP} as x)"
    f" select x, {ANYBODY} || coalesce(left(x, 0), '')::bytea) from f",
    "append in B's slice": "select perdure_append({b_slice}::smallint, '{a}', 'lane-{b}', -1,"
    " gen_random_uuid(), 'X', 1, 1, '')",
    "set_config": f"select {FLIP}",
    "set_config in a call": f"select length({FLIP})",
    "a setting through pg_settings": "update pg_settings set setting = '{b}'"
    " where name = 'perdure.subject'",
    "a role through pg_settings": "update pg_settings set setting = 'perdure_reader'"
    " where name = 'role'",
    "a function of one's own": "create function leak(text) returns bool language sql"
    " as 'select true'",
    "a program": "copy (select 1) to program 'id'",
    "a file": "select pg_read_file('PG_VERSION')",
    "a do block": "do $$ begin perform set_config('perdure.subject', '{b}', true); end $$",
    "protect": "call perdure_protect('perdure_events', 'anon', 'select')",
    "migrations": "select * from perdure_migrations",
    "forget migrations": "delete from perdure_migrations",
    "positions": "update perdure_slices set position = 0",
    "activity": "select query from pg_stat_activity where usename <> current_user",
    "new role": "create role intruder superuser",
    "the owner's rights": "grant perdure_owner to perdure_app",
    "schema to xml": "select schema_to_xml('{schema}', true, false, '')",
    "database to xml": "select database_to_xml(true, false, '')",
    "drop a table": "drop table perdure_events cascade",
    "drop the schema": "drop schema {schema} cascade",
    "lock tables": "lock table perdure_events in access exclusive mode",
    "a foreign key as an oracle": "insert into perdure_outcomes values"
    " ({b_slice}, '{b}', 'first', 'x', '1', 1) on conflict do nothing returning *",
}

FREE: dict[str, list[str]] = {
    "reset the role": ["reset role", "select * from perdure_events"],
    "set role none": ["set role none", "select * from soul_versions"],
    "be the reader": ["set role perdure_reader", "select * from perdure_events"],
    "be the service": ["set role service_role", "select * from soul_versions"],
    "be the owner": ["set role perdure_owner", "select * from perdure_events"],
    "be somebody else": ["set session authorization postgres", "select * from perdure_events"],
    "no security": ["set row_security = off", "select * from perdure_events"],
    "no subject": ["set local perdure.subject = ''", "select * from perdure_events"],
    "reset the subject": ["reset perdure.subject", "select * from perdure_events"],
    "a leaky function": [
        """create function pg_temp.leak(t text) returns bool language plpgsql cost 0.0000001 as
        $f$ begin raise exception 'seen %', t; end $f$""",
        "select * from perdure_events e where pg_temp.leak(e::text)",
    ],
    "tables in front of the definer's": [
        """create temp table perdure_streams (slice smallint, subject text, stream text,
        version bigint, hash bytea)""",
        "create temp table perdure_slices (slice smallint primary key, position bigint)",
        "create temp table perdure_events (like {schema}.perdure_events)",
        """create function pg_temp.evil() returns trigger language plpgsql as $f$ begin
        execute 'alter table {schema}.perdure_events no force row level security';
        execute 'alter table {schema}.perdure_events disable row level security';
        return new; end $f$""",
        """create trigger evil before insert on perdure_streams for each row
        execute function pg_temp.evil()""",
        "grant all on perdure_streams, perdure_slices, perdure_events to public",
        """select perdure_append({a_slice}::smallint, '{a}', 'new', -1, gen_random_uuid(), 'X',
        1, 1, '')""",
        "select * from {schema}.perdure_events",
    ],
    "a prepared statement of A": [
        "prepare mine as select * from perdure_events",
        "execute mine",
    ],
    "a cursor": ["declare c cursor for select * from perdure_events", "fetch all from c"],
    "notifications": ["listen perdure", "notify perdure, 'x'"],
    "a large object": ["select lo_import('/etc/passwd')"],
    "partitions themselves": ["select * from perdure_events_p0", "select * from perdure_events_p1"],
}
