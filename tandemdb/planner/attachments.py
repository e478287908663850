"""ATTACH, DETACH and VACUUM: databases that come to a session and leave it.

    ATTACH 'file:shop?mode=memory&cache=shared' AS shop
        session.opener(name) --> Opened(database, release, file, read_only)     set by the DB-API, which knows names
        session.databases: main, temp, shop                                     temp has its place before any other

    VACUUM INTO 'copy.db'
        session.exporter(root, name)                                            writes an SQLite file

A session that has no opener attaches private databases only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import NotSupportedError, OperationalError
from tandemdb.planner.databases import Attached, Opened
from tandemdb.planner.syntax import ast
from tandemdb.storage import Database

if TYPE_CHECKING:
    from tandemdb.planner.session import Session


def attach(session: Session, node: ast.Attach, values: Sequence[Any]) -> None:
    """Add a database to the session.

    Raises:
        OperationalError: too many, a name that is taken, or one that cannot be opened.
    """
    file, name = text_value(session, node.file, values), text_value(session, node.schema, values)
    databases = session.databases
    if len(databases) - sum(attached.name == "temp" for attached in databases) > session.limits.attached:
        raise fault(f"too many attached databases - max {session.limits.attached}")
    if name.lower() == "temp" or any(attached.name.lower() == name.lower() for attached in databases):
        raise fault(f"database {name} is already in use")
    opened = open_named(session, file)
    session.temp_database()
    attached = Attached(name, opened.database, opened.file)
    attached.release, attached.read_only = opened.release, opened.read_only
    databases.append(attached)
    session.databases_changed()


def open_named(session: Session, name: str) -> Opened:
    if session.opener is not None:
        return session.opener(name)
    if name in ("", ":memory:"):
        return Opened(Database(""))
    raise NotSupportedError(
        "this session attaches private databases only",
        hint="A connection that tandemdb.connect() makes attaches named ones and files, too.",
    )


def detach(session: Session, node: ast.Detach, values: Sequence[Any]) -> None:
    """Take a database out of the session.

    Raises:
        OperationalError: no such database, main or temp, or one that the open transaction has used.
    """
    name = text_value(session, node.schema, values)
    databases = session.databases
    lowered = name.lower()
    place = next((place for place, attached in enumerate(databases) if attached.name.lower() == lowered), None)
    if place is None or (lowered == "temp" and not databases[place].root().tables[0].count):
        raise fault(f"no such database: {name}")
    if lowered in ("main", "temp"):
        raise fault(f"cannot detach database {name}")
    attached = databases[place]
    if attached.transaction is not None or attached.snapshot is not None:
        raise fault(f"database {name} is locked")
    del databases[place]
    session.savepoints = [
        (saved, {at - (at > place): mark for at, mark in marks.items()}, begun)
        for saved, marks, begun in session.savepoints
    ]
    session.databases_changed()
    attached.close()


def vacuum(session: Session, node: ast.Vacuum, values: Sequence[Any]) -> None:
    """VACUUM, which has nothing to do in RAM, or VACUUM INTO, which writes an SQLite file.

    Raises:
        OperationalError: a transaction is open; an unknown database; the file exists.
    """
    place = 0 if node.schema is None else session.find_database(node.schema)
    if session.in_transaction:
        raise fault("cannot VACUUM from within a transaction")
    if node.into is None:
        session.check_writable()
        return
    name = value_of(session, node.into, values)
    if not isinstance(name, str):
        raise fault("non-text filename")
    if session.exporter is None:
        raise NotSupportedError("this session cannot write SQLite files")
    session.keep_for_cursor()
    session.exporter(session.databases[place].root(), name)


def text_value(session: Session, expression: Any, values: Sequence[Any]) -> str:
    """The value of an expression as text; a bare name is its own text."""
    from tandemdb.planner.runtime.values import to_text

    value = value_of(session, expression, values)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else to_text(value)


def value_of(session: Session, expression: Any, values: Sequence[Any]) -> Any:
    from tandemdb.planner.plan import compile_select

    if isinstance(expression, ast.Name) and expression.table is None:
        return expression.column
    if isinstance(expression, ast.Literal):
        return expression.value
    if isinstance(expression, ast.Parameter):
        return values[expression.index]
    select = ast.Select([ast.SelectCore([ast.ResultColumn(expression, None, "")])], [])
    roots = [attached.root() for attached in session.databases]
    plan = compile_select(select, session.namespace(), roots, values, session.users, None, "attach")
    return next(iter(plan.iterate(plan.run(roots, values, session.context))))[0]


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
