"""Statements within a statement: what a registered function may do on the connection whose statement calls it.

    INSERT INTO t VALUES (f(1))          open_statement: changing = 1, nothing commits until the outer statement ends
      f --> SELECT count(*) FROM t       reads what has been changed so far
      f --> INSERT INTO log ...          set_aside: checks and firing triggers of the outer statement wait
      f --> COMMIT                       refused, as by SQLite
      f --> ROLLBACK                     done; the outer statement then fails: abort due to ROLLBACK

The generated code of a statement that calls such functions asks for the table again where one of them has replaced it
(its stamp tells), or, if it has made a list of rows to change first, finds out that the table is no longer the one it
has read (`check_unchanged`).

A collation is called in the midst of a step of storage, when a row is in its table and not yet in all its keys. What it
runs then may only read (`Session.comparing`), and nothing of that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.syntax import ast
from tandemdb.planner.syntax.tree import walk
from tandemdb.storage import NoSuchKey, NoSuchObject, StaleTable

if TYPE_CHECKING:
    from tandemdb.planner.schema.schema import Table
    from tandemdb.planner.session import Session
    from tandemdb.planner.user_functions import UserFunctions

BUILT_IN = frozenset({"BINARY", "NOCASE", "RTRIM"})
"""Collations that run nothing of the user's."""


class NoTable:
    """Stands for a table that has not been asked for yet."""

    stamp = -1


NO_TABLE = NoTable()


def open_statement(session: Session, work: Callable[[], Any], rows: int) -> Any:
    """Do the work of a statement for so many sets of values; nothing that it calls may commit before it has ended.

    Raises:
        OperationalError: a function of the user's has rolled the transaction back, or changed rows that the
            statement was about to change.
    """
    begun = not session.in_transaction
    if begun:
        session.in_transaction = session.implicit = True
    session.changing += 1
    try:
        result = work()
        if session.aborted:
            raise abort_error()
    except BaseException as error:
        session.changing -= 1
        if session.aborted:
            session.aborted = session.changing > 0
        elif begun and session.implicit:
            # Sets of values before the one that failed were statements of their own.
            keeps = rows > 1 or getattr(error, "conflict_action", None) == "FAIL"
            session.in_transaction = session.implicit = False
            session.undo({}, "FAIL" if keeps else None)
        if isinstance(error, (StaleTable, NoSuchKey, NoSuchObject)):
            raise changed_error() from error
        raise
    session.changing -= 1
    if begun and session.implicit:
        session.in_transaction = session.implicit = False
        try:
            session.commit_statement()
        except BaseException:
            session.total_changes -= session.changes  # What is undone does not count.
            session.changes = 0
            raise
    return result


def breaks_off(error: BaseException) -> bool:
    """Tell whether an error interrupts Python itself: it may come in the midst of a change, and leave it half done."""
    return not isinstance(error, Exception) or isinstance(error, (MemoryError, RecursionError))


@contextmanager
def set_aside(session: Session) -> Iterator[None]:
    """Let what the outer statement has noted wait while another one runs."""
    held = session.statement_checks, session.firing, session.depth, session.context._now
    session.statement_checks, session.firing, session.depth = {}, [], 0
    try:
        yield
    finally:
        session.statement_checks, session.firing, session.depth, session.context._now = held


@contextmanager
def changing(session: Session) -> Iterator[None]:
    """Let who is called meanwhile know that something is being changed."""
    session.changing += 1
    try:
        yield
    finally:
        session.changing -= 1


def compares_own(table: Table) -> bool:
    """Whether a change of a table's rows may call a collation that is no built-in one."""
    collations = {column.collation for column in table.columns}
    collations.update(column.collation for index in table.indexes for column in index.columns)
    return not {collation.upper() for collation in collations} <= BUILT_IN


def refuse(session: Session, what: str) -> None:
    """Refuse a command that SQLite does not run while a statement changes rows."""
    if session.changing:
        raise OperationalError(f"cannot {what} - SQL statements in progress", code="SQLITE_ERROR")


def refuse_schema_change(session: Session) -> None:
    """Refuse what would take from the running statement the schema that it was compiled for."""
    if session.changing:
        raise OperationalError(
            "database table is locked", detail="The statement that called this function is changing rows.",
            hint="Change the schema before or after it.", code="SQLITE_LOCKED",
        )  # fmt: skip


def abort_error() -> OperationalError:
    return OperationalError("abort due to ROLLBACK", code="SQLITE_ABORT_ROLLBACK")


def comparing_error() -> OperationalError:
    """The error of a statement that a collation runs in the midst of a change, and that would do more than read."""
    return OperationalError(
        "database table is locked",
        detail="A collation ran the statement while the rows that it orders are being changed.",
        hint="Let a collation compare its two texts, and do nothing else.",
        code="SQLITE_LOCKED",
    )


def changed_error() -> OperationalError:
    """The error of a statement whose rows were changed under its hands; nothing of it remains."""
    return OperationalError(
        "rows were changed by a function that the statement calls",
        detail="The function ran a statement of its own on this connection, on the table that is being changed.",
        hint="Read what the function needs first, or let it write to another table.",
        code="SQLITE_LOCKED",
    )


def calls_own(users: UserFunctions, *nodes: Any) -> bool:
    """Whether a registered function stands anywhere in these parsed expressions."""
    return any(
        isinstance(node, ast.Call)
        and (users.scalar(node.name.lower(), len(node.arguments)) is not None
             or users.aggregate(node.name.lower(), len(node.arguments)))
        for node in walk(nodes)
    )  # fmt: skip


def rules_call_own(users: UserFunctions, table: Table) -> bool:
    """Whether a table's CHECKs, defaults or generated columns call a registered function."""
    generated = [column.generated.expression for column in table.columns if column.generated is not None]
    checks = [check.expression for check in table.checks]
    return calls_own(users, generated, checks, [column.default for column in table.columns])
