"""Reads sqllogictest files.

    # a comment                       -> dropped wherever it stands
    skipif mysql                      -> conditions: the record is not for that engine
    query IT rowsort label-7          -> Record(kind "query", letters "IT", sort "rowsort", label "label-7",
    SELECT a, b FROM t1                         sql "SELECT a, b FROM t1",
    ----                                        expected ("1", "one", "2", "two"))
    1
    one
    2
    two
                                      -> a blank line ends the record
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENGINE = "sqlite"
SORT_MODES = ("nosort", "rowsort", "valuesort")


@dataclass(frozen=True, slots=True)
class Record:
    """One statement or query, at a line (from 1) of its file."""

    line: int
    kind: str
    sql: str
    fails: bool = False
    letters: str = ""
    sort: str = "nosort"
    label: str = ""
    expected: tuple[str, ...] = ()


class FormatError(Exception):
    """Raised when a file is not in the sqllogictest format; says where."""


def read_records(path: Path) -> list[Record]:
    """Return the records of a file that are for SQLite, up to `halt`."""
    records = []
    for line, lines in paragraphs(path.read_text(encoding="utf-8", errors="surrogateescape")):
        conditions, body = split_conditions(lines)
        if not body or not all(map(holds, conditions)):
            continue
        head = body[0].split()
        if head[0] == "halt":
            break
        if head[0] != "hash-threshold":
            records.append(read_record(line + len(conditions), head, body[1:], path))
    return records


def sample(records: list[Record], queries_max: int, seed: int) -> list[Record]:
    """Return every statement, but of the queries `queries_max` chosen at random."""
    queries = [place for place, record in enumerate(records) if record.kind == "query"]
    if len(queries) <= queries_max:
        return records
    chosen = set(random.Random(seed).sample(queries, queries_max))
    return [record for place, record in enumerate(records) if record.kind != "query" or place in chosen]


def paragraphs(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, lines) of each run of lines that are not blank, without the comments."""
    first, lines = 0, []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            continue
        if line.strip():
            first = first or number
            lines.append(line)
        elif lines:
            yield first, lines
            first, lines = 0, []
    if lines:
        yield first, lines


def split_conditions(lines: list[str]) -> tuple[list[str], list[str]]:
    count = 0
    while count < len(lines) and lines[count].split()[0] in ("skipif", "onlyif"):
        count += 1
    return lines[:count], lines[count:]


def holds(condition: str) -> bool:
    word, engine = condition.split()[:2]
    return (engine == ENGINE) == (word == "onlyif")


def read_record(line: int, head: list[str], body: list[str], path: Path) -> Record:
    if head[0] == "statement" and len(head) > 1 and head[1] in ("ok", "error"):
        return Record(line, "statement", "\n".join(body), fails=head[1] == "error")
    if head[0] != "query" or len(head) < 2:
        raise FormatError(f"{path}:{line}: expected statement ok, statement error or query TYPES, found {head}")
    sort = head[2] if len(head) > 2 else "nosort"
    if sort not in SORT_MODES:
        raise FormatError(f"{path}:{line}: expected a sort mode of {SORT_MODES}, found {sort!r}")
    separator = body.index("----") if "----" in body else len(body)
    return Record(
        line,
        "query",
        "\n".join(body[:separator]),
        letters=head[1],
        sort=sort,
        label=head[3] if len(head) > 3 else "",
        expected=tuple(body[separator + 1 :]),
    )
