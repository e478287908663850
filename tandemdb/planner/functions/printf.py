"""printf(FORMAT, ...) and its other name, format.

    % flags width .precision length conversion
      -+ #!0,   5 or *  .2 or .*   l ll   d i u  x X o p  f e E g G  s z c q Q w  % n

Arguments are converted to what the conversion needs; those that lack are 0, 0.0 or ''. Width and precision of texts
count bytes, characters with the flag `!`. A conversion that is none ends the output there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tandemdb.planner.functions.numeric import usual_round
from tandemdb.planner.functions.registry import ScalarFunction
from tandemdb.planner.functions.text import as_32_bits
from tandemdb.planner.runtime.reals import format_real
from tandemdb.planner.runtime.values import as_integer, as_real, decode, encode, to_text, until_nul
from tandemdb.storage.values import HOLDS_NULL, HOLDS_TEXT, Value


class Field(NamedTuple):
    """What stands between % and the conversion."""

    left: bool
    sign: str
    alternate: bool
    more: bool
    zeros: bool
    thousands: bool
    width: int
    precision: int  # -1 if there is none


def printf(*arguments: Value) -> str | None:
    """printf(FORMAT, ...): NULL if the format is, if the result is too long, and if nothing at all is written."""
    if not arguments or arguments[0] is None:
        return None
    if (found := usual_text(arguments)) is not None:
        return found
    text = until_nul(to_text(arguments[0]))
    values = iter(arguments[1:])
    pieces: list[str] = []
    position = 0
    while position < len(text):
        percent = text.find("%", position)
        if percent < 0:
            pieces.append(text[position:])
            break
        if percent > position:
            pieces.append(text[position:percent])
        if percent + 1 == len(text):
            pieces.append("%")
            break
        field, conversion, position = read_field(text, percent + 1, values)
        if conversion not in CONVERSIONS:
            break
        if conversion != "n" and is_too_long(field, conversion):
            return None
        pieces.append(convert(field, conversion, values))
    return joined(pieces) if pieces else None


# ---- formats that Python's own operator writes alike


def usual_text(arguments: tuple[Value, ...]) -> str | None:
    """The result for a format of plain fields and values of the classes that they are for; None for any other."""
    fields = usual_fields(arguments[0])
    if fields is None or len(arguments) != len(fields) + 1:
        return None
    values: list[Value] = []
    for value, (kind, places) in zip(arguments[1:], fields, strict=True):
        if type(value) is not kind:
            return None
        if kind is float:
            value = usual_round(value, places)  # type: ignore[arg-type]
            if value is None:
                return None
        elif kind is str and ("\0" in value or not value.isascii()):  # type: ignore[operator, union-attr]
            return None
        values.append(value)
    return str(arguments[0]) % tuple(values) or None


@lru_cache(maxsize=256)
def usual_fields(text: Value) -> list[tuple[type, int]] | None:
    """The class that each field of a format is for, and its decimals; None if one is not plain."""
    if type(text) is not str or not text.isascii() or "\0" in text or "%" in FIELD.sub("", text):
        return None
    fields: list[tuple[type, int]] = []
    for match in FIELD.finditer(text):
        if match[0] != "%%":
            fields.append((float, int(match[1])) if match[1] else (str if match[0] == "%s" else int, 0))
    return fields


FIELD = re.compile(r"%(?:%|s|(?:0?[1-9][0-9]?|-[1-9][0-9]?)?d|\.([1-4])f)")

# ---- all others

CONVERSIONS = frozenset("diuxXoprfeEgGszqQwc%n")
LENGTH_MAX = 1_000_000_000


def is_too_long(field: Field, conversion: str) -> bool:
    """Tell whether a conversion's width or precision asks for more than a value can hold."""
    return field.width > LENGTH_MAX or (field.precision > LENGTH_MAX and conversion in "diuxXoprc")


def joined(pieces: list[str]) -> str:
    """Join the pieces; bytes that %c or a precision cut out of characters may complete one another."""
    text = "".join(pieces)
    try:
        text.encode()
    except UnicodeEncodeError:
        return decode(encode(text))
    return text


def read_field(text: str, position: int, values: Iterator[Value]) -> tuple[Field, str, int]:
    """Read flags, width, precision and length; return them, the conversion ('' at the end) and where it ends."""
    flags: set[str] = set()
    sign = ""
    width, precision = 0, -1
    while position < len(text):
        letter = text[position]
        if letter in "-#!0,":
            flags.add(letter)
        elif letter in "+ ":
            sign = letter
        elif letter in "123456789*":
            width, position = read_count(text, position, values)
            if width < 0:
                flags.add("-")
                width = -width if width >= -0x7FFFFFFF else 0
            if text[position : position + 1] not in (".", "l"):
                break
            continue
        elif letter == ".":
            precision, position = read_count(text, position + 1, values)
            if precision < 0:
                precision = -precision if precision >= -0x7FFFFFFF else -1
            if text[position : position + 1] != "l":
                break
            continue
        elif letter == "l":
            position += 2 if text.startswith("ll", position) else 1
            break
        else:
            break
        position += 1
    field = Field("-" in flags, sign, "#" in flags, "!" in flags, "0" in flags, "," in flags, width, precision)
    return field, text[position : position + 1], position + 1


def read_count(text: str, position: int, values: Iterator[Value]) -> tuple[int, int]:
    """Read a width or precision: digits, or the next argument for `*`."""
    if text.startswith("*", position):
        return as_32_bits(next(values, None)), position + 1
    end = position
    while end < len(text) and text[end] in "0123456789":
        end += 1
    digits = text[position:end]
    return (int(digits) if digits else 0) & 0x7FFFFFFF, end


def convert(field: Field, conversion: str, values: Iterator[Value]) -> str:
    """Write one conversion."""
    if conversion in "diuxXopr":
        return padded(field, integer_text(field, conversion, as_integer(next(values, None))))
    if conversion in "feEgG":
        return padded(field, real_text(field, conversion, as_real(next(values, None))))
    if conversion in "sz":
        value = next(values, None)
        return text_field(field, "" if value is None else until_nul(to_text(value)))
    if conversion in "qQw":
        return quoted_field(field, conversion, next(values, None))
    if conversion == "c":
        return character_field(field, next(values, None))
    return padded(field, "%") if conversion == "%" else ""


def padded(field: Field, text: str) -> str:
    """Fill up to the width with blanks."""
    return text.ljust(field.width) if field.left else text.rjust(field.width)


# ---- numbers ----


def integer_text(field: Field, conversion: str, number: int) -> str:
    """Write an integer: signed for d, i and r, as 64 bits without a sign for the others."""
    sign = ""
    if conversion in "dir":
        sign = "-" if number < 0 else field.sign
        number = abs(number)
    elif number < 0:
        number += 2**64
    digits = format(number, RADIX_FORMATS.get(conversion, "d"))
    digits = f"{number}{ordinal_suffix(number)}" if conversion == "r" else digits
    length = field.precision
    if field.zeros and length < field.width - len(sign):
        length = field.width - len(sign)
    digits = digits.rjust(length, "0")
    if field.thousands and conversion in "diu":
        digits = group_by_thousands(digits)
    if field.alternate and number:
        digits = {"x": "0x", "X": "0X", "p": "0x", "o": "0"}.get(conversion, "") + digits
    return sign + digits


RADIX_FORMATS = {"x": "x", "X": "X", "o": "o", "p": "X"}


def group_by_thousands(digits: str) -> str:
    """Put a comma before every third digit from the right."""
    head = len(digits) % 3 or 3
    return ",".join([digits[:head], *[digits[i : i + 3] for i in range(head, len(digits), 3)]])


def ordinal_suffix(number: int) -> str:
    """Return the English ending: 1st, 2nd, 3rd, 4th, 11th."""
    if number // 10 % 10 == 1:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def real_text(field: Field, conversion: str, number: float) -> str:
    """Write a real."""
    precision = field.precision if field.precision >= 0 else 6
    precision = min(precision, 100_000_000)
    text = format_real(
        number, conversion, precision, alternate=field.alternate, more_digits=field.more, prefix=field.sign
    )
    if field.zeros and not field.left and len(text) < field.width and number == number and abs(number) != INFINITY:
        sign = text[:1] if text[0] in "-+ " else ""
        text = sign + text[len(sign) :].rjust(field.width - len(sign), "0")
    return text


INFINITY = float("inf")

# ---- texts ----


def text_field(field: Field, text: str) -> str:
    """Write %s: cut to the precision, filled to the width."""
    if field.precision >= 0:
        text = text[: field.precision] if field.more else decode(encode(text)[: field.precision])
    return filled(field, text)


def filled(field: Field, text: str) -> str:
    """Fill a text up to the width, which counts bytes unless the flag `!` is there."""
    missing = field.width - (len(text) if field.more else len(encode(text)))
    if missing <= 0:
        return text
    return text + " " * missing if field.left else " " * missing + text


def quoted_field(field: Field, conversion: str, value: Value) -> str:
    """Write %q, %Q or %w: quotes doubled, for %Q in quotes; the precision counts what is read."""
    mark = '"' if conversion == "w" else "'"
    if value is None:
        text = "NULL" if conversion == "Q" else "(NULL)"
    else:
        text = until_nul(to_text(value))
    if field.precision >= 0:
        text = text[: field.precision] if field.more else decode(encode(text)[: field.precision])
    text = text.replace(mark, mark + mark)
    if conversion == "Q" and value is not None:
        text = f"'{text}'"
    return filled(field, text)


def character_field(field: Field, value: Value) -> str:
    """Write %c: the first character, as often as the precision says. The width counts characters."""
    text = "" if value is None else to_text(value)
    first = text[:1] or "\0"
    width = field.width
    repeated = ""
    blanks = ""
    if field.precision > 1:
        width -= field.precision - 1
        if width > 1 and not field.left:
            blanks = " " * (width - 1)
            width = 0
        repeated = first * (field.precision - 1)
    missing = " " * (width - 1)
    return blanks + repeated + (first + missing if field.left else missing + first)


SCALAR_FUNCTIONS = {
    name: ScalarFunction(name, printf, 0, -1, result_classes=HOLDS_TEXT | HOLDS_NULL) for name in ("printf", "format")
}
