"""A script's statements, each with the place where it begins.

    path, text  --split-->  Statement(path, line 7, "INSERT INTO t VALUES (1);", end 112 of 480 characters)

The line is that of the statement's first word, not of the blank lines and comments before it.
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
LEADING_BLANKS = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z)|;)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its text from the first word on, its line (from 1), and where it ends in the script."""

    path: str
    line: int
    sql: str
    end: int

    def describe(self, message: str, offset: int | None = None) -> str:
        """Return `file:line: message`, and below it the statement, shortened if it is long.

        If the offset of the fault in the statement is known: `file:line:column: message`, and its line with a mark.
        """
        if offset is None:
            return f"{self.path}:{self.line}: {message}\n{shorten(self.sql)}"
        line, column = self.line + self.sql.count("\n", 0, offset), offset - self.sql.rfind("\n", 0, offset)
        return f"{self.path}:{line}:{column}: {message}\n{mark(self.sql, offset)}"


def read_script(path: str) -> str:
    """Return the text of a script, "-" being standard input.

    Raises:
        OSError: the file cannot be read. UnicodeDecodeError: it is not UTF-8.
    """
    if path == STANDARD_INPUT:
        return sys.stdin.read()
    return Path(path).read_text(encoding="utf-8-sig")


def statements(path: str, text: str) -> Iterator[Statement]:
    """Yield the statements of a script in order. Cost: linear."""
    from tandemdb.planner.syntax.lexer import split_script

    name = "<stdin>" if path == STANDARD_INPUT else path
    line, counted = 1, 0
    for sql, offset in split_script(text):
        blanks = LEADING_BLANKS.match(sql)
        start = offset + (blanks.end() if blanks else 0)
        line += text.count("\n", counted, start)
        counted = start
        end = offset + len(sql)
        yield Statement(name, line, text[start:end], end)


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
