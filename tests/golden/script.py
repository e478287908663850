"""Golden scripts: statements, and below each what it answers.

    # A comment, or a title.
    a> CREATE TABLE city (id INTEGER PRIMARY KEY,          connection a runs a statement
    ..   name TEXT UNIQUE)                                 that goes on
    a plan> SELECT name FROM city WHERE id = 2             its plan, as EXPLAIN QUERY PLAN words it
      SEARCH city USING INTEGER PRIMARY KEY (rowid=?)
    | 'Turku', 3                                           then its rows, as SQL literals
    # differs: the reason                                  the next answers need not be sqlite3's
    b> INSERT INTO city VALUES (3, 'Oslo')
    ! IntegrityError: UNIQUE constraint failed: city.name  an error: class and text

Connections are opened when first named, all to one database, in autocommit mode until BEGIN. They don't wait for
each other's locks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

COMMAND = re.compile(r"([a-z])( plan)?> (.*)")
CONTINUATION = ".. "
ANSWER_MARKS = ("| ", "! ", "  ")
DIFFERS = "# differs:"

Connect = Callable[[], Any]


@dataclass(slots=True)
class Step:
    """One statement with the lines that stand before it, and what it should answer."""

    line: int
    connection: str
    planned: bool
    sql: str
    differs: bool
    written: list[str]
    answers: list[str] = field(default_factory=list)


class FormatError(Exception):
    """Raised when a line is none of those that a golden script has."""


def read_steps(text: str) -> tuple[list[Step], list[str]]:
    """Return the steps of a script, and the lines behind the last."""
    steps: list[Step] = []
    written: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := COMMAND.fullmatch(line):
            differs = any(before.startswith(DIFFERS) for before in written)
            steps.append(Step(number, match[1], bool(match[2]), match[3], differs, [*written, line]))
            written = []
        elif line.startswith(CONTINUATION) and steps and not written and not steps[-1].answers:
            steps[-1].sql += "\n" + line.removeprefix(CONTINUATION)
            steps[-1].written.append(line)
        elif line.startswith(ANSWER_MARKS) and steps and not written:
            steps[-1].answers.append(line)
        elif not line or line.startswith("#"):
            written.append(line)
        else:
            raise FormatError(f"line {number}: expected a statement, an answer, a comment or nothing, found {line!r}")
    return steps, written


def run_steps(steps: Sequence[Step], connect: Connect, plans: bool) -> list[list[str]]:
    """Run a script and return the answers of each step; without `plans`, steps that show a plan answer rows only."""
    connections: dict[str, Any] = {}
    answers = []
    try:
        for step in steps:
            if step.connection not in connections:
                connections[step.connection] = connect()
            answers.append(run_step(connections[step.connection], step, plans))
    finally:
        for connection in connections.values():
            connection.close()
    return answers


def run_step(connection: Any, step: Step, plans: bool) -> list[str]:
    answers = []
    try:
        if step.planned and plans:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {step.sql}").fetchall()
            answers += draw_plan(plan, 0, "  ")
        for row in connection.execute(step.sql).fetchall():
            answers.append("| " + ", ".join(map(literal, row)))
    except Exception as error:  # One that isn't a database error is an answer too: none that sqlite3 ever gives.
        answers.append(f"! {type(error).__name__}: {error}")
    return answers


def draw_plan(rows: Sequence[tuple[Any, ...]], parent: int, indent: str) -> list[str]:
    lines = []
    for row in rows:
        if row[1] == parent:
            lines.append(indent + row[3])
            lines += draw_plan(rows, row[0], indent + "  ")
    return lines


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''").replace("\n", "\\n") + "'"
    return f"X'{value.hex().upper()}'" if isinstance(value, bytes) else repr(value)


def without_plans(answers: Sequence[str]) -> list[str]:
    """Return rows and errors only: what sqlite3 must agree with."""
    return [answer for answer in answers if not answer.startswith("  ")]


def write_steps(steps: Sequence[Step], answers: Sequence[Sequence[str]], rest: Sequence[str]) -> str:
    """Return the script with these answers in the place of its own."""
    lines = [line for step, answer in zip(steps, answers, strict=True) for line in (*step.written, *answer)]
    return "".join(f"{line}\n" for line in (*lines, *rest))
