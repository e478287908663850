"""Names of databases: which store in RAM a connection opens.

    ":memory:", ""                                      private: a new store, gone with its connection
    ":memory:NAME"                                   \\
    "file:NAME?mode=memory&cache=shared"  (uri=True)   > one store of that name in this process
    "file:/NAME?vfs=memdb"                (uri=True)  /
    "tandemdb://HOST:PORT/NAME"                         a node, through tandemdb.dbapi.remote
    anything else                                       the path of an SQLite file (files.py): one store a file

    registry   name -> Store(database, connections: how many are open, kept: stays without any)

As SQLite does with its shared cache, the last connection that closes takes the store with it; `keep(name)` holds it
until `drop(name)`.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple, cast

from tandemdb.errors import OperationalError, ProgrammingError

if TYPE_CHECKING:
    from tandemdb.storage import Database

REMOTE = "tandemdb://"
ACCESS_MODES = ("ro", "rw", "rwc", "memory")


class Target(NamedTuple):
    """What a name means: kind is "private", "shared", "remote" or "file". `mode` is that of a file's URI.

    A file's name is its real path when it was opened: the program may go to another folder before it closes it.
    """

    kind: str
    name: str
    read_only: bool = False
    mode: str = "rwc"

    @property
    def store(self) -> str:
        """The name of its store in the registry: a file is known by its real path, however it was reached."""
        return f"file {os.path.normcase(self.name)}" if self.kind == "file" else self.name


class Store:
    """A named database and what holds it."""

    __slots__ = ("connections", "database", "kept")

    def __init__(self, database: Database) -> None:
        """Hold the database; nobody has opened it yet."""
        self.database = database
        self.connections = 0
        self.kept = False


_stores: dict[str, Store] = {}
_lock = threading.RLock()  # re-entrant: the collector may close a connection while it is held


def open_database(target: Target, timeout: float = 5.0) -> Database:
    """Return the database that the target means, a new one if there is none; `close_database` gives it back.

    Raises:
        OperationalError: unable to open database file.
        DatabaseError: file is not a database.
    """
    from tandemdb.storage import Database

    if target.kind == "private":
        database = Database("")
        database.alone = True
        return database
    with _lock:
        store = _stores.get(target.store)
        if target.kind == "file":
            store = open_file_store(target, store, timeout)
        elif store is None:
            store = Store(Database(target.name))
        _stores[target.store] = store
        store.connections += 1
        return store.database


def open_file_store(target: Target, store: Store | None, timeout: float) -> Store:
    """Return the store of a file: the one that is open, unless the path leads to another file by now."""
    from tandemdb.dbapi import files

    path = target.name
    if os.path.isdir(path):
        raise OperationalError("unable to open database file", code="SQLITE_CANTOPEN")
    if store is not None:
        file = cast(files.FileDatabase, store.database).file
        if file is not None and os.path.exists(path) and files.identify(path) == file.identity:
            file.refresh()
            return store
    return Store(files.open_file(path, target.mode, timeout))


def close_database(target: Target, database: Database) -> None:
    """Give a database back; the last to do so frees a named one that isn't kept, and closes a file."""
    if target.kind not in ("shared", "file"):
        return
    with _lock:
        store = _stores.get(target.store)
        if store is not None and store.database is database:
            store.connections -= 1
            forget_unused(target.store, store)


def adopt(name: str, database: Database) -> None:
    """Make a database the store `name`, opened once already; `close_database` gives it back.

    Raises:
        ProgrammingError: there is a store of that name.
    """
    with _lock:
        if name in _stores:
            raise ProgrammingError(f"a store named {name} is open already", hint="Close its connections, or drop() it.")
        store = _stores[name] = Store(database)
        store.connections = 1


def keep(name: str) -> None:
    """Keep the store `name` even while nobody has it open, until `drop(name)`; it is made if it does not exist.

    `name` is what stands between `file:` and `?`, or after `:memory:`.
    """
    from tandemdb.storage import Database

    with _lock:
        store = _stores.get(name)
        if store is None:
            store = _stores[name] = Store(Database(name))
        store.kept = True


def drop(name: str) -> None:
    """Forget the store `name`: the next connection to it starts empty; connections that have it open keep it.

    Raises:
        ProgrammingError: there is no such store.
    """
    with _lock:
        if _stores.pop(name, None) is None:
            known = ", ".join(sorted(_stores)) or "none"
            raise ProgrammingError(f"no such store: {name}", detail=f"The named stores are: {known}.")


def forget_unused(name: str, store: Store) -> None:
    """Take a store that nobody holds out of the registry."""
    if store.connections <= 0 and not store.kept:
        del _stores[name]
        file = getattr(store.database, "file", None)
        if file is not None:
            file.close()


def read_name(database: str | bytes | os.PathLike[str], uri: bool) -> Target:
    """Tell what the first argument of connect() means.

    Raises:
        OperationalError: a URI that SQLite would refuse, in its words.
    """
    name = os.fsdecode(database)
    if "\0" in name:
        raise ValueError("embedded null byte")
    if name.startswith(REMOTE):
        return Target("remote", name)
    if uri and name.startswith("file:"):
        return read_uri(name)
    if name in (":memory:", ""):
        return Target("private", "")
    if name.startswith(":memory:"):
        return Target("shared", name.removeprefix(":memory:"))
    return Target("file", os.path.realpath(name))


def read_uri(uri: str) -> Target:
    """Read `file:path?key=value&...` as SQLite does: https://www.sqlite.org/uri.html."""
    from urllib.parse import unquote, unquote_to_bytes  # 2 ms that only a URI costs

    rest = uri.removeprefix("file:").partition("#")[0]
    path, _, query = rest.partition("?")
    if path.startswith("//"):
        authority, slash, tail = path[2:].partition("/")
        if authority not in ("", "localhost"):
            raise OperationalError(f"invalid uri authority: {authority}", code="SQLITE_ERROR")
        path = slash + tail
    path = os.fsdecode(unquote_to_bytes(path))
    mode = cache = vfs = ""
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        key, value = unquote(key), unquote(value)
        if key == "mode":
            mode = check_choice("access mode", value, ACCESS_MODES)
        elif key == "cache":
            cache = check_choice("cache mode", value, ("shared", "private"))
        elif key == "vfs":
            vfs = value
    if vfs == "memdb":
        return Target("shared" if path.startswith("/") else "private", path, mode == "ro")
    if vfs and not vfs.startswith("unix"):
        raise OperationalError(f"no such vfs: {vfs}", code="SQLITE_ERROR")
    if path in (":memory:", "") or mode == "memory":
        return Target("shared" if cache == "shared" and path else "private", path)
    if sys.platform == "win32" and path[:1] == "/" and path[2:3] == ":":
        path = path[1:]  # file:///C:/shop.db
    return Target("file", os.path.realpath(path), mode == "ro", mode or "rwc")


def check_choice(what: str, value: str, choices: tuple[str, ...]) -> str:
    """Return the value if it is one of the choices."""
    if value not in choices:
        raise OperationalError(f"no such {what}: {value}", code="SQLITE_ERROR")
    return value
