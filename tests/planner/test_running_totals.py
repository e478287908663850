"""Sums of reals by group, kept as they grow, and counts of a key's values by their ends: beside sqlite3."""

from __future__ import annotations

import pytest

from tests.planner.twins import Twins

SCRIPT = """
create table t(g int, r real not null, m, h int not null);
create table p(id integer primary key, name text);
create index th on t(h)
"""
QUERIES = [
    "select g, sum(r) from t group by g",
    "select g, total(r), sum(r) from t group by g having sum(r) > 3",
    "select g, sum(r) from t where r > 1 group by g order by 2 desc, 1",
    "select sum(r), g from t group by g, h",
    "select p.name, sum(t.r) from t join p on p.id = t.g group by p.name",
    "select g, sum(r * r) from t group by g",
    "select g, sum(m), sum(r) from t group by g",
    "select g, sum(distinct r) from t group by g",
    "select g % 3, sum(r) from t group by g % 3",
    "select g, count(*), sum(r), max(h) from t group by g",
    "select g, count(*), avg(r), total(r), min(h), max(r), min(r) from t group by g having count(*) > 2",
    "select g % 3, h, max(h + 1), sum(r), count(h) from t group by g % 3, h order by 3 desc, 1, 2",
    "select g, sum(r), sum(h) from t group by g",
    "select g, sum(r), max(m), min(m) from t group by g",
    "select p.name, min(t.h), max(t.r), p.name || 'x' from t join p on p.id = t.g group by p.name",
    "select g, min(r) + max(h), m from t group by g",
    "select sum(r), avg(r), sum(h + r) from t",
    "select sum(r), max(h), min(h) from t where h > 2",
    "select h, count(*) from t group by h",
    "select count(*), sum(n) from (select h, count(*) as n from t group by h)",
    "select h from t group by h",
    "select rowid, sum(r) over (order by rowid) from t",
    "select row_number() over w, sum(r) over w, sum(h) over w from t window w as (partition by g order by rowid)",
    "select g, sum(h) over (partition by h order by g rows unbounded preceding) from t order by rowid",
    "select g, sum(r) over w, sum(h) over w, max(h) over w from t window w as (partition by h order by g)",
    "select sum(h) over w, rank() over w from t window w as (partition by g order by h rows unbounded preceding)",
    "select sum(g) over (order by rowid), total(r) over (order by rowid), avg(r) over (order by rowid) from t",
    "select sum(r) over (order by rowid desc), count(*) over () from t",
    "select sum(h * 4000000000000000) over (order by rowid) from t where h > 50",
    "select count(*), sum(r) from t where h between 3 and 40",
    "select rowid, r from t where h > 50",
]


@pytest.fixture
def twins() -> Twins:
    pair = Twins(SCRIPT)
    for number in range(1500):
        group = None if number % 11 == 0 else number * 7 % 9
        mixed = [1, 2.5, "3", None, b"4"][number % 5]
        pair.run("insert into t values (?, ?, ?, ?)", group, number % 97 / 7, mixed, number // 4 % 60)
    for number in range(6):
        pair.run("insert into p values (?, ?)", number, f"n{number % 4}")
    return pair


@pytest.mark.parametrize("query", QUERIES)
def test_sums_are_sqlites(twins: Twins, query: str) -> None:
    changes = ["update t set r = 9e999 where rowid = 5", "update t set r = -9e999 where rowid in (14, 20)",
               "delete from t where h > 3", "delete from t"]  # fmt: skip
    for change in ["select 1", *changes]:
        twins.run(change)
        for _ in range(3):
            twins.same(query)
