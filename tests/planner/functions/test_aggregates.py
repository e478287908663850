"""Aggregates over groups and over window frames, against the oracle."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.registry import find_aggregate
from tandemdb.planner.runtime.values import COLLATION_KEYS

NAMES = ["count", "sum", "total", "avg", "min", "max", "group_concat", "json_group_array"]
INTEGERS: list[Any] = [0, 1, -1, 2, 3, 7, 100, 2**53 + 1]
LARGE: list[Any] = [2**63 - 1, -(2**63), 2**62, 1, -1]
REALS: list[Any] = [0.1, 0.2, 1.5, -1e10, 1e20, -0.0, 1e-5, 123.456]
TEXTS: list[Any] = ["", "abc", "1", "12.5", "ABC", "é", " 7 ", "1e400", "x"]
BLOBS: list[Any] = [b"", b"12", b"abc"]
POOLS: list[list[Any]] = [
    INTEGERS,
    [*INTEGERS, None],
    REALS,
    [*REALS, *INTEGERS, None],
    LARGE,
    [float("inf"), -float("inf"), 1.0, 2],
    [*TEXTS, None],
    [*INTEGERS, *REALS, *TEXTS, *BLOBS, None],
    ["", None, "a"],
    [None],
]


def fill(oracle: Any, rows: list[Any], separators: list[Any]) -> None:
    oracle.execute("DROP TABLE IF EXISTS t")
    oracle.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, a, s)")
    oracle.executemany("INSERT INTO t (a, s) VALUES (?, ?)", list(zip(rows, separators, strict=True)))


def groups(seed: int, count: int) -> list[tuple[list[Any], list[Any]]]:
    """Groups of values, each with separators."""
    source = random.Random(seed)
    found = []
    for _ in range(count):
        pool = source.choice(POOLS)
        rows = [source.choice(pool) for _ in range(source.randrange(9))]
        separators = [source.choice([",", "", "--", None, 1]) if source.random() < 0.5 else ";" for _ in rows]
        found.append((rows, separators))
    return found


def finish(function: Any, rows: list[Any]) -> Any:
    return function.finish(rows) if rows else function.empty


@pytest.mark.parametrize("name", NAMES)
def test_groups(oracle: Any, comparison: Any, tools: Any, name: str) -> None:
    function = find_aggregate(name, 1)
    for rows, separators in groups(1, 250):
        fill(oracle, rows, separators)
        expected = tools.ask(oracle, f"SELECT {name}(a) FROM t")
        comparison.add(name, rows, expected, tools.attempt(finish, [function, rows]))


def test_two_arguments(oracle: Any, comparison: Any, tools: Any) -> None:
    for rows, separators in groups(2, 250):
        fill(oracle, rows, separators)
        pairs = list(zip(rows, separators, strict=True))
        for name in ("group_concat", "json_group_object"):
            expected = tools.ask(oracle, f"SELECT {name}(a, s) FROM t")
            comparison.add(name, pairs, expected, tools.attempt(finish, [find_aggregate(name, 2), pairs]))


def frame_values(accumulator: Any, rows: list[tuple[Any, ...]], before: int | None, after: int) -> list[Any]:
    """The values over ROWS BETWEEN before PRECEDING AND after FOLLOWING, stepped in SQLite's order."""
    found = []
    stepped = taken_back = 0
    for position in range(len(rows)):
        while stepped < min(len(rows), position + after + 1):
            accumulator.step(*rows[stepped])
            stepped += 1
        found.append(accumulator.value())
        while before is not None and taken_back <= position - before:
            accumulator.inverse(*rows[taken_back])
            taken_back += 1
    return found


@pytest.mark.parametrize("name", [*NAMES, "json_group_object"])
def test_frames(oracle: Any, comparison: Any, tools: Any, name: str) -> None:
    source = random.Random(name)
    two = name == "json_group_object"
    function = find_aggregate(name, 2 if two else 1)
    for rows, separators in groups(3, 200):
        fill(oracle, rows, separators)
        before = source.choice([0, 1, 2, 3, None])
        after = source.randrange(3)
        start = "UNBOUNDED" if before is None else before
        sql = (
            f"SELECT {name}(a{', s' if two else ''}) OVER"
            f" (ORDER BY i ROWS BETWEEN {start} PRECEDING AND {after} FOLLOWING) FROM t ORDER BY i"
        )
        expected = tools.ask_rows(oracle, sql)
        arguments = list(zip(rows, separators, strict=True)) if two else [(row,) for row in rows]
        accumulator = function.accumulator() if before is None else function.sliding_accumulator()

        def found(accumulator: Any = accumulator, arguments: Any = arguments, b: Any = before, a: int = after) -> Any:
            return [(value,) for value in frame_values(accumulator, arguments, b, a)]

        comparison.add(f"{name} {start} {after}", arguments, expected, tools.attempt(found))


def test_separators_in_frames(oracle: Any, comparison: Any, tools: Any) -> None:
    for rows, separators in groups(4, 300):
        fill(oracle, rows, separators)
        arguments = list(zip(rows, separators, strict=True))
        sql = "SELECT group_concat(a, s) OVER (ORDER BY i ROWS 2 PRECEDING) FROM t ORDER BY i"

        def found(arguments: Any = arguments) -> Any:
            accumulator = find_aggregate("group_concat", 2).accumulator()
            return [(value,) for value in frame_values(accumulator, arguments, 2, 0)]

        comparison.add("group_concat", arguments, tools.ask_rows(oracle, sql), tools.attempt(found))


def test_collations(oracle: Any, comparison: Any, tools: Any) -> None:
    for rows, separators in groups(5, 150):
        fill(oracle, rows, separators)
        for collation, key in COLLATION_KEYS.items():
            for name in ("min", "max"):
                expected = tools.ask(oracle, f"SELECT {name}(a COLLATE {collation}) FROM t")
                found = tools.attempt(finish, [find_aggregate(name, 1).collated(key), rows])
                comparison.add(f"{name} {collation}", rows, expected, found)


def test_integer_overflow() -> None:
    function = find_aggregate("sum", 1)
    with pytest.raises(OperationalError, match="^integer overflow$"):
        function.finish([2**63 - 1, 1, -5])
    assert function.finish([2**63 - 1, -5, 5]) == 2**63 - 1
    assert find_aggregate("total", 1).finish([2**63 - 1, 1]) == 2.0**63


def test_count_star() -> None:
    function = find_aggregate("count", 0)
    assert function.finish([0, 0, 0]) == 3
    accumulator = function.accumulator()
    accumulator.step()
    accumulator.step()
    accumulator.inverse()
    assert accumulator.value() == 1


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1)), max_size=30))
def test_generated_sums(oracle: Any, tools: Any, rows: list[Any]) -> None:
    fill(oracle, rows, rows)
    for name in ("sum", "total", "avg"):
        assert tools.attempt(finish, [find_aggregate(name, 1), rows]) == tools.ask(oracle, f"SELECT {name}(a) FROM t")
