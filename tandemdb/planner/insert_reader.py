"""INSERT statements that hold nothing but literals, read in bulk without a parse.

    INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'it''s'), (3, NULL);
    prefix                     | rows: [(1, 'x'), (2, "it's"), (3, None)]

Dumps consist of these. One expression checks that every row has the same number of literals and finds the end of
the statement; a second cuts out all rows at once, as tuples of texts; then whole columns are converted, for a column's
literals are mostly of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tandemdb.planner.ast import Value
from tandemdb.planner.lexer import COMMENT, INTEGER_MAX, QUOTED_NAME, literal_value

_SPACE = rf"(?:[ \t\n\f\r]++|{COMMENT})*+"
_GAP = r"[ \t\n\f\r]*+"
_NAME = rf"(?:[A-Za-z_][0-9A-Za-z_$]*+|{QUOTED_NAME})"
_HEAD = re.compile(
    rf"{_SPACE}(?:INSERT{_SPACE}(?:OR{_SPACE}[A-Z]++{_SPACE})?+|REPLACE{_SPACE})INTO{_SPACE}"
    rf"{_NAME}{_SPACE}(?:\.{_SPACE}{_NAME}{_SPACE})?+"
    rf"(?:\({_SPACE}{_NAME}{_SPACE}(?:,{_SPACE}{_NAME}{_SPACE})*+\){_SPACE})?+VALUES\b",
    re.IGNORECASE | re.ASCII,
)
_LITERAL = (
    r"(?:'[^']*+(?:''[^']*+)*+'"
    r"|[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+(?![0-9A-Za-z_$\x80-\U0010ffff])"
    r"|[nN][uU][lL][lL](?![0-9A-Za-z_$\x80-\U0010ffff])"
    r"|[xX]'(?:[0-9A-Fa-f]{2})*+')"
)
_ANY_ROW = re.compile(rf"{_SPACE}\({_GAP}({_LITERAL}{_GAP}(?:,{_GAP}{_LITERAL}{_GAP})*+)\)")
_LITERAL_IN_ROW = re.compile(_LITERAL)
_END = re.compile(rf"{_SPACE}(?:;|\Z)")
COLUMNS_MAX = 90  # an expression holds at most 100 groups comfortably; wider rows are parsed


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
    first = _ANY_ROW.match(sql, head.end())
    if first is None:
        return None
    width = len(_LITERAL_IN_ROW.findall(first[1]))
    if width > COLUMNS_MAX:
        return None
    all_rows, row = row_expressions(width)
    body = all_rows.match(sql, head.end())
    if body is None:
        return None
    end = _END.match(sql, body.end())
    if end is None:
        return None
    texts = row.findall(sql, body.start(), body.end())
    columns = [texts] if width == 1 else zip(*texts, strict=True)
    return InsertValues(head[0], list(zip(*map(convert, columns), strict=True)), end.end())


@lru_cache(maxsize=128)
def row_expressions(width: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the expression of all rows of so many literals, and of one row with a group for each."""
    plain = rf"\({_GAP}{_LITERAL}{_GAP}" + rf"(?:,{_GAP}{_LITERAL}{_GAP}){{{width - 1}}}\)"
    all_rows = re.compile(rf"{_GAP}{plain}(?:{_GAP},{_GAP}{plain})*+")
    # What a literal is was checked by then: cutting takes a simpler expression, which compiles in a tenth of the time.
    groups = rf"{_GAP},{_GAP}".join([r"('[^']*+(?:''[^']*+)*+'|[^,) \t\n\f\r]++)"] * width)
    return all_rows, re.compile(rf"\({_GAP}{groups}{_GAP}\)")


def convert(texts: Sequence[str]) -> Sequence[Value]:
    """Return the values of one column's literals."""
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
    first = text[0]
    if first in "nN":
        return None
    if first not in "+-":
        try:
            return literal_value(text)
        except ValueError:  # 9223372036854775808 has no slot
            return float(text)
    if text[1:].isdigit():
        value = int(text) if len(text) < 4000 else 2**64
        return value if -INTEGER_MAX - 1 <= value <= INTEGER_MAX else float(text)
    return float(text)
