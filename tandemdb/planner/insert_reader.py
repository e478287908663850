"""INSERT statements that hold nothing but literals, read in bulk without a parse.

    INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'it''s'), (3, NULL);
    prefix                     | rows: [(1, 'x'), (2, "it's"), (3, None)]

Dumps consist of these. One expression checks that every row has the same number of items and finds the end of
the statement; a second cuts out all rows at once, as tuples of texts; then whole columns are converted, for a column's
literals are mostly of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tandemdb.planner.ast import Value
from tandemdb.planner.lexer import (
    COMMENT,
    INTEGER_MAX,
    MINUS_ONLY_DIGITS,
    QUOTED_NAME,
    classify,
    integer_value,
    literal_value,
    number_value,
    string_value,
)

_SPACE = rf"(?:[ \t\n\f\r]++|{COMMENT})*+"
_GAP = r"[ \t\n\f\r]*+"
_NAME = rf"(?:[A-Za-z_][0-9A-Za-z_$]*+|{QUOTED_NAME})"
_HEAD = re.compile(
    rf"{_SPACE}(?:INSERT{_SPACE}(?:OR{_SPACE}[A-Z]++{_SPACE})?+|REPLACE{_SPACE})INTO{_SPACE}"
    rf"{_NAME}{_SPACE}(?:\.{_SPACE}{_NAME}{_SPACE})?+"
    rf"(?:\({_SPACE}{_NAME}{_SPACE}(?:,{_SPACE}{_NAME}{_SPACE})*+\){_SPACE})?+VALUES\b",
    re.IGNORECASE | re.ASCII,
)
# Looks like a literal; `convert` finds out whether it is one. Checking here would cost 14 ms a width to compile.
_ITEM = r"'[^']*+(?:''[^']*+)*+'|[0-9A-Za-z_.+-]++(?:'[^']*+')?+"
_FIRST_ROW = re.compile(rf"{_SPACE}\({_GAP}((?:{_ITEM}){_GAP}(?:,{_GAP}(?:{_ITEM}){_GAP})*+)\)")
_FIRST_ITEMS = re.compile(_ITEM)
_END = re.compile(rf"{_SPACE}(?:;|\Z)")
COLUMNS_MAX = 90  # Wider rows are parsed: the expressions would take too long to compile.


class InsertValues(NamedTuple):
    """`prefix` is the text up to and with VALUES; `end` the offset behind the semicolon or the text."""

    prefix: str
    rows: list[tuple[Value, ...]]
    end: int


def read_insert_values(sql: str, start: int = 0) -> InsertValues | None:
    """Read the INSERT at `start` if all its values are literals: signed numbers, strings, blobs and NULL.

    Returns:
        None if the statement is anything else, has rows of different lengths or anything behind its rows (ON
        CONFLICT, RETURNING): it must be parsed then. The prefix is checked only as far as finding VALUES asks;
        parse it with one row of placeholders behind it.
    Cost: linear; some 0.1 us a value.
    """
    head = _HEAD.match(sql, start)
    if head is None:
        return None
    first = _FIRST_ROW.match(sql, head.end())
    if first is None:
        return None
    width = len(_FIRST_ITEMS.findall(first[1]))
    if width > COLUMNS_MAX:
        return None
    all_rows, row = row_expressions(width)
    body = all_rows.match(sql, head.end())
    end = _END.match(sql, body.end()) if body else None
    if body is None or end is None:
        return None
    texts = row.findall(sql, body.start(), body.end())
    columns = [texts] if width == 1 else zip(*texts, strict=True)
    try:
        return InsertValues(head[0], list(zip(*map(convert, columns), strict=True)), end.end())
    except ValueError:
        return None


@lru_cache(maxsize=128)
def row_expressions(width: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the expression of all rows of so many items, and of one row with a group for each."""
    row = rf"\({_GAP}(?:{_ITEM}){_GAP}(?:,{_GAP}(?:{_ITEM}){_GAP}){{{width - 1}}}\)"
    groups = rf"{_GAP},{_GAP}".join([f"({_ITEM})"] * width)
    return re.compile(rf"{_SPACE}{row}(?:{_GAP},{_GAP}{row})*+"), re.compile(rf"\({_GAP}{groups}{_GAP}\)")


def convert(texts: Sequence[str]) -> Sequence[Value]:
    """Return the values of one column's items; ValueError if one of them is no literal."""
    first = texts[0][0]
    if first == "'":
        if all(text[0] == "'" for text in texts):
            return [text[1:-1].replace("''", "'") if "''" in text else text[1:-1] for text in texts]
    elif first in "0123456789+-":
        try:
            numbers = list(map(int, texts))
        except ValueError:
            pass  # A float, NULL or a string among them: one by one.
        else:
            if max(numbers) <= INTEGER_MAX and min(numbers) >= -INTEGER_MAX - 1:
                return numbers
    return [signed_value(text) for text in texts]


def signed_value(text: str) -> Value:
    if text in ("NULL", "null"):
        return None
    first = text[0]
    if first == "'":
        return string_value(text)
    unsigned = text[1:] if first in "+-" else text
    if unsigned.isdigit():
        if unsigned.lstrip("0") == MINUS_ONLY_DIGITS:
            return -INTEGER_MAX - 1 if first == "-" else float(unsigned)
        value: Value = integer_value(unsigned)
    elif unsigned[:1].isdigit() and unsigned[-1].isdigit() and unsigned.isascii() and "_" not in unsigned:
        value = number_value(unsigned)
    elif first in "xX":
        return literal_value(text)
    elif classify(unsigned) == "number":
        value = number_value(unsigned)
    elif text.upper() == "NULL":
        return None
    else:
        raise ValueError(text)
    return -value if first == "-" else value  # type: ignore[operator]
