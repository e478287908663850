"""Results, written as a person or a program wants to read them.

    table    name | value     for people; drawn by rich at a terminal that has it, else in plain characters
    csv      RFC 4180, \\r\\n at the ends of lines, NULL as nothing
    json     one array of objects a result, numbers as numbers, NULL as null
    line     name = value, a line a value, a blank line between rows

A blob is written as SQL would have it, X'0A1B'. Rows are fetched a batch at a time, so only a table, which must know
its widest value, holds a whole result.
"""

from __future__ import annotations

import csv
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

Row = Sequence[Any]
Names = Sequence[str]
BATCH_ROWS = 1000
FORMATS = ("table", "csv", "json", "line")


def write_result(cursor: Any, out: TextIO, form: str = "table", headers: bool = True) -> int:
    """Write what the cursor returns, in one of FORMATS, and return the number of rows."""
    names = [column[0] for column in cursor.description]
    return WRITERS[form](names, fetch(cursor), out, headers)


def fetch(cursor: Any) -> Iterator[Row]:
    while batch := cursor.fetchmany(BATCH_ROWS):
        yield from batch


def write_table(names: Names, rows: Iterator[Row], out: TextIO, headers: bool) -> int:
    held = list(rows)
    if not held and not headers:
        return 0
    cells = [[one_line(value) for value in row] for row in held]
    numeric = [all(isinstance(row[at], (int, float, type(None))) for row in held) for at in range(len(names))]
    if not (out.isatty() and write_rich_table(names, cells, numeric, out, headers)):
        write_plain_table(names, cells, numeric, out, headers)
    return len(held)


def write_rich_table(names: Names, cells: list[list[str]], numeric: list[bool], out: TextIO, headers: bool) -> bool:
    """Draw the table with rich; return False if rich isn't installed."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table(box=box.ROUNDED, show_header=headers)
    for name, right in zip(names, numeric, strict=True):
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(file=out).print(table)
    return True


def write_plain_table(names: Names, cells: list[list[str]], numeric: list[bool], out: TextIO, headers: bool) -> None:
    shown = [list(map(one_line, names)), *cells] if headers else cells
    widths = [max(1, *(width(row[at]) for row in shown)) for at in range(len(names))]

    def write_row(row: Sequence[str]) -> None:
        padded = []
        for text, columns, right in zip(row, widths, numeric, strict=True):
            blanks = " " * (columns - width(text))
            padded.append(blanks + text if right else text + blanks)
        out.write(" | ".join(padded).rstrip() + "\n")

    if headers:
        write_row(shown[0])
        out.write("-+-".join("-" * columns for columns in widths) + "\n")
    for row in cells:
        write_row(row)


def write_csv(names: Names, rows: Iterator[Row], out: TextIO, headers: bool) -> int:
    writer = csv.writer(out)
    count = 0
    if headers:
        writer.writerow(names)
    for row in rows:
        writer.writerow(["" if value is None else as_text(value) for value in row])
        count += 1
    return count


def write_json(names: Names, rows: Iterator[Row], out: TextIO, headers: bool) -> int:
    # Not json.dump of a dictionary: two columns of one name would become one.
    keys = [json.dumps(name, ensure_ascii=False) for name in names]
    count = 0
    out.write("[")
    for count, row in enumerate(rows, 1):
        members = ", ".join(f"{key}: {as_json(value)}" for key, value in zip(keys, row, strict=True))
        out.write(f"{',' if count > 1 else ''}\n{{{members}}}")
    out.write("\n]\n" if count else "]\n")
    return count


def write_lines(names: Names, rows: Iterator[Row], out: TextIO, headers: bool) -> int:
    columns = max(map(width, names), default=0)
    count = 0
    for count, row in enumerate(rows, 1):
        if count > 1:
            out.write("\n")
        for name, value in zip(names, row, strict=True):
            out.write(f"{' ' * (columns - width(name))}{name} = {as_text(value)}\n")
    return count


WRITERS: dict[str, Callable[[Names, Iterator[Row], TextIO, bool], int]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "line": write_lines,
}


def as_text(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if isinstance(value, float) and math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(value)


def one_line(value: Any) -> str:
    r"""Return a cell of a table: \n and other control characters are shown escaped, or they would break its lines."""
    text = as_text(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_json(value: Any) -> str:
    if isinstance(value, bytes):
        value = as_text(value)
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"  # JSON has no infinity; this overflows to it in every reader.
    return json.dumps(value, ensure_ascii=False)


def width(text: str) -> int:
    """Return the columns that a text takes at a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
