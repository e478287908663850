"""Scans that leave out what a table knows to fail: the same answers, while tables change too."""

from __future__ import annotations

import random
from typing import Any

import pytest

import tandemdb
from tandemdb.planner.emit import narrowing
from tandemdb.planner.runtime import places
from tandemdb.planner.runtime.places import UNBOUNDED, narrowed
from tests.planner.twins import Twins

SCRIPT = """
create table t(id integer primary key, n int, r real, s text, c text collate nocase, m);
create table o(k int, s text)
"""
CONDITIONS = [
    "n = 3",
    "n > 2 and n <= 4",
    "n >= 2.5",
    "n < ?1",
    "n = '3'",
    "n between 1 and 2",
    "r >= 1.5 and r < 3",
    "r = 2",
    "s > 'b' and s <= 'c'",
    "s = 'b'",
    "s between 'b' and 'bb'",
    "s < 5",
    "s = ?1",
    "s in ('a', 'c', null)",
    "s not in ('a', 'c')",
    "n in (1, 2.0, 'b', '3')",
    "c = 'B'",
    "s = 'B' collate nocase",
    "c > 'a' collate binary",
    "m = 1 or n = 1",
    "m > 1",
    "n > null",
    "n > 1 and s < null",
    "'b' = s",
    "3 > n",
    "n > 1 and n > 3 and s = 'c'",
    "n > 4 and n < 2",
    "n = 9223372036854775807",
    "r > 1e300",
]
QUERIES = [
    "select * from t where {}",
    "select count(*), sum(r), group_concat(id) from t where {}",
    "select s, count(*) from t where {} group by s",
    "select id from t where {} order by m, id limit 7",
    "select o.k, t.id from o left join t on t.n = o.k and {} order by 1, 2",
    "select o.k, t.id from o, t where o.s = t.s and {} order by 1, 2",
    "select k from o where exists (select 1 from t where t.n = o.k and {}) order by 1",
]


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> Twins:
    monkeypatch.setattr(narrowing, "RECORDS_MIN", 0)
    monkeypatch.setattr(places, "WORTH_PART", 0.7)
    pair = Twins(SCRIPT)
    draw = random.Random(3)
    texts = ["a", "b", "B", "bb", "c", None]
    for number in range(300):
        kind = draw.choice([1, 1.0, "1", "x", None, b"x"])
        values = draw.choice([1, 2, 3, 4, 5, None]), draw.randrange(8) / 2, draw.choice(texts), draw.choice(texts), kind
        pair.run("insert into t values (?, ?, ?, ?, ?, ?)", number, *values)
    for number in range(8):
        pair.run("insert into o values (?, ?)", number, texts[number % 6])
    return pair


@pytest.mark.parametrize("condition", CONDITIONS)
def test_answers_follow_changes(twins: Twins, condition: str) -> None:
    for change in ["select 1", "update t set n = n + 1 where id % 7 = 0", "delete from t where id % 5 = 0"]:
        twins.run(change)
        for _ in range(3):
            for query in QUERIES:
                arguments = (3,) if "?1" in condition else ()
                twins.same(query.format(condition), *arguments)
                if arguments:
                    twins.same(query.format(condition), "b")
                    twins.same(query.format(condition), None)


def test_answers_follow_changes_inside_a_transaction(twins: Twins) -> None:
    query = "select count(*), min(id), max(id) from t where s = 'b' and n > 2"
    for _ in range(3):
        twins.same(query)
    twins.run("begin")
    for change in ["update t set s = 'b' where id < 20", "delete from t where id > 250"]:
        twins.run(change)
        for _ in range(3):
            twins.same(query)
    twins.run("rollback")
    for _ in range(3):
        twins.same(query)


def table(count: int = 2000) -> Any:
    connection = tandemdb.connect(":memory:")
    connection.execute("create table t(a int, b text)")
    rows = [(n * 37 % 50 if n % 9 else None, f"{n}") for n in range(count)]
    connection.executemany("insert into t values (?, ?)", rows)
    connection.commit()
    root = connection._session.main.database.root
    return next(one for one in root.tables.values() if one.definition.name == "t"), rows


def test_records_come_in_the_order_of_the_table() -> None:
    stored, rows = table()
    condition = ((0, 10, True, 13, False),)
    assert narrowed(stored, condition) == stored.record_lists()
    for _ in range(2):
        found = [record for records in narrowed(stored, condition) for record in records]
        assert found == [row for row in rows if row[0] is not None and 10 < row[0] <= 13]
    assert narrowed(stored, ((0, 7, False, 7, True),)) == []
    found = [record for records in narrowed(stored, ((0, frozenset({3, "x", 4.0, 99})),)) for record in records]
    assert found == [row for row in rows if row[0] in (3, 4)]


def test_what_leaves_most_reads_all() -> None:
    stored, _ = table()
    condition = ((0, UNBOUNDED, False, 30, False),)
    for _ in range(3):
        assert narrowed(stored, condition) == stored.record_lists()


def test_nothing_passes_null() -> None:
    stored, _ = table()
    assert narrowed(stored, ((0, None, False, None, False),)) == []


def test_nothing_is_made_of_values_that_hardly_recur() -> None:
    stored, _ = table()
    for _ in range(3):
        assert narrowed(stored, ((1, "5", False, "5", False),)) == stored.record_lists()
    assert stored.kept == {("places", 1): ()}
