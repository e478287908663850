"""An SQL database in RAM, driven like the standard library's sqlite3: `import tandemdb as sqlite3`.

    tandemdb.connect(":memory:")                                        private to the connection
    tandemdb.connect(":memory:shop")                                    one for all who use the name in this process
    tandemdb.connect("file:shop?mode=memory&cache=shared", uri=True)    the same, as SQLite spells it

Every public name of sqlite3 (Python 3.11 to 3.13) is here. Adapters, converters and the base classes of the exceptions
are the standard library's own. Beyond it: `Connection.fork()`, `snapshot()`, `restore()`, `as_of()`, `digest()`,
`explain()`, `replicate_to()`; `keep()` and `drop()` for named databases; `install()` to take sqlite3's place.

(PYTEST_DONT_REWRITE: pytest, which finds a plug-in in this package, is not to warn that it was imported before.)
"""

from __future__ import annotations

import collections.abc
import datetime
import sys as _sys
import time
from sqlite3 import PrepareProtocol, adapters, complete_statement, converters, register_converter
from typing import Any as _Any
from typing import Literal as _Literal

from tandemdb.dbapi import constants as _constants
from tandemdb.dbapi.beyond import Snapshot
from tandemdb.dbapi.blob import Blob
from tandemdb.dbapi.connection import Connection, connect
from tandemdb.dbapi.constants import *  # noqa: F403 -- every name of that module is public
from tandemdb.dbapi.cursor import Cursor
from tandemdb.dbapi.functions import enable_callback_tracebacks
from tandemdb.dbapi.install import install, uninstall
from tandemdb.dbapi.names import drop, keep
from tandemdb.dbapi.parameters import adapt, register_adapter
from tandemdb.dbapi.restoring import restore_from
from tandemdb.dbapi.rows import Row
from tandemdb.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)

__all__ = [
    "Binary",
    "Blob",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "PrepareProtocol",
    "ProgrammingError",
    "Row",
    "Snapshot",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "adapt",
    "adapters",
    "apilevel",
    "complete_statement",
    "connect",
    "converters",
    "drop",
    "enable_callback_tracebacks",
    "install",
    "keep",
    "paramstyle",
    "register_adapter",
    "register_converter",
    "restore_from",
    "sqlite_version",
    "sqlite_version_info",
    "threadsafety",
    "uninstall",
]
__all__ += _constants.__all__

apilevel = "2.0"
paramstyle = "qmark"
threadsafety: _Literal[0, 1, 3] = 3  # threads may share all of it; a shared connection takes turns

sqlite_version = "3.40.1"  # the SQLite whose behaviour is emulated; SQLAlchemy and Django switch features by it
sqlite_version_info = (3, 40, 1)

Binary = memoryview
Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime


def DateFromTicks(ticks: float) -> datetime.date:
    """Return the local date of a time in seconds since the epoch."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """Return the local time of day of a time in seconds since the epoch."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """Return the local date and time of a time in seconds since the epoch."""
    return Timestamp(*time.localtime(ticks)[:6])


if _sys.version_info < (3, 12):

    def enable_shared_cache(enable: int) -> None:
        """Do nothing, with sqlite3's warning: a name decides here whether a database is shared."""
        import warnings

        warnings.warn(
            "enable_shared_cache is deprecated and will be removed in Python 3.12. Shared cache is strongly "
            "discouraged by the SQLite 3 documentation. If shared cache must be used, open the database in URI mode "
            "using the cache=shared query parameter.",
            DeprecationWarning,
            stacklevel=2,
        )


def __getattr__(name: str) -> _Any:
    """Supply what sqlite3 deprecates: version and version_info, on 3.11 OptimizedUnicode; and its module dbapi2."""
    import warnings

    if name in ("version", "version_info"):
        if _sys.version_info >= (3, 12):
            text = f"{name} is deprecated and will be removed in Python 3.14"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
        return "2.6.0" if name == "version" else (2, 6, 0)
    if name == "OptimizedUnicode" and _sys.version_info < (3, 12):
        text = """
            OptimizedUnicode is deprecated and will be removed in Python 3.12.
            Since Python 3.3 it has simply been an alias for 'str'.
        """
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return str
    if name == "dbapi2":
        return _sys.modules[__name__]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


collections.abc.Sequence.register(Row)
