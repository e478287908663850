"""Copying a whole database: between tandemdb databases by its root, to and from a real sqlite3 connection by rows.

    backup:       tandemdb -----> tandemdb    the target takes over the source's tables: every block is shared
                  tandemdb -----> sqlite3     schema and rows (transfer.py)
    serialize:    tandemdb -----> a real in-memory sqlite3 connection -----> its bytes
    deserialize:  bytes -----> a real in-memory sqlite3 connection -----> tandemdb
    iterdump:     the standard library's sqlite3.dump, which needs no more than a cursor
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

from tandemdb.dbapi.blob import Blob, open_blob, quote
from tandemdb.dbapi.constants import SQLITE_DONE, SQLITE_OK
from tandemdb.dbapi.names import Target, adopt
from tandemdb.dbapi.state import ConnectionState
from tandemdb.errors import OperationalError, ProgrammingError, reraise

if TYPE_CHECKING:
    from tandemdb.dbapi.connection import Connection
    from tandemdb.storage import Database, Root


class BackupOptions(TypedDict, total=False):
    """What `backup` takes besides the target."""

    pages: int
    progress: Callable[[int, int, int], object] | None
    name: str
    sleep: float


class Copying(ConnectionState):
    """The copying methods of a connection."""

    __slots__ = ()

    def backup(
        self,
        target: Connection | sqlite3.Connection,
        *,
        pages: int = -1,
        progress: Callable[[int, int, int], object] | None = None,
        name: str = "main",
        sleep: float = 0.25,
    ) -> None:
        """Make the target's content that of this database.

        Args:
            target: a tandemdb connection, or a real one of the standard library's sqlite3.
            pages: how many blocks `progress` hears of at a time; the copy itself is made in one step, at the end.
            progress: called with (SQLITE_OK or, when done, SQLITE_DONE; blocks remaining; blocks in all).
            sleep: accepted; nobody waits.
            name: "main", "temp", or the name of an attached database.
        Raises:
            OperationalError: the target has a transaction open.
        Cost: O(tables) to a tandemdb connection, O(rows) to a real one. Changes that this connection has not committed
        are copied too, as in SQLite.
        """
        with self._guard():
            if not isinstance(target, (Copying, sqlite3.Connection)):
                kind = "None" if target is None else type(target).__name__
                raise TypeError(f"backup() argument 'target' must be sqlite3.Connection, not {kind}")
            if not hasattr(type(pages), "__index__"):
                raise TypeError(f"'{type(pages).__name__}' object cannot be interpreted as an integer")
            if progress is not None and not callable(progress):
                raise TypeError("progress argument must be a callable")
            if target is self:
                raise ValueError("target cannot be the same connection instance")
            root = self._announce(name, int(pages), progress)
            if isinstance(target, Copying):
                target._check_open()
                with target._lock:  # of any thread: sqlite3 asks for no particular one either
                    take_root(target, root)
            else:
                with own_errors():
                    copy_to_real(connect_to_root(root), target)
            if progress is not None:
                progress(SQLITE_DONE, 0, count_blocks(root))

    def serialize(self, *, name: str = "main") -> bytes:
        """Return a database, "main", "temp" or an attached one, as the bytes of an SQLite file."""
        with self._guard():
            root = self._find_root(name, f"unable to serialize '{name}'", code=None)
            real = sqlite3.connect(":memory:")
            try:
                copy_to_real(connect_to_root(root), real)
                if not real.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    real.executescript("PRAGMA user_version = 1; PRAGMA user_version = 0")  # so that there are bytes
                return real.serialize()
            finally:
                real.close()

    def deserialize(self, data: Any, /, *, name: str = "main") -> None:
        """Replace a database, "main" or an attached one, by what an SQLite file's bytes hold.

        Raises:
            DatabaseError: they are no SQLite database.
            OperationalError: no such database; a transaction is open.
        Cost: O(rows); unlike sqlite3, which looks at the bytes only when asked, this reads them at once.
        """
        with self._guard():
            database = self._find_database(name)
            with own_errors(), closing(sqlite3.connect(":memory:")) as real:
                real.deserialize(data)
                copy_from_real(real, self, database)

    def backup_from(self, source: Connection | sqlite3.Connection, **options: Unpack[BackupOptions]) -> None:
        """Make this database's content that of a source: `source.backup(self)`, which real connections refuse.

        Args:
            source: a real connection of the standard library's sqlite3, or a tandemdb connection.
            options: pages, progress, name and sleep, as the source's own `backup` takes them.
        Raises:
            OperationalError: a transaction is open here; the source is locked.
        Cost: O(rows) from a real connection.
        """
        if isinstance(source, Copying):
            source.backup(cast("Connection", self), **options)
            return
        with self._guard(), own_errors(), closing(sqlite3.connect(":memory:")) as staged:
            source.backup(staged, **options)
            copy_from_real(staged, self, None)

    def iterdump(self, *, filter: str | None = None) -> Generator[str, None, None]:
        """Iterate over the statements that would make this database again; `filter` is a LIKE pattern for names.

        Raises:
            ProgrammingError: a filter before Python 3.13.
        """
        with self._guard():
            from sqlite3.dump import _iterdump  # type: ignore[attr-defined]

            connection = cast(Any, self)
            if filter is None:
                return _iterdump(connection)  # type: ignore[no-any-return]
            try:
                return _iterdump(connection, filter=filter)  # type: ignore[no-any-return]
            except TypeError:  # before Python 3.13
                raise ProgrammingError("iterdump(filter=...) needs Python 3.13") from None

    def blobopen(
        self, table: str, column: str, row: int, /, *, readonly: bool = False, name: str = "main"
    ) -> Blob:
        """Open one blob or text value for reading and writing in place.

        Raises:
            OperationalError: no such table, column or row; the value is a number, or may not be written.
        """
        with self._guard():
            if not isinstance(row, int):
                raise TypeError("expected 'int'")
            if name.lower() not in ("temp", *(row[1].lower() for row in self._run("PRAGMA database_list").rows)):
                raise OperationalError(f"no such table: {name}.{table}", code="SQLITE_ERROR")
            columns = [entry[1].lower() for entry in self._run(f"PRAGMA {quote(name)}.table_info({quote(table)})").rows]
            if not columns:
                raise OperationalError(f"no such table: {name}.{table}", code="SQLITE_ERROR")
            if column.lower() not in columns:
                raise OperationalError(f'no such column: "{column}"', code="SQLITE_ERROR")
            return open_blob(self, (name, table, column), row, bool(readonly))

    def _announce(self, name: str, pages: int, progress: Callable[[int, int, int], object] | None) -> Root:
        """Tell `progress` of all steps but the last, from the start again if the source changes; return the root."""
        root = self._find_root(name)
        remaining = count_blocks(root)
        while progress is not None and 0 < pages < remaining:
            remaining -= pages
            progress(SQLITE_OK, remaining, count_blocks(root))
            before, root = root, self._find_root(name)
            if root is not before:
                remaining = count_blocks(root)
        return root

    def _find_root(self, name: str, missing: str = "", code: str | None = "SQLITE_ERROR") -> Root:
        """Return what one of the connection's databases holds as the connection sees it."""
        if not isinstance(name, str):
            method = "serialize" if missing else "backup"
            raise TypeError(f"{method}() argument 'name' must be str, not {type(name).__name__}")
        for attached in self._session.databases:
            if attached.name.lower() == name.lower():
                self._session.keep_for_cursor()  # what is changed next is done to copies
                return attached.root()  # type: ignore[no-any-return]
        if name.lower() == "temp":
            from tandemdb.storage import Database

            return Database().snapshot()
        raise OperationalError(missing or f"unknown database {name}", code=code)

    def _find_database(self, name: str) -> Database | None:
        """Return the attached database of this name; None: it is main."""
        if not isinstance(name, str):
            raise TypeError(f"deserialize() argument 'name' must be str, not {type(name).__name__}")
        for position, attached in enumerate(self._session.databases):
            if attached.name.lower() == name.lower() != "temp":
                return attached.database if position else None
        raise OperationalError(f"no such database: {name}", code=None)


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what a real connection raises as tandemdb's errors."""
    try:
        yield
    except sqlite3.Error as error:
        reraise(error)


def count_blocks(root: Root) -> int:
    """Return the number of blocks, counting an empty table and the schema for one each, as SQLite's pages would be."""
    hidden = ("layout", "sqlite_s")  # the catalog's second table, settings, statistics, sequences
    own = [table for table in root.tables.values() if not table.definition.name.startswith(hidden)]
    return sum(max(1, len(list(table.location.blocks()))) for table in own)


def take_root(target: ConnectionState, source: Root) -> None:
    """Make a root's tables those of the target's database, as one commit.

    Raises:
        OperationalError: the target has a transaction open, or another writer does.
    """
    from tandemdb.storage import LockTimeout, ReadOnly

    session, database = target._session, target._database
    if session.in_transaction:
        raise OperationalError("destination database is in use", code="SQLITE_ERROR")
    if database.observer is not None:
        # A mirror follows single changes: it must be told of rows.
        real = sqlite3.connect(":memory:")
        try:
            copy_to_real(connect_to_root(source), real)
            copy_from_real(real, target, None)
        finally:
            real.close()
        return
    try:
        transaction = database.begin(5.0)
    except LockTimeout:
        raise OperationalError("database is locked", code="SQLITE_BUSY") from None
    except ReadOnly as error:
        text = "attempt to write a readonly database"
        raise OperationalError(text, detail=str(error), code="SQLITE_READONLY") from None
    try:
        transaction.adopt(source)
        transaction.commit()
    finally:
        transaction.rollback()  # does nothing after the commit


def connect_to_root(root: Root, name: str = "", *, shared: bool = False) -> Connection:
    """Open a connection on a new database that begins with this root and shares its blocks.

    It is private, or the store `name` for all who use the name from now on.
    """
    from tandemdb.dbapi.connection import Connection, open_session
    from tandemdb.storage import Database

    connection = Connection.__new__(Connection)
    database = Database(name, root)
    database.alone = not shared
    if shared:
        adopt(name, database)
    connection._attach(Target("shared" if shared else "private", name), database, open_session(database, 5.0), True)
    connection._detect_types = 0
    connection._isolation_level = None
    connection._set_begin()
    connection._set_text_factory(str)
    return connection


def copy_to_real(source: ConnectionState, real: sqlite3.Connection) -> None:
    """Copy schema and rows into a real sqlite3 connection."""
    from tandemdb.dbapi.transfer import transfer

    if real.in_transaction:
        raise OperationalError("destination database is in use", code="SQLITE_ERROR")
    level, real.isolation_level = real.isolation_level, None
    factories, real.row_factory, real.text_factory = (real.row_factory, real.text_factory), None, str
    try:
        transfer(session_side(source._session), real_side(real))
    finally:
        real.isolation_level = level
        real.row_factory, real.text_factory = factories


def copy_from_real(real: sqlite3.Connection, target: ConnectionState, database: Database | None) -> None:
    """Copy schema and rows out of a real sqlite3 connection, into the target's own database or one it has attached."""
    from tandemdb.dbapi.connection import open_session
    from tandemdb.dbapi.transfer import transfer

    if target._session.in_transaction:
        raise OperationalError("destination database is in use", code="SQLITE_ERROR")
    session = target._session if database is None else open_session(database, 5.0)
    try:
        transfer(real_side(real), session_side(session))
    finally:
        if database is not None:
            session.close()


def session_side(session: Any) -> Any:
    """Return a session as one side of a transfer."""
    from tandemdb.dbapi.transfer import Side

    return Side(
        lambda sql: session.run(session.prepare(sql), ()).rows,
        lambda sql, rows: session.run_many(session.prepare(sql), rows),
    )


def real_side(real: sqlite3.Connection) -> Any:
    """Return a real connection as one side of a transfer."""
    from tandemdb.dbapi.transfer import Side

    return Side(real.execute, real.executemany)
