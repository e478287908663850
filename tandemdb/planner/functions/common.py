"""Functions on values of any class: coalesce, typeof, quote, the scalar min and max, like and glob as functions.

    coalesce(a, b, ...)  first that is not NULL        min(a, b, ...)  NULL if any is NULL, else least by sort_key
    nullif(a, b)         a unless a = b                typeof(a)       'null' 'integer' 'real' 'text' 'blob'

The code generator inlines the simplest of these; they are here for where it can't.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.errors import DataError, OperationalError
from tandemdb.planner.functions.registry import HOLDS_NUMBER, JsonText, ScalarFunction
from tandemdb.planner.runtime.patterns import NO_ESCAPE, glob_function, like_function
from tandemdb.planner.runtime.reals import format_real, real_to_text, text_to_real
from tandemdb.planner.runtime.values import INTEGER_MIN, as_integer, as_real, sort_key, truth, until_nul
from tandemdb.storage.values import HOLDS_BLOB, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value


def absolute(value: Value) -> Value:
    """abs(X): of a text or blob, as a real."""
    if isinstance(value, int):
        if value == INTEGER_MIN:
            raise OperationalError("integer overflow", code="SQLITE_ERROR")
        return -value if value < 0 else value
    if value is None:
        return None
    number = as_real(value)
    return -number if number < 0 else number


def coalesce(*values: Value) -> Value:
    """coalesce(X, Y, ...)."""
    for value in values:
        if value is not None:
            return value
    return None


def if_null(value: Value, otherwise: Value) -> Value:
    """ifnull(X, Y)."""
    return otherwise if value is None else value


def choose(condition: Value, value: Value, otherwise: Value) -> Value:
    """iif(X, Y, Z)."""
    return value if truth(condition) else otherwise


def null_if(a: Value, b: Value) -> Value:
    """nullif(X, Y)."""
    return None if a == b else a


def null_if_by(key: Callable[[Any], Any]) -> Callable[..., Value]:
    """nullif(X, Y) under a collation."""
    return lambda a, b: None if key(a) == key(b) else a


TYPE_NAMES = {type(None): "null", int: "integer", float: "real", str: "text", bytes: "blob", JsonText: "text"}


def type_name(value: Value) -> str:
    """typeof(X)."""
    return TYPE_NAMES[type(value)]


def identity(value: Value) -> Value:
    """likely(X) and unlikely(X): hints to SQLite's planner."""
    return value


def likelihood(value: Value, probability: Value) -> Value:
    """likelihood(X, P): a hint too. SQLite demands a literal for P, and finds out before any row is read."""
    if not isinstance(probability, float) or not 0.0 <= probability <= 1.0:
        raise OperationalError(
            "second argument to likelihood() must be a constant between 0.0 and 1.0", code="SQLITE_ERROR"
        )
    return value


def maximum(*values: Value) -> Value:
    """max(X, Y, ...); of one value, which SQL takes for the aggregate, that value."""
    return None if None in values else extreme(values, largest=True, key=None)


def minimum(*values: Value) -> Value:
    """min(X, Y, ...)."""
    return None if None in values else extreme(values, largest=False, key=None)


def extreme(values: tuple[Value, ...], *, largest: bool, key: Callable[[Any], Any] | None) -> Value:
    """Return the first of the greatest, or the last of the least: SQLite's scalar min prefers later ones."""
    best = values[0]
    best_key: tuple[int, Any] = sort_key(key(best) if key else best)
    for value in values[1:]:
        value_key = sort_key(key(value) if key else value)
        if (best_key < value_key) if largest else (best_key >= value_key):
            best, best_key = value, value_key
    return best


def maximum_by(key: Callable[[Any], Any]) -> Callable[..., Value]:
    """max(X, Y, ...) under a collation."""
    return lambda *values: None if None in values else extreme(values, largest=True, key=key)


def minimum_by(key: Callable[[Any], Any]) -> Callable[..., Value]:
    """min(X, Y, ...) under a collation."""
    return lambda *values: None if None in values else extreme(values, largest=False, key=key)


def quote(value: Value) -> str:
    """quote(X): the value as an SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + until_nul(value).replace("'", "''") + "'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    text = real_to_text(value)
    if text_to_real(text) != value:
        return format_real(value, "e", 20, alternate=False, more_digits=True, prefix="")
    return text


def subtype(value: Value) -> int:
    """subtype(X): 74, which is 'J', for the result of a JSON function."""
    return 74 if isinstance(value, JsonText) else 0


def zero_blob(size: Value) -> bytes:
    """zeroblob(N)."""
    count = as_integer(size)
    if count > 1_000_000_000:
        raise DataError("string or blob too big", code="SQLITE_TOOBIG")
    return bytes(max(count, 0))


def like(pattern: Value, value: Value, escape: Value = NO_ESCAPE) -> int | None:
    """like(P, X, E): X LIKE P ESCAPE E."""
    matched = like_function(pattern, escape)(value)
    return None if matched is None else int(matched)


def glob(pattern: Value, value: Value) -> int | None:
    """glob(P, X): X GLOB P."""
    matched = glob_function(pattern)(value)
    return None if matched is None else int(matched)


def match(pattern: Value, value: Value) -> Value:
    """match(P, X): what X MATCH P calls where no virtual table takes it."""
    raise OperationalError("unable to use function MATCH in the requested context", code="SQLITE_ERROR")


INTEGER, TEXT, NULL = HOLDS_INT, HOLDS_TEXT, HOLDS_NULL
SCALAR_FUNCTIONS = {
    function.name: function
    for function in (
        ScalarFunction("abs", absolute, 1, 1, null_if_null=True, result_classes=HOLDS_NUMBER),
        ScalarFunction("coalesce", coalesce, 2, -1),
        ScalarFunction("ifnull", if_null, 2, 2),
        ScalarFunction("iif", choose, 3, 3),
        ScalarFunction("nullif", null_if, 2, 2, make_collated=null_if_by),
        ScalarFunction("typeof", type_name, 1, 1, result_classes=TEXT),
        ScalarFunction("likely", identity, 1, 1),
        ScalarFunction("unlikely", identity, 1, 1),
        ScalarFunction("likelihood", likelihood, 2, 2),
        ScalarFunction("max", maximum, 1, -1, null_if_null=True, make_collated=maximum_by),
        ScalarFunction("min", minimum, 1, -1, null_if_null=True, make_collated=minimum_by),
        ScalarFunction("quote", quote, 1, 1, result_classes=TEXT),
        ScalarFunction("subtype", subtype, 1, 1, result_classes=INTEGER),
        ScalarFunction("zeroblob", zero_blob, 1, 1, result_classes=HOLDS_BLOB),
        ScalarFunction("like", like, 2, 3, result_classes=INTEGER | NULL),
        ScalarFunction("glob", glob, 2, 2, result_classes=INTEGER | NULL),
        ScalarFunction("match", match, 2, 2),
    )
}
