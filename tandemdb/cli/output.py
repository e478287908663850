"""Results, written as a person or a program wants to read them.

    table    name | value     for people; drawn by rich at a terminal that has it, else in plain characters
    csv      RFC 4180, \\r\\n at the ends of lines, NULL as nothing
    json     one array of objects a result, numbers as numbers, NULL as null
    jsonl    one object a row and line
    line     name = value, a line a value, a blank line between rows
    markdown a table as GitHub's Markdown has it
    insert   INSERT statements that make the rows again

A blob is written as SQL would have it, X'0A1B'. Rows are fetched a batch at a time, so only a table, which must know
its widest value, holds a whole result.
"""

from __future__ import annotations

import csv
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

Row = Sequence[Any]
Names = Sequence[str]
BATCH_ROWS = 1000
FORMATS = ("table", "csv", "json", "jsonl", "line", "markdown", "insert")


@dataclass(frozen=True, slots=True)
class Style:
    """What a format leaves open: headers or none, what people read for NULL, and the table that INSERTs name."""

    headers: bool = True
    null: str = "NULL"
    table: str = "table"


def write_answer(cursor: Any, sql: str, out: TextIO, form: str = "table", style: Style = Style()) -> None:
    """Write what a statement returned, at once: a query plan as a tree, where tables are asked for."""
    if form == "table" and is_plan(cursor.description, sql):
        draw_plan(cursor.fetchall(), out)
    else:
        write_result(cursor, out, form, style)
    out.flush()


def write_result(cursor: Any, out: TextIO, form: str = "table", style: Style = Style()) -> None:
    """Write what the cursor returns, in one of FORMATS."""
    names = [column[0] for column in cursor.description]
    WRITERS[form](names, fetch(cursor), out, style)


def fetch(cursor: Any) -> Iterator[Row]:
    while batch := cursor.fetchmany(BATCH_ROWS):
        yield from batch


def write_table(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    held, headers = list(rows), style.headers
    if not held and not headers:
        return
    cells = [[one_line(value, style.null) for value in row] for row in held]
    numeric = [all(isinstance(row[at], (int, float, type(None))) for row in held) for at in range(len(names))]
    if not (out.isatty() and write_rich_table(names, cells, numeric, out, headers)):
        write_plain_table(names, cells, numeric, out, headers)


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


def write_csv(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    writer = csv.writer(out)
    if style.headers:
        writer.writerow(names)
    for row in rows:
        writer.writerow(["" if value is None else as_text(value) for value in row])


def write_json(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    count = 0
    out.write("[")
    for count, text in enumerate(json_objects(names, rows), 1):
        out.write(f"{',' if count > 1 else ''}\n{text}")
    out.write("\n]\n" if count else "]\n")


def write_json_lines(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    for text in json_objects(names, rows):
        out.write(text + "\n")


def json_objects(names: Names, rows: Iterator[Row]) -> Iterator[str]:
    # Not json.dump of a dictionary: two columns of one name would become one.
    keys = [json.dumps(name, ensure_ascii=False) for name in names]
    for row in rows:
        members = ", ".join(f"{key}: {as_json(value)}" for key, value in zip(keys, row, strict=True))
        yield f"{{{members}}}"


def write_markdown(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    def write_row(cells: Sequence[str]) -> None:
        out.write("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")

    write_row([one_line(name) for name in names])  # Markdown has no table without a first row of names.
    write_row(["---"] * len(names))
    for row in rows:
        write_row([one_line(value, style.null) for value in row])


def write_inserts(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    columns = f"({', '.join(map(quote_name, names))}) " if style.headers else ""
    head = f"INSERT INTO {quote_name(style.table)} {columns}VALUES ("
    for row in rows:
        out.write(f"{head}{', '.join(map(as_literal, row))});\n")


def write_lines(names: Names, rows: Iterator[Row], out: TextIO, style: Style) -> None:
    columns = max(map(width, names), default=0)
    for count, row in enumerate(rows, 1):
        if count > 1:
            out.write("\n")
        for name, value in zip(names, row, strict=True):
            out.write(f"{' ' * (columns - width(name))}{name} = {as_text(value, style.null)}\n")


WRITERS: dict[str, Callable[[Names, Iterator[Row], TextIO, Style], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "jsonl": write_json_lines,
    "line": write_lines,
    "markdown": write_markdown,
    "insert": write_inserts,
}


PLAN_COLUMNS = ["id", "parent", "notused", "detail"]


def is_plan(description: Any, sql: str) -> bool:
    """Tell whether a result is that of EXPLAIN QUERY PLAN, which people read as a tree."""
    return [column[0] for column in description] == PLAN_COLUMNS and sql[:7].upper() == "EXPLAIN"


def draw_plan(rows: Sequence[Row], out: TextIO) -> None:
    """Draw the rows of EXPLAIN QUERY PLAN (id, parent, unused, detail) as the tree that SQLite's shell draws."""
    from tandemdb.dbapi.beyond import draw_tree

    out.write("\n".join(["QUERY PLAN", *draw_tree(rows, 0, ""), ""]))


def quote_name(name: str) -> str:
    """Return a name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def as_literal(value: Any) -> str:
    """Return a value as SQL reads it back."""
    if isinstance(value, str):
        # A NUL would end the text of the statement.
        return "||char(0)||".join("'" + part.replace("'", "''") + "'" for part in value.split("\0"))
    if isinstance(value, float):
        return ("9.0e+999" if value > 0 else "-9.0e+999") if math.isinf(value) else repr(value)
    return as_text(value)


def as_text(value: Any, null: str = "NULL") -> str:
    if value is None:
        return null
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if isinstance(value, float) and math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(value)


def one_line(value: Any, null: str = "NULL") -> str:
    r"""Return a cell of a table: \n and other control characters are shown escaped, or they would break its lines."""
    text = as_text(value, null)
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
