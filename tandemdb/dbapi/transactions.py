"""Transaction control: when a transaction begins and ends without the user's BEGIN and COMMIT.

    autocommit                     isolation_level        begins                         commit(), rollback()
    LEGACY_TRANSACTION_CONTROL     "", "IMMEDIATE"...     before INSERT UPDATE DELETE    end it, if there is one
                                                          REPLACE, by "BEGIN ..."
    LEGACY_TRANSACTION_CONTROL     None                   by the user's BEGIN only       end it, if there is one
    True                           (ignored)              by the user's BEGIN only       do nothing
    False                          (ignored)              at once and after each end     end it and begin the next

The session below is always in autocommit mode itself: a statement outside a transaction commits by itself.
"""

from __future__ import annotations

from _thread import get_ident
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, cast

from tandemdb.dbapi.constants import LEGACY_TRANSACTION_CONTROL
from tandemdb.dbapi.state import ConnectionState

IsolationLevel: TypeAlias = Literal["DEFERRED", "EXCLUSIVE", "IMMEDIATE"] | None  # typeshed's, which lacks ""
ISOLATION_LEVELS = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")


class TransactionControl(ConnectionState):
    """The transaction methods and attributes of a connection."""

    __slots__ = ()

    @property
    def isolation_level(self) -> IsolationLevel:
        """How a transaction begins implicitly; None: it does not."""
        self._check_open()
        return cast("IsolationLevel", self._isolation_level)

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        level = read_isolation_level(level)
        if level is None:
            self._isolation_level = None
            self._set_begin()
            TransactionControl.commit(self)
        else:
            self._isolation_level = level
            self._set_begin()

    @isolation_level.deleter
    def isolation_level(self) -> None:
        raise AttributeError("cannot delete attribute")

    @property
    def autocommit(self) -> int:
        """True, False or LEGACY_TRANSACTION_CONTROL."""
        with self._guard():
            return self._autocommit if self._autocommit == LEGACY_TRANSACTION_CONTROL else bool(self._autocommit)

    @autocommit.setter
    def autocommit(self, mode: int) -> None:
        mode = read_autocommit(mode)
        with self._guard():
            in_transaction = self._session.in_transaction
            if mode is True and in_transaction:
                self._run("COMMIT")
            elif mode is False and not in_transaction:
                self._run("BEGIN")
            self._autocommit = mode
            self._set_begin()

    @property
    def in_transaction(self) -> bool:
        """True while a transaction is open."""
        self._check_open()
        return bool(self._session.in_transaction and not getattr(self._session, "implicit", False))

    @property
    def total_changes(self) -> int:
        """Rows inserted, updated and deleted since the connection was opened."""
        self._check_open()
        return int(self._session.total_changes)

    def commit(self) -> None:
        """Commit the open transaction, if there is one.

        Raises:
            IntegrityError: a deferred foreign key is violated; the transaction stays open.
            OperationalError: a mirror that must have the commit is lost (nothing has happened), or it is in doubt:
                `tandemdb.replication.CommitInDoubt`. The file of the database cannot be written.
        """
        if self._owner == get_ident() and self._autocommit == LEGACY_TRANSACTION_CONTROL and not self._hooked:
            session = self._session
            if session.in_transaction:
                session.commit()
            return
        with self._guard():
            self._end("COMMIT")

    def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        with self._guard():
            self._end("ROLLBACK")

    def __enter__(self) -> Self:
        """Begin a block that ends with commit(), or with rollback() after an exception."""
        self._check_open()
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> Literal[False]:
        """Commit, or roll back if the block failed; the connection stays open."""
        if type is not None or value is not None or traceback is not None:
            TransactionControl.rollback(self)  # a subclass's own is not called, as in sqlite3
            return False
        try:
            TransactionControl.commit(self)
        except BaseException:
            TransactionControl.rollback(self)  # so that the database is not left locked
            raise
        return False

    def _end(self, ending: str) -> None:
        """End the transaction and, with autocommit=False, begin the next."""
        if self._autocommit == LEGACY_TRANSACTION_CONTROL:
            session = self._session
            if not session.in_transaction:
                return
            if self._hooked:
                self._run(ending)
            elif ending == "COMMIT":
                session.commit()
            else:
                session.rollback()
        elif not self._autocommit:
            self._run(ending)
            self._run("BEGIN")

    def _begin_implicitly(self) -> None:
        """Begin the transaction that sqlite3 begins before a change."""
        if self._hooked:
            self._run(self._begin)
        else:
            self._session.begin(self._isolation_level or "DEFERRED")

    def _take_back_begin(self, error: BaseException) -> None:
        """End the transaction just begun for a statement that could not be prepared: sqlite3 finds that out before."""
        if getattr(error, "unprepared", False) and self._session.in_transaction:
            self._session.rollback()

    def _set_begin(self) -> None:
        """Work out what begins a transaction implicitly."""
        legacy = self._autocommit == LEGACY_TRANSACTION_CONTROL
        self._begin = f"BEGIN {self._isolation_level}" if legacy and self._isolation_level is not None else ""


def read_isolation_level(level: Any) -> str | None:
    """Return the level as sqlite3 spells it."""
    if level is None:
        return None
    if not isinstance(level, str):
        raise TypeError("isolation_level must be str or None")
    spelled = str.upper(level)  # a subclass may have an upper() of its own
    if spelled not in ISOLATION_LEVELS:
        raise ValueError("isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'")
    return spelled


def read_autocommit(mode: Any) -> int:
    """Return True, False or LEGACY_TRANSACTION_CONTROL."""
    if mode is True or mode is False:
        return bool(mode)
    if isinstance(mode, int) and mode == LEGACY_TRANSACTION_CONTROL:
        return LEGACY_TRANSACTION_CONTROL
    raise ValueError("autocommit must be True, False, or sqlite3.LEGACY_TRANSACTION_CONTROL")
