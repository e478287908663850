"""`AsyncTandemDialect`: `create_async_engine("sqlite+aiotandemdb://")`, without a worker thread.

    coroutine ── greenlet ──► AsyncCursor.execute ──► tandemdb.Cursor.execute      in the event loop's own thread
                                   ▲       │
                                   └─ sleep ◄── "database is locked": other coroutines run, among them the writer

The database is in this process, so there is nothing to wait for but other writers. A connection therefore never waits
by itself (its timeout is 0, for a writer that held up the loop would wait for itself); its cursors do, by asking again.
A statement runs in one go: one that takes a second holds the loop up for a second.

    URL                                            store                        connections
    sqlite+aiotandemdb://                          one of the engine's own      one a task (AsyncAdaptedQueuePool)
    sqlite+aiotandemdb:///:memory:NAME, a path     as without `aio`             one a task

An engine's own store lives until the engine is disposed of: a cancelled task closes its connection, perhaps the only
one.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import event, pool
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.util import await_only

import tandemdb
from tandemdb.dialect.synchronous import TandemDialect

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIModule
    from sqlalchemy.engine.url import URL

PRIVATE = ":memory:engine "
PAUSE_SECONDS_MAX = 0.02

Outcome = TypeVar("Outcome")


class AsyncTandemDialect(TandemDialect):
    """The dialect of asynchronous engines; `timeout` in a URL's query is how long a coroutine waits for a writer."""

    driver = "aiotandemdb"
    supports_statement_cache = True
    supports_server_side_cursors = True  # for stream(): rows are made as they are asked for
    is_async = True
    has_terminate = True

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        return cast("DBAPIModule", AsyncModule())

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.AsyncAdaptedQueuePool

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        arguments, options = super().create_connect_args(url)
        self.private_store = arguments[0] if arguments[0].startswith(PRIVATE) else None
        return arguments, options

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Let the engine's own store go when the engine is disposed of or collected."""
        name = getattr(engine.dialect, "private_store", None)
        if name is not None:
            event.listen(engine, "engine_disposed", lambda _: drop_store(name))
            weakref.finalize(engine, drop_store, name)

    def get_driver_connection(self, connection: Any) -> Any:
        return connection.driver_connection

    def do_terminate(self, dbapi_connection: Any) -> None:
        dbapi_connection.close()


class AsyncExecutionContext(SQLiteExecutionContext):
    """Opens the cursors of stream()."""

    def create_server_side_cursor(self) -> Any:
        return self._dbapi_connection.cursor(server_side=True)


AsyncTandemDialect.execution_ctx_cls = AsyncExecutionContext


class AsyncModule:
    """What the dialect takes for its driver: tandemdb, but for `connect`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(tandemdb, name)

    def connect(self, database: str, *, timeout: float = 5.0, **options: Any) -> AsyncConnection:
        """Open a connection whose cursors wait as coroutines do. Its URL may ask for a class of one's own."""
        creator = options.pop("async_creator_fn", None)
        if creator is not None:
            return AsyncConnection(await_only(creator(database, **options)), timeout)
        if database.startswith(PRIVATE):
            tandemdb.keep(database.removeprefix(":memory:"))
        return AsyncConnection(tandemdb.connect(database, timeout=0.0, **options), timeout)


class AsyncConnection(AdaptedConnection):
    """A tandemdb.Connection as SQLAlchemy's asynchronous engines want one; `driver_connection` is that itself."""

    __slots__ = ("wait_seconds",)

    def __init__(self, connection: tandemdb.Connection, wait_seconds: float) -> None:
        self._connection = cast("Any", connection)  # whose methods, unlike what SQLAlchemy expects here, do not wait
        self.wait_seconds = wait_seconds

    def __getattr__(self, name: str) -> Any:
        """Everything else is the connection's own: create_function, in_transaction, total_changes..."""
        return getattr(self._connection, name)

    @property
    def isolation_level(self) -> str | None:
        """How a transaction begins implicitly; None: it does not."""
        return cast("tandemdb.Connection", self._connection).isolation_level

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        self.wait_for(lambda: setattr(self._connection, "isolation_level", level))

    def cursor(self, *, server_side: bool = False) -> AsyncCursor:
        """Open a cursor; those of streams only say that they are, for rows are always made as they are asked for."""
        cursor = cast("AsyncCursor", self._connection.cursor(AsyncCursor))
        cursor.server_side = server_side
        cursor.wait_for = self.wait_for
        return cursor

    def execute(self, sql: str, parameters: Any = ()) -> AsyncCursor:
        """Open a cursor and run one statement."""
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        """Commit, waiting for whoever holds a file's lock."""
        self.wait_for(cast("tandemdb.Connection", self._connection).commit)

    def rollback(self) -> None:
        """Roll back."""
        cast("tandemdb.Connection", self._connection).rollback()

    def close(self) -> None:
        """Close the connection."""
        cast("tandemdb.Connection", self._connection).close()

    def wait_for(self, work: Callable[[], Outcome]) -> Outcome:
        """Do the work; while another connection writes, let other coroutines run and try again.

        Raises:
            OperationalError: database is locked, still after `wait_seconds`, or because what was read is out of date.
        """
        await_only(proceed())
        changes = self._connection.total_changes
        deadline = pause_seconds = 0.0
        while True:
            try:
                return work()
            except tandemdb.OperationalError as error:
                # After a change (of an executemany's first rows) it must not be done again from the start.
                if error.sqlite_errorname != "SQLITE_BUSY" or self._connection.total_changes != changes:
                    raise
                now = time.monotonic()
                deadline = deadline or now + self.wait_seconds
                if now >= deadline:
                    raise
            await_only(asyncio.sleep(pause_seconds))
            pause_seconds = min(PAUSE_SECONDS_MAX, pause_seconds * 2 or 0.0005)


class AsyncCursor(tandemdb.Cursor):
    """A cursor that waits for other writers as a coroutine does."""

    __slots__ = ("server_side", "wait_for")

    server_side: bool
    wait_for: Callable[[Callable[[], Any]], Any]

    def execute(self, sql: str, parameters: Any = (), /) -> AsyncCursor:
        """Run one statement."""
        self.wait_for(lambda: tandemdb.Cursor.execute(self, sql, parameters))
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> AsyncCursor:
        """Run one statement with each set of parameters."""
        rows = parameters if isinstance(parameters, (list, tuple)) else list(parameters)
        self.wait_for(lambda: tandemdb.Cursor.executemany(self, sql, rows))
        return self

    async def _async_soft_close(self) -> None:
        """Keep what is not fetched yet: SQLAlchemy asks before it hands the result over to synchronous code."""


async def proceed() -> None:
    """Await nothing: SQLAlchemy takes a driver that never awaits for a synchronous one. The loop isn't entered."""


def drop_store(name: str) -> None:
    """Forget an engine's own store; it may never have been opened."""
    with suppress(tandemdb.ProgrammingError):
        tandemdb.drop(name.removeprefix(":memory:"))
