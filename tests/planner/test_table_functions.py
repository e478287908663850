"""Table-valued functions: what FROM json_each(...), json_tree(...) and pragma_NAME(...) read, as sqlite3 has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.planner.twins import Twins

TABLES = """create table t(a integer primary key, j text);
insert into t values(1, '[1,2,{"x":3}]'), (2, '{"k":[true,null]}'), (3, null), (4, '7')"""

QUERIES = [
    """select * from json_each('[1,"a",null,{"b":[2]}]')""",
    """select key, value, json, root, rowid from json_tree('{"a":[1,2]}', '$.a')""",
    "select * from json_each",
    "select * from json_each where json = '[1,2]'",
    """select * from json_each where json = '{"a":[5]}' and root = '$.a'""",
    "select * from json_each('[1,2]') where json = '[1,2]' and '[2]' = root",
    "select t.a, e.value from t, json_each(t.j) e",
    "select t.a, e.value from t join json_each(t.j) e on e.key = 1 order by 1",
    "select t.a, e.value from t left join json_each(t.j) e",
    "select t.a, e.value from t join json_each e on e.json = t.j",
    "select t.a, e.value from t left join json_each e on e.json = t.j",
    "select t.a from t where exists (select 1 from json_each(t.j) where value = 2)",
    "select t.a, (select group_concat(value) from json_each(t.j)) from t",
    """select json_array(value), typeof(value) from json_each('[{"a":1},[2],"x"]')""",
    """select json_type(value) from json_each('[{"a":1},[2],3]')""",
    "select json_object('v', value) from json_each('[[1]]')",
    """select json_group_array(value) from json_each('[[1],"[2]"]')""",
    "select json_array(v) from (select value v from json_each('[[1]]'))",
    """select max(value), min(value) from json_each('[[1],"a"]')""",
    "select distinct value from json_each('[[1],[1]]')",
    "select name, type from pragma_table_info('t')",
    "select * from pragma_table_info where arg = 't'",
    "select m.name, p.name from sqlite_master m, pragma_table_info(m.name) p",
    "select m.name, p.name from sqlite_master m join pragma_table_info p on p.arg = m.name",
    "select * from pragma_table_info('t', 'main')",
    "select arg, schema, cid from pragma_table_info('t')",
    "select * from pragma_user_version",
    "select * from pragma_foreign_keys",
    "select count(*) from json_tree('[[1,2],[3]]') where atom is not null",
    "select * from json_each('[3,1,2]') order by value desc limit 2",
    "select e.* from json_each('[1,2]') as e, json_each('[3]') f",
    "select * from json_each('[1,2]') where value in (select value from json_each('[2,3]'))",
    "with r as (select value v from json_each('[1,2]')) select * from r a, r b",
    """select atom, id, parent, fullkey, path from json_tree('{"a":{"b c":[1]}}')""",
    "select key from json_each('[1,2]', null)",
    "explain query plan select * from json_each('[1]')",
    "explain query plan select * from json_each('[1]', '$')",
]

ERRORS = [
    "select * from json_each('{')",
    "select * from json_each('[1]', 'bad')",
    "select * from json_each(1, 2, 3)",
    "select * from json_tree(1, 2, 3, 4)",
    "select * from pragma_table_info('t', 'main', 1)",
    "select * from nosuch(1)",
    "select * from t(1)",
    "select * from pragma_nosuch",
    "select json_each.key from json_each('[1]') j",
]


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    found = Twins()
    for statement in TABLES.split(";\n"):
        found.run(statement)
    yield found
    found.close()


@pytest.mark.parametrize("sql", QUERIES)
def test_rows_are_those_of_sqlite(twins: Twins, sql: str) -> None:
    found = twins.expected(sql) and twins.found(sql)
    expected = twins.expected(sql)
    if sql.startswith("explain"):
        found, expected = [row[3] for row in found], [row[3] for row in expected]
    assert repr(found) == repr(expected)
    for row in found:
        for value in row if isinstance(row, tuple) else ():
            assert type(value) in (type(None), int, float, str, bytes)


@pytest.mark.parametrize("sql", ERRORS)
def test_errors_are_those_of_sqlite(twins: Twins, sql: str) -> None:
    assert twins.same(sql)[0] == "OperationalError"


def test_arguments_are_bound_values() -> None:
    twins = Twins("create table n(v)")
    twins.same("select value from json_each(?) where key > ?", "[5,6,7]", 0)
    twins.run("insert into n select value from json_each(?)", '["p",["q"]]')
    twins.same("select v, typeof(v) from n")
    twins.run("update n set v = (select value from json_each('[9]')) where v = 'p'")
    twins.run("delete from n where v in (select value from json_each('[9]'))")
    twins.same("select * from n")


SERIES = [
    ("generate_series(1, 9, 3)", [1, 4, 7]),
    ("generate_series(3, 1, -1)", [3, 2, 1]),
    ("generate_series(1, 0)", []),
    ("generate_series where start = 1 and stop = 3", [1, 2, 3]),
    ("generate_series(1, null)", []),
]


@pytest.mark.parametrize(("source", "values"), SERIES)
def test_generate_series_as_in_the_shell(twins: Twins, source: str, values: list[int]) -> None:
    """Python's sqlite3 has no generate_series; the rows are those of SQLite's own shell."""
    assert twins.found(f"select value from {source}") == [(value,) for value in values]


def test_generate_series_needs_a_start(twins: Twins) -> None:
    message = 'first argument to "generate_series()" missing or unusable'
    assert twins.found("select value from generate_series") == ("OperationalError", message)
