"""Cursors: one statement's run and the rows it gives.

    Cursor ._connection --> Connection      in use
                        --> Closed          after close(): any call is refused
                        --> Busy            while its own parameters or converters are running Python code

    .execute() -> Session.prepare -> bind -> (implicit BEGIN) -> Session.run -> Result
    ._rows        a C iterator of tuples; fetchone() is next(), fetchall() is list(), iteration is the iterator itself

One comparison at the top of each method, of the connection's owner with the running thread, covers a wrong thread, a
closed connection, a closed cursor, recursive use and a connection shared by threads: all of them have an owner that is
no thread's number, and go the slow way. A text that the connection has run before and that needs nothing else looked
at has a function in `connection._ready` that does it all (see `quick`).

The class has no `__getattr__`: with one, CPython 3.11 reads each attribute in 0.04 us instead of 0.005.
"""

from __future__ import annotations

import sys
import weakref
from _thread import get_ident
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tandemdb.dbapi import parameters as binding
from tandemdb.dbapi.constants import SQLITE_LIMIT_LENGTH
from tandemdb.dbapi.limits import check_lengths, measured
from tandemdb.dbapi.parameters import Shape, bind, is_plain
from tandemdb.dbapi.read_only import only_reads
from tandemdb.dbapi.ready import NOT_READY, make_ready, make_template_ready, may_run_rows, run_rows, run_template
from tandemdb.dbapi.rows import (
    NO_ROWS,
    Columns,
    Description,
    Record,
    RowFactory,
    convert_rows,
    describe,
    find_converters,
    find_unreadable,
    make_factory,
    readable,
    shorten_names,
)
from tandemdb.dbapi.unusable import UNMADE, Busy, Closed, Refusing, Unmade
from tandemdb.errors import OperationalError, ProgrammingError, undecodable_seen

if TYPE_CHECKING:
    from tandemdb.dbapi.connection import Connection

STREAM_ROWS = 256
ARRAYSIZE = type("int", (int,), {})(1)  # fetchmany()'s default, to be told from a 1 that was passed
COUNTS_RETURNING = sys.version_info >= (3, 12)  # executemany: 3.11's rowcount is 0 with RETURNING, whose rows go


class Counting(NamedTuple):
    """The rowcount of a statement with RETURNING: 0 while there are rows left."""

    rows: Any  # a list's iterator
    changes: int


class Cursor:
    """Runs statements on a connection and hands out their rows; sqlite3.Cursor, method for method."""

    __slots__ = (
        "__weakref__",
        "_arraysize",
        "_columns",
        "_connection",
        "_lastrowid",
        "_rowcount",
        "_rows",
        "_stream",
        "row_factory",
    )
    __module__ = "tandemdb"

    _connection: Any
    _rows: Iterator[Record]
    _columns: Columns | None
    _rowcount: Any  # an int, or Counting
    _lastrowid: int | None
    _arraysize: int
    _stream: list[Record] | None
    row_factory: RowFactory

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Make a cursor that refuses everything until __init__ has run."""
        self = object.__new__(cls)
        self._connection = UNMADE
        self._columns = None
        self._rows = NO_ROWS
        self._rowcount = -1
        self._lastrowid = None
        self._stream = None
        self._arraysize = 1
        self.row_factory = None
        return self

    def __init__(self, connection: Connection, /) -> None:
        """Open a cursor on the connection, with the connection's row factory."""
        from tandemdb.dbapi.connection import Connection

        if not isinstance(connection, Connection):
            raise TypeError(f"Cursor() argument 1 must be sqlite3.Connection, not {type(connection).__name__}")
        if isinstance(self._connection, Busy):
            raise ProgrammingError(Busy.message)
        connection._check()
        self._connection = connection
        self._rows = NO_ROWS
        self._columns = None
        self._rowcount = -1
        self.row_factory = connection.row_factory

    @property
    def connection(self) -> Connection:
        """The connection that the cursor belongs to."""
        connection = self._connection
        if isinstance(connection, Unmade):
            connection._guard()
        return connection.connection if isinstance(connection, Refusing) else connection

    @property
    def description(self) -> Description | Any:
        """A tuple of seven for each result column, the name first; None if the last statement gives no rows."""
        columns = self._columns
        return None if columns is None else describe(columns)

    @property
    def rowcount(self) -> int:
        """Rows that the last INSERT, UPDATE, DELETE or REPLACE changed; -1 after anything else."""
        count = self._rowcount
        if type(count) is Counting:
            return 0 if count.rows.__length_hint__() else count.changes
        return count  # type: ignore[no-any-return]

    @property
    def lastrowid(self) -> int | None:
        """The rowid of the connection's last successful INSERT, as the last execute() left it."""
        return self._lastrowid

    @property
    def arraysize(self) -> int:
        """How many rows fetchmany() gives unless told."""
        return self._arraysize

    @arraysize.setter
    def arraysize(self, size: int) -> None:
        self._arraysize = as_index(size)

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        """Run one statement.

        Args:
            sql: exactly one SQL statement.
            parameters: a sequence for ? placeholders, a mapping for :name.
        Raises:
            ProgrammingError: closed, another thread's, more than one statement, or parameters that do not fit.
            OperationalError, IntegrityError and the rest of DatabaseError: as SQLite names the failure.
        """
        connection = self._connection
        if connection._owner != get_ident():
            with connection._guard():
                return self._run(connection, sql, parameters)
        try:  # `_run`, written out: a call takes a tenth of a short statement
            run = connection._ready.get(sql)
            if run is not None and type(parameters) is tuple and self._stream is None and run(self, parameters):
                return self
        except BaseException as error:
            self._forget()
            connection._session.end_left_open()
            if not isinstance(error, TypeError) or isinstance(sql, str):
                raise
        return self._execute(connection, sql, parameters)

    def _run(self, connection: Connection, sql: str, parameters: Any) -> Self:
        """Run a statement by what the connection has ready for it, else the ordinary way."""
        try:
            run = connection._ready.get(sql)
            if run is not None and type(parameters) is tuple and self._stream is None and run(self, parameters):
                return self
        except BaseException as error:
            self._forget()
            connection._session.end_left_open()
            if not isinstance(error, TypeError) or isinstance(sql, str):
                raise
        return self._execute(connection, sql, parameters)

    def _forget(self) -> None:
        """Let go of the rows, and of all that is known of the statement."""
        self._rows = NO_ROWS
        self._columns = None
        self._rowcount = -1

    def _execute(self, connection: Connection, sql: str, parameters: Any) -> Self:
        if self._stream is not None:
            self._end_stream()
        session = connection._session
        begun = False
        try:
            shape = connection._shapes.get(sql)
            seen, template = shape is not None, ""
            if (
                (shape is None or (shape.has_literals and sql not in connection._template_tried))
                and connection._ready is not NOT_READY
                and type(parameters) is tuple
                and type(sql) is str
            ):
                template, done = run_template(self, connection, sql, parameters, seen)
                if done:
                    return self
            if shape is None:
                statement = connection._prepare_new(sql)
                shape = connection._shapes[sql]
            else:
                statement = None
            kind = type(parameters)
            if (
                (kind is not tuple and kind is not list)
                or len(parameters) != len(shape.names)
                or shape.warned
                or not (not parameters or is_plain(parameters))
            ):
                parameters = self._bind_slowly(shape, parameters, sql)
            if shape.is_dml and connection._begin and not session.in_transaction:
                connection._begin_implicitly()
                begun = True
            if connection._limits:
                check_lengths(parameters, connection._limits.get(SQLITE_LIMIT_LENGTH, sys.maxsize))
            if connection._tracer is not None:
                connection._tracer.note(sql, shape, parameters)
            if statement is None:
                statement = session.prepare(sql)
            result = session.run(statement, parameters)
            columns = self._columns = statement.columns
            if columns is None:
                self._rows = NO_ROWS
                self._rowcount = result.changes if shape.is_dml else -1
            elif shape.is_dml:
                self._take_returned(result.rows, result.changes)
            else:
                self._rowcount = -1
                self._rows = result.rows
                if connection._plain_rows and getattr(result, "batches", None) is not None:
                    self._rows = chain.from_iterable(readable(result.batches, columns))
            if not connection._plain_rows and columns is not None:
                self._convert_rows(connection, statement, columns)
            self._lastrowid = session.last_insert_rowid
            if connection._ready is not NOT_READY:
                shared = template and statement.literals and make_template_ready(session, statement, shape, template)
                if seen and not shared:
                    make_ready(session, statement)  # not the first time: many texts are run but once
        except BaseException as error:
            self._forget()
            if begun:
                connection._take_back_begin(error)
            connection._session.end_left_open()
            if isinstance(error, TypeError) and not isinstance(sql, str):
                connection._prepare_new(sql)  # says so in sqlite3's words: an unhashable one got no further
            raise
        return self

    def _take_returned(self, rows: Iterable[Record], changes: int) -> None:
        """Hand out the rows of RETURNING; rowcount, as in sqlite3, is 0 until the last of them is fetched."""
        returned: Any = iter(list(rows))
        self._rows = returned
        self._rowcount = Counting(returned, changes) if returned.__length_hint__() else changes

    def _bind_slowly(self, shape: Shape, parameters: Any, sql: str) -> binding.Values:
        """Bind what may run Python code: adapters, `__conform__`, a mapping's `__getitem__`."""
        connection = self._connection
        self._connection = Busy(connection)
        try:
            return bind(shape, parameters)
        except ProgrammingError:
            tell_faults(connection._session, sql, len(shape.names))
            if shape.is_dml and connection._begin and not connection._session.in_transaction:
                connection._begin_implicitly()
            raise
        finally:
            self._connection = connection

    def _convert_rows(self, connection: Connection, statement: Any, columns: Columns) -> None:
        """Put the connection's converters and text factory before the rows."""
        if connection._detect_types & 2:
            self._columns = shorten_names(columns)
        if connection._limits:
            self._rows = measured(self._rows, connection._limits.get(SQLITE_LIMIT_LENGTH, sys.maxsize))
        converters = find_converters(columns, getattr(statement, "column_types", None), connection._detect_types)
        rows = convert_rows(self._rows, columns, converters, lambda: connection.text_factory)
        self._rows = rows_while_busy(weakref.ref(self), rows) if any(converters) else rows

    def executemany(self, sql: str, seq_of_parameters: Iterable[Any], /) -> Self:
        """Run one statement that changes rows, once for each set of parameters; rows it returns are discarded."""
        connection = self._connection
        if connection._owner != get_ident():
            with connection._guard():
                return self._execute_many(connection, sql, seq_of_parameters)
        return self._execute_many(connection, sql, seq_of_parameters)

    def _execute_many(self, connection: Connection, sql: str, rows: Iterable[Any]) -> Self:
        if self._stream is not None:
            self._end_stream()
        self._rows = NO_ROWS
        self._connection = Busy(connection)
        begun = False
        try:
            if type(rows) not in (list, tuple):
                rows = iter(rows)
            session = connection._session
            shapes = connection._shapes
            statement = session.prepare(sql) if sql in shapes else connection._prepare_new(sql)
            shape = shapes[sql]
            if statement.is_read_only or only_reads(statement.kind, sql):
                raise ProgrammingError("executemany() can only execute DML statements.")
            if shape.is_dml and connection._begin and not session.in_transaction:
                connection._begin_implicitly()
                begun = True
            rest, ahead = rows, 0
            if may_run_rows(connection, shape, statement, rows):
                done, ahead = run_rows(self, session, statement, rows)  # type: ignore[arg-type]
                self._rows, rest = NO_ROWS, rows[done:]  # type: ignore[index]
            failures: list[BaseException] = []
            bound = binding.until_failure(binding.bind_rows(shape, rest), failures)
            if connection._limits:
                bound = measured(bound, connection._limits.get(SQLITE_LIMIT_LENGTH, sys.maxsize))
            if connection._tracer is not None:
                bound = connection._tracer.noting(sql, shape, bound)
            changes = ahead + session.run_many(statement, bound)
            if rows in ([], ()) or (failures and isinstance(failures[0], ProgrammingError)):
                tell_faults(session, sql, len(shape.names))
            if failures:
                raise failures[0]
            columns = self._columns = None if rows in ([], ()) else statement.columns
            if not shape.is_dml:
                changes = -1
            elif columns is not None and not COUNTS_RETURNING:
                changes = 0
            self._rowcount = changes
        except BaseException as error:
            self._columns = None
            self._rowcount = -1
            if begun:
                connection._take_back_begin(error)
            connection._session.end_left_open()
            raise
        finally:
            self._connection = connection
        return self

    def executescript(self, sql_script: str, /) -> Self:
        """Commit an open transaction, then run the statements of a script one after another."""
        connection = self._connection
        if connection._owner != get_ident():
            with connection._guard():
                return self._execute_script(connection, sql_script)
        return self._execute_script(connection, sql_script)

    def _execute_script(self, connection: Connection, script: str) -> Self:
        if not isinstance(script, str):
            raise TypeError(f"executescript() argument must be str, not {type(script).__name__}")
        if "\0" in script:
            raise ValueError("embedded null character")
        script.encode()
        connection._check_length(script)
        if connection._autocommit == -1 and connection._session.in_transaction:
            connection._run("COMMIT")
        connection._session.run_script(script)
        return self

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        connection = self._connection
        if connection._owner != get_ident():
            with connection._guard():
                return next(self, None)
        if self.row_factory is None and not undecodable_seen:
            return next(self._rows, None)
        for row in self._rows:
            if undecodable_seen:
                self._refuse_unreadable((row,))
            return row if self.row_factory is None else make_factory(self.row_factory, self)(row)
        return None

    def __next__(self) -> Any:
        connection = self._connection
        if connection._owner != get_ident():
            with connection._guard():
                row: Any = next(self._rows)
        else:
            row = next(self._rows)
        if undecodable_seen:
            self._refuse_unreadable((row,))
        factory = self.row_factory
        return row if factory is None else make_factory(factory, self)(row)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left, as a list."""
        connection = self._connection
        if connection._owner != get_ident():
            with connection._guard():
                rows: list[Any] = list(self._rows)
        else:
            rows = list(self._rows)
        if undecodable_seen:
            self._refuse_unreadable(rows)
        factory = self.row_factory
        return rows if factory is None or not rows else list(map(make_factory(factory, self), rows))

    def fetchmany(self, size: int = ARRAYSIZE) -> list[Any]:
        """Return the next rows, at most `size` (if not given, `arraysize`); all that are left if it is below 1."""
        connection = self._connection
        count = self._arraysize if size is ARRAYSIZE else as_index(size)
        with connection._guard():
            rows: list[Any] = list(islice(self._rows, count)) if count > 0 else list(self._rows)
        if undecodable_seen:
            self._refuse_unreadable(rows)
        factory = self.row_factory
        return rows if factory is None or not rows else list(map(make_factory(factory, self), rows))

    def _refuse_unreadable(self, rows: Sequence[Record]) -> None:
        """Fail, now and at each later fetch, if rows just read have text that is no UTF-8.

        Other text factories than str take any text; with converters, `convert_rows` looks at what they leave.
        """
        found = find_unreadable(rows, self._readable_columns())
        if found is not None:
            self._rows = found[1]
            next(self._rows)

    def _readable_columns(self) -> Columns:
        """The result's columns if the values of their text must be UTF-8, else none."""
        return self._columns or () if self._connection._plain_rows else ()

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the rows left, in C; the cursor's other methods share the position."""
        connection = self._connection
        if connection._owner != get_ident() or type(self) is not Cursor:
            with connection._guard():
                return self
        rows = self._stream_rows()
        factory = self.row_factory
        return rows if factory is None else map(make_factory(factory, self), rows)

    def _stream_rows(self) -> Iterator[Record]:
        """Hand the rows out from a list, which close() and the next execute() can empty under the iterator."""
        if self._stream is None:
            self._connection._check()
            self._stream = []
            columns = self._readable_columns()
            self._rows = chain.from_iterable(fill_stream(weakref.ref(self), self._rows, self._stream, columns))
        return self._rows

    def _end_stream(self) -> None:
        """Empty what a running iteration holds, so that it comes back for the cursor's next rows."""
        if self._stream:
            self._stream.clear()
        self._stream = None

    def close(self) -> None:
        """Close the cursor: it can run nothing more, and its rows are gone."""
        connection = self._connection
        if isinstance(connection, Closed):
            connection.connection._check()
            return
        if isinstance(connection, Refusing):
            connection._guard()
        connection._check()
        self._end_stream()
        self._rows = NO_ROWS
        self._connection = Closed(connection)

    def setinputsizes(self, sizes: Any, /) -> None:
        """Do nothing: PEP 249 asks for the method."""

    def setoutputsize(self, size: Any, column: Any = None, /) -> None:
        """Do nothing: PEP 249 asks for the method."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle '{type(self).__module__}.{type(self).__qualname__}' object")


def fill_stream(
    reference: weakref.ref[Cursor], rows: Iterator[Record], batch: list[Record], columns: Columns
) -> Iterator[Iterable[Record]]:
    """Yield the rows in batches, all in one list; go on with the cursor's newer rows if it has run something else.

    Args:
        columns: names for the errors of text that is no UTF-8; none: it is not looked for.
    """
    while True:
        found = None
        try:
            batch.extend(islice(rows, STREAM_ROWS))
        except OperationalError as error:
            if not hasattr(error, "rest"):
                raise
            found = len(batch), error.rest  # the rows before the one that cannot be read
        if not batch and found is None:
            return
        if undecodable_seen:
            found = find_unreadable(batch, columns) or found
        if found is not None:
            place, rows = found
            del batch[place:]
        yield batch
        cursor = reference()
        if cursor is None:
            if found is not None or not undecodable_seen:
                yield rows  # nobody is left who could disturb the iteration
                return
        elif cursor._stream is not batch:
            yield cursor._stream_rows()
            return
        else:
            cursor._connection._check()
            if found is not None:
                yield rows
        cursor = None
        batch.clear()


def rows_while_busy(reference: weakref.ref[Cursor], rows: Iterator[Record]) -> Iterator[Record]:
    """Yield rows whose converters run while the cursor may not be used."""
    while True:
        cursor = reference()
        if cursor is None:
            yield from rows
            return
        connection = cursor._connection
        cursor._connection = Busy(connection)
        try:
            row = next(rows, None)
        finally:
            cursor._connection = connection
            cursor = None
        if row is None:
            return
        yield row


def tell_faults(session: Any, sql: str, count: int) -> None:
    """Raise what is wrong with a statement whose values could not be bound: sqlite3 prepares it before it binds any.

    Raises:
        OperationalError: no such table, no such column and the like.
    """
    if sql.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "VALUES", "WITH")):
        try:
            session.run(session.prepare(f"EXPLAIN {sql}"), (None,) * count)
        except Exception as error:
            error.unprepared = True  # type: ignore[attr-defined]
            raise


def as_index(size: Any) -> int:
    """Return an integer argument, or refuse it as the C function does."""
    if not hasattr(type(size), "__index__"):
        raise TypeError(f"'{type(size).__name__}' object cannot be interpreted as an integer")
    return int(size.__index__())
