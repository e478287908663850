"""Fixtures for pytest: a template made once, a fork of it for each test, engines and sessions on the fork.

    session    tandemdb_template     ":memory:template-1"     overridden in conftest.py: makes tables, fills them
                    │ fork, O(1)
    test       tandemdb              ":memory:test-2" ◄───┬── tandemdb_engine ◄── tandemdb_session
                    │ fork, O(1)                          └── tandemdb_async_engine
    example    tandemdb.example()    ":memory:test-3"         for each example of hypothesis

pytest loads this module wherever tandemdb is installed; all else is imported when a fixture is asked for. Every process
of pytest-xdist has a template of its own; there are no files and no ports.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import Session

    from tandemdb import Connection

TRANSACTION_CONTROL = re.compile(r"\s*(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
PACKAGE = Path(__file__).parent

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def tandemdb_template() -> Iterator[TestDatabase]:
    """The database that every test's is a fork of: empty, unless conftest.py overrides this and fills it.

    @pytest.fixture(scope="session")
    def tandemdb_template(tandemdb_template):
        tandemdb_template.executescript(Path("schema.sql").read_text())
        return tandemdb_template
    """
    with opened("template", None) as database:
        yield database


@pytest.fixture
def tandemdb(tandemdb_template: TestDatabase) -> Iterator[TestDatabase]:
    """A connection to a fork of the template, gone after the test; code under test may commit, and open others."""
    with tandemdb_template.example() as database:
        yield database


@pytest.fixture
def tandemdb_engine(tandemdb: TestDatabase) -> Engine:
    """SQLAlchemy's engine on the test's database."""
    return tandemdb.engine()


@pytest.fixture
def tandemdb_session(tandemdb_engine: Engine) -> Iterator[Session]:
    """SQLAlchemy's session on the test's database."""
    from sqlalchemy.orm import Session

    with Session(tandemdb_engine) as session:
        yield session


@pytest.fixture
def tandemdb_async_engine(tandemdb: TestDatabase) -> AsyncEngine:
    """SQLAlchemy's asynchronous engine on the test's database."""
    return tandemdb.async_engine()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """End the traceback of a database error at the line that executed the statement, unless --full-trace is given.

    sqlite3's end there as well. A fault of tandemdb's own keeps all of its lines, and so do its own tests.
    """
    if call.excinfo is None or item.path.is_relative_to(PACKAGE.parent):
        return
    import sqlite3

    error: BaseException | None = call.excinfo.value
    while error is not None:
        if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.InternalError):
            hide_own_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def hide_own_frames(traceback: TracebackType | None) -> None:
    """Mark the package's modules, and the plans that it has generated, for pytest to leave out."""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file.startswith(("<tandemdb plan", str(PACKAGE))):
            traceback.tb_frame.f_globals["__tracebackhide__"] = True
        traceback = traceback.tb_next


@contextmanager
def opened(kind: str, source: Connection | None) -> Iterator[TestDatabase]:
    """Open a database under a name of its own, a fork of the source's if there is one; close all of it in the end."""
    import tandemdb

    name = f"{kind}-{next(_numbers)}"
    with ExitStack() as closing:
        if source is None:
            connection = tandemdb.connect(f":memory:{name}", check_same_thread=False)
        else:
            connection = source.fork(name)
        closing.callback(connection.close)
        yield TestDatabase(connection, f":memory:{name}", closing)


class TestDatabase:
    """A named database of a test: a connection to it, with all of a connection's methods, and ways to open more."""

    __test__ = False  # pytest is not to collect it

    def __init__(self, connection: Connection, name: str, closing: ExitStack) -> None:
        """Take over an open connection; what is opened from here on is closed by `closing`."""
        self.connection = connection
        self.name = name
        self._closing = closing
        self._connections = [connection]
        self._counting: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        """Whatever a connection has: execute, executemany, commit, fork, snapshot..."""
        return getattr(self.connection, name)

    def __enter__(self) -> Connection:
        """Begin a block that commits, or rolls back after an exception, as a connection's does."""
        return self.connection.__enter__()

    def __exit__(self, *details: Any) -> bool:
        """End the block."""
        return self.connection.__exit__(*details)

    @property
    def url(self) -> str:
        """What SQLAlchemy's create_engine takes."""
        return f"sqlite+tandemdb:///{self.name}"

    def connect(self, **options: Any) -> Connection:
        """Open another connection to this database; it is closed after the test."""
        import tandemdb

        connection: Connection = tandemdb.connect(self.name, **{"check_same_thread": False, **options})
        self._closing.callback(connection.close)
        self._connections.append(connection)
        if self._counting:
            connection.set_trace_callback(self._note)
        return connection

    def engine(self, **options: Any) -> Engine:
        """Make an engine of SQLAlchemy's on this database; it is disposed of after the test."""
        from sqlalchemy import create_engine

        engine = create_engine(self.url, **options)
        self._closing.callback(engine.dispose)
        self.watch(engine)
        return engine

    def async_engine(self, **options: Any) -> AsyncEngine:
        """Make an asynchronous engine on this database; it is disposed of after the test."""
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(self.url.replace("+tandemdb", "+aiotandemdb"), **options)
        self._closing.callback(engine.sync_engine.dispose)
        self.watch(engine.sync_engine)
        return engine

    def watch(self, engine: Engine) -> None:
        """Let `assert_queries` count the statements of an engine that the application under test has made."""
        from sqlalchemy import event

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection: Any, _cursor: Any, sql: str, *_others: Any) -> None:
            self._note(sql)

    @contextmanager
    def example(self) -> Iterator[TestDatabase]:
        """Open a fork of what is committed here, for the time of a `with` block: one example of hypothesis."""
        with opened("test", self.connection) as database:
            yield database

    @contextmanager
    def assert_queries(self, expected: int) -> Iterator[list[str]]:
        """Check how many statements a block executes; BEGIN, COMMIT, SAVEPOINT and their like are not counted.

        Counted are those of this connection, of the connections that `connect()` opened, and of this object's engines
        and those given to `watch()`.
        A connection's executemany() counts once for each row, an engine's once.

        Raises:
            AssertionError: another number of them; it lists the statements.
        """
        seen: list[str] = []
        self._trace(self._note)
        self._counting.append(seen)
        try:
            yield seen
        finally:
            self._counting.remove(seen)
            if not self._counting:
                self._trace(None)
        if len(seen) != expected:
            lines = "".join(f"\n  {number}. {sql}" for number, sql in enumerate(seen, 1))
            raise AssertionError(f"{expected} statements expected, {len(seen)} executed:{lines}")

    def _trace(self, callback: Callable[[str], None] | None) -> None:
        """Set the trace callback of all connections."""
        for connection in self._connections:
            with suppress(connection.ProgrammingError):  # closed by the test
                connection.set_trace_callback(callback)

    def _note(self, sql: str) -> None:
        """Tell all that count."""
        if not TRANSACTION_CONTROL.match(sql):
            for seen in self._counting:
                seen.append(sql)
