"""What a database that is to be mirrored must not hold, for no message carries it: found before one is sent.

    CAST(x'ff' AS TEXT)                       stored with surrogates for bytes
    PRIMARY KEY (a COLLATE own) WITHOUT ROWID  unique keys that only this program can order

Both are a NotSupportedError with the table's name. Commits of such text, and new tables with such keys, are refused
while a database is mirrored (`observers`); this is about what it held before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import NotSupportedError, undecodable_seen
from tandemdb.replication.network import wire

if TYPE_CHECKING:
    from tandemdb.storage import Database, TableDefinition


def check_mirrorable(database: Database) -> None:
    """Refuse to mirror a database that holds what no message carries.

    Raises:
        NotSupportedError: it does.
    Cost: O(tables), and that of `check_decodable`.
    """
    for table in database.snapshot().tables.values():
        refuse_table(table.definition)
    check_decodable(database)


def check_decodable(database: Database) -> None:
    """Refuse a database that holds text which is no UTF-8.

    Raises:
        NotSupportedError: it does.
    Cost: nothing in a process that has met no such text; else that of encoding all records.
    """
    if not undecodable_seen:
        return
    for table in database.snapshot().tables.values():
        for records in table.record_lists():
            if not wire.can_carry_rows(records):
                raise undecodable(table.definition.name, records)


def refuse_table(definition: TableDefinition) -> None:
    """Refuse a table whose unique keys are ordered by a collation of the program's.

    Raises:
        NotSupportedError: it is one.
    """
    collation = definition.own_collation()
    if collation is not None:
        raise NotSupportedError(
            f"table {definition.name} cannot be mirrored: its unique keys are ordered by {collation}",
            detail="Only this process has that collation; a secondary could not find its records.",
            hint="Leave WITHOUT ROWID out: indexes by such a collation are made where it is.",
        )


def undecodable(name: str, records: Sequence[tuple[Any, ...]]) -> NotSupportedError:
    """Make the error, with the first column that has such text."""
    column = next(at for at in range(len(records[0])) if not wire.can_carry_rows([(record[at],) for record in records]))
    return NotSupportedError(
        f"table {name} holds text that is no UTF-8, which cannot be mirrored",
        detail=f"It is in column {column + 1}; nothing has been mirrored.",
        hint="Store the bytes as a BLOB first: CAST(... AS BLOB); with text_factory = bytes such text can be fetched.",
    )
