"""How sqllogictest writes a value: by the letter of its column, not by the value's own type.

    letter   NULL     3        3.5         'abc'          ''
    I        NULL     3        3           0              0
    R        NULL     3.000    3.500       0.000          0.000
    T        NULL     3        3.5         abc            (empty)
"""

from __future__ import annotations

import decimal
import math
import re
import sqlite3
from typing import Any

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")
LEADING_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
UNPRINTABLE = re.compile(rb"[^ -~]")
SIGNIFICANT_DIGITS_MAX = 16


def render(value: Any, letter: str) -> str:
    """Write one value as sqllogictest does for a column of type I, R or T."""
    if value is None:
        return "NULL"
    if letter == "I":
        return str(as_integer(value))
    if letter == "R":
        return as_real(value)
    return as_text(value)


def as_integer(value: Any) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return 0
        return INTEGER_MIN if value <= INTEGER_MIN else INTEGER_MAX if value >= INTEGER_MAX else int(value)
    match = LEADING_INTEGER.match(decoded(value))
    return max(INTEGER_MIN, min(INTEGER_MAX, int(match[1]))) if match else 0


def as_real(value: Any) -> str:
    """`%.3f` as SQLite prints it: 16 significant digits at most, ties away from zero, no sign for -0.0."""
    if not isinstance(value, (int, float)):
        match = LEADING_NUMBER.match(decoded(value))
        value = float(match[1]) if match else 0.0
    if isinstance(value, float) and math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    exact = decimal.Decimal(float(value))
    rounding = decimal.Context(prec=SIGNIFICANT_DIGITS_MAX, rounding=decimal.ROUND_HALF_UP)
    wide = decimal.Context(prec=400, rounding=decimal.ROUND_HALF_UP)
    if exact.adjusted() + 3 >= SIGNIFICANT_DIGITS_MAX:
        exact = rounding.plus(exact)
    thousandths = exact.quantize(decimal.Decimal("0.001"), context=wide)
    return f"{abs(thousandths) if not thousandths else thousandths:f}"


def as_text(value: Any) -> str:
    if isinstance(value, float):
        value = _sqlite.execute("SELECT CAST(? AS TEXT)", (value,)).fetchone()[0]
    text = decoded(value)
    if not text:
        return "(empty)"
    return UNPRINTABLE.sub(b"@", text.encode("utf-8", "surrogateescape")).decode("ascii")


def decoded(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


# Used for nothing but printing a float as SQLite does, so that no engine under test prints its own answers.
_sqlite = sqlite3.connect(":memory:", check_same_thread=False)
