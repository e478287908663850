"""What a connection lets its user plug in, and its limits: functions, collations, hooks, getlimit, getconfig.

    create_function, create_aggregate, create_window_function, create_collation --+
    set_authorizer, set_progress_handler, set_trace_callback ---------------------+--> wrapped --> Session
    setlimit, setconfig: numbers that the driver keeps, those that mean something handed to the session as PRAGMAs
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from tandemdb.dbapi import constants, functions
from tandemdb.dbapi.limits import RUNNING
from tandemdb.dbapi.state import ConnectionState, known_shapes
from tandemdb.dbapi.tracing import Tracer
from tandemdb.errors import OperationalError, ProgrammingError

# Upper bounds of getlimit(), as SQLite is compiled by default: https://www.sqlite.org/limits.html
LIMITS_MAX = {
    constants.SQLITE_LIMIT_LENGTH: 1_000_000_000,
    constants.SQLITE_LIMIT_SQL_LENGTH: 1_000_000_000,
    constants.SQLITE_LIMIT_COLUMN: 2000,
    constants.SQLITE_LIMIT_EXPR_DEPTH: 1000,
    constants.SQLITE_LIMIT_COMPOUND_SELECT: 500,
    constants.SQLITE_LIMIT_VDBE_OP: 250_000_000,
    constants.SQLITE_LIMIT_FUNCTION_ARG: 127,
    constants.SQLITE_LIMIT_ATTACHED: 10,
    constants.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50_000,
    constants.SQLITE_LIMIT_VARIABLE_NUMBER: 250_000,
    constants.SQLITE_LIMIT_TRIGGER_DEPTH: 1000,
    constants.SQLITE_LIMIT_WORKER_THREADS: 8,
}
CONFIG_DEFAULTS = {
    constants.SQLITE_DBCONFIG_ENABLE_FKEY: False,
    constants.SQLITE_DBCONFIG_ENABLE_TRIGGER: True,
    constants.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER: False,
    constants.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION: False,
    constants.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE: False,
    constants.SQLITE_DBCONFIG_ENABLE_QPSG: False,
    constants.SQLITE_DBCONFIG_TRIGGER_EQP: False,
    constants.SQLITE_DBCONFIG_RESET_DATABASE: False,
    constants.SQLITE_DBCONFIG_DEFENSIVE: False,
    constants.SQLITE_DBCONFIG_WRITABLE_SCHEMA: False,
    constants.SQLITE_DBCONFIG_LEGACY_ALTER_TABLE: False,
    constants.SQLITE_DBCONFIG_DQS_DML: True,
    constants.SQLITE_DBCONFIG_DQS_DDL: True,
    constants.SQLITE_DBCONFIG_ENABLE_VIEW: True,
    constants.SQLITE_DBCONFIG_LEGACY_FILE_FORMAT: False,
    constants.SQLITE_DBCONFIG_TRUSTED_SCHEMA: True,
}
CONFIG_PRAGMAS = {
    constants.SQLITE_DBCONFIG_ENABLE_FKEY: "foreign_keys",
    constants.SQLITE_DBCONFIG_LEGACY_ALTER_TABLE: "legacy_alter_table",
}
ARGUMENTS_MAX = 127

Method = TypeVar("Method", bound=Callable[..., Any])


def positional_soon(*names: str) -> Callable[[Method], Method]:
    """Warn, as Python 3.13 does, when these parameters are passed by keyword."""
    if sys.version_info < (3, 13):
        return lambda method: method
    listed = join_names(names)
    argument = "argument" if len(names) == 1 else "arguments"
    subject = f"Parameter {listed}" if len(names) == 1 else f"Parameters {listed}"

    def decorate(method: Method) -> Method:
        text = (
            f"Passing keyword {argument} {listed} to _sqlite3.Connection.{method.__name__}() is deprecated. "
            f"{subject} will become positional-only in Python 3.15."
        )

        @functools.wraps(method)
        def call(*positional: Any, **named: Any) -> Any:
            if any(name in named for name in names):
                warnings.warn(text, DeprecationWarning, stacklevel=2)
            return method(*positional, **named)

        return call

    return decorate


def join_names(names: tuple[str, ...]) -> str:
    """Return the names in quotes: 'a', 'b' and 'c'."""
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


class Callbacks(ConnectionState):
    """The registering methods of a connection."""

    __slots__ = ()

    @positional_soon("name", "narg", "func")
    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        """Make a Python function callable in SQL; `narg` -1 means any number of arguments.

        With None for a function, calls of that name and number fail, as in sqlite3.

        Raises:
            OperationalError: more arguments than 127, or too long a name. NotSupportedError: the database is on a node.
        """
        with self._guard():
            check_function("create_function", name, narg, "Error creating function")
            self._session.create_function(name, narg, functions.wrap_function(func), deterministic)

    @positional_soon("name", "n_arg", "aggregate_class")
    def create_aggregate(self, name: str, n_arg: int, aggregate_class: Callable[[], Any] | None) -> None:
        """Make a class with step() and finalize() an aggregate function; with None its calls fail.

        Raises:
            OperationalError: more arguments than 127, or too long a name. NotSupportedError: the database is on a node.
        """
        with self._guard():
            check_function("create_aggregate", name, n_arg, "Error creating aggregate")
            self._session.create_aggregate(name, n_arg, functions.wrap_aggregate(aggregate_class))

    def create_window_function(
        self, name: str, num_params: int, aggregate_class: Callable[[], Any] | None, /
    ) -> None:
        """Make a class with step(), inverse(), value() and finalize() a window function; None removes it.

        Raises:
            ProgrammingError: more arguments than 127, or too long a name. NotSupportedError: the database is on a node.
        """
        with self._guard():
            check_function("create_window_function", name, num_params, "bad parameter or other API misuse")
            wrapped = None if aggregate_class is None else functions.wrap_aggregate(aggregate_class)
            self._session.create_window_function(name, num_params, wrapped)

    def create_collation(self, name: str, callback: Callable[[str, str], Any] | None, /) -> None:
        """Make a comparison of two texts (negative, 0, positive) a collating sequence; None removes it.

        Raises:
            TypeError: it cannot be called. NotSupportedError: the database is on a node.
        """
        with self._guard():
            if not isinstance(name, str):
                raise TypeError(f"create_collation() argument 1 must be str, not {type(name).__name__}")
            name.encode()
            if callback is not None and not callable(callback):
                raise TypeError("parameter must be callable")
            wrapped = None if callback is None else functions.wrap_collation(callback, self)
            self._session.create_collation(str.__str__(name), wrapped)  # a subclass may have an upper() of its own

    @positional_soon("authorizer_callback")
    def set_authorizer(self, authorizer_callback: Callable[..., int] | None) -> None:
        """Ask `authorizer_callback` about each access as a statement is prepared; None asks nobody.

        Raises:
            NotSupportedError: the database is on a node.
        """
        with self._guard():
            wrapped = None if authorizer_callback is None else functions.wrap_authorizer(authorizer_callback)
            self._session.set_authorizer(wrapped)
            self._find_hooks()

    @positional_soon("progress_handler")
    def set_progress_handler(self, progress_handler: Callable[[], Any] | None, n: int) -> None:
        """Call `progress_handler` every so often (`n` in SQLite's steps); a true answer interrupts the statement.

        Raises:
            NotSupportedError: the database is on a node.
        """
        with self._guard():
            wrapped = None if progress_handler is None else functions.wrap_progress(progress_handler)
            self._session.set_progress_handler(wrapped, n)

    @positional_soon("trace_callback")
    def set_trace_callback(self, trace_callback: Callable[[str], Any] | None) -> None:
        """Show `trace_callback` each statement that runs, the driver's own BEGIN and COMMIT included."""
        with self._guard():
            wrapped = None if trace_callback is None else functions.wrap_trace(trace_callback)
            self._tracer = None if wrapped is None else Tracer(wrapped, self._limits)
            self._session.set_trace_callback(self._tracer)
            self._find_hooks()

    def _find_hooks(self) -> None:
        """Find out who must see what runs; what was prepared for an authorizer goes on as it was allowed."""
        session = self._session
        authorized = getattr(session, "authorizer", None) is not None or bool(getattr(session, "authorized", ()))
        self._hooked = self._tracer is not None or authorized
        self._choose_road()

    def interrupt(self) -> None:
        """Make the running statement fail with "interrupted"; any thread may call it.

        Raises:
            ProgrammingError: the connection is closed.
        """
        self._check_open()
        self._session.interrupt()

    def getlimit(self, category: int, /) -> int:
        """Return a limit: category is one of SQLITE_LIMIT_*."""
        return self.setlimit(category, -1)

    def setlimit(self, category: int, limit: int, /) -> int:
        """Set a limit, no higher than its maximum, and return what it was; a negative one changes nothing.

        Raises:
            ProgrammingError: there is no such category.
        """
        for argument in (category, limit):
            if not hasattr(type(argument), "__index__"):
                raise TypeError(f"'{type(argument).__name__}' object cannot be interpreted as an integer")
        with self._guard():
            if category not in LIMITS_MAX:
                raise ProgrammingError("'category' is out of bounds")
            before = self._limits.get(category, LIMITS_MAX[category])
            if limit >= 0:
                self._limits[category] = min(limit, LIMITS_MAX[category])
                # Texts seen under another limit must be measured again.
                self._shapes = {} if self._limits else known_shapes
                getattr(self._session, "ready", {}).clear()
                if category in RUNNING and self._target.kind != "remote":
                    self._session.set_limit(RUNNING[category], self._limits[category])
                self._set_text_factory(self._text_factory)  # Whether rows are measured has changed.
            return before

    def getconfig(self, op: int, /) -> bool:
        """Return a switch: op is one of SQLITE_DBCONFIG_*.

        Raises:
            ValueError: there is no such switch.
        """
        with self._guard():
            check_config(op)
            if op in CONFIG_PRAGMAS:
                return bool(next(self._run(f"PRAGMA {CONFIG_PRAGMAS[op]}").rows)[0])
            return self._config.get(op, CONFIG_DEFAULTS[op])

    def setconfig(self, op: int, enable: bool = True, /) -> None:
        """Set a switch: op is one of SQLITE_DBCONFIG_*.

        Raises:
            ValueError: there is no such switch.
        """
        with self._guard():
            check_config(op)
            if op in CONFIG_PRAGMAS:
                self._run(f"PRAGMA {CONFIG_PRAGMAS[op]} = {int(bool(enable))}")
            self._config[op] = bool(enable)


def check_function(method: str, name: Any, arguments: Any, message: str) -> None:
    """Refuse a name or a number of arguments that SQLite would refuse."""
    if not isinstance(name, str):
        argument = "1" if method == "create_window_function" else "'name'"
        raise TypeError(f"{method}() argument {argument} must be str, not {type(name).__name__}")
    if not hasattr(type(arguments), "__index__"):
        raise TypeError(f"'{type(arguments).__name__}' object cannot be interpreted as an integer")
    if not -1 <= arguments <= ARGUMENTS_MAX or len(name.encode()) > 255:
        error = ProgrammingError if method == "create_window_function" else OperationalError
        raise error(message, detail=f"A function takes -1 (any number) to {ARGUMENTS_MAX} arguments.", code=None)


def check_config(op: Any) -> None:
    """Refuse an unknown switch."""
    if op not in CONFIG_DEFAULTS:
        raise ValueError(f"unknown config 'op': {op}")
