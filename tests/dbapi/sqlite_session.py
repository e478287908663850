"""A session over the standard library's sqlite3: the driver's tests can run on SQLite's own engine.

    tandemdb.Connection --> SqliteSession --> sqlite3.Connection(isolation_level=None)

What fails here is the driver's fault; what fails only on tandemdb's session is the engine's.
"""

from __future__ import annotations

import re
import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import tandemdb
from tandemdb.planner.syntax.lexer import split_script

DML = ("INSERT", "UPDATE", "DELETE", "REPLACE")
SKIPPED = re.compile(r"(\s|--[^\n]*(\n|\Z)|/\*.*?(\*/|\Z))*", re.S)
TOKENS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|(\?\d*|[:@$]\w+)", re.S)


class Result:
    """What a run returns."""

    def __init__(self, rows: Iterator[Any], changes: int) -> None:
        self.rows = rows
        self.changes = changes


class Statement:
    """A statement; its columns are known once it has run, which is all that the driver needs."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        word = sql[SKIPPED.match(sql).end() :][:10].split()[:1]  # type: ignore[union-attr]
        self.kind = word[0].lower() if word else "empty"
        self.is_dml = self.kind.upper() in DML
        self.is_read_only = self.kind in ("select", "values", "with", "explain")
        self.columns: tuple[str, ...] | None = None
        self.column_types: tuple[str | None, ...] | None = None
        self.parameters = find_parameters(sql)


def find_parameters(sql: str) -> tuple[str | None, ...]:
    """Number the placeholders as SQLite does."""
    places: list[str | None] = []
    for found in TOKENS.finditer(sql):
        name = found.group(1)
        if name is None:
            continue
        if name == "?":
            places.append(None)
        elif name.startswith("?"):
            places += [None] * (int(name[1:]) - len(places))
            places[int(name[1:]) - 1] = name
        elif name not in places:
            places.append(name)
    return tuple(places)


class SqliteSession:
    """The methods of a planner session, by a connection in autocommit mode."""

    def __init__(self, database: Any, *, timeout: float = 5.0) -> None:
        self.real = sqlite3.connect(":memory:", timeout=timeout, isolation_level=None, check_same_thread=False)
        self.real.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        self.failures: list[Exception] = []
        self.authorizer: Any = None
        for name in ("set_trace_callback", "create_collation", "interrupt", "close"):
            setattr(self, name, getattr(self.real, name))

    in_transaction = property(lambda self: self.real.in_transaction)
    total_changes = property(lambda self: self.real.total_changes)
    last_insert_rowid = 0

    def set_progress_handler(self, handler: Any, n: int) -> None:
        self.real.set_progress_handler(handler, n)

    def create_function(self, name: str, narg: int, function: Any, deterministic: bool) -> None:
        self.real.create_function(name, narg, function and self.noting(function), deterministic=deterministic)

    def create_aggregate(self, name: str, narg: int, factory: Any) -> None:
        self.real.create_aggregate(name, narg, factory and self.noting_methods(factory))

    def create_window_function(self, name: str, narg: int, factory: Any) -> None:
        self.real.create_window_function(name, narg, factory and self.noting_methods(factory))

    def set_authorizer(self, authorizer: Any) -> None:
        self.authorizer = authorizer
        self.real.set_authorizer(authorizer)

    def noting(self, function: Any) -> Any:
        """Keep the error of a callback: SQLite's engine passes on no more than that there was one."""

        def call(*values: Any) -> Any:
            try:
                return function(*values)
            except Exception as error:
                self.failures.append(error)
                raise

        return call

    def noting_methods(self, factory: Any) -> Any:
        """Keep the errors of an aggregate's methods."""
        names = ("step", "inverse", "value", "finalize")
        noting = self.noting
        methods = {name: (lambda self, *v, _n=name: noting(getattr(factory, _n))(self, *v)) for name in names}
        return type("Noting", (factory,), methods)

    def prepare(self, sql: str) -> Statement:
        statement = Statement(sql)
        if not statement.parameters and statement.kind != "empty" and self.authorizer is None:
            with own_errors(self):
                self.real(sql)
        return statement

    def run(self, statement: Statement, values: Any) -> Result:
        cursor = self.real.cursor()
        with own_errors(self), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the driver above warns
            cursor.execute(statement.sql, positional(statement, values))
        if cursor.description is not None:
            statement.columns = tuple(column[0] for column in cursor.description)
        if cursor.lastrowid is not None:
            self.last_insert_rowid = cursor.lastrowid
        rows = iter(cursor.fetchall()) if statement.is_dml else rows_of(self, cursor)
        return Result(rows, cursor.rowcount)

    def run_many(self, statement: Statement, rows: Iterable[Any]) -> int:
        changes = 0
        for values in rows:
            result = self.run(statement, values)
            list(result.rows)
            changes += max(result.changes, 0)
        return changes

    def begin(self, kind: str = "DEFERRED") -> None:
        self.run(self.prepare(f"BEGIN {kind}"), ())

    def commit(self) -> None:
        self.run(self.prepare("COMMIT"), ())

    def rollback(self) -> None:
        self.run(self.prepare("ROLLBACK"), ())

    def end_left_open(self) -> None:
        """SQLite leaves nothing open."""

    def split(self, sql: str) -> Iterator[tuple[str, int]]:
        return split_script(sql)

    def run_script(self, sql: str) -> None:
        # Not executescript(): it commits first, which is for the driver above to do.
        text = ""
        for position, character in enumerate(sql, 1):
            text += character
            if position == len(sql) or (character == ";" and sqlite3.complete_statement(text)):
                with own_errors(self):
                    self.real.execute(text).fetchall()
                text = ""


def positional(statement: Statement, values: Any) -> Any:
    """Pass values by name where the statement names them, so that SQLite does not warn."""
    if any(statement.parameters) and all(statement.parameters):
        return {str(name)[1:]: value for name, value in zip(statement.parameters, values, strict=True)}
    return values


def rows_of(session: SqliteSession, cursor: sqlite3.Cursor) -> Iterator[Any]:
    """Fetch row by row, with errors as ours."""
    while True:
        with own_errors(session):
            row = cursor.fetchone()
        if row is None:
            return
        yield row


class own_errors:
    """Turn the standard library's errors into tandemdb's, but for that of a second statement: the driver finds it."""

    def __init__(self, session: SqliteSession) -> None:
        self.session = session

    def __enter__(self) -> None:
        self.session.failures.clear()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if error is None or not isinstance(error, sqlite3.Error) or type(error).__module__ == "tandemdb":
            return False
        if self.session.failures:
            raise self.session.failures[0] from None
        if "one statement at a time" in str(error):
            return True
        code = getattr(error, "sqlite_errorname", "")
        own = getattr(tandemdb, type(error).__name__)(str(error))
        if code:
            own.sqlite_errorname, own.sqlite_errorcode = code, error.sqlite_errorcode
        raise own from None
