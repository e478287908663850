"""Rowids that are chosen by the database, and conflicts of computed unique keys.

    table without AUTOINCREMENT    the largest rowid + 1; a random free one once 2^63 - 1 is taken
    table with AUTOINCREMENT       the largest ever used + 1, kept in sqlite_sequence; full at 2^63 - 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.randomness import generator

if TYPE_CHECKING:
    from tandemdb.planner.context import Context

ROWID_MAX = 2**63 - 1
RANDOM_TRIES = 100


def next_rowid(table: Any) -> int:
    """The rowid for a row that brings none.

    Raises:
        OperationalError: database or disk is full: no free rowid was found.
    """
    last = table.last_key()
    if last is None:
        return 1
    if last < ROWID_MAX:
        return int(last) + 1
    for _ in range(RANDOM_TRIES):
        candidate = generator.randrange(1, ROWID_MAX)
        if table.find(candidate) is None:
            return candidate
    raise OperationalError("database or disk is full", code="SQLITE_FULL")


class Sequence:
    """The AUTOINCREMENT counter of one table while a statement runs; `store` writes it back.

    A row that fails leaves no trace in the counter: `undo_row` takes back what came since `begin_row`.
    """

    __slots__ = ("context", "database", "name", "value", "rowid", "changed", "rows", "before", "abandoned")

    def __init__(self, context: Context, database: int, name: str) -> None:
        self.context = context
        self.database = database
        self.name = name
        self.value = 0
        self.rowid: int | None = None
        self.changed = False
        self.rows = 0
        self.before = (0, False)
        self.abandoned = False
        self.find_row()

    def table(self) -> Any:
        """sqlite_sequence, writable."""
        session = self.context.session
        schema = session.namespace().schemas[self.database]
        assert schema is not None
        return self.context.writable(self.database, schema.tables["sqlite_sequence"].id)

    def find_row(self) -> None:
        """Take the counter from its row, if it is there and holds more."""
        for key, record in self.table().items():
            if record[0] == self.name:
                self.rowid = key
                if type(record[1]) is int and record[1] > self.value:
                    self.value = record[1]
                break

    def next(self, table: Any) -> int:
        last = table.last_key()
        largest = max(self.value, last if last is not None else 0)
        if largest >= ROWID_MAX:
            raise OperationalError("database or disk is full", code="SQLITE_FULL")
        return int(largest) + 1

    def note(self, key: int) -> None:
        if key > self.value:
            self.value = key
            self.changed = True

    def begin_row(self) -> None:
        self.rows += 1
        self.before = self.value, self.changed

    def undo_row(self) -> None:
        self.rows -= 1
        self.value, self.changed = self.before
        self.abandoned = not self.rows

    def store(self) -> None:
        """Write the counter into sqlite_sequence; a table's first insert makes its row."""
        if self.abandoned:
            return
        table = self.table()
        if self.rowid is None or self.changed:
            self.find_row()  # A trigger may have inserted into the table as well.
        if self.rowid is None:
            self.rowid = next_rowid(table)
            table.insert(self.rowid, (self.name, self.value))
        elif self.changed:
            table.replace(self.rowid, (self.name, self.value))
        self.changed = False


def computed_conflict(secondary: Any, key: Any, record: Any) -> Any:
    """The key of another row that a unique key on expressions, or a partial one, already holds; None if there is
    none.

    Raises:
        OperationalError: its function is not known here.
    """
    if secondary.stale:
        raise OperationalError(
            "a UNIQUE index of this table cannot be looked up",
            detail="It uses a function or collation of the program that led before.",
            hint="Register that on this connection first: create_function(), create_collation().",
            code="SQLITE_ERROR",
        )
    found = secondary.definition.extract(key, record)
    if found is None or None in found:
        return None
    return secondary.first(*secondary.stored(found))
