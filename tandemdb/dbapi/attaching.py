"""What a connection's session opens and writes by name: the databases of ATTACH, the file of VACUUM INTO.

    ATTACH 'shop.db' AS shop     name --> read_name --> open_database (names.py); DETACH or close() gives it back
    VACUUM INTO 'copy.db'        root --> a real sqlite3 connection to the new file, schema and rows

An attached file is loaded into RAM and each commit written back into it, as one that was connected to.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from tandemdb.dbapi.names import close_database, open_database, read_name
from tandemdb.errors import NotSupportedError, OperationalError

if TYPE_CHECKING:
    from tandemdb.planner.databases import Opened
    from tandemdb.storage import Root


def equip_session(session: Any, uri: bool, timeout: float) -> None:
    """Let a session open databases by name; `uri`: names that begin with "file:" are URIs."""
    session.opener = partial(open_attached, uri=uri, timeout=timeout)
    session.exporter = export


def open_attached(name: str, *, uri: bool, timeout: float) -> Opened:
    """Open what ATTACH names.

    Raises:
        OperationalError: unable to open database.
        NotSupportedError: a remote node.
    """
    from tandemdb.planner.databases import Opened

    target = read_name(name, uri)
    if target.kind == "remote":
        raise NotSupportedError(f"a remote database cannot be attached: {name}", hint="Connect to it.")
    try:
        database = open_database(target, timeout)
    except OperationalError as error:
        if str(error) != "unable to open database file":
            raise
        raise OperationalError(f"unable to open database: {name}", code="SQLITE_CANTOPEN") from error
    file = database.name if target.kind == "file" else ""
    return Opened(database, partial(close_database, target, database), file, target.read_only)


def export(root: Root, name: str) -> None:
    """Write an SQLite file with what a root holds.

    Raises:
        OperationalError: output file already exists; unable to open database.
    """
    from tandemdb.dbapi.copying import connect_to_root, copy_to_real
    from tandemdb.dbapi.install import standard_library

    stdlib = standard_library()
    if os.path.exists(name) and os.path.getsize(name):
        raise OperationalError("output file already exists", code="SQLITE_ERROR")
    try:
        real = stdlib.connect(name)
    except stdlib.Error as error:
        raise OperationalError(f"unable to open database: {name}", code="SQLITE_CANTOPEN") from error
    try:
        copy_to_real(connect_to_root(root), real)
    finally:
        real.close()
