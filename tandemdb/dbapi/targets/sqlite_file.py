"""An SQLite file as a backup target: the same schema, the same rows, and a table or two more.

    file    everything that the database has, triggers and views too; any SQLite program can open it
            tandemdb_position    one row: see replication/targets/target.py
            tandemdb_tokens      those of transactions, once there are any

What a transaction changed is found by comparing two roots (file_changes.py), as for a database that is a file itself.
The difference: that file is the database, and every commit waits for it; a target follows, and a new primary's does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tandemdb.dbapi import files
from tandemdb.dbapi.blob import quote
from tandemdb.dbapi.file_changes import KINDS, SETTINGS, TOKENS_TABLE, write_difference
from tandemdb.dbapi.install import standard_library
from tandemdb.errors import Error, NotSupportedError
from tandemdb.planner.schema.schema import load_schema
from tandemdb.planner.settings import read_setting
from tandemdb.replication.targets import NotCommitted, Position, Superseded, TargetLost, TargetRefused
from tandemdb.storage import Database

if TYPE_CHECKING:
    import sqlite3

    from tandemdb.storage import Root

POSITION_TABLE = "tandemdb_position"
TIMEOUT_SECONDS = 5.0
# Primary result codes of what may be better at the next attempt: PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR,
# FULL, CANTOPEN, PROTOCOL. The rest is a file that is not as it was left, or what its SQLite does not know.
PASSING = {3, 5, 6, 7, 8, 9, 10, 13, 14, 15}
FIELDS = ", ".join(Position._fields)


class SqliteTarget:
    """One file."""

    def __init__(self, path: str) -> None:
        """Name the file; `open` opens it, and makes it."""
        self.path = os.path.abspath(path)  # Opened again, it is the same one, wherever the program is by then.
        self.real: sqlite3.Connection | None = None

    @property
    def name(self) -> str:
        """Say where it is."""
        return f"sqlite:///{self.path}"

    def open(self, only_read: bool = False) -> Position | None:
        """Open the file, anew if it is open, and read the position; make the file unless it is only to be read."""
        self.close()
        with explained(self.path):
            self.real = files.connect(self.path, "rw" if only_read else "rwc", TIMEOUT_SECONDS)
            known = self.real.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (POSITION_TABLE,)).fetchone()
            row = self.real.execute(f"SELECT {FIELDS} FROM {POSITION_TABLE}").fetchone() if known else None
        return None if row is None else Position(*row)

    def is_empty(self) -> bool:
        """Tell whether nothing was created in it."""
        with explained(self.path):
            return self.file.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def load(self, root: Root, position: Position) -> None:
        """Drop everything and write all of the root."""
        check_names(root)
        file = self.file
        with explained(self.path):
            file.execute("BEGIN IMMEDIATE")
            for kind in KINDS:
                found = file.execute("SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL", (kind,))
                for (name,) in found.fetchall():
                    if not name.startswith("sqlite_"):
                        file.execute(f"DROP {kind} IF EXISTS {quote(name)}")
            write_difference(file, Database().root, root)
            for setting in SETTINGS:
                file.execute(f"PRAGMA {setting} = {read_setting(root, setting)}")
            file.execute(f"CREATE TABLE {POSITION_TABLE} ({FIELDS})")
            file.execute(f"INSERT INTO {POSITION_TABLE} VALUES (?, ?, ?, ?, ?)", position)

    def write(self, before: Root, after: Root, held: Position, position: Position) -> None:
        """Write what has changed, if the file is where it was left."""
        check_names(after)
        file = self.file
        with explained(self.path):
            file.execute("BEGIN IMMEDIATE")
            changed = file.execute(
                f"UPDATE {POSITION_TABLE} SET ({FIELDS}) = (?, ?, ?, ?, ?) WHERE writer = ? AND sequence = ?",
                (*position, held.writer, held.sequence),
            )
            if changed.rowcount != 1:
                raise Superseded(f"{self.name} was written by another feed")
            write_difference(file, before, after)

    def commit(self) -> None:
        """End the transaction."""
        try:
            with explained(self.path):
                self.file.execute("COMMIT")
        except TargetLost as error:
            if self.file.in_transaction:
                self.rollback()  # Nobody else could write meanwhile.
                raise NotCommitted(str(error)) from error
            raise

    def rollback(self) -> None:
        """Take back what was written and not committed."""
        if self.real is not None and self.real.in_transaction:
            with explained(self.path):
                self.real.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; what is not committed is taken back."""
        if self.real is not None:
            self.real.close()
            self.real = None

    def read(self) -> Root:
        """Read all but the position."""
        from tandemdb.planner.session import Session

        with explained(self.path):
            loaded = Database("", files.load(self.file))
        session = Session(loaded)
        session.run(session.prepare(f"DROP TABLE {POSITION_TABLE}"), ())
        session.close()
        return loaded.root

    @property
    def file(self) -> sqlite3.Connection:
        """The open file."""
        if self.real is None:
            raise TargetLost(f"{self.name} is not open")
        return self.real


def check_names(root: Root) -> None:
    """Refuse a database with a table of a name that a target's own has."""
    schema = load_schema(root)
    for name in (POSITION_TABLE, TOKENS_TABLE):
        if name in schema.tables or name in schema.views:
            raise TargetRefused(f"the name {name} is a backup target's own", hint="Give the table another name.")


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn the file's errors into a target's."""
    stdlib = standard_library()
    try:
        yield
    except NotSupportedError as error:
        raise TargetRefused(str(error)) from error
    except (stdlib.Error, Error) as error:
        if isinstance(error, TargetLost | TargetRefused | Superseded):
            raise
        if isinstance(error, stdlib.OperationalError) and error.sqlite_errorcode & 0xFF in PASSING:
            raise TargetLost(f"unable to use {path}: {error}") from error
        raise TargetRefused(f"{path} does not take it: {error}") from error
