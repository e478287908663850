"""Casts, affinities, operators and the text of reals, against the oracle."""

from __future__ import annotations

import sqlite3
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandemdb.planner.runtime import values
from tandemdb.planner.runtime.reals import format_real, real_to_text, text_to_real

GENERATED = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANY_VALUE = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(alphabet="0123456789+-.eE x\t", max_size=12),
    st.text(alphabet="0123456789+-.eE x\t", max_size=12).map(str.encode),
)
OPERATORS = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulo,
    "||": values.concatenate,
    "&": values.bit_and,
    "|": values.bit_or,
    "<<": values.shift_left,
    ">>": values.shift_right,
    "<": values.less,
    "<=": values.less_equal,
    ">": values.greater,
    ">=": values.greater_equal,
    "=": values.equal,
    "<>": values.not_equal,
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (-0.0, "0.0"),
        (0.1, "0.1"),
        (1e15, "1.0e+15"),
        (123456789012345.0, "123456789012345.0"),
        (1e20, "1.0e+20"),
        (1e-5, "1.0e-05"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333333333"),
        (float("inf"), "Inf"),
        (-float("inf"), "-Inf"),
    ],
)
def test_text_of_reals(value: float, text: str) -> None:
    assert real_to_text(value) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("12abc", 12), (" 1.5e1x", 15.0), ("1e", 1), ("e5", 0), ("", 0), (".5", 0.5), ("9223372036854775808", 2.0**63)],
)
def test_numeric_prefix(text: str, number: float) -> None:
    found = values.to_number(text)
    assert (type(found), found) == (type(number), number)


def test_null_propagates() -> None:
    for function in OPERATORS.values():
        assert function(None, 1) is None
        assert function(1, None) is None
    for unary in (values.negate, values.bit_not, values.truth, *values.CAST_FUNCTIONS.values()):
        assert unary(None) is None


def test_integer_overflow_becomes_real() -> None:
    assert values.add(2**63 - 1, 1) == 2.0**63
    assert values.multiply(2**62, 4) == 2.0**64
    assert values.divide(-(2**63), -1) == 2.0**63
    assert values.negate(-(2**63)) == 2.0**63


def test_sort_key_orders_classes() -> None:
    mixed = [b"a", "a", 2, None, 1.5, "", b"", -1]
    assert sorted(mixed, key=values.sort_key) == [None, -1, 1.5, 2, "", "a", b"", b"a"]


def test_collation_keys(oracle: Any, comparison: Any, tools: Any) -> None:
    for collation, key in values.COLLATION_KEYS.items():
        for a in tools.values:
            for b in ("abc", "ABC ", "a\0c", "", "É", "étÉ", 1):
                expected = tools.ask(oracle, f"SELECT ? COLLATE {collation} < ?", [a, b])
                comparison.add(collation, (a, b), expected, tools.attempt(values.less, [key(a), key(b)]))


def test_casts(oracle: Any, comparison: Any, tools: Any) -> None:
    for value in tools.values:
        for name, cast in values.CAST_FUNCTIONS.items():
            expected = tools.ask(oracle, f"SELECT CAST(? AS {name})", [value])
            comparison.add(f"cast {name}", value, expected, tools.attempt(cast, [value]))


def test_affinities(oracle: Any, comparison: Any, tools: Any) -> None:
    oracle.execute(
        "CREATE TABLE t (i INTEGER PRIMARY KEY, INTEGER INTEGER, REAL REAL, NUMERIC NUMERIC, TEXT TEXT, BLOB)"
    )
    for value in tools.values:
        oracle.execute("REPLACE INTO t VALUES (1, ?, ?, ?, ?, ?)", [value] * 5)
        for name, affinity in values.AFFINITY_FUNCTIONS.items():
            expected = tools.ask(oracle, f"SELECT {name} FROM t")
            comparison.add(f"affinity {name}", value, expected, tools.attempt(affinity, [value]))


def test_operators(oracle: Any, comparison: Any, tools: Any) -> None:
    columns = ", ".join(f"? {operator} ?" for operator in OPERATORS)
    for a in tools.values:
        for b in tools.values:
            try:
                row = oracle.execute(f"SELECT {columns}", [a, b] * len(OPERATORS)).fetchone()
            except sqlite3.OperationalError as error:
                assert "Could not decode" in str(error)  # the concatenation is no UTF-8
                continue
            for (operator, function), expected in zip(OPERATORS.items(), row, strict=True):
                comparison.add(operator, (a, b), tools.describe(expected), tools.attempt(function, [a, b]))


def test_unary_operators(oracle: Any, comparison: Any, tools: Any) -> None:
    for value in tools.values:
        comparison.add("-", value, tools.ask(oracle, "SELECT -?", [value]), tools.attempt(values.negate, [value]))
        comparison.add("~", value, tools.ask(oracle, "SELECT ~?", [value]), tools.attempt(values.bit_not, [value]))
        truth = tools.ask(oracle, "SELECT CASE WHEN ? THEN 1 WHEN ? IS NOT NULL THEN 0 END", [value, value])
        comparison.add("truth", value, truth, tools.attempt(values.truth, [value]))


@GENERATED
@given(a=ANY_VALUE, b=ANY_VALUE)
def test_generated_operands(oracle: Any, tools: Any, a: Any, b: Any) -> None:
    columns = ", ".join(f"? {operator} ?" for operator in OPERATORS)
    row = oracle.execute(f"SELECT {columns}", [a, b] * len(OPERATORS)).fetchone()
    for (operator, function), expected in zip(OPERATORS.items(), row, strict=True):
        assert tools.attempt(function, [a, b]) == tools.describe(expected), operator
    for name, cast in values.CAST_FUNCTIONS.items():
        assert tools.attempt(cast, [a]) == tools.ask(oracle, f"SELECT CAST(? AS {name})", [a]), name


@settings(GENERATED, max_examples=2000)
@given(value=st.one_of(st.floats(allow_nan=False), st.integers(0, 2**64 - 1).map(lambda n: bits(n))))
def test_generated_reals(oracle: Any, value: float) -> None:
    if value != value:
        return
    expected = oracle.execute("SELECT CAST(? AS TEXT)", [value]).fetchone()[0]
    assert real_to_text(value) == expected
    # The quick way and the one in 80 bits agree.
    assert format_real(value, "g", 15, alternate=False, more_digits=True, prefix="") == expected


def bits(number: int) -> float:
    """The double of these 64 bits: numbers of all magnitudes alike."""
    found: float = struct.unpack("d", struct.pack("Q", number))[0]
    return found


@settings(GENERATED, max_examples=2000)
@given(
    text=st.one_of(
        st.from_regex(r"[ ]?[-+]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][-+]?[0-9]{0,3})?[ x]?", fullmatch=True),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str),
    )
)
def test_generated_number_texts(oracle: Any, text: str) -> None:
    assert repr(text_to_real(text)) == repr(oracle.execute("SELECT CAST(? AS REAL)", [text]).fetchone()[0])
