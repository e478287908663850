"""Runs a script of statements on a session and on sqlite3 and compares all that can be seen.

    compare("CREATE TABLE t (a) | INSERT INTO t VALUES (1) | ...")      statements are divided by " | "

After each statement: its rows, or its error's class, text and code; changes(), total_changes(), last_insert_rowid(),
whether a transaction is open. In the end, and after an error: all rows of all tables, in rowid order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tandemdb.planner.session import Session
from tandemdb.storage import Database
from tandemdb.storage.check import check_root

SCRIPTS = Path(__file__).parent / "scripts"
TABLES = "SELECT name FROM {} WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"


class Ours:
    """A session of tandemdb."""

    def __init__(self) -> None:
        self.session = Session(Database("main"))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.session.run(self.session.prepare(sql), ()).rows)

    def counters(self) -> tuple[Any, ...]:
        session = self.session
        return session.changes, session.total_changes, session.last_insert_rowid, session.in_transaction

    def check(self) -> None:
        for attached in self.session.databases:
            check_root(attached.root())
        assert not self.session.firing


class Theirs:
    """A connection of sqlite3, likewise."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def counters(self) -> tuple[Any, ...]:
        (counts,) = self.connection.execute("SELECT changes(), total_changes(), last_insert_rowid()")
        return *counts, self.connection.in_transaction


def outcome(engine: Ours | Theirs, sql: str) -> Any:
    """The rows of a statement, or its error."""
    try:
        return engine.rows(sql)
    except sqlite3.Error as error:
        return type(error).__name__, str(error), error.sqlite_errorname


def contents(engine: Ours | Theirs) -> dict[str, Any]:
    """All rows of all tables."""
    found = {}
    for catalog, schema in (("sqlite_master", "main"), ("sqlite_temp_master", "temp")):
        for (name,) in engine.rows(TABLES.format(catalog)):
            found[f"{schema}.{name}"] = engine.rows(f'SELECT * FROM {schema}."{name}"')
    return found


def read_scripts(name: str) -> list[tuple[str, list[str]]]:
    """The scripts of a file beside the tests: each one's name, from its first line, and statements, one a line."""
    scripts = []
    for block in (SCRIPTS / name).read_text(encoding="utf-8").split("\n\n")[1:]:
        title, *statements = block.strip().splitlines()
        scripts.append((title.removeprefix("-- "), statements))
    return scripts


def split(script: str) -> list[str]:
    return [part.strip() for part in script.split(" | ") if part.strip()]


def compare(script: str, *, counters: bool = True) -> None:
    """Run a script on both and compare."""
    compare_statements(split(script), counters=counters)


def compare_statements(statements: Sequence[str], *, counters: bool = True) -> None:
    ours, theirs = Ours(), Theirs()
    for number, statement in enumerate(statements):
        done = " | ".join(statements[: number + 1])
        expected = outcome(theirs, statement)
        found = outcome(ours, statement)
        assert found == expected, f"{done}\n  found    {found}\n  expected {expected}"
        if counters:
            found, expected_counts = ours.counters(), theirs.counters()
            assert found == expected_counts, f"{done}\n  found    {found}\n  expected {expected_counts}"
        if isinstance(expected, tuple):
            assert contents(ours) == contents(theirs), done
    assert contents(ours) == contents(theirs), " | ".join(statements)
    ours.check()
