"""Opening a new database with what a backup target holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.dbapi.connection import connect

if TYPE_CHECKING:
    from tandemdb.dbapi.connection import Connection


def restore_from(target: Any, database: str = ":memory:", **options: Any) -> Connection:
    """Start a database from a backup target: see docs/backup-targets.md.

    `replicate_to(target)` on it goes on where the target is, without copying anything, and supersedes whoever fed it.

    Args:
        target: sqlite:///PATH, an SQLAlchemy engine or its URL, that a database of tandemdb was replicated to.
        database: the new database's name, as for `connect`; it must be empty.
        options: those of `connect`.
    Raises:
        ProgrammingError: the database is not empty, or this names no target.
        OperationalError: the target cannot be reached, or holds nothing of tandemdb's.
    Cost: O(rows).
    """
    from tandemdb.dbapi.names import read_name
    from tandemdb.dbapi.targets.starting import start_from
    from tandemdb.errors import ProgrammingError

    if read_name(database, bool(options.get("uri"))).kind not in ("private", "shared"):
        raise ProgrammingError("only a database in the memory of this process can be started from a backup target")
    connection: Connection = connect(database, **options)
    try:
        start_from(connection._database, target)
    except BaseException:
        connection.close()
        raise
    return connection
