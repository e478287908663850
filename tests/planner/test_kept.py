"""What joins keep of tables: the same answers while tables change, and nothing kept of what may still change."""

from __future__ import annotations

import gc
from types import FunctionType
from typing import Any

import pytest

from tandemdb.planner.runtime import kept
from tandemdb.storage.table import Table
from tests.planner.twins import Twins

SCRIPT = """
create table p(id integer primary key, name text, g int, h int not null);
create table c(p int, q, n real);
create table w(a int, b text, v int, primary key (a, b)) without rowid;
create index cp on c(p);
create index cpq on c(p, q);
create unique index pn on p(name)
"""
SELF_JOIN = "select a.rowid, b.rowid from c a, c b where a.q = b.q and a.n = b.n order by 1, 2"
QUERIES = [
    "select p.id, c.q from p join c on c.p = p.id order by 1, 2",
    "select p.id, c.rowid, c.q from p left join c on c.p = p.id and c.q = p.name order by 1, 2",
    "select p.id, c.q from p left join c on c.p = p.id + 3 order by 1, 2",
    "select p.id, o.name from p left join p o on o.id = p.g order by 1, 2",
    "select c.p, p.name from c join p on p.name = c.q order by 1, 2",
    "select p.id from p where exists (select 1 from c where c.p = p.id and c.n > 3) order by 1",
    "select p.id from p where not exists (select 1 from c where c.p = p.id) order by 1",
    "select p.id, (select count(*) from c where c.p = p.g) from p order by 1",
    "select p.id, w.v from p join w on w.a = p.g order by 1, 2",
    "select p.id, c.n from p, c where c.n = p.g order by 1, 2",
    "select c.n, p.name from c, p where p.id = c.p order by 1, 2",
    "select c.n, p.name from c, p where p.id = c.p and p.name > 'n3' order by 2, 1",
    "select c.n, p.g from c, p where p.id = c.p order by 1, 2",
    "select count(*), min(o.name) from c, p, p o where p.id = c.p and o.id = p.id and o.name > 'n2'",
    "select p.name, sum(c.n), count(*) from c, p where p.id = c.p group by p.name order by p.name",
    "select c.n, w.b from c, w where w.a = c.p and w.b = c.q order by 1, 2",
    "select c.n, w.v from c, w where w.a = c.p and w.b = c.q order by 1, 2",
    "select p.name from c, p where p.id = c.p and exists (select 1 from w where w.b = p.name) order by 1",
    "select c.n, o.name from c, p, p o where p.id = c.p and o.id = p.h order by 1, 2",
    "select o.name, sum(c.n), count(*) from c, p, p o where p.id = c.p and o.id = p.h group by o.name order by 1",
    "select sum(c.n), count(*) from c, p, p o, p q where p.id = c.p and o.id = p.h and q.id = o.h and q.name > 'n1'",
    "select c.rowid from c, p, p o where p.id = c.p and o.id = p.h and o.name > 'n2' and p.h > 3 order by 1",
    "select c.rowid, o.name, q.name from c, p, p o, p q where p.id = c.p and o.id = p.h and q.id = p.h order by 1",
    "select c.rowid, max(o.name), c.q from c, p, p o where p.id = c.p and o.id = p.h",
    "select p.name, o.name, row_number() over (order by c.rowid) from c, p, p o where p.id = c.p and o.id = p.g",
    "select c.n, p.name from c join p on p.id = c.p left join w on w.a = p.id and w.b = p.name order by 1, 2",
    "select sum(c.n), max(c.q) from c, p where p.id = c.p and p.name > 'n2'",
    "select c.rowid, c.q from c, p where p.id = c.p order by 1",
    "select c.q, count(*) from c, p, p o where p.id = c.p and o.id = p.h and o.name < 'n4' group by c.q order by 1",
    "select c.rowid, x.rowid from c, p, p o, c x where p.id = c.p and o.id = c.n and x.q = c.q order by 1, 2",
    "select c.n from c, p where p.id = c.p and exists (select 1 from w where w.a = c.n and w.v > 30) order by 1",
    "select c.n, (select max(v) from w where w.a = p.g) from c, p where p.id = c.p order by 1, 2",
    "select c.n, row_number() over (order by c.rowid) from c, p where p.id = c.p and p.h > 9 order by 1, 2",
    "select max(c.n), c.q from c, p where p.id = c.p",
    "select count(*) from c, p where p.id = c.p and p.h > c.n",
    "select c.q from c, p where p.id = c.p group by c.q having count(*) > 2 order by 1",
    SELF_JOIN,
    *[
        f"select p.id from p where {test} (select 1 from {source}) order by 1"
        for test in ("exists", "not exists")
        for source in (
            "c where c.p = p.id and c.n < 2",
            "c where c.p = p.id and 4 <= c.n",
            "c where c.p = p.id and c.n <= 9e999",
            "c where c.n = p.g and c.p >= -9e999",
            "c where c.p = p.g and c.n >= p.h - 30",
            "c where c.p = p.id and c.q > 'n2'",
            "c where c.p = p.id and c.q <= p.name",
            "c where c.p = p.id and c.q > 5",
            "c where c.p = p.id and c.n > 'x'",
            "c where c.p = p.id and c.n < null",
            "c where c.n = p.g and c.p > 5",
            "c where c.n = p.g and c.q < 'n2'",
            "c where c.p = p.id and c.n < 2 and c.q > 'n'",
            "c where c.p = p.id and c.n <> 2",
            "c where c.p = p.id and c.rowid > 20",
            "c where c.p = p.id and c.n > (select avg(n) from c)",
            "c where c.p = p.id and c.q = p.name and c.n > 2",
            "w where w.a = p.g and w.v > 30",
            "w where w.b = p.name and w.v > 30",
        )
    ],
]
CHANGES = [
    "update c set p = p + 1 where rowid % 3 = 0",
    "delete from p where id % 5 = 0",
    "insert into c values (7, null, 7), (null, 'n7', 9), (8, 'n8', null)",
    "update p set g = null where id % 4 = 0",
    "delete from c where q is null",
]


@pytest.fixture
def twins() -> Twins:
    pair = Twins(SCRIPT)
    for number in range(60):
        pair.run("insert into p values (?, ?, ?, ?)", number, f"n{number}", number * 7 % 50, number * 11 % 70)
        pair.run("insert into w values (?, ?, ?)", number % 20, f"b{number}", number)
        pair.run("insert into c values (?, ?, ?)", number % 40, f"n{number % 30}", number % 9)
        pair.run("insert into c values (?, ?, ?)", number % 17, None if number % 6 else number, number / 2)
    return pair


def tables_of(twins: Twins) -> list[Any]:
    return list(twins.session.main.database.root.tables.values())


@pytest.mark.parametrize("query", QUERIES)
def test_answers_follow_changes(twins: Twins, query: str) -> None:
    for change in ["select 1", *CHANGES]:
        twins.run(change)
        for _ in range(3):
            twins.same(query)


@pytest.mark.parametrize("query", QUERIES)
def test_answers_follow_changes_inside_a_transaction(twins: Twins, query: str) -> None:
    twins.same(query)
    twins.same(query)
    twins.run("begin")
    for change in CHANGES:
        twins.run(change)
        twins.same(query)
        twins.same(query)
    twins.run("rollback")
    for _ in range(3):
        twins.same(query)


def test_nothing_is_kept_of_a_table_in_change(twins: Twins) -> None:
    twins.run("begin")
    twins.run("update c set n = 5 where rowid = 1")
    for _ in range(3):
        twins.same(QUERIES[0])
        twins.same(SELF_JOIN)
    changing = twins.session.main.transaction.root.tables  # type: ignore[union-attr]
    in_change = [table for table in changing.values() if table.writer.stamp == table.stamp]
    assert in_change and not any(table.kept for table in in_change)
    twins.run("commit")


def test_a_dictionary_is_kept_from_its_second_use_on(twins: Twins) -> None:
    query = SELF_JOIN
    twins.same(query)
    assert kept_dictionaries(twins) == 0
    twins.same(query)
    assert kept_dictionaries(twins) == 1
    twins.run("update c set n = 5 where rowid = 1")
    assert kept_dictionaries(twins) == 0


def kept_dictionaries(twins: Twins) -> int:
    return sum(
        isinstance(found, dict) and not isinstance(found, kept.RowsUnder)
        for table in tables_of(twins)
        for found in (table.kept or {}).values()
    )


def test_few_things_are_kept_of_one_table(twins: Twins) -> None:
    for columns in ("c.p = p.g", "c.q = p.name", "c.n = p.g", "c.rowid = p.g", "c.p = p.g and c.q = p.name",
                    "c.p = p.g and c.n = p.id", "c.n = p.g and c.q = p.name", "c.n = p.id and c.rowid = p.g",
                    "c.p = p.g and c.rowid = p.id", "c.rowid = p.g and c.q = p.name"):  # fmt: skip
        for _ in range(3):
            twins.same(f"select count(*) from p, c where {columns}")
    assert max(len(table.kept or {}) for table in tables_of(twins)) <= kept.KEPT_MAX


def test_values_asked_of_a_key_are_forgotten_when_they_are_many(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "UNDER_MAX", 10)
    table = next(table for table in tables_of(twins) if table.count == 120)
    key = next(key for key in table.keys.values() if len(key.definition.columns) == 1)
    under = kept.rows_under(table, key.definition.id, 1, "records")
    for number in range(40):
        assert under[number] == [record for record in table.reversed_records() if record[0] == number][::-1]
        assert len(under) <= 10
    assert under[None] == ()
    assert kept.rows_under(table, key.definition.id, 1, "records") is under


def test_what_is_kept_does_not_lead_back_to_its_table(twins: Twins) -> None:
    """A circle would keep every version of a table until the garbage collector comes."""
    for _ in range(3):
        for query in QUERIES:
            twins.same(query)
    table = next(table for table in tables_of(twins) if table.count == 120)
    kept.rows_under(table, next(iter(table.keys)), 1, "records")[1]
    seen: set[int] = set()
    pending = [table.kept]
    while pending:
        found = pending.pop()
        if id(found) not in seen and not isinstance(found, (type, FunctionType)):
            seen.add(id(found))
            assert not isinstance(found, Table)
            pending.extend(gc.get_referents(found))


def test_a_subquery_sees_the_rows_changed_before(twins: Twins) -> None:
    twins.run("update c set n = (select max(n) from c o where o.q = c.q) + 1")
    twins.run("update c set n = (select sum(o.n) from c o join c i on i.p = o.p where o.q = c.q) % 100")
    twins.same("select rowid, n from c order by rowid")


GROUP_JOINS = [
    "select p.id, count(c.n) from p left join c on c.p = p.id and c.n > 2 group by p.id",
    "select p.id, sum(c.n) from p join c on c.p = p.id group by p.id",
    "select p.g, total(c.n) from p join c on c.p = p.id and c.q like 'n1%' group by p.g order by 2, 1",
    "select p.g, group_concat(c.q) from p left join c on c.p = p.g and c.q > 'n2' where p.id > 5 group by p.g",
    "select p.name, max(c.n) from p left join c on c.p = p.id and c.n < p.g group by p.name having max(c.n) > 3",
]


@pytest.mark.parametrize("query", GROUP_JOINS)
def test_groups_of_joined_rows(twins: Twins, query: str) -> None:
    for change in ["select 1", *CHANGES]:
        twins.run(change)
        twins.same(query)
        twins.same(query)


def test_dictionaries_that_lead_to_one_another_are_joined(twins: Twins) -> None:
    query = "select c.n, o.name from c, p, p o where p.id = c.p and o.id = p.h"
    for _ in range(40):
        twins.run("insert into c select * from c limit 100")
    source = "\n".join(row[-1] for row in twins.found(f"explain {query}"))
    assert "for key, p_1 in hash_1.items()" in source and source.count(".get(c_0") == 1
    twins.same(f"{query} order by 1, 2")
