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


TABLES = [
    "c(n) as (select 1 union all select n + 1 from c where n < 40)",
    "c(n) as (select 1 union all select n * 2.5 from c where n < 1e6)",
    "c(n) as (select 1 union select n % 7 + 1 from c)",
    "c(n) as (select 1 union select n * 1.0 from c)",
    "c(n) as (select null union all select n + 1 from c where n is null limit 5)",
    "c(n) as (values (1), (5) union all select n + 10 from c where n < 40)",
    "c(n) as (select id from t where id < 5 union all select n + 10 from c where n < 40)",
    "c(n) as (select min(id) from t union all select n + 10 from c where n < 40 limit 3)",
    "c(n) as (select 1 union all select n + 1 from c where n < 40 order by 1 desc limit 9)",
    "c(n) as (select 'a' union all select n || 'b' from c where length(n) < 9)",
    "c(n) as (select 1 union all select t.id from c, t where t.g = c.n and t.id > c.n)",
    "c(n) as (select 1 union all select n + 1 from c where n < 4 union all select n * 3 from c where n < 9)",
    "c(n) as (select 9223372036854775806 union all select n + 1 from c where n < 9.3e18 limit 5)",
    "c(n) as (select g from t group by g)",
    "c(n) as (select distinct g from t)",
    "c(n, m) as (select 1, 2 union all select n + m, m + 1 from c where n < 40)",
]
READERS = [
    "select count(*), sum(n) from c",
    "select count(*) from c",
    "select n from c",
    "select n, typeof(n) from c where n > 3 or n is null",
    "select max(n), min(n) from c where n % 2",
    "select distinct n from c order by n desc limit 4",
    "select a.n, b.n from c a, c b where a.n = b.n order by 1",
    "select t.id, c.n from t join c on c.n = t.id order by 1",
    "select t.id, c.n from t left join c on c.n = t.id order by 1",
    "select c.n, t.id from c left join t on c.n = t.id order by 1, 2",
    "select id from t where id in (select n from c) order by 1",
    "select id, (select count(*) from c where c.n < t.id) from t order by 1",
    "select sum(n) over (order by n) from c order by 1",
    "select count(*) from (select n from c) a, (select 1 as one) b",
    "select n from c union select id from t order by 1",
    "select * from c limit 3",
    "select (select n from c limit 1 offset 1)",
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("table", TABLES)
def test_common_tables(twins: Twins, table: str, reader: str) -> None:
    text = f"with recursive {table} {reader}"
    if "group by" in table or "distinct" in table:
        assert sorted(map(repr, twins.found(text))) == sorted(map(repr, twins.expected(text)))
    else:
        twins.same(text)


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
