"""What a connection holds, and the checks that every one of its methods begins with.

    _owner   number of the thread that may use it   | None: any thread, one at a time, under _lock
             UNINITIALISED before __init__, CLOSED after close(): no thread has these numbers

so that `connection._owner != get_ident()` is the one test between a call and its work.
"""

from __future__ import annotations

import re
import threading
from _thread import get_ident
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from tandemdb.dbapi.constants import SQLITE_LIMIT_LENGTH, SQLITE_LIMIT_SQL_LENGTH, SQLITE_LIMIT_VARIABLE_NUMBER
from tandemdb.dbapi.limits import check_limits, too_big
from tandemdb.dbapi.names import Target
from tandemdb.dbapi.parameters import Shape, base_types_are_adapted, make_shape
from tandemdb.dbapi.ready import NOT_READY
from tandemdb.dbapi.tracing import Tracer
from tandemdb.errors import DataError, OperationalError, ProgrammingError

if TYPE_CHECKING:
    from tandemdb.dbapi.rows import RowFactory
    from tandemdb.storage import Database

CLOSED = -1
UNINITIALISED = -2
SHAPES_MAX = 4096

# As CPython's lstrip_sql: a comment at the end need not be closed.
BLANKS = re.compile(r"(?:[ \t\f\r\n]+|--[^\n]*|/\*(?:.*?\*/|.*\Z))*", re.S)

# Statement text -> its shape. A shape follows from the text alone, so that all connections share them.
known_shapes: dict[str, Shape] = {}


class ConnectionState:
    """The fields of a connection and the checks of their state."""

    __slots__ = (
        "__weakref__",
        "_autocommit",
        "_begin",
        "_config",
        "_database",
        "_detect_types",
        "_hooked",
        "_isolation_level",
        "_limits",
        "_lock",
        "_owner",
        "_plain_rows",
        "_ready",
        "_session",
        "_shapes",
        "_target",
        "_template_tried",
        "_text_factory",
        "_thread",
        "_tracer",
        "row_factory",
    )

    _owner: int | None
    _thread: int | None  # the thread that opened it, if it alone may use it
    _lock: threading.RLock
    _session: Any
    _database: Database
    _target: Target
    _begin: str  # what begins a transaction implicitly: "BEGIN ", "BEGIN IMMEDIATE"...; "" for nothing
    _autocommit: int
    _isolation_level: str | None
    _detect_types: int
    _plain_rows: bool  # no converters, text is str and of any length: rows pass as the planner makes them
    _text_factory: Any
    _ready: Mapping[Any, Any]  # session.ready, or NOT_READY: see ready.py
    _shapes: dict[str, Shape]
    _template_tried: set[str]  # texts looked at as others of their template: the next time they run by themselves
    _tracer: Tracer | None
    _hooked: bool  # a trace callback or an authorizer must see the driver's own statements too
    _limits: dict[int, int]
    _config: dict[int, bool]
    row_factory: RowFactory

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Make a connection that refuses everything until __init__ has run."""
        self = object.__new__(cls)
        self._owner = UNINITIALISED
        self._thread = None
        self._autocommit = -1
        self._limits = {}
        self.row_factory = None
        self._text_factory = str
        self._tracer = None
        return self

    def _check(self) -> None:
        """Refuse to go on if the connection is closed or another thread's."""
        owner = self._owner
        if owner is not None and owner != get_ident():
            self._refuse()

    def _check_open(self) -> None:
        """Refuse to go on if the connection is closed; any thread may ask."""
        if self._owner == UNINITIALISED:
            raise ProgrammingError("Base Connection.__init__ not called.")
        if self._owner == CLOSED:
            raise ProgrammingError("Cannot operate on a closed database.")

    def _refuse(self) -> None:
        """Raise the error that says why this thread may not use the connection now."""
        thread = get_ident()
        if self._thread is not None and self._thread != thread:
            raise ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in "
                f"thread id {self._thread} and this is thread id {thread}.",
                hint="Open a connection for each thread on a named store, or pass check_same_thread=False.",
            )
        self._check_open()

    def _guard(self) -> AbstractContextManager[Any]:
        """Check, and return the context in which this thread alone uses the connection."""
        owner = self._owner
        if owner is None:
            return self._lock
        if owner != get_ident():
            self._refuse()
        return UNSHARED

    def _set_text_factory(self, factory: Any) -> None:
        self._text_factory = factory
        self._plain_rows = factory is str and not self._detect_types and SQLITE_LIMIT_LENGTH not in self._limits
        self._choose_road()

    def _choose_road(self) -> None:
        """Use what the session has ready, unless somebody wants to see or change what passes by."""
        special = not self._plain_rows or self._hooked or self._tracer is not None or base_types_are_adapted()
        self._ready = NOT_READY if special else getattr(self._session, "ready", NOT_READY)

    def _prepare_new(self, sql: str) -> Any:
        """Prepare a statement whose text was not seen before, and note its shape."""
        if not isinstance(sql, str):
            kind = "None" if sql is None else type(sql).__name__
            raise TypeError(f"execute() argument 1 must be str, not {kind}")
        sql.encode()  # a lone surrogate is a UnicodeEncodeError
        self._check_length(sql)
        if "\0" in sql:
            raise ProgrammingError("the query contains a null character")
        statement = self._session.prepare(sql)
        if len(statement.parameters) > self._limits.get(SQLITE_LIMIT_VARIABLE_NUMBER, len(statement.parameters)):
            raise OperationalError("too many SQL variables", code="SQLITE_ERROR")
        if self._limits:
            check_limits(statement, self._limits)
        if ";" in sql and has_tail(self._session, sql):
            raise ProgrammingError(
                "You can only execute one statement at a time.",
                hint="executescript() runs several, without parameters.",
            )
        self._note_shape(sql, make_shape(sql, statement.parameters, bool(getattr(statement, "literals", ()))))
        return statement

    def _note_shape(self, sql: str, shape: Shape) -> None:
        """Remember what binding needs to know of a text."""
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        self._shapes[sql] = shape

    def _check_length(self, sql: str) -> None:
        """Refuse a statement that is longer than the limit."""
        limits = self._limits
        if not limits:
            return
        length = len(sql.encode())
        if length > limits.get(SQLITE_LIMIT_SQL_LENGTH, length):
            raise DataError("query string is too large")
        if length > limits.get(SQLITE_LIMIT_LENGTH, length):
            raise too_big()

    def _run(self, sql: str) -> Any:
        """Run a statement of the driver's own, seen by trace callback and authorizer like a user's."""
        session = self._session
        return session.run(session.prepare(sql), ())


class ClosedSession:
    """Stands for the session of a closed connection, for threads that waited for the connection meanwhile."""

    __slots__ = ()
    is_lost = False
    changing = 0  # asked by a collation that goes on ordering the keys of a database which others use

    def __getattr__(self, name: str) -> Any:
        raise ProgrammingError("Cannot operate on a closed database.")

    def end_left_open(self) -> None:
        """Nothing is open."""


CLOSED_SESSION = ClosedSession()


def has_tail(session: Any, sql: str) -> bool:
    """Tell whether anything but blanks and comments follows the first statement; a second semicolon does."""
    for text, offset in session.split(sql):
        blanks = BLANKS.match(sql, offset + len(text))
        return blanks is None or blanks.end() < len(sql)
    return False


UNSHARED: AbstractContextManager[None] = nullcontext()
