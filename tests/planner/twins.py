"""One script on two engines: every statement goes to sqlite3 and to a tandemdb session, and must give the same.

twins = Twins()
twins.run("create table t(a)")
twins.same("select * from t")          rows, their classes and their order; or the error's class and text
"""

from __future__ import annotations

import sqlite3
from typing import Any

from tandemdb.errors import Error
from tandemdb.planner.session import Session
from tandemdb.storage import Database


class Twins:
    """A fresh in-memory database of each kind."""

    def __init__(self, script: str = "") -> None:
        self.session = Session(Database())
        self.oracle = sqlite3.connect(":memory:", isolation_level=None)
        for statement in script.split(";"):
            if statement.strip():
                self.run(statement)

    def run(self, sql: str, *values: Any) -> None:
        """A statement that must succeed on both."""
        self.oracle.execute(sql, values)
        list(self.session.run(self.session.prepare(sql), values).rows)

    def expected(self, sql: str, *values: Any) -> Any:
        try:
            return [tuple(row) for row in self.oracle.execute(sql, values)]
        except sqlite3.Error as error:
            return type(error).__name__, str(error)

    def found(self, sql: str, *values: Any) -> Any:
        try:
            return list(self.session.run(self.session.prepare(sql), values).rows)
        except Error as error:
            return type(error).__name__, str(error)

    def same(self, sql: str, *values: Any) -> Any:
        """Rows in the same order, of the same classes; or the same error. The rows."""
        expected, found = self.expected(sql, *values), self.found(sql, *values)
        assert repr(found) == repr(expected), f"{sql}\nexpected {expected}\nfound    {found}"
        return found

    def plan(self, sql: str, *values: Any) -> list[str]:
        """The lines of our EXPLAIN QUERY PLAN."""
        return [row[3] for row in self.found(f"explain query plan {sql}", *values)]

    def oracle_plan(self, sql: str, *values: Any) -> list[str]:
        return [row[3] for row in self.expected(f"explain query plan {sql}", *values)]

    def close(self) -> None:
        self.session.close()
        self.oracle.close()
