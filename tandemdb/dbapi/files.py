"""A database that is an SQLite file too: loaded into RAM when it is opened, each commit written back before it returns.

    open      file --- schema and rows (transfer.py) ---> root 1
    commit    root 1 -> root 2    file: BEGIN IMMEDIATE, difference (file_changes.py), COMMIT    root 2 is published
                                        |  fails: ROLLBACK, the transaction stays open, nobody sees root 2
                                        +- crash: whoever was told "committed" finds it in the file
    rewind    root 2 -> root 1    the same, when it is published

Reading never touches the file. Connections of this process to one file share the database; what another program
writes into the file is found out at the next commit, which then fails with "database is locked", and at the next
connect(): the file is loaded again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tandemdb.dbapi.file_changes import TOKENS_TABLE, write_difference
from tandemdb.dbapi.install import standard_library
from tandemdb.dbapi.transfer import Side, transfer
from tandemdb.errors import OperationalError, reraise
from tandemdb.planner.schema.schema import load_schema
from tandemdb.planner.tokens import load_tokens
from tandemdb.storage import Database

if TYPE_CHECKING:
    import sqlite3

    from tandemdb.planner.session import Session
    from tandemdb.storage import CommitObserver, Root, Transaction

JOURNAL_MODES = ("delete", "truncate", "persist", "memory", "wal", "off")

_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, never to be used or closed here."""


class FileDatabase(Database):
    """A database that writes its commits into a file. An observer, set by replication, is told of them as ever."""

    __slots__ = ("file",)

    pipelines = False  # The file holds one commit after the other, and none that may be undone.

    file: File | None

    def __init__(self, path: str) -> None:
        """Make it empty; `open_file` loads it."""
        self.file = None
        super().__init__(path)

    @property
    def observer(self) -> CommitObserver | None:
        """Who is told of commits: the file, which passes it on to the observer that was set."""
        return self.file

    @observer.setter
    def observer(self, observer: CommitObserver | None) -> None:
        if self.file is not None:
            self.file.next = observer

    def journal_mode(self, wanted: str | None = None) -> str:
        """Return the file's journal mode, changed if one is wanted and nobody writes just now; PRAGMA asks for it."""
        if self.file is None:
            return "memory"
        if wanted in JOURNAL_MODES and self.take():
            try:
                unchanged = self.file.read_version() == self.file.version
                with self.file.committing_alone:
                    self.file.real.execute(f"PRAGMA journal_mode = {wanted}")
                if unchanged:
                    self.file.version = self.file.read_version()  # which counts this as a change
            except standard_library().Error as error:
                reraise(error)
            finally:
                self.vacate()
        with self.file.committing_alone:
            return str(self.file.real.execute("PRAGMA journal_mode").fetchone()[0])


class File:
    """The file as the database's commit observer. `root` is what it holds; `next` whoever observes besides."""

    def __init__(self, database: FileDatabase, real: sqlite3.Connection, timeout: float) -> None:
        """Load the file into the database, which is empty.

        Raises:
            DatabaseError: file is not a database, and whatever else SQLite says.
            NotSupportedError: it has virtual tables.
        """
        self.database = database
        self.real = real
        self.timeout_seconds = timeout
        self.process = os.getpid()
        self.next: Any = None
        self.changed_elsewhere = False
        self.root = load(real)
        self.version = self.read_version()
        # Held for a COMMIT, and to ask for the journal mode: SQLite counts the question as writing, and commits nothing
        # while it is not answered.
        self.committing_alone = threading.Lock()
        self.identity = identify(database.name)
        database.head = database.root = self.root
        database.file = self
        database.set_observer(None)  # It is the file that is told of commits from now on.

    def started(self, transaction: Transaction) -> None:
        """Pass it on."""
        if self.next is not None:
            self.next.started(transaction)

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        """Write the commit; its last step comes after the other observer has agreed."""
        self.write(root)
        try:
            wait = None if self.next is None else self.next.committing(transaction, root)
            self.finish(root)
        except BaseException:
            self.undo()
            raise
        return wait

    def installed(self, root: Root) -> None:
        """Write a root that was published without a commit: an earlier one, or another database's."""
        if root is not self.root:
            self.write(root)
            self.finish(root)
        if self.next is not None:
            self.next.installed(root)

    def aborted(self, transaction: Transaction) -> None:
        """Pass it on; and load the file again if it was another program's commit that this one ran into."""
        if self.next is not None:
            self.next.aborted(transaction)
        if self.changed_elsewhere:
            self.reload()

    def __getattr__(self, name: str) -> Any:
        """Have those optional methods of an observer that the other one has, and that need nothing done here."""
        if name in ("changed", "refuse_table", "rewound", "withdrawn") and self.next is not None:
            return getattr(self.next, name)
        raise AttributeError(name)

    def write(self, root: Root) -> None:
        """Begin a transaction of the file and write what is new; `finish` or `undo` ends it."""
        self.leave_parent()
        try:
            self.real.execute("BEGIN IMMEDIATE")
            if self.changed_elsewhere or self.read_version() != self.version:
                self.changed_elsewhere = True
                self.real.execute("ROLLBACK")
                raise OperationalError(
                    "database is locked",
                    detail=f"Another program has changed {self.database.name} since it was loaded.",
                    hint="Roll back and begin again: the file is loaded again then.",
                    code="SQLITE_BUSY_SNAPSHOT",
                )
            write_difference(self.real, self.root, root)
        except standard_library().Error as error:
            self.undo()
            reraise(error)
        except BaseException:
            self.undo()
            raise

    def finish(self, root: Root) -> None:
        """Commit what was written: the file holds this root."""
        try:
            with self.committing_alone:
                self.real.execute("COMMIT")
        except standard_library().Error as error:
            self.undo()
            reraise(error)
        self.root = root

    def undo(self) -> None:
        """Take back what was written and not committed."""
        if self.real.in_transaction:
            self.real.execute("ROLLBACK")

    def leave_parent(self) -> None:
        """After a fork, open the file anew: SQLite's connections belong to the process that opened them."""
        if self.process != os.getpid():
            _inherited.append(self.real)
            self.real = connect(self.database.name, "rw", self.timeout_seconds)
            self.process = os.getpid()
            self.committing_alone = threading.Lock()  # In the parent, another thread may have held it.
            self.changed_elsewhere = True  # perhaps; what the parent writes can't be told from the rest

    def refresh(self) -> None:
        """Load the file again if another program has changed it and nobody writes here just now."""
        self.leave_parent()
        changed = self.changed_elsewhere or self.read_version() != self.version
        if changed and self.database.take():
            try:
                self.reload()
            finally:
                self.database.vacate()

    def reload(self) -> None:
        """Take over what another program wrote; the caller holds the writer lock.

        Raises:
            OperationalError: the database is mirrored, and mirrors follow commits only.
        """
        if self.next is not None:
            raise OperationalError(
                f"{self.database.name} was changed by another program while it is mirrored",
                hint="Detach the mirrors and open the file again.",
            )
        root = load(self.real)
        self.version = self.read_version()
        self.changed_elsewhere = False
        root.lsn, root.epoch = self.database.head.lsn + 1, self.database.head.epoch
        self.root = self.database.head = root
        self.database.publish(root)

    def read_version(self) -> int:
        """Return a number that changes when another connection, of any program, commits to the file."""
        return int(self.real.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self.database.file = None
        self.real.close()


def open_file(path: str, mode: str, timeout: float) -> FileDatabase:
    """Open a file and load it. `mode`: "ro" and "rw" want it to exist, "rwc" makes it.

    Raises:
        OperationalError: unable to open database file.
        DatabaseError: file is not a database.
    """
    real = connect(path, "rwc" if mode == "rwc" else "rw", timeout)  # SQLite opens for reading what it may not write
    try:
        database = FileDatabase(path)
        File(database, real, timeout)
    except standard_library().Error as error:
        real.close()
        reraise(error)
    except BaseException:
        real.close()
        raise
    if not os.access(path, os.W_OK):
        database.read_only = f"the file {path} may not be written"
    return database


def connect(path: str, access: str, timeout: float) -> sqlite3.Connection:
    """Connect to the file. Rows come checked; keys to rows that are not there are the affair of whoever wrote them."""
    stdlib = standard_library()
    try:
        real: sqlite3.Connection = stdlib.connect(
            f"file:{quote(os.fsencode(path))}?mode={access}", uri=True, isolation_level=None,
            check_same_thread=False, timeout=timeout,
        )  # fmt: skip
        try:
            real.execute("PRAGMA ignore_check_constraints = 1")
            real.execute("PRAGMA foreign_keys = 0")
        except BaseException:
            real.close()
            raise
    except stdlib.Error as error:
        reraise(error)
    return real


def load(real: sqlite3.Connection) -> Root:
    """Read a file's schema and rows into a root of their own."""
    from tandemdb.planner.session import Session

    loaded = Database()
    session = Session(loaded)
    real.execute("BEGIN")  # one state of the file, whoever writes to it
    try:
        transfer(
            Side(real.execute, real.executemany),
            Side(
                lambda sql: session.run(session.prepare(sql), ()).rows,
                lambda sql, rows: session.run_many(session.prepare(sql), rows),
            ),
        )
        take_tokens(real, session, loaded)
    finally:
        real.execute("ROLLBACK")
        session.close()
    return loaded.root


def take_tokens(real: sqlite3.Connection, session: Session, loaded: Database) -> None:
    """Make of the file's table of tokens what it is in memory."""
    if TOKENS_TABLE in load_schema(loaded.root).tables:
        tokens = real.execute(f"SELECT number, token FROM {TOKENS_TABLE} ORDER BY number").fetchall()
        session.run(session.prepare(f"DROP TABLE {TOKENS_TABLE}"), ())
        load_tokens(loaded, tokens)


def identify(path: str) -> tuple[int, int]:
    """Return what tells this file from another one under the same path."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
