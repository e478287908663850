"""Scripts: statements one after the other, with a fast road for dumps.

An INSERT whose VALUES are all literals is not parsed row by row: `insert_reader` reads the rows in one pass, and the
statement runs as if it had been prepared with placeholders and executed for each row, as one statement. INSERTs of
one row each that follow one another into the same table are read and run together, as an executemany.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tandemdb.storage.collector import collector_paused

if TYPE_CHECKING:
    from tandemdb.planner.session import Session

INSERT = re.compile(r"\s*(?:INSERT|REPLACE)\b", re.IGNORECASE)
BULK_CHARACTERS_MIN = 200
"""Shorter INSERT statements go the ordinary way, by their template."""


def run_script(session: Session, sql: str) -> None:
    """Run every statement of a script; rows are discarded.

    Raises:
        DatabaseError: at the first statement that fails; those before it stay done.
    """
    from tandemdb.planner.insert_reader import read_insert_run, read_insert_values
    from tandemdb.planner.syntax.lexer import is_blank, statement_end

    position, length = 0, len(sql)
    joins = not session.watched and session.authorizer is None
    while position < length:
        if INSERT.match(sql, position):
            with collector_paused():
                run = read_insert_run(sql, position) if joins else None
                if run is not None:
                    insert_run(session, run.prefix, run.rows)
                    position = run.end
                    continue
                bulk = read_insert_values(sql, position)
                if bulk is not None and bulk.end - position >= BULK_CHARACTERS_MIN:
                    insert_rows(session, bulk.prefix, bulk.rows)
                    position = bulk.end
                    continue
        end = statement_end(sql, position)
        if not is_blank(sql, position, end):
            result = session.run(session.prepare(sql[position:end]))
            for _ in result.rows:
                continue
        position = end


def insert_run(session: Session, prefix: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run an INSERT of one row for each row; the last alone, for its changes() is what a later statement sees."""
    statement = session.prepare(f"{prefix} ({', '.join('?' * len(rows[0]))})")
    try:
        session.run_many(statement, rows[:-1])
        session.run_many(statement, rows[-1:])
    except BaseException:
        session.changes = 0
        raise


def insert_rows(session: Session, prefix: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run a bulk INSERT as one statement: all rows or none; how many were inserted."""
    width = len(rows[0])
    statement = session.prepare(f"{prefix} ({', '.join('?' * width)})")
    outside = not session.in_transaction
    if outside:
        session.begin()
    marks = {0: session.write(0).mark()}
    try:
        changes = session.changes = session.run_many(statement, rows)
    except BaseException as error:
        action = getattr(error, "conflict_action", None)
        undone = getattr(error, "changes_before", 0)
        if action == "FAIL":
            session.changes = undone
        else:
            session.total_changes -= undone  # What triggers changed counts all the same.
        if session.in_transaction and action != "FAIL":
            session.undo(marks, action)
        if outside and session.in_transaction:
            session.end_transaction(commit=action == "FAIL")
        raise
    if outside:
        session.commit()
    return changes
