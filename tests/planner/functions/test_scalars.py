"""Every plain scalar function over arguments of all classes, against the oracle; and the registry."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandemdb.errors import DataError, OperationalError
from tandemdb.planner.functions import registry
from tandemdb.planner.functions.registry import AGGREGATES, SCALARS, JsonText, find_aggregate, find_scalar, plain

BITS = {"null": 1, "integer": 2, "real": 4, "text": 8, "blob": 16}
PLAIN_MODULES = ("common", "text", "numeric")
# Not in SQLite 3.40; what can only be asked for constants or of a virtual table.
NOT_COMPARED = {"concat", "concat_ws", "octet_length", "unhex", "likelihood", "match"}
COMPARED = sorted(name for name, home in SCALARS.items() if home in PLAIN_MODULES and name not in NOT_COMPARED)


def argument_lists(name: str, count: int, values: list[Any]) -> list[tuple[Any, ...]]:
    """All lists of one argument, and a sample, the same each time, of longer ones."""
    if count <= 1:
        return list(itertools.product(values, repeat=count))
    source = random.Random(f"{name} {count}")
    return [tuple(source.choice(values) for _ in range(count)) for _ in range(1200)]


def counts(function: registry.ScalarFunction) -> range:
    """The numbers of arguments to try."""
    return range(function.min_arguments, (function.max_arguments if function.max_arguments >= 0 else 3) + 1)


def any_count(name: str) -> registry.ScalarFunction:
    """Find a function by its name only."""
    for count in range(4):
        try:
            return find_scalar(name, count)
        except OperationalError:
            continue
    raise AssertionError(name)


@pytest.mark.parametrize("name", COMPARED)
def test_scalar_function(oracle: Any, comparison: Any, tools: Any, name: str) -> None:
    function = any_count(name)
    for count in counts(function):
        if name in ("max", "min") and count == 1:
            continue  # the aggregates
        sql = f"SELECT {name}({','.join('?' * count)})"
        for arguments in argument_lists(name, count, tools.values):
            if name == "zeroblob" and isinstance(arguments[0], (int, float)) and arguments[0] > 100_000:
                continue
            expected = tools.ask(oracle, sql, arguments)
            found = tools.attempt(function.call, arguments)
            comparison.add(name, arguments, expected, found)
            if found[0] in BITS and not (function.null_if_null and None in arguments):
                assert function.result_classes & BITS[found[0]], (name, arguments, found)
            if found[0] in BITS and function.null_if_null and None in arguments:
                assert found[0] == "null", (name, arguments, found)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.one_of(st.text("abé☃X ", max_size=12), st.binary(max_size=12), st.integers(), st.floats(allow_nan=False)),
    start=st.integers(-15, 15),
    count=st.integers(-15, 15),
    part=st.text("abé X", max_size=3),
    digits=st.integers(0, 15),
)
def test_generated_arguments(
    oracle: Any, tools: Any, value: Any, start: int, count: int, part: str, digits: int
) -> None:
    if isinstance(value, int):
        value %= 2**63
    for name, arguments in (
        ("substr", (value, start, count)),
        ("replace", (value, part, "<é>")),
        ("trim", (value, part)),
        ("instr", (value, part)),
        ("round", (value, digits)),
        ("quote", (value,)),
        ("hex", (value,)),
    ):
        expected = tools.ask(oracle, f"SELECT {name}({','.join('?' * len(arguments))})", arguments)
        if expected is not None:
            assert tools.attempt(find_scalar(name, len(arguments)).call, arguments) == expected, name


def test_collated_functions(oracle: Any, comparison: Any, tools: Any) -> None:
    from tandemdb.planner.runtime.values import COLLATION_KEYS

    texts = ["a", "A", "b", "B ", "b", 1, b"a", "É", "é"]
    for collation, key in COLLATION_KEYS.items():
        for name in ("max", "min", "nullif"):
            function = find_scalar(name, 2).collated(key)
            for arguments in itertools.product(texts, repeat=2):
                expected = tools.ask(oracle, f"SELECT {name}(? COLLATE {collation}, ?)", arguments)
                comparison.add(f"{name} {collation}", arguments, expected, tools.attempt(function.call, arguments))


def test_session_functions(context: Any) -> None:
    assert find_scalar("changes", 0).call(context) == 3
    assert find_scalar("total_changes", 0).call(context) == 14
    assert find_scalar("last_insert_rowid", 0).call(context) == 15
    numbers = [find_scalar("random", 0).call(context) for _ in range(100)]
    assert len(set(numbers)) == 100
    assert all(-(2**63) < number < 2**63 for number in numbers)
    assert len(find_scalar("randomblob", 1).call(10)) == 10
    assert len(find_scalar("randomblob", 1).call(-1)) == 1
    with pytest.raises(OperationalError, match="^not authorized$"):
        find_scalar("load_extension", 1).call("x")
    with pytest.raises(DataError, match="^string or blob too big$"):
        find_scalar("zeroblob", 1).call(10**10)


def test_library_functions(oracle: Any) -> None:
    assert find_scalar("sqlite_version", 0).call().startswith("3.40.")
    assert find_scalar("sqlite_source_id", 0).call().startswith("2022-12-28 14:03:47 ")
    used = find_scalar("sqlite_compileoption_used", 1).call
    assert used("THREADSAFE") == used("sqlite_threadsafe=1") == 1
    assert used("THREADSAFE=7") == used("NONE") == 0
    assert used(None) is None
    option = find_scalar("sqlite_compileoption_get", 1).call
    assert option(0) is not None
    assert option(1000) is None


def test_newer_functions() -> None:
    assert find_scalar("concat", 3).call("a", None, 1.0) == "a1.0"
    assert find_scalar("concat_ws", 4).call("-", "a", None, "b") == "a-b"
    assert find_scalar("octet_length", 1).call("é") == 2
    assert find_scalar("unhex", 1).call("4f73") == b"Os"
    assert find_scalar("unhex", 1).call("4f7") is None
    assert find_scalar("unhex", 2).call("4f-73", "-") == b"Os"


def test_unknown_names_and_counts(oracle: Any) -> None:
    for sql, name, count in (
        ("SELECT nosuch(1)", "nosuch", 1),
        ("SELECT NoSuch(1)", "NoSuch", 1),
        ("SELECT abs()", "abs", 0),
        ("SELECT ABS(1, 2)", "ABS", 2),
        ("SELECT coalesce(1)", "coalesce", 1),
        ("SELECT iif(1, 2)", "iif", 2),
        ("SELECT max()", "max", 0),
    ):
        with pytest.raises(Exception) as expected:
            oracle.execute(sql)
        with pytest.raises(OperationalError) as found:
            find_scalar(name, count)
        assert str(found.value) == str(expected.value)
    with pytest.raises(OperationalError, match=r"^wrong number of arguments to function sum\(\)$"):
        find_aggregate("sum", 2)
    assert find_scalar("ABS", 1) is find_scalar("abs", 1)


def test_every_function_of_sqlite_is_there(oracle: Any) -> None:
    extensions = ("fts", "rtree", "bm25", "highlight", "snippet", "matchinfo", "offsets", "optimize")
    pure_window = {"cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile"}
    pure_window |= {"percent_rank", "rank", "row_number"}
    for name, kind, count in oracle.execute("SELECT name, type, narg FROM pragma_function_list WHERE builtin"):
        if name.startswith(extensions) or name in pure_window:
            continue
        look_up = find_aggregate if kind == "w" else find_scalar
        assert look_up(name, count if count >= 0 else 4).name == name


def test_every_name_leads_to_a_function() -> None:
    for name in SCALARS:
        assert any_count(name).name == name
    for name in AGGREGATES:
        assert find_aggregate(name, 2 if name in ("json_group_object", "string_agg") else 1).name == name


def test_plain() -> None:
    assert type(plain(JsonText("[]"))) is str
    assert plain(None) is None
    assert plain(1.5) == 1.5
