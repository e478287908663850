"""Window functions: rows, their order and errors as sqlite3 has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planner.twins import Twins

TABLE = """create table t(a integer primary key, p text, o int, x real, y int);
insert into t values(1,'a',1,1.5,3),(2,'a',1,2.25,null),(3,'b',2,null,5),(4,'a',3,-1.1,7),(5,null,null,4.4,1),
(6,'b',1,0.1,2),(7,'b',2,1e10,9)"""

QUERIES = [
    "select a, row_number() over (order by x) from t",
    "select sum(x) over (partition by p order by a) from t",
    "select sum(y) over (partition by p order by a), y from t",
    "select sum(x) over (partition by p order by a), sum(x) over (partition by p), count(x) over w from t"
    " window w as (partition by p)",
    "select max(x) over (partition by p order by a), avg(x) over (partition by p order by a) from t",
    "select x, first_value(x) over (partition by p order by a), row_number() over (partition by p order by a) from t",
    "select sum(o) over (order by a rows unbounded preceding), o + 1 from t",
    "select sum(a) over (partition by p order by a) from t order by a",
    "select count(*) over (partition by p), o from t",
    "select sum(x) over (partition by p order by a), (select max(y) from t u where u.x = t.x) from t",
    "select rowid, sum(rowid) over (partition by o order by a) from t",
    "select min(x) over (), max(x) over () from t",
    "select a, rank() over (order by a) from t",
    "select a, a, dense_rank() over (order by a), rank() over (order by a) from t",
    "select x, dense_rank() over (partition by p order by a) from t",
    "select a, rank() over (order by a), sum(a) over (order by a), row_number() over (order by a) from t",
    "select a, sum(a) over (order by a range between unbounded preceding and current row) from t",
    "select y, count(*) over (order by a), avg(y) over (order by a), total(y) over (order by a) from t",
    "select y, max(y) over (), min(y) over (), group_concat(y) over () from t",
    "select y, sum(y) over (rows unbounded preceding), row_number() over () from t",
    "select y, first_value(y) over (order by a), sum(y) over (order by a) from t where y > 2",
    "select sum(o) over (order by a) from t where x > 0 order by o desc, 1",
    "select a, row_number() over (partition by p order by x desc), rank() over (order by o) from t",
    "select dense_rank() over (order by o), percent_rank() over (order by o), cume_dist() over (order by o) from t",
    "select a, cume_dist() over (partition by p order by o), percent_rank() over () from t",
    "select a, sum(y) over (order by a), sum(x) over (order by o), count(*) over () from t",
    "select a, avg(x) over (partition by p), total(y) over (order by a desc) from t",
    "select a, lag(a) over (order by x), lead(a, 2, 'none') over (order by x) from t",
    "select a, lag(a, y - 3, -1) over (order by a), lead(a, -1) over (order by a), lag(a, -1) over (order by a) from t",
    "select lag(a, '1') over (order by a), lag(a, 1.0) over (order by a), lag(a, null, 7) over (order by a) from t",
    "select a, ntile(3) over (order by a), ntile(100) over (), ntile(1) over (order by a) from t",
    "select first_value(x) over w, last_value(x) over w, nth_value(x, 2) over w from t"
    " window w as (partition by p order by o)",
    "select a, sum(x) over (order by a rows between 2 preceding and 1 following) from t",
    "select min(x) over (order by a rows 1 preceding) from t",
    "select max(x) over (order by a rows between 0 preceding and 2 following) from t",
    "select group_concat(p, '-') over (order by a rows 2 preceding) from t",
    "select a, sum(y) over (order by o range between 1 preceding and 1 following) from t",
    "select a, sum(y) over (order by o desc range between 1 preceding and current row) from t",
    "select a, sum(y) over (order by o nulls last range between 1 following and 2 following) from t",
    "select a, sum(y) over (order by o groups between 1 preceding and 1 following exclude ties) from t",
    "select a, sum(x) over (order by o groups 1 preceding exclude group) from t",
    "select a, sum(x) over (order by o exclude current row), count(*) over (order by o exclude no others) from t",
    "select a, nth_value(y, a) over (order by o groups unbounded preceding exclude current row) from t",
    "select a, max(y) filter (where a > 3) over (order by a rows 1 preceding) from t",
    "select a, sum(y) filter (where x > 1) over (order by a) from t",
    "select p, sum(y), sum(sum(y)) over (order by p), rank() over (order by count(*)) from t group by p",
    "select p, row_number() over (order by max(x)) from t group by p having count(*) > 1",
    "select sum(a) over (partition by sum(y)) from t",
    "select a, sum(sum(a)) over () from t",
    "select a from t order by row_number() over (order by x desc)",
    "select a from t order by sum(y) over (order by a desc), a limit 3",
    "select a, row_number() over (order by x) as r from t order by r desc limit 2 offset 1",
    "select distinct p, count(*) over (partition by p) from t order by 1",
    "select distinct count(*) over (partition by o) from t",
    "select a, sum(a) over w, sum(y) over (w rows 1 preceding) from t window w as (order by x)",
    "select sum(a) over (v order by x) from t window w as (partition by p), v as (w)",
    "select * from (select a, row_number() over (partition by p order by x) n from t) where n = 1",
    "select a, (select max(y) + n from t u where u.p = v.p)"
    " from (select a, p, row_number() over (partition by p order by x) n from t) v",
    "select t1.a, t2.a, row_number() over (partition by t1.p order by t2.x desc, t1.a) from t t1 join t t2 using (o)",
    "select a, max(p collate nocase) over (order by p collate nocase) from t",
    "select json_group_array(a) over (order by a rows 1 preceding) from t",
    "select json_group_object(a, p) over (order by a rows 1 preceding) from t",
    "select a, sum(a) over (order by a rows '1' preceding) from t",
    "select (select sum(t.a) over ()) from t",
    "select (select sum(a) over () from (select 1)) from t",
    "with r(n) as (select row_number() over (order by x) from t) select sum(n) from r",
    "select a, row_number() over (order by x) from t union all select 0, count(*) over () from t where a = 1",
    "select 1 where (select row_number() over ()) = 1",
    "select count(*) over (), row_number() over () from t where a > 100",
    "select row_number(*) over () from t",
    "select sum(a) over (order by 1), sum(a) over (partition by 1) from t",
    "select 1 from t window w as (order by nosuch)",
    "select sum(9223372036854775807) over (order by a) from t",
]

ERRORS = [
    "select row_number() from t",
    "select a from t where row_number() over () = 1",
    "select row_number() over () r from t where r = 1",
    "select sum(row_number() over ()) from t",
    "select sum(sum(a) over ()) over () from t",
    "select upper(a) over () from t",
    "select nosuch(a) over () from t",
    "select sum(a, y) over () from t",
    "select sum(*) over () from t",
    "select sum(distinct a) over () from t",
    "select sum(a) over w from t",
    "select sum(a) over (w) from t",
    "select sum(a) over (w partition by a) from t window w as (order by y)",
    "select sum(a) over (w order by y) from t window w as (order by y)",
    "select sum(a) over (w order by y) from t window w as (rows 1 preceding)",
    "select sum(a) over (range 1 preceding) from t",
    "select sum(a) over (order by a, y range between 1 preceding and current row) from t",
    "select sum(a) over (order by a rows -1 preceding) from t",
    "select sum(a) over (order by a rows 'x' preceding) from t",
    "select sum(a) over (order by a rows between 1 preceding and 1.5 following) from t",
    "select sum(a) over (order by a range 'x' preceding) from t",
    "select sum(a) over (order by a range between 1 preceding and -1 following) from t",
    "select sum(a) over (order by a rows a preceding) from t",
    "select sum(a) over (order by a rows abs(1) preceding) from t",
    "select sum(a) over (order by a rows between 1 following and 1 preceding) from t",
    "select sum(a) over (order by a rows between current row and 1 preceding) from t",
    "select ntile(0) over () from t",
    "select ntile('x') over () from t",
    "select nth_value(a, 0) over () from t",
    "select nth_value(a, 1.5) over () from t",
    "select row_number() filter (where 1) over () from t",
    "select row_number(1) over () from t",
    "select lag() over () from t",
    "select a from t group by row_number() over ()",
    "select a from t group by a having row_number() over ()",
    "select sum(a) over (order by sum(y) over ()) from t",
    "select a from t limit row_number() over ()",
    "select sum(a) over (order by nosuch) from t",
    "update t set a = row_number() over ()",
]


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    found = Twins(TABLE)
    yield found
    found.close()


@pytest.mark.parametrize("sql", QUERIES)
def test_rows_are_those_of_sqlite(twins: Twins, sql: str) -> None:
    twins.same(sql)


@pytest.mark.parametrize("sql", ERRORS)
def test_errors_are_those_of_sqlite(twins: Twins, sql: str) -> None:
    found = twins.same(sql)
    assert found[0] == "OperationalError"


class Product:
    """A window function that multiplies; NULL counts as 1."""

    def __init__(self) -> None:
        self.product = 1

    def step(self, value: int | None) -> None:
        self.product *= value or 1

    def inverse(self, value: int | None) -> None:
        self.product //= value or 1

    def value(self) -> int:
        return self.product

    finalize = value


@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 registers window functions since Python 3.11")
@pytest.mark.parametrize(
    "frame", ["", "rows 1 preceding", "groups 1 preceding", "rows 2 preceding exclude current row"]
)
def test_registered_window_functions(frame: str) -> None:
    twins = Twins(TABLE)
    twins.oracle.create_window_function("product", 1, Product)
    twins.session.create_window_function("product", 1, Product)
    twins.same(f"select a, product(a) over (order by o {frame}) from t")
    twins.same("select product(a) from t")


def test_a_registered_aggregate_is_no_window_function() -> None:
    twins = Twins(TABLE)
    twins.oracle.create_aggregate("product", 1, Product)
    twins.session.create_aggregate("product", 1, Product)
    assert "may not be used as a window function" in twins.same("select product(a) over () from t")[1]


def test_rows_come_in_the_order_of_the_first_window() -> None:
    twins = Twins(TABLE)
    twins.same("select a, rank() over (order by o), rank() over (order by p), rank() over (order by y) from t")
    twins.same("select a, rank() over (partition by p), rank() over (order by x desc) from t")


OFFSETS = {"ROWS": ["0", "1", "2", "10"], "GROUPS": ["0", "1", "3"], "RANGE": ["0", "1", "1.5", "10"]}


@st.composite
def frames(draw: st.DrawFn) -> tuple[str, bool]:
    """A frame, and whether it needs exactly one ORDER BY term."""
    unit = draw(st.sampled_from(["ROWS", "GROUPS", "RANGE"]))
    starts = ["UNBOUNDED PRECEDING", "CURRENT ROW", "PRECEDING", "FOLLOWING"]
    ends = ["UNBOUNDED FOLLOWING", "CURRENT ROW", "PRECEDING", "FOLLOWING"]
    pairs = [(s, e) for s in starts for e in ends if not (e == "PRECEDING" and s in ("CURRENT ROW", "FOLLOWING"))]
    pairs.remove(("FOLLOWING", "CURRENT ROW"))
    chosen = draw(st.sampled_from(pairs))
    bounds = [
        f"{draw(st.sampled_from(OFFSETS[unit]))} {kind}" if kind in ("PRECEDING", "FOLLOWING") else kind
        for kind in chosen
    ]
    exclude = draw(st.sampled_from(["", "", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"]))
    by_value = unit == "RANGE" and any(kind in ("PRECEDING", "FOLLOWING") for kind in chosen)
    return f"{unit} BETWEEN {bounds[0]} AND {bounds[1]}{exclude}", by_value


DIRECTIONS = ["", " desc", " nulls last", " desc nulls first"]


@st.composite
def windows(draw: st.DrawFn) -> str:
    frame, by_value = draw(frames()) if draw(st.booleans()) else ("", False)
    count = 1 if by_value else draw(st.integers(0, 2))
    columns = draw(st.lists(st.sampled_from(["o", "m", "x"]), min_size=count, max_size=count, unique=True))
    order = ", ".join(column + draw(st.sampled_from(DIRECTIONS)) for column in columns)
    partition = draw(st.sampled_from(["", "partition by p ", "partition by p, o "]))
    return f"({partition}{f'order by {order} ' if order else ''}{frame})"


@st.composite
def calls(draw: st.DrawFn) -> str:
    column = draw(st.sampled_from(["a", "o", "m", "x", "p"]))
    aggregates = ["sum", "total", "avg", "count", "min", "max", "group_concat"]
    pure = [
        "row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(3)", f"lag({column})",
        f"lead({column}, 2, -1)", f"lag({column}, o)", f"first_value({column})", f"last_value({column})",
        f"nth_value({column}, 2)",
    ]  # fmt: skip
    if draw(st.booleans()):
        return draw(st.sampled_from(pure))
    name = draw(st.sampled_from(aggregates))
    return f"{name}({column}){draw(st.sampled_from(['', '', ' filter (where o > 1)']))}"


VALUES = {
    "p": st.sampled_from([None, "a", "A", "b"]),
    "o": st.sampled_from([None, 1, 2, 3, 5]),
    "m": st.sampled_from([None, 1, 2, 2.5, -3, "x", "y", b"z"]),
    "x": st.sampled_from([None, 0.1, 1e10, 3.3, -2.7, 1e-5]),
}


@settings(max_examples=250, deadline=None)
@given(
    rows=st.lists(st.tuples(*VALUES.values()), min_size=1, max_size=12),
    outputs=st.lists(st.tuples(calls(), windows()), min_size=1, max_size=3),
)
def test_any_frame_over_any_rows(rows: list[tuple[object, ...]], outputs: list[tuple[str, str]]) -> None:
    twins = Twins("create table t(a integer primary key, p text, o int, m, x real)")
    for row in rows:
        twins.run("insert into t(p, o, m, x) values(?, ?, ?, ?)", *row)
    twins.same(f"select a, {', '.join(f'{call} over {window}' for call, window in outputs)} from t")
    twins.close()
