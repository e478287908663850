"""INSERT statements that hold nothing but literals, read in bulk without a parse.

    INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'it''s'), (3, NULL);
    prefix                     | rows: [(1, 'x'), (2, "it's"), (3, None)]

Dumps consist of these. One expression finds the end of the rows, a second cuts all of them into items at once; then
whole columns are converted, for a column's literals are mostly of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from tandemdb.planner.syntax.ast import Value
from tandemdb.planner.syntax.lexer import (
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
_ROW = rf"\({_GAP}(?:{_ITEM}){_GAP}(?:,{_GAP}(?:{_ITEM}){_GAP})*+\)"
_LEAD = re.compile(_SPACE)
_ROWS = re.compile(rf"{_ROW}(?:{_GAP},{_GAP}{_ROW})*+")
_TOKENS = re.compile(rf"{_ITEM}|\)")
_END = re.compile(rf"{_SPACE}(?:;|\Z)")
_SINGLE = re.compile(rf"{_GAP}({_ROW}){_GAP};{_GAP}")
_REALS = re.compile(r"[+-]?+\d++\.\d++(?: [+-]?+\d++\.\d++)*+", re.ASCII)
NUMBERS_BEGIN = frozenset("0123456789+-")
FIRST = itemgetter(0)
RUN_STATEMENTS_MIN = 4


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
    lead = _LEAD.match(sql, head.end())
    body = _ROWS.match(sql, lead.end() if lead else head.end())
    end = _END.match(sql, body.end()) if body else None
    if body is None or end is None:
        return None
    rows = rows_of(_TOKENS.findall(sql, body.start(), body.end()))
    return None if rows is None else InsertValues(head[0], rows, end.end())


def read_insert_run(sql: str, start: int = 0) -> InsertValues | None:
    """Read the INSERTs from `start` on that begin with the very same words and have one row of literals each.

    Returns:
        One row for each statement; None if they are few, or if one of them is not what it looked like.
    Cost: linear; some 1.5 us a statement.
    """
    head = _HEAD.match(sql, start)
    if head is None:
        return None
    prefix = head[0].lstrip()
    position = head.end() - len(prefix)
    length, texts = len(prefix), []
    single, starts = _SINGLE.match, sql.startswith
    while starts(prefix, position):
        found = single(sql, position + length)
        if found is None:
            break
        texts.append(found[1])
        position = found.end()
    if len(texts) < RUN_STATEMENTS_MIN:
        return None
    rows = rows_of(_TOKENS.findall("".join(texts)))
    return None if rows is None else InsertValues(prefix, rows, position)


def rows_of(tokens: list[str]) -> list[tuple[Value, ...]] | None:
    """The rows of the items of all rows; None if their widths differ or one is no literal.

    Each row is its items and a closing parenthesis: columns are slices, and so is the proof that all rows are as wide.
    """
    width = tokens.index(")")
    rows, rest = divmod(len(tokens), width + 1)
    if rest or tokens[width :: width + 1] != [")"] * rows:
        return None
    columns = [tokens[place :: width + 1] for place in range(width)]
    try:
        return list(zip(*map(convert, columns), strict=True))
    except ValueError:
        return None


def convert(texts: Sequence[str]) -> Sequence[Value]:
    """Return the values of one column's items; ValueError if one of them is no literal."""
    if "NULL" in texts:
        present = [text for text in texts if text != "NULL"]
        values = iter(convert(present) if present else ())
        return [None if text == "NULL" else next(values) for text in texts]
    firsts = set(map(FIRST, texts))
    if firsts == {"'"}:
        return [text[1:-1].replace("''", "'") if "''" in text else text[1:-1] for text in texts]
    if firsts <= NUMBERS_BEGIN:
        try:
            numbers = list(map(int, texts))
        except ValueError:
            # A real, hexadecimal, or something that is no literal.
            if _REALS.fullmatch(" ".join(texts)):
                return list(map(float, texts))
        else:
            if max(numbers) <= INTEGER_MAX and min(numbers) >= -INTEGER_MAX - 1 and "_" not in "".join(texts):
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
