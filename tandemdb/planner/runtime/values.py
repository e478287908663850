"""What SQL does with values at run time: text forms, casts, affinities, arithmetic, comparison, truth.

    value      to_number      cast_integer   affinity_numeric   to_text    sort_key
    None       None           None           None               -          (0, 0)
    7          7              7              7                  '7'        (1, 7)
    1e20       1e20           2**63 - 1      1e20               '1.0e+20'  (1, 1e20)
    '12.0x'    12.0           12             '12.0x'            '12.0x'    (2, '12.0x')
    b'12'      12             12             b'12'              '12'       (3, b'12')

Generated code calls these functions where a column may hold more than one class, or a class that needs more than the
Python operator; each tries the common case first and knows all five classes. A text may be a `JsonText` (a str that a
JSON function made): rank and class go by `isinstance` on the slow paths.

Text that is no valid UTF-8 (a cast BLOB) carries its bytes as surrogate escapes, so that no byte is ever lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.errors import undecodable_seen
from tandemdb.planner.runtime.reals import BLANKS, NUMBER, matched_real, real_to_text
from tandemdb.storage.values import CLASS_RANK, Value, fold_ascii

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)

# ---- text forms ----


def to_text(value: Value) -> str:
    """Return the text of a value that is not NULL, as CAST AS TEXT does."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return real_to_text(value)
    assert value is not None, "NULL has no text"
    return decode(value)


def decode(blob: bytes) -> str:
    """Return a blob as text, bytes that are no UTF-8 as surrogate escapes; who hands out text is told of those."""
    try:
        return blob.decode()
    except UnicodeDecodeError:
        if not undecodable_seen:
            undecodable_seen.append(True)
        return characters(blob)


def characters(blob: bytes) -> str:
    """Return what a blob is read as where a number is looked for in it: `decode` for what is not kept."""
    return blob.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return the UTF-8 of a text, surrogate escapes as the bytes they stand for."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def until_nul(text: str) -> str:
    """Return a text up to its first NUL, where SQLite's own functions stop reading."""
    return text[: text.index("\0")] if "\0" in text else text


# ---- numbers ----


def to_number(value: Value) -> int | float | None:
    """Return what arithmetic computes with: a number as it is, of a text or blob the longest numeric prefix."""
    if isinstance(value, (int, float)) or value is None:
        return value
    match = NUMBER.match(value if isinstance(value, str) else characters(value))
    assert match is not None  # every part is optional
    _, whole, point, fraction, mark, _, exponent = match.groups()
    if point is None and (mark is None or not exponent):
        return matched_integer(match)
    if not whole and not fraction:
        return 0
    return matched_real(match)


def matched_integer(match: Any) -> int | float:
    """Return the whole part of a match of NUMBER as an integer, as a real if it needs more than 64 bits."""
    digits = match[2]
    if len(digits) > 18:
        digits = digits.lstrip("0")
        if len(digits) > 19:
            return matched_real(match)
    number = int(digits or "0")
    if match[1] == "-":
        number = -number
    return number if INTEGER_MIN <= number <= INTEGER_MAX else matched_real(match)


def numeric_or_none(text: str) -> int | float | None:
    """Return the number a text denotes if all of it is one (blanks around it allowed), else None."""
    match = NUMBER.match(text)
    assert match is not None  # every part is optional
    end = match.end()
    if end != len(text) and text[end:].strip(BLANKS):
        return None
    if match[2] or match[4]:
        if match[3] is None and match[5] is None:
            return matched_integer(match)
        if match[5] is None or match[7]:
            return matched_real(match)
    return None


# ---- casts ----


def cast_integer(value: Value) -> int | None:
    """CAST AS INTEGER: reals lose their fraction, texts give their leading integer, out of range gives the limit."""
    return None if value is None else as_integer(value)


def as_integer(value: Value) -> int:
    """Return the integer that a value is read as where one is needed, 0 for NULL."""
    if isinstance(value, int):
        return value
    if value is None:
        return 0
    if isinstance(value, float):
        return real_to_integer(value)
    if type(value) is str and len(value) < 19 and value.isascii():
        if value.isdigit():
            return int(value)
        if value[:1].isalpha():
            return 0
    match = NUMBER.match(value if isinstance(value, str) else characters(value))
    assert match is not None  # every part is optional
    digits = match[2]
    if len(digits) > 18:
        digits = digits.lstrip("0")
        if len(digits) > 19:
            return INTEGER_MIN if match[1] == "-" else INTEGER_MAX
    number = int(digits or "0")
    return max(-number, INTEGER_MIN) if match[1] == "-" else min(number, INTEGER_MAX)


def real_to_integer(value: float) -> int:
    """Return the integer part of a real, or the limit of 64 bits that it lies beyond."""
    if value <= -9223372036854775808.0:
        return INTEGER_MIN
    if value >= 9223372036854775808.0:
        return INTEGER_MAX
    return int(value)


def cast_real(value: Value) -> float | None:
    """CAST AS REAL."""
    return None if value is None else as_real(value)


def as_real(value: Value) -> float:
    """Return the real that a value is read as where one is needed, 0.0 for NULL."""
    if isinstance(value, (float, int)):
        return float(value)
    if value is None:
        return 0.0
    match = NUMBER.match(value if isinstance(value, str) else characters(value))
    assert match is not None  # every part is optional
    return matched_real(match)


def cast_numeric(value: Value) -> int | float | None:
    """CAST AS NUMERIC: numbers stay as they are; texts and blobs give an integer where that loses nothing."""
    if isinstance(value, (int, float)) or value is None:
        return value
    number = to_number(value)
    if isinstance(number, float) and (number == 0.0 or (-2251799813685248.0 <= number < 2251799813685248.0)):
        whole = int(number)
        return whole if whole == number else number
    return number


def cast_text(value: Value) -> str | None:
    """CAST AS TEXT."""
    return None if value is None else to_text(value)


def cast_blob(value: Value) -> bytes | None:
    """CAST AS BLOB: the bytes of the text form."""
    if value is None or isinstance(value, bytes):
        return value
    return encode(to_text(value))


# ---- affinities: what a column does to a value it stores, and a comparison to its operands ----


def affinity_integer(value: Value) -> Value:
    """INTEGER and NUMERIC affinity: numeric texts become numbers, reals integers where that loses nothing."""
    kind = type(value)
    if kind is int:
        return value
    if kind is str:
        number = numeric_or_none(value)  # type: ignore[arg-type]
        if number is None:
            return value
        value = number
    if type(value) is float:
        if -9223372036854775808.0 < value < 9223372036854775808.0:
            whole = int(value)
            return whole if whole == value else value
    return value


def affinity_real(value: Value) -> Value:
    """REAL affinity: integers and numeric texts become reals."""
    if type(value) is float:
        return value + 0.0  # a stored negative zero loses its sign
    if isinstance(value, str):
        number = numeric_or_none(value)
        if number is None:
            return value
        value = number
    if isinstance(value, (int, float)):
        return value + 0.0
    return value


def affinity_text(value: Value) -> Value:
    """TEXT affinity: numbers become texts."""
    if type(value) is str:
        return value
    return to_text(value) if isinstance(value, (int, float)) else value


def affinity_blob(value: Value) -> Value:
    """BLOB affinity, also called NONE: any value as it is."""
    return value


AFFINITY_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "INTEGER": affinity_integer,
    "REAL": affinity_real,
    "NUMERIC": affinity_integer,
    "TEXT": affinity_text,
    "BLOB": affinity_blob,
}
CAST_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "INTEGER": cast_integer,
    "REAL": cast_real,
    "NUMERIC": cast_numeric,
    "TEXT": cast_text,
    "BLOB": cast_blob,
}
affinity_numeric = affinity_integer

# ---- arithmetic ----


def add(a: Value, b: Value) -> int | float | None:
    """a + b."""
    if type(a) in NUMBER_TYPES and type(b) in NUMBER_TYPES:
        total: Any = a + b  # type: ignore[operator]
        if type(total) is float:
            return total if total == total else None
        return total if INTEGER_MIN <= total <= INTEGER_MAX else float(a) + float(b)  # type: ignore[arg-type]
    operands = number_operands(a, b)
    return None if operands is None else add(*operands)


def subtract(a: Value, b: Value) -> int | float | None:
    """a - b."""
    if type(a) in NUMBER_TYPES and type(b) in NUMBER_TYPES:
        total: Any = a - b  # type: ignore[operator]
        if type(total) is float:
            return total if total == total else None
        return total if INTEGER_MIN <= total <= INTEGER_MAX else float(a) - float(b)  # type: ignore[arg-type]
    operands = number_operands(a, b)
    return None if operands is None else subtract(*operands)


def multiply(a: Value, b: Value) -> int | float | None:
    """a * b."""
    if type(a) in NUMBER_TYPES and type(b) in NUMBER_TYPES:
        total: Any = a * b  # type: ignore[operator]
        if type(total) is float:
            return total if total == total else None
        return total if INTEGER_MIN <= total <= INTEGER_MAX else float(a) * float(b)  # type: ignore[arg-type]
    operands = number_operands(a, b)
    return None if operands is None else multiply(*operands)


NUMBER_TYPES = frozenset((int, float))


def number_operands(a: Value, b: Value) -> tuple[int | float, int | float] | None:
    """Return both operands as numbers, both real unless both are integers; None if either is NULL."""
    x, y = to_number(a), to_number(b)
    if x is None or y is None:
        return None
    if type(x) is int and type(y) is int:
        return x, y
    # Not of x and y: the text '-0', read as a real, has a sign.
    return as_real(a), as_real(b)


def divide(a: Value, b: Value) -> int | float | None:
    """a / b: of integers without the remainder, towards zero; NULL if b is zero."""
    operands = number_operands(a, b)
    if operands is None or operands[1] == 0:
        return None
    x, y = operands
    if isinstance(x, float) or isinstance(y, float):
        result = x / y
        return result if result == result else None
    quotient = x // y if (x < 0) == (y < 0) else -(-x // y)
    return quotient if quotient <= INTEGER_MAX else float(quotient)


def modulo(a: Value, b: Value) -> int | float | None:
    """a % b with the sign of a; operands lose their fraction first, and NULL if b is then zero."""
    x, y = to_number(a), to_number(b)
    if x is None or y is None:
        return None
    real = isinstance(x, float) or isinstance(y, float)
    if real:
        # Not of x and y: of the text '1e1' the leading integer is taken, which is 1.
        x, y = as_integer(a), as_integer(b)
    if y == 0:
        return None
    rest = abs(x) % abs(y)
    if x < 0:
        rest = -rest
    return float(rest) if real else rest


def negate(value: Value) -> int | float | None:
    """-value, which is 0 - value: of zero without a sign."""
    return subtract(0, value)


def concatenate(a: Value, b: Value) -> str | None:
    """a || b."""
    if type(a) is str:
        if type(b) is str:
            return a + b
        if type(b) is int:
            return f"{a}{b}"
    if a is None or b is None:
        return None
    if isinstance(a, bytes) or isinstance(b, bytes):
        return decode(encode(to_text(a)) + encode(to_text(b)))
    return to_text(a) + to_text(b)


def bit_and(a: Value, b: Value) -> int | None:
    """a & b."""
    x, y = cast_integer(a), cast_integer(b)
    return None if x is None or y is None else x & y


def bit_or(a: Value, b: Value) -> int | None:
    """a | b."""
    x, y = cast_integer(a), cast_integer(b)
    return None if x is None or y is None else x | y


def bit_not(value: Value) -> int | None:
    """~value."""
    number = cast_integer(value)
    return None if number is None else ~number


def shift_left(a: Value, b: Value) -> int | None:
    """a << b in 64 bits; a negative b shifts right."""
    number, places = cast_integer(a), cast_integer(b)
    if number is None or places is None:
        return None
    if places < 0:
        return number >> min(-places, 64)
    if places >= 64:
        return 0
    return ((number << places) + 2**63) % 2**64 - 2**63


def shift_right(a: Value, b: Value) -> int | None:
    """a >> b, keeping the sign; a negative b shifts left."""
    number, places = cast_integer(a), cast_integer(b)
    if number is None or places is None:
        return None
    return number >> min(places, 64) if places >= 0 else shift_left(number, -places)


# ---- truth and comparison ----


def truth(value: Value) -> bool | None:
    """Tell whether WHERE takes a value for true; None if it is NULL."""
    if value is None:
        return None
    if isinstance(value, (int, float)):
        return value != 0
    return as_real(value) != 0.0


class _Ranks(dict[type, int]):
    """CLASS_RANK that also knows subclasses, such as JsonText."""

    def __missing__(self, kind: type) -> int:
        rank = next(self[base] for base in kind.__mro__[1:] if base in self)
        self[kind] = rank
        return rank


RANKS = _Ranks(CLASS_RANK)


def sort_key(value: Value) -> tuple[int, Any]:
    """Return what sorts values of all classes: NULL, numbers, texts, blobs."""
    return (0, 0) if value is None else (RANKS[type(value)], value)


def less(a: Any, b: Any) -> bool | None:
    """a < b, None if either is NULL. No affinity is applied and text compares by code points."""
    if a is None or b is None:
        return None
    rank, other = RANKS[type(a)], RANKS[type(b)]
    return bool(a < b) if rank == other else rank < other


def less_equal(a: Any, b: Any) -> bool | None:
    """a <= b, None if either is NULL."""
    if a is None or b is None:
        return None
    rank, other = RANKS[type(a)], RANKS[type(b)]
    return bool(a <= b) if rank == other else rank < other


def greater(a: Any, b: Any) -> bool | None:
    """a > b, None if either is NULL."""
    if a is None or b is None:
        return None
    rank, other = RANKS[type(a)], RANKS[type(b)]
    return bool(a > b) if rank == other else rank > other


def greater_equal(a: Any, b: Any) -> bool | None:
    """a >= b, None if either is NULL."""
    if a is None or b is None:
        return None
    rank, other = RANKS[type(a)], RANKS[type(b)]
    return bool(a >= b) if rank == other else rank > other


def equal(a: Any, b: Any) -> bool | None:
    """a = b, None if either is NULL. Values of different classes are never equal in Python either."""
    return None if a is None or b is None else bool(a == b)


def not_equal(a: Any, b: Any) -> bool | None:
    """a <> b, None if either is NULL."""
    return None if a is None or b is None else bool(a != b)


# ---- collations ----


def nocase_key(value: Any) -> Any:
    """Return what NOCASE compares in place of a value: of a text, the 26 letters lowered."""
    if not isinstance(value, str):
        return value
    if "\0" in value:  # SQLite stops comparing there, and then compares lengths
        head = until_nul(value)
        return fold_ascii(head) + "\0" * (len(encode(value)) - len(encode(head)))
    return fold_ascii(value)


def rtrim_key(value: Any) -> Any:
    """Return what RTRIM compares in place of a value: of a text, all but the spaces at its end."""
    return value.rstrip(" ") if isinstance(value, str) else value


def binary_key(value: Any) -> Any:
    """Return what BINARY compares in place of a value: the value."""
    return value


COLLATION_KEYS: dict[str, Callable[[Any], Any]] = {
    "BINARY": binary_key,
    "NOCASE": nocase_key,
    "RTRIM": rtrim_key,
}
