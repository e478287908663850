"""Queries in FROM of whose rows one column is read, or none: beside sqlite3, with shapes around them."""

from __future__ import annotations

import pytest

from tests.planner.twins import Twins

SCRIPT = """
create table t(id integer primary key, g int, v real, s text, n int);
create table u(id integer primary key, t int, s text collate nocase, x)
"""
INNER = [
    "select g, count(*) as n from t group by g",
    "select g as n, sum(v), max(id) from t group by g having count(*) > 2",
    "select g, sum(n) as n from t group by g",
    "select s, min(v) as n from t group by s, g",
    "select id, row_number() over (partition by g order by v, id) as n from t",
    "select s, sum(v) over (partition by g order by id) as n from t where id < 30",
    "select sum(n) over (order by id) as n from t",
    "select rank() over (order by g) as n, lag(v) over (order by id) as m from t",
    "select distinct g as n from t",
    "select distinct g as n, s from t",
    "select distinct s as n from u",
    "select distinct sum(v) as n from t group by g",
    "select n from t union select t from u",
    "select s as n from t union select s from u",
    "select s as n from u intersect select s from t",
    "select n from t except select t from u where t is not null",
    "select n, g from t union select t, id from u",
    "select n from t union all select t from u",
    "select x as n from u union select v from t",
    "select g, v as n from t order by v desc, id limit 7",
    "select v as n, g from t limit 7 offset 3",
    "values (1), (2), (null)",
    "select max(v) as n, g from t",
    "select count(*) as n from t",
]
OUTER = [
    "select count(*) from ({inner})",
    "select count(*), count({n}), min({n}), max({n}) from ({inner})",
    "select {n}, count(*) from ({inner}) group by {n} order by 2, 1",
    "select {n} from ({inner}) where {n} > 2 order by 1",
    "select {n}, {n} from ({inner}) order by 1",
    "select distinct {n} from ({inner}) order by 1",
    "select count(*) from ({inner}) where {n} is null",
    "select count(*) from ({inner}) a, ({inner}) b where a.{n} = b.{n}",
    "select u.id, a.{n} from u join ({inner}) a on a.{n} = u.t order by 1, 2",
    "select u.id, a.{n} from u left join ({inner}) a on a.{n} = u.t order by 1, 2",
    "select u.id, a.{n} from ({inner}) a left join u on a.{n} = u.t order by 1, 2",
    "select u.id from u where u.t in (select {n} from ({inner})) order by 1",
    "select u.id, (select count(*) from ({inner}) a where a.{n} < u.t) from u order by 1",
    "select u.id from u where exists (select 1 from ({inner}) a where a.{n} = u.t) order by 1",
    "with c as ({inner}) select count(*), sum(length({n})) from c",
    "with c as ({inner}) select count(*) from c a, c b where a.{n} = b.{n}",
    "select avg({n}) over (order by {n}) from ({inner}) order by 1",
    "select {n} from ({inner}) union select id from t order by 1",
    "select * from ({inner}) order by 1",
    "select count(*) from (select {n} from ({inner}) limit 3)",
]


@pytest.fixture(scope="module")
def twins() -> Twins:
    pair = Twins(SCRIPT)
    for number in range(60):
        group = None if number % 11 == 0 else number * 7 % 9
        value = None if number % 13 == 0 else number * 5 % 17 / 2
        pair.run("insert into t values (?, ?, ?, ?, ?)", number, group, value, f"s{number % 5}", number % 6)
        text = None if number % 9 == 0 else f"{'sS'[number % 2]}{number % 7}"
        mixed = [number % 4, number % 4 / 2, text, None][number % 4]
        pair.run("insert into u values (?, ?, ?, ?)", number, None if number % 8 == 0 else number % 12, text, mixed)
    return pair


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", INNER)
def test_one_column_or_none_is_read(twins: Twins, inner: str, outer: str) -> None:
    name = "column1" if inner.startswith("values") else "n"
    text = outer.format(inner=inner, n=name)
    if "order by" in text.rpartition(")")[2] or text.startswith("select count(*)"):
        twins.same(text)
    else:
        assert sorted(map(repr, twins.found(text))) == sorted(map(repr, twins.expected(text)))


FAILING = [
    "select count(*) from (select id, abs(-9223372036854775808) from t group by id)",
    "select sum(g) from (select g, sum(9223372036854775807) from t group by g)",
    "select count(*) from (select json_extract(s, '$'), id from t group by id)",
    "select max(g) from (select g, cast(s as int) / 0 from t group by g)",
]


@pytest.mark.parametrize("query", FAILING)
def test_what_is_not_read_may_fail_all_the_same(twins: Twins, query: str) -> None:
    twins.same(query)


def test_values_stand_bare(twins: Twins) -> None:
    lines = explained(twins, "select max(n) from (select g, sum(v) as n from t group by g)")
    assert any("append_rows_1(sum_1)" in line for line in lines)
    lines = explained(twins, "select max(n), min(g) from (select g, sum(v) as n from t group by g)")
    assert any("append_rows_1((key_1, sum_1))" in line for line in lines)


def explained(twins: Twins, query: str) -> list[str]:
    return [row[-1] for row in twins.found(f"explain {query}")]
