"""Joins of which only the number of matches is asked, and groups that are single rows: beside sqlite3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planner.twins import Twins

SCRIPT = """
create table p(id integer primary key, name text, g int);
create table c(p int, q, n real, s text, k int not null)
"""
QUERIES = [
    "select count(*) from p join c on c.p = p.id",
    "select count(*), count(c.k), count(c.rowid) from p left join c on c.p = p.id",
    "select count(c.k) from p left join c on c.p = p.id and c.s like '%3%'",
    "select count(c.p) from p left join c on c.p = p.id",
    "select count(*), count(c.k) from p left join c on c.p = p.g and c.k = p.id % 7",
    "select count(*), count(c.k) from p left join c on c.p = p.id where p.g > 3",
    "select count(*), count(c.k) from p left join c on c.p = p.id where c.k > 3",
    "select count(*) from p, c where c.q = p.name",
    "select count(*) from p, c where c.q = p.g",
    "select count(*) from p, c where c.n = p.g and c.k > 2",
    "select count(*) from p, c where c.s = p.id",
    "select count(*) from p a, p b, c where b.g = a.g and c.p = b.id",
    "select p.id, count(c.k) from p left join c on c.p = p.id group by p.id",
    "select p.id, count(*), p.id + 1 from p left join c on c.p = p.id group by p.id having count(*) > 1",
    "select p.id, count(*) from p join c on c.p = p.id group by p.id",
    "select p.id, p.name, count(*) from p join c on c.p = p.id group by p.id, p.name order by 3, 1",
    "select p.g, count(*), count(c.k) from p left join c on c.p = p.id group by p.g",
    "select p.g, count(*) from p join c on c.p = p.id group by p.g having count(*) > 2",
    "select p.id, sum(c.n) from p left join c on c.p = p.id group by p.id",
    "select p.id, max(c.k) from p join c on c.p = p.id and c.k > 1 group by p.id",
    "select p.id, group_concat(c.k) from p join c on c.p = p.id group by p.id having max(c.k) > 3",
    "select p.id, avg(c.n), c.k from p join c on c.p = p.id group by p.id",
    "select p.id, c.k, sum(c.n) from p join c on c.p = p.id group by p.id, c.k",
    "select p.rowid, sum(c.n) from p join c on c.p = p.rowid group by p.rowid order by 2, 1",
    "select c.rowid, count(p.id) from c left join p on p.g = c.k group by c.rowid",
    "select n, count(*) from (select p.id, count(c.k) as n from p left join c on c.p = p.id group by p.id) group by n",
    "select id, (select count(*) from c, c d where c.p = p.id and d.k = c.k) from p order by 1",
    "select p.id, count(*) from p left join c on c.p = p.id and c.k > p.g group by p.id",
    "select sum(g), count(*) from p join c on c.p = p.id",
    "select count(*) filter (where c.k > 2) from p join c on c.p = p.id",
    "select count(distinct c.k) from p join c on c.p = p.id",
    "select count(*) from p join c on c.p = p.id + 2",
    "select count(*), p.name from p join c on c.p = p.id",
]


@pytest.fixture
def twins() -> Twins:
    pair = Twins(SCRIPT)
    for number in range(60):
        group = None if number % 11 == 0 else number * 7 % 9
        pair.run("insert into p values (?, ?, ?)", number, f"n{number % 40}", group)
        values: tuple[Any, ...] = number % 40 if number % 13 else None, f"n{number % 30}", number % 9, f"{number}"
        pair.run("insert into c values (?, ?, ?, ?, ?)", *values, number % 5)
        values = number % 17, None if number % 6 else number % 8, number / 2, None
        pair.run("insert into c values (?, ?, ?, ?, ?)", *values, number % 7)
    return pair


@pytest.mark.parametrize("query", QUERIES)
def test_counts_are_sqlites(twins: Twins, query: str) -> None:
    for change in ["select 1", "update c set p = p + 1 where rowid % 3 = 0", "delete from p where id % 5 = 0"]:
        twins.run(change)
        for _ in range(3):
            twins.same(query)
    twins.run("delete from c")
    twins.same(query)
    twins.run("delete from p")
    twins.same(query)


@pytest.mark.parametrize("query", [QUERIES[2], QUERIES[4], QUERIES[12]])
def test_no_rows_are_joined(twins: Twins, query: str) -> None:
    source = "\n".join(row[-1] for row in twins.found(f"explain {query}"))
    assert "counts_1.get(" in source and "hash_" not in source
