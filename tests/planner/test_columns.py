"""Scans that read kept columns in place of records: the same answers, while tables change too."""

from __future__ import annotations

import random
from array import array
from typing import Any

import pytest

import tandemdb
from tandemdb.planner.emit import columnar
from tests.planner.twins import Twins

SCRIPT = """
create table t(id integer primary key, n int not null, r real not null, s text, m, big int);
create table o(k integer primary key, s text);
create index os on o(s)
"""
QUERIES = [
    "select count(*) from t where r > 2.5 and s is not null",
    "select count(*) from t where n between 2 and 5",
    "select sum(r) from t",
    "select avg(r), count(r) from t where n <> 3",
    "select sum(n), min(n), max(n) from t",
    "select sum(n * 2 + r) from t",
    "select sum(big) from t",
    "select total(big), max(big) from t",
    "select max(s) from t where s like '%b%'",
    "select count(distinct s), count(distinct m) from t",
    "select count(distinct n) from t",
    "select distinct n, s from t",
    "select distinct m from t",
    "select n from t union select k from o",
    "select m from t intersect select n from t",
    "select s from t except select s from o",
    "select s, count(*) from t group by s",
    "select n, count(*) from t group by n having count(*) > 3",
    "select typeof(max(m)), typeof(sum(m)), group_concat(m) from t where n > 1",
    "select sum(case when r < 1 then 1 when r < 2 then 2 else 3 end) from t",
    "select count(*), min(o.s) from t, o where o.k = t.n and t.r > 1",
    "select count(*) from t where n in (select k from o where s > 'a')",
    "select count(*) from t where id % 3 = 1",
    "select k, (select count(*) from t where t.n > o.k) from o",
    "select k from o where exists (select 1 from t where t.n = o.k and t.r > 3)",
    "select count(*) from t, t u where t.n = u.n and t.r < 1",
    "select sum(n) filter (where r > 1) from t",
    "select count(*) from t where abs(n) > 2 and upper(s) = 'B'",
    "select distinct 1",
    "select sum(n), sum(r), max(s) from t",
    "select n, r, s from t where r > 1",
    "select n, r, s, m from t where r > 1",
    "select count(*), sum(r), min(s) from t where r > 1 and n < 4",
    "select count(*) from t where s like '%b%' and r > 1 and n < 4",
    "select count(*) from t where s not like 'b%' and m > 1 and n < 4",
    "select distinct n, s, r > 1 from t",
    "select s, n, r from t group by s, n, r having count(*) > 1",
    "select count(*), count(s) from (select s from t group by s having count(*) > 3)",
    "select count(s) from (select s from t group by s limit 2)",
    "select count(s), count(*) from (select s from t union select s from o)",
    "select count(*) from (select n, sum(r) from t group by n)",
    "select n from t union select k from o where k > 2",
]


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> Twins:
    monkeypatch.setattr(columnar, "RECORDS_MIN", 0)
    pair = Twins(SCRIPT)
    draw = random.Random(5)
    for number in range(300):
        kind = draw.choice([1, 1.0, "1", "x", None, b"x", -0.0, 7])
        text = draw.choice(["a", "b", "B", "bb", "c", None])
        whole, large = draw.choice([1, 2, 3, 4, 5, 2**62]), draw.choice([2**53, None, 1])
        values = whole, draw.randrange(-4, 8) / 2, text, kind, large
        pair.run("insert into t values (?, ?, ?, ?, ?, ?)", number, *values)
    for number in range(8):
        pair.run("insert into o values (?, ?)", number, "abc"[number % 3])
    return pair


@pytest.mark.parametrize("query", QUERIES)
def test_answers_follow_changes(twins: Twins, query: str) -> None:
    changes = ["update t set r = r + 1 where id % 7 = 0", "delete from t where id % 5 = 0 or n > 5", "delete from t"]
    for change in ["select 1", *changes]:
        twins.run(change)
        for _ in range(3):
            twins.same(query)
    twins.run("insert into t values (1, 2, -0.0, 'b', null, null)")
    for _ in range(3):
        twins.same(query)


@pytest.mark.parametrize(
    "query",
    [
        "select k, count(*) from o where s = 'z'",
        "select k, max(k) from o where s = 'z'",
        "select s, count(*) from o where s > 'x'",
        "select o.k, t.n, t.s, count(*) from o, t where o.s = 'z' and t.id = o.k",
        "select o.k, p.s, max(t.r) from t, o, o p where o.k = t.n and p.k = o.k and t.r > 1e9",
    ],
)
def test_columns_beside_aggregates_of_no_rows_are_null(twins: Twins, query: str) -> None:
    for _ in range(3):
        twins.same(query)


def test_answers_follow_changes_inside_a_transaction(twins: Twins) -> None:
    for _ in range(3):
        twins.same(QUERIES[0])
    twins.run("begin")
    for change in ["update t set s = null where id < 20", "delete from t where id > 250"]:
        twins.run(change)
        for _ in range(3):
            twins.same(QUERIES[0])
    twins.run("rollback")
    for _ in range(3):
        twins.same(QUERIES[0])


def shop() -> tandemdb.Connection:
    connection = tandemdb.connect(":memory:")
    connection.execute("create table t(a int not null, b text, c real)")
    connection.executemany("insert into t values (?, ?, ?)", [(n % 5, f"{n}", n / 2) for n in range(2000)])
    connection.commit()
    return connection


def kept(connection: Any) -> dict[Any, Any]:
    tables = connection._session.main.database.root.tables.values()
    found: dict[Any, Any] = next(table.kept or {} for table in tables if table.definition.name == "t")
    return found


def test_columns_are_kept_from_their_second_use_on() -> None:
    connection = shop()
    query = "select count(*) from t where c > 100 and b <> '7'"
    connection.execute(query).fetchone()
    assert {name: value for name, value in kept(connection).items() if name[0] == "column"} == {
        ("column", 1): None, ("column", 2): None,
    }  # fmt: skip
    connection.execute(query).fetchone()
    assert kept(connection)["column", 1] == [f"{n}" for n in range(2000)]
    assert kept(connection)["column", 2] == array("d", [n / 2 for n in range(2000)])
    connection.execute("update t set c = 1 where rowid = 7")
    assert not kept(connection)


def test_a_progress_handler_is_called_as_ever() -> None:
    connection = shop()
    query = "select count(*) from t where c > 100"
    for _ in range(3):
        connection.execute(query).fetchone()
    calls = []
    connection.set_progress_handler(lambda: calls.append(1), 1)
    connection.execute(query).fetchone()
    assert len(calls) > 5
    connection.set_progress_handler(lambda: 1, 1)
    with pytest.raises(tandemdb.OperationalError, match="interrupted"):
        connection.execute(query).fetchone()
