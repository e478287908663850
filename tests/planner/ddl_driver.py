"""Runs one script of schema statements here and on sqlite3, and compares what each statement gives.

compare("CREATE TABLE t (a) | CREATE TABLE t (b)")
    outcome of each statement: its rows, or its error's class and text
    in the end: sqlite_master and sqlite_temp_master
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from tandemdb.planner.schema.schema import load_schema
from tandemdb.planner.session import Session
from tandemdb.storage import Database
from tandemdb.storage.check import check_root

CATALOG_QUERY = "SELECT type, name, tbl_name, sql FROM {}"


class Driver:
    """A session with the one method of sqlite3's connection that the tests use."""

    def __init__(self) -> None:
        self.session = Session(Database("main"))
        self.description: tuple[str, ...] | None = None

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        result = self.session.run(self.session.prepare(sql), ())
        self.description = result.columns
        return list(result.rows)

    def catalog(self, name: str = "main") -> list[tuple[Any, ...]]:
        """The rows of sqlite_master without the root pages."""
        for attached in self.session.databases:
            if attached.name == name:
                check_root(attached.root())
                return [(row[0], row[1], row[2], row[4]) for row in load_schema(attached.root()).rows]
        return []


class Oracle:
    """sqlite3, likewise."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.description: tuple[str, ...] | None = None

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(sql)
        self.description = tuple(column[0] for column in cursor.description) if cursor.description else None
        return cursor.fetchall()


def outcome(connection: Driver | Oracle, sql: str, *, in_order: bool = True) -> Any:
    """What a statement gives: columns and rows, or its error's class and text."""
    try:
        rows = connection.execute(sql)
    except sqlite3.Error as error:
        return type(error).__name__, str(error)
    shown = (
        connection.description if sql.lstrip()[:6].upper() in ("PRAGMA", "SELECT") else None
    )  # ALTER shows inner ones
    return shown, rows if in_order else sorted(rows, key=repr)


def compare(script: str, *, in_order: bool = True) -> None:
    """Run a script, its statements divided by "|", on both; compare each outcome and the catalogs in the end."""
    compare_statements([part.strip() for part in script.split("|") if part.strip()], in_order=in_order)


def compare_statements(statements: Sequence[str], *, in_order: bool = True) -> None:
    driver, oracle = Driver(), Oracle()
    for statement in statements:
        expected = outcome(oracle, statement, in_order=in_order)
        assert outcome(driver, statement, in_order=in_order) == expected, statement
    for name, catalog in (("main", "sqlite_master"), ("temp", "sqlite_temp_master")):
        assert driver.catalog(name) == oracle.execute(CATALOG_QUERY.format(catalog)), statements
