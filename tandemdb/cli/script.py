"""A script's statements, each with the place where it begins.

    path, text  --split-->  Statement(path, line 7, column 1, "INSERT INTO t VALUES (1);", end 112 of 480 characters)

Line and column are those of the statement's first word, not of the blanks and comments before it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STANDARD_INPUT = "-"
SHOWN_LINES_MAX = 6
SHOWN_COLUMNS_MAX = 160
SQLITE_MARK = b"SQLite format 3\0"
LEADING_BLANKS = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z)|;)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its text from the first word on, where that is (from 1), and where it ends in the script."""

    path: str
    line: int
    column: int
    sql: str
    end: int

    def describe(self, message: str, offset: int | None = None) -> str:
        """Return `file:line: message`, and below it the statement, shortened if it is long.

        If the offset of the fault in the statement is known: `file:line:column: message`, and its line with a mark.
        """
        if offset is None:
            return f"{self.path}:{self.line}: {message}\n{shorten(self.sql)}"
        line, column = self.line + self.sql.count("\n", 0, offset), offset - self.sql.rfind("\n", 0, offset)
        if line == self.line:
            column += self.column - 1
        return f"{self.path}:{line}:{column}: {message}\n{mark(self.sql, offset)}"


class NotAScript(Exception):
    """Raised when a file holds something else than text; says what."""


def read_script(path: str) -> str:
    """Return the text of a script, "-" being standard input.

    Raises:
        OSError: the file cannot be read. NotAScript: it holds no text in UTF-8.
    """
    content = read_standard_input() if path == STANDARD_INPUT else Path(path).read_bytes()
    if content.startswith(SQLITE_MARK):
        raise not_a_script("an SQLite database, not a script", f"Open it: tandemdb shell --database {path}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise not_a_script(f"not UTF-8 text: byte 0x{content[error.start]:02x} in line {line}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_sqlite_file(path: str) -> bool:
    """Tell whether a file is an SQLite database; what cannot be read is none."""
    try:
        with open(path, "rb") as file:
            return file.read(len(SQLITE_MARK)) == SQLITE_MARK
    except OSError:
        return False


def read_standard_input() -> bytes:
    """Return all of it; what stands in for it may have no bytes beneath."""
    below = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read().encode() if below is None else bytes(below.read())


def not_a_script(message: str, hint: str = "") -> NotAScript:
    error = NotAScript(message)
    if hint:
        error.add_note(f"Hint: {hint}")
    return error


def statements(path: str, text: str) -> Iterator[Statement]:
    """Yield the statements of a script in order. Cost: linear."""
    from tandemdb.planner.syntax.lexer import split_script

    name = "<stdin>" if path == STANDARD_INPUT else path
    line, begins, counted = 1, 0, 0
    for sql, offset in split_script(text):
        blanks = LEADING_BLANKS.match(sql)
        start = offset + (blanks.end() if blanks else 0)
        line += text.count("\n", counted, start)
        begins = max(begins, text.rfind("\n", counted, start) + 1)
        counted = start
        end = offset + len(sql)
        yield Statement(name, line, start - begins + 1, text[start:end], end)


def mark(sql: str, offset: int) -> str:
    """Return the line of a statement that the offset falls on, cut if it is long, and a mark below the place."""
    start = max(sql.rfind("\n", 0, offset) + 1, offset - SHOWN_COLUMNS_MAX // 2)
    line = sql[start : start + SHOWN_COLUMNS_MAX].split("\n", 1)[0]
    blanks = "".join("\t" if character == "\t" else " " for character in sql[start:offset])
    return f"    {line.rstrip()}\n    {blanks}^"


def shorten(sql: str) -> str:
    """Return a statement indented, without the middle of what is too long to read."""
    lines = sql.strip().splitlines()
    if len(lines) > SHOWN_LINES_MAX:
        lines = [*lines[: SHOWN_LINES_MAX - 1], f"... ({len(lines) - SHOWN_LINES_MAX + 1} more lines)"]
    return "\n".join(
        f"    {line[: SHOWN_COLUMNS_MAX - 4]} ..." if len(line) > SHOWN_COLUMNS_MAX else f"    {line}" for line in lines
    )
