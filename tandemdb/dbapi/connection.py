"""Connections: `connect()` and the class it returns, put together from its parts.

    ConnectionState  (state.py)         fields and checks
      TransactionControl, Callbacks, Copying, Beyond      one file each
        Connection                      opening, closing, cursors, execute

A connection says of itself that it is a `sqlite3.Connection` (`__class__`), so that programs which ask, pandas
among them, take the path made for SQLite. It isn't a subclass: C code that is handed one refuses it, where an
object of a real subclass that was never opened as a file would crash the interpreter.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import warnings
from _thread import get_ident
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tandemdb import errors
from tandemdb.dbapi.attaching import equip_session
from tandemdb.dbapi.beyond import Beyond
from tandemdb.dbapi.callbacks import Callbacks
from tandemdb.dbapi.constants import LEGACY_TRANSACTION_CONTROL
from tandemdb.dbapi.copying import Copying
from tandemdb.dbapi.cursor import Cursor
from tandemdb.dbapi.names import Target, close_database, open_database, read_name
from tandemdb.dbapi.parameters import find_base_adapters, when_adapted
from tandemdb.dbapi.rows import NO_ROWS
from tandemdb.dbapi.state import CLOSED, CLOSED_SESSION, UNINITIALISED, known_shapes
from tandemdb.dbapi.transactions import TransactionControl, read_autocommit, read_isolation_level
from tandemdb.errors import ProgrammingError

if TYPE_CHECKING:
    from tandemdb.storage import Database

AnyCursor = TypeVar("AnyCursor", bound=Cursor)
AnyConnection = TypeVar("AnyConnection", bound="Connection")


class Connection(TransactionControl, Callbacks, Copying, Beyond):
    """A connection to a database in RAM; sqlite3.Connection, method for method, and what tandemdb adds.

    A connection that is dropped without close() is closed, its transaction rolled back, when it is collected.
    """

    __slots__ = ()
    __module__ = "tandemdb"

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    if TYPE_CHECKING:

        def __init__(
            self,
            database: str | bytes | os.PathLike[str],
            timeout: float = 5.0,
            detect_types: int = 0,
            isolation_level: str | None = "",
            check_same_thread: bool = True,
            factory: Any = None,
            cached_statements: int = 128,
            uri: bool = False,
            *,
            autocommit: int = LEGACY_TRANSACTION_CONTROL,
        ) -> None: ...

    else:

        def __init__(self, *arguments: Any, **named: Any) -> None:
            """Open a connection; the arguments are those of `connect`."""
            warn_of_positions(arguments, "_sqlite3.Connection()")
            if not arguments and "database" not in named:
                raise TypeError("Connection() missing required argument 'database' (pos 1)")
            self._open(*arguments, **named)

    def _open(
        self,
        database: str | bytes | os.PathLike[str],
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        factory: Any = None,
        cached_statements: int = 128,
        uri: bool = False,
        *,
        autocommit: int = LEGACY_TRANSACTION_CONTROL,
    ) -> None:
        if not isinstance(timeout, (int, float)):
            raise TypeError(f"must be real number, not {type(timeout).__name__}")
        for number in (detect_types, cached_statements):
            if not isinstance(number, int):
                raise TypeError(f"'{type(number).__name__}' object cannot be interpreted as an integer")
        level, autocommit = read_isolation_level(isolation_level), read_autocommit(autocommit)
        target = read_name(os.fspath(database), uri)
        sys.audit("sqlite3.connect", database)
        if self._owner != UNINITIALISED:
            self._close()
            self._owner = UNINITIALISED
        if target.kind == "remote":
            session, store = open_remote(target, timeout)
        else:
            store = open_database(target, timeout)
            session = open_session(store, timeout)
            equip_session(session, uri, timeout)
            if target.kind == "file":
                session.databases[0].file = store.name
            elif store.observer is not None:
                from tandemdb.dbapi.exposure import check_exposure

                check_exposure(store)
        self._attach(target, store, session, check_same_thread)
        self._detect_types = detect_types
        self._isolation_level = level
        self._autocommit = autocommit
        self._set_begin()
        self._set_text_factory(str)
        if target.read_only:
            self._run("PRAGMA query_only = 1")
        if autocommit is False:
            self._run("BEGIN")
        sys.audit("sqlite3.connect/handle", self)

    def _attach(self, target: Target, store: Database, session: Any, check_same_thread: bool) -> None:
        """Take over an open database and its session, and belong to this thread or to all."""
        find_base_adapters()
        self._target, self._database, self._session = target, store, session
        self._shapes = known_shapes
        self._template_tried = set()
        self._limits, self._config, self._tracer, self._hooked = {}, {}, None, False
        self._lock = threading.RLock()
        self.row_factory = None
        self._thread = self._owner = get_ident() if check_same_thread else None
        self._plain_rows = True
        self._choose_road()
        when_adapted.add(self)

    @property
    def text_factory(self) -> Any:
        """What makes a text value from its UTF-8 bytes: str, bytes, bytearray or any callable."""
        return self._text_factory

    @text_factory.setter
    def text_factory(self, factory: Any) -> None:
        if self._owner == UNINITIALISED:
            self._text_factory = factory
        else:
            self._set_text_factory(factory)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """A class that derives from sqlite3.Connection, for those who ask isinstance(); type() tells the truth."""
        return FACE if type(self) is Connection else type(self)

    @overload
    def cursor(self) -> Cursor: ...

    @overload
    def cursor(self, factory: Callable[[Connection], AnyCursor]) -> AnyCursor: ...

    def cursor(self, factory: Callable[[Connection], Any] = Cursor) -> Any:
        """Open a cursor, or what `factory(connection)` returns."""
        self._check()
        if factory is Cursor:
            return new_cursor(self)
        if is_real_cursor(factory):
            raise TypeError("factory must return a cursor, not a cursor of the standard library's sqlite3")
        cursor = factory(self)
        if not issubclass(type(cursor), Cursor):  # not isinstance(): an object may lie about its class
            raise TypeError(f"factory must return a cursor, not {type(cursor).__name__}")
        if self.row_factory is not None:
            cursor.row_factory = self.row_factory
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Open a cursor and run one statement with it; see `Cursor.execute`."""
        if self._owner == get_ident():
            cursor = _allocate(Cursor)  # new_cursor() and Cursor.execute(), written out: 0.1 us of 0.6
            cursor._connection = self
            cursor._stream = None
            cursor._arraysize = 1
            cursor.row_factory = self.row_factory
            try:
                run = self._ready.get(sql)
            except TypeError:
                run = None  # unhashable, which _execute words as sqlite3 does
            if run is not None and type(parameters) is tuple:
                try:
                    if run(cursor, parameters):
                        return cursor
                except BaseException:
                    self._session.end_left_open()
                    raise
            cursor._execute(self, sql, parameters)
            return cursor
        with self._guard():
            return new_cursor(self)._run(self, sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        """Open a cursor and run one statement with each set of parameters; see `Cursor.executemany`."""
        self._check()
        return new_cursor(self).executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Cursor:
        """Open a cursor and run a script with it; see `Cursor.executescript`."""
        self._check()
        return new_cursor(self).executescript(sql_script)

    def __call__(self, *arguments: str) -> Statement:
        """Prepare a statement, as sqlite3's connections do when called."""
        with self._guard():
            if len(arguments) != 1:
                raise TypeError(f"function takes exactly 1 argument ({len(arguments)} given)")
            if not isinstance(arguments[0], str):
                raise TypeError(f"argument 1 must be str, not {type(arguments[0]).__name__}")
            statement = object.__new__(Statement)
            statement.prepared = self._prepare_new(arguments[0])
            return statement

    def close(self) -> None:
        """Close the connection, rolling back what is not committed; closing twice does no harm."""
        if self._owner == UNINITIALISED:
            raise ProgrammingError("Base Connection.__init__ not called.")
        if self._owner == CLOSED:
            if self._thread is not None and self._thread != get_ident():
                self._refuse()
            return
        with self._guard():
            if self._autocommit is False and self._session.in_transaction:
                self._run("ROLLBACK")
            self._close()

    def _close(self) -> None:
        """Give session and database back."""
        if self._owner in (CLOSED, UNINITIALISED):
            return
        self._owner = CLOSED
        session, self._session = self._session, CLOSED_SESSION
        try:
            session.close()
        finally:
            close_database(self._target, self._database)
            del self._database

    def __del__(self) -> None:
        owner = getattr(self, "_owner", UNINITIALISED)
        if owner in (CLOSED, UNINITIALISED) or sys is None:  # None: the interpreter is going down
            return
        if sys.version_info >= (3, 13):
            warnings.warn(f"unclosed database in {self!r}", ResourceWarning, stacklevel=2, source=self)
        if not sys.is_finalizing():  # else what closing needs may be gone before
            self._close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle '{type(self).__module__}.{type(self).__qualname__}' object")


class Statement:
    """A prepared statement, as calling a connection returns it."""

    __slots__ = ("prepared",)
    __module__ = "tandemdb"

    prepared: Any

    def __new__(cls) -> Statement:
        """Refuse: only a connection makes statements."""
        raise TypeError("cannot create 'tandemdb.Statement' instances")


# What an instance of Connection calls its class; never instantiated.
FACE = type("Connection", (sqlite3.Connection,), {"__module__": "tandemdb", "__slots__": ()})

_allocate: Callable[[type[Cursor]], Cursor] = object.__new__


def new_cursor(connection: Connection) -> Cursor:
    """Make a plain cursor without the cost of calls to __new__ and __init__."""
    cursor = _allocate(Cursor)
    cursor._connection = connection
    cursor._columns = None
    cursor._rows = NO_ROWS
    cursor._rowcount = -1
    cursor._lastrowid = None
    cursor._stream = None
    cursor._arraysize = 1
    cursor.row_factory = connection.row_factory
    return cursor


def is_real_cursor(factory: Any) -> bool:
    """Tell whether a cursor factory is a class of the standard library's, which would crash on our connection."""
    return isinstance(factory, type) and issubclass(factory, sqlite3.Cursor)


def open_session(store: Database, timeout: float) -> Any:
    """Open the planner's session on a database; the planner is loaded when the first one is opened."""
    from tandemdb.planner.session import Session

    return Session(store, timeout=float(timeout))


def open_remote(target: Target, timeout: float) -> tuple[Any, Any]:
    """Open a session on a node."""
    from tandemdb.dbapi import remote

    return remote.open_session(target.name, timeout)


def warn_of_positions(arguments: tuple[Any, ...], what: str) -> None:
    """Warn, as Python 3.13 does, of more than one positional argument."""
    if len(arguments) > 1 and sys.version_info >= (3, 13):
        warnings.warn(
            f"Passing more than 1 positional argument to {what} is deprecated. Parameters 'timeout', 'detect_types', "
            "'isolation_level', 'check_same_thread', 'factory', 'cached_statements' and 'uri' will become "
            "keyword-only parameters in Python 3.15.",
            DeprecationWarning,
            stacklevel=3,
        )


if TYPE_CHECKING:

    @overload
    def connect(
        database: str | bytes | os.PathLike[str],
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        cached_statements: int = 128,
        uri: bool = False,
        *,
        autocommit: int = LEGACY_TRANSACTION_CONTROL,
    ) -> Connection: ...

    @overload
    def connect(
        database: str | bytes | os.PathLike[str],
        timeout: float,
        detect_types: int,
        isolation_level: str | None,
        check_same_thread: bool,
        factory: type[AnyConnection],
        cached_statements: int = 128,
        uri: bool = False,
        *,
        autocommit: int = LEGACY_TRANSACTION_CONTROL,
    ) -> AnyConnection: ...

    @overload
    def connect(
        database: str | bytes | os.PathLike[str],
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        *,
        factory: type[AnyConnection],
        cached_statements: int = 128,
        uri: bool = False,
        autocommit: int = LEGACY_TRANSACTION_CONTROL,
    ) -> AnyConnection: ...

    def connect(*arguments: Any, **named: Any) -> Any:
        """Open a connection."""

else:

    def connect(*arguments: Any, **named: Any) -> Connection:
        """Open a connection to a database in RAM.

        Args:
            database: ":memory:" for a private one; ":memory:NAME" or, with uri=True,
                "file:NAME?mode=memory&cache=shared" for one that all connections of this process share; else the path
                of an SQLite file: it is loaded into RAM, and each commit is written into it before it returns.
                "tandemdb://HOST:PORT/NAME" is a node's; of several, HOST:PORT,HOST:PORT, the one that leads.
            timeout: seconds that a writer waits for another before OperationalError "database is locked".
            detect_types: PARSE_DECLTYPES, PARSE_COLNAMES, or both: which converters results go through.
            isolation_level: "", "DEFERRED", "IMMEDIATE" or "EXCLUSIVE": how a transaction begins before a change;
                None: it does not.
            check_same_thread: refuse other threads; False lets them use the connection one at a time.
            factory: the class to make, a subclass of Connection.
            cached_statements: accepted and not needed: plans are kept for the whole process.
            uri: read `database` as a URI if it begins with "file:".
            autocommit: True, False, or LEGACY_TRANSACTION_CONTROL, which leaves it to isolation_level.
        Raises:
            OperationalError: the file cannot be opened, the node not reached; none of several nodes leads in `timeout`.
            DatabaseError: the file is no database.
            ProgrammingError: that is no node's address.
        """
        factory = named.get("factory", arguments[5] if len(arguments) > 5 else Connection)
        warn_of_positions(arguments, "sqlite3.connect()")
        return factory(*arguments, **named)

    connect.__text_signature__ = (
        "($module, /, database, timeout=5.0, detect_types=0, isolation_level='', check_same_thread=True, "
        "factory=ConnectionType, cached_statements=128, uri=False, *, autocommit=sqlite3.LEGACY_TRANSACTION_CONTROL)"
    )
