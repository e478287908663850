"""Where the commands open databases and run statements: the one place for tests to put another driver under them."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

IN_MEMORY = ":memory:"
BARE_NAME = re.compile(r"[^:./\\]+")
INSERT = re.compile(r"(?:INSERT|REPLACE)\b", re.IGNORECASE)
BULK_CHARACTERS_MIN = 1000


def connect(name: str) -> Any:
    """Open a database in autocommit mode: a script's own BEGIN and COMMIT decide, as in SQLite's shell.

    Args:
        name: ":memory:" for a private one; a bare NAME for one that connections of this process share; anything that
            `tandemdb.connect` takes, such as "tandemdb://HOST:PORT/NAME" or "shop.db": the path of a file has a dot, a
            slash or a backslash in it.
    Raises:
        sqlite3.Error: the file cannot be opened, the node not reached.
    """
    import tandemdb

    bare = BARE_NAME.fullmatch(name)
    # Not isolation_level=None: there, executescript() would commit a script's open transaction. Here, rollback() does
    # nothing, as in sqlite3: execute("ROLLBACK") does.
    return tandemdb.connect(f":memory:{name}" if bare else name, autocommit=True, uri=True)


def connect_file(path: str) -> Any:
    """Open an SQLite file's database in autocommit mode; each commit is written back into the file."""
    import tandemdb

    return tandemdb.connect(path, autocommit=True)


def backup_to_file(connection: Any, path: str) -> None:
    """Make an SQLite file hold what the connection's database holds."""
    import sqlite3

    with closing(sqlite3.connect(path)) as file:
        connection.backup(file)


def restore_from_file(connection: Any, path: str) -> None:
    """Make the connection's database, here or on a node, hold what an SQLite file holds; the file stays as it is."""
    import sqlite3

    with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as file:
        connection.backup_from(file)


def execute(connection: Any, sql: str) -> Any:
    """Run one statement and return its cursor.

    A long INSERT goes by the road that the driver has for scripts: it reads the rows of a dump in one pass, where
    execute() parses each of their values (57 statements with 15,000 rows: 0.09 s against 0.7 s). That road drops
    rows, so what returns some can't take it.
    """
    if len(sql) >= BULK_CHARACTERS_MIN and INSERT.match(sql) and "returning" not in sql.lower():
        return connection.executescript(sql)
    return connection.execute(sql)
