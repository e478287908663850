"""INSERT statements that hold nothing but literals, read in bulk without a parse.

    INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'it''s'), (3, NULL);
    prefix                     | rows: [(1, 'x'), (2, "it's"), (3, None)]

Dumps consist of these. One expression finds the end of the rows, a second cuts the strings out; what is left is split
at its commas, and whole columns are converted, for a column's literals are mostly of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
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
_ITEMS = re.compile(rf"{_ITEM}|\)")
_STRING = re.compile(r"'([^']*+(?:''[^']*+)*+)'")
MARK = "\1"
"""Where a string was cut out of the rows."""
_END = re.compile(rf"{_SPACE}(?:;|\Z)")
_SINGLE = re.compile(rf"{_GAP}({_ROW}){_GAP};{_GAP}")
_REALS = re.compile(r"[+-]?+\d++\.\d++(?: [+-]?+\d++\.\d++)*+", re.ASCII)
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
    rows = rows_of(body[0])
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
    rows = rows_of(",".join(texts))
    return None if rows is None else InsertValues(prefix, rows, position)


def rows_of(body: str) -> list[tuple[Value, ...]] | None:
    """The rows of a text that `_ROWS` has matched; None if their widths differ or an item is no literal.

        (1, 'x'), (2, NULL)   strings ["x"]   (1,\1),(2,NULL)   items ["1", "\1", ")", "2", "NULL", ")"]

    Strings are cut out first; what is left has no spaces that matter. Each row is its items and a closing parenthesis:
    columns are slices, and so is the proof that all rows are as wide.
    """
    pieces = _STRING.split(body)
    strings = pieces[1::2]
    plain = MARK.join(pieces[::2])
    for space in " \t\n\f\r":
        if space in plain:
            plain = plain.replace(space, "")
    flat = f"{plain[1:-1].replace('),(', ',),')},)"
    items = flat.split(",")
    if items.count(MARK) != len(strings):
        items, strings = _ITEMS.findall(body), []  # Blobs among them.
    elif "''" in body:
        strings = [text.replace("''", "'") if "'" in text else text for text in strings]
    width = items.index(")")
    rows, rest = divmod(len(items), width + 1)
    if rest or items[width :: width + 1] != [")"] * rows:
        return None
    columns = [items[place :: width + 1] for place in range(width)]
    try:
        return list(zip(*with_strings(columns, strings, flat), strict=True))
    except ValueError:
        return None


def with_strings(columns: Sequence[list[str]], strings: list[str], flat: str) -> list[Sequence[Value]]:
    """Each column's values, its strings in the places that are marked for them in the items' text, `flat`."""
    if not strings:
        return [convert(column) for column in columns]
    rows, width = len(columns[0]), len(columns)
    counts = [column.count(MARK) for column in columns]
    each = sum(count == rows for count in counts)
    if each * rows == len(strings):
        shares = iter([strings[place::each] for place in range(each)])
        return [next(shares) if count else convert(column) for column, count in zip(columns, counts, strict=True)]
    # The commas before a mark tell its column.
    own: list[list[str]] = [[] for _ in range(width + 1)]
    commas = accumulate([part.count(",") for part in flat.split(MARK)])
    for place, text in zip(commas, strings):  # noqa: B905 - there is one part more, behind the last string
        own[place % (width + 1)].append(text)
    return [merged(column, texts) if texts else convert(column) for column, texts in zip(columns, own)]  # noqa: B905


def merged(column: list[str], strings: Sequence[str]) -> Sequence[Value]:
    """A column's values, of which some are strings."""
    if len(strings) == len(column):
        return strings
    others = iter(convert([item for item in column if item != MARK]))
    texts = iter(strings)
    return [next(texts) if item == MARK else next(others) for item in column]


def convert(texts: Sequence[str]) -> Sequence[Value]:
    """Return the values of one column's items; ValueError if one of them is no literal."""
    try:
        numbers = list(map(int, texts))
    except ValueError:
        # Reals, NULL among them, hexadecimal, blobs, or something that is no literal.
        if _REALS.fullmatch(" ".join(texts)):
            return list(map(float, texts))
    else:
        if max(numbers) <= INTEGER_MAX and min(numbers) >= -INTEGER_MAX - 1 and "_" not in "".join(texts):
            return numbers
    if "NULL" in texts:
        present = [text for text in texts if text != "NULL"]
        values = iter(convert(present) if present else ())
        return [None if text == "NULL" else next(values) for text in texts]
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
