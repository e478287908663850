"""The exceptions of PEP 249, as classes of the standard library's sqlite3, so that its `except` clauses catch them.

    sqlite3.Error <- sqlite3.DatabaseError <- sqlite3.IntegrityError
                                                       ^
                         tandemdb's IntegrityError ----+---- tandemdb's DatabaseError

A message is sqlite3's own where sqlite3 has one, for programs match on it; what was expected and what to do about it
travel as notes (PEP 678), which tracebacks show and `str(error)` leaves out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NoReturn

undecodable_seen: list[bool] = []
"""Not empty once this process has read bytes as text that are no UTF-8: from then on, what is fetched is looked at."""


class Warning(sqlite3.Warning):
    """Raised when something important happened that is not an error."""

    __module__ = "tandemdb"


class _Details:
    """Attributes that every error carries: sqlite3's extended result code and its name; a syntax error, its place."""

    sqlite_errorcode: int
    sqlite_errorname: str
    sql_offset: int | None = None

    default_code = ""

    def __init__(
        self, message: str = "", *args: object, detail: str = "", hint: str = "", code: str | None = ""
    ) -> None:
        """Make the error.

        Args:
            message: sqlite3's own text where it has one.
            detail, hint: what was expected and found, and what to do; they travel as notes.
            code: name of the result code; "": the class's usual one; None: none, as for the driver's own errors.
        """
        super().__init__(message, *args)  # type: ignore[call-arg]
        if detail:
            self.add_note(f"Detail: {detail}")  # type: ignore[attr-defined]
        if hint:
            self.add_note(f"Hint: {hint}")  # type: ignore[attr-defined]
        if code == "":
            code = self.default_code
        if code:
            # As sqlite3 does with SQLITE_CONSTRAINT_DATATYPE, which it has no constant for.
            self.sqlite_errorname = code if hasattr(sqlite3, code) else "unknown"
            self.sqlite_errorcode = RESULT_CODES[code]


class Error(_Details, sqlite3.Error):
    """Raised when anything goes wrong; the base of all errors below."""

    __module__ = "tandemdb"


class InterfaceError(Error, sqlite3.InterfaceError):
    """Raised when the module is misused rather than the database."""

    __module__ = "tandemdb"


class DatabaseError(Error, sqlite3.DatabaseError):
    """Raised when the database reports an error."""

    __module__ = "tandemdb"


class DataError(DatabaseError, sqlite3.DataError):
    """Raised when a value cannot be stored: too long, out of range."""

    __module__ = "tandemdb"


class OperationalError(DatabaseError, sqlite3.OperationalError):
    """Raised when a statement cannot be run: a syntax error, an unknown name, a locked database."""

    __module__ = "tandemdb"
    default_code = "SQLITE_ERROR"


class IntegrityError(DatabaseError, sqlite3.IntegrityError):
    """Raised when a change would break a constraint."""

    __module__ = "tandemdb"
    default_code = "SQLITE_CONSTRAINT"


class InternalError(DatabaseError, sqlite3.InternalError):
    """Raised when tandemdb finds its own structures in a state that should not exist."""

    __module__ = "tandemdb"


class ProgrammingError(DatabaseError, sqlite3.ProgrammingError):
    """Raised when the interface is used wrongly: a closed cursor, a wrong number of parameters."""

    __module__ = "tandemdb"


class NotSupportedError(DatabaseError, sqlite3.NotSupportedError):
    """Raised when a feature is not there; the message names it."""

    __module__ = "tandemdb"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that offers the known name which is most like an unknown one; nothing if none is."""
    from difflib import get_close_matches

    lowered = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), lowered, n=1)
    return f"Did you mean {lowered[close[0]]}?" if close else ""


def reraise(error: sqlite3.Error) -> NoReturn:
    """Raise tandemdb's error for one of the standard library's, as the real connections it works with raise them."""
    if isinstance(error, Error):
        raise error
    ours = globals().get(type(error).__name__, DatabaseError)(str(error), code=None)
    for name in ("sqlite_errorcode", "sqlite_errorname"):
        if hasattr(error, name):
            setattr(ours, name, getattr(error, name))
    raise ours from error


# SQLite's result codes, https://www.sqlite.org/rescode.html.
RESULT_CODES: dict[str, int] = {
    "SQLITE_ERROR": 1,
    "SQLITE_ERROR_MISSING_COLLSEQ": 257,
    "SQLITE_INTERNAL": 2,
    "SQLITE_PERM": 3,
    "SQLITE_ABORT": 4,
    "SQLITE_ABORT_ROLLBACK": 516,
    "SQLITE_BUSY": 5,
    "SQLITE_BUSY_SNAPSHOT": 517,
    "SQLITE_BUSY_TIMEOUT": 773,
    "SQLITE_LOCKED": 6,
    "SQLITE_LOCKED_SHAREDCACHE": 262,
    "SQLITE_NOMEM": 7,
    "SQLITE_READONLY": 8,
    "SQLITE_INTERRUPT": 9,
    "SQLITE_IOERR": 10,
    "SQLITE_CORRUPT": 11,
    "SQLITE_NOTFOUND": 12,
    "SQLITE_FULL": 13,
    "SQLITE_CANTOPEN": 14,
    "SQLITE_PROTOCOL": 15,
    "SQLITE_SCHEMA": 17,
    "SQLITE_TOOBIG": 18,
    "SQLITE_CONSTRAINT": 19,
    "SQLITE_CONSTRAINT_CHECK": 275,
    "SQLITE_CONSTRAINT_COMMITHOOK": 531,
    "SQLITE_CONSTRAINT_FOREIGNKEY": 787,
    "SQLITE_CONSTRAINT_FUNCTION": 1043,
    "SQLITE_CONSTRAINT_NOTNULL": 1299,
    "SQLITE_CONSTRAINT_PRIMARYKEY": 1555,
    "SQLITE_CONSTRAINT_TRIGGER": 1811,
    "SQLITE_CONSTRAINT_UNIQUE": 2067,
    "SQLITE_CONSTRAINT_VTAB": 2323,
    "SQLITE_CONSTRAINT_ROWID": 2579,
    "SQLITE_CONSTRAINT_PINNED": 2835,
    "SQLITE_CONSTRAINT_DATATYPE": 3091,
    "SQLITE_MISMATCH": 20,
    "SQLITE_MISUSE": 21,
    "SQLITE_AUTH": 23,
    "SQLITE_RANGE": 25,
    "SQLITE_NOTADB": 26,
}
