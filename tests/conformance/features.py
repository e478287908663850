"""Reads the table of features, runs each on sqlite3 and on tandemdb, and tells what came of it.

    features.txt                               Feature("INNER JOIN", "Queries", statements, ...)
      == Queries                                    |
      # INNER JOIN                             sqlite3 and tandemdb, each a fresh database after SETUP
      SELECT ...                                    |
      ! SELECT ...    (has to fail)            every statement's columns, rows or error, compared
                                                    |
                                               "supported" | "differs" | "refused"

`# differs: REASON` and `# refused` under a feature's name say what is expected of it; nothing means supported.
A statement goes on over indented lines; `plan SELECT ...` compares the words of EXPLAIN QUERY PLAN. Statements must
succeed on sqlite3 unless `!` says that they fail, lest an error in the table pass for a feature that both engines have.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import tandemdb

TABLE = Path(__file__).with_name("features.txt")
ORACLE = (3, 40)  # The SQLite whose language tandemdb speaks; others differ from it.
SUPPORTED, DIFFERS, REFUSED = "supported", "differs", "refused"
SETUP = (
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL)",
    "INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', NULL), (3, NULL, -3.0), (4, 'four', 4.0), (5, 'one', 0.5)",
    "CREATE TABLE u (a INTEGER, d)",
    "INSERT INTO u VALUES (1, 10), (1, 'x'), (2, NULL), (7, x'00ff'), (NULL, 2.5)",
)

Answer = tuple[Any, ...]


@dataclass(slots=True)
class Feature:
    """One feature of SQLite's language, the statements that show it, and what is expected of them."""

    name: str
    group: str
    statements: list[str] = field(default_factory=list)
    expected: str = SUPPORTED
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What tandemdb made of a feature; where it isn't sqlite3's answer, the first statement that shows it."""

    status: str
    statement: str = ""
    wanted: Answer = ()
    found: Answer = ()


class TableError(Exception):
    """Raised when a line of the table is out of place, or one of its statements doesn't do on sqlite3 what it says."""


def read_features(text: str) -> list[Feature]:
    """Return the features of a table's text, in its order."""
    features: list[Feature] = []
    group = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("== "):
            group = line[3:]
        elif line.startswith(("# differs: ", "# refused")):
            features[-1].expected, _, features[-1].reason = line[2:].partition(": ")
        elif line.startswith("# "):
            features.append(Feature(line[2:], group))
        elif line.startswith("  ") and features and features[-1].statements:
            features[-1].statements[-1] += "\n" + line
        elif line and features:
            features[-1].statements.append(line)
        elif line:
            raise TableError(f"line {number}: expected a feature's name before its statements, found {line!r}")
    return features


def try_feature(feature: Feature, folder: Path) -> Outcome:
    """Run a feature's statements on both engines; `{folder}` in them stands for a new folder below the given one."""
    theirs = answers(sqlite3, feature, folder / "sqlite3")
    ours = answers(tandemdb, feature, folder / "tandemdb")
    outcome = Outcome(SUPPORTED)
    for statement, wanted, found in zip(feature.statements, theirs, ours, strict=False):
        if (wanted[0] == "error") != statement.startswith("!"):
            raise TableError(f"{feature.name}: sqlite3 answers {wanted} to {statement}")
        if found[:2] == ("error", "NotSupportedError"):
            return Outcome(REFUSED, statement, wanted, found)
        if outcome.status == SUPPORTED and repr(wanted) != repr(found):
            outcome = Outcome(DIFFERS, statement, wanted, found)
    return outcome


def answers(engine: ModuleType, feature: Feature, folder: Path) -> Iterator[Answer]:
    """Yield ("rows", column names, rows) or ("error", class, text, code) of each statement."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = engine.connect(":memory:", isolation_level=None)
    try:
        add_hooks(connection)
        for statement in SETUP:
            connection.execute(statement)
        for statement in feature.statements:
            sql = statement.removeprefix("! ").replace("{folder}", str(folder))
            if sql.startswith("plan "):
                yield plan_words(answer(connection, "EXPLAIN QUERY PLAN " + sql.removeprefix("plan ")))
            else:
                yield shown(answer(connection, sql), folder)
    finally:
        connection.close()


def add_hooks(connection: Any) -> None:
    """Define what SQLite leaves to programs: the functions of REGEXP and MATCH, and a collation."""
    connection.create_function("regexp", 2, lambda pattern, text: re.search(pattern, str(text)) is not None)
    connection.create_function("match", 2, lambda pattern, text: str(text).startswith(pattern))
    connection.create_collation("BACKWARDS", lambda left, right: (left < right) - (left > right))


def answer(connection: Any, sql: str) -> Answer:
    try:
        cursor = connection.execute(sql)
        rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        return "error", type(error).__name__, str(error), getattr(error, "sqlite_errorcode", None)
    columns = [column[0] for column in cursor.description] if cursor.description else None
    return "rows", columns, rows


def plan_words(given: Answer) -> Answer:
    """Leave only the words of a plan's lines: the lines' numbers have no meaning of their own."""
    return ("plan", [row[3] for row in given[2]]) if given[0] == "rows" else given


def shown(given: Answer, folder: Path) -> Answer:
    """Name the folder by its placeholder again: it is another for each engine."""
    if given[0] == "rows":
        named = [
            tuple(value.replace(str(folder), "{folder}") if isinstance(value, str) else value for value in row)
            for row in given[2]
        ]
        return "rows", given[1], named
    return given
