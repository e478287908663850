"""Text that is no UTF-8 in a database that is to be mirrored: no message carries it, so it is found before one is sent.

    CAST(x'ff' AS TEXT)  -->  stored with surrogates for bytes  -->  NotSupportedError, with the table's name

Commits of such text are refused while a database is mirrored (`observers`); this is about what it held before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import NotSupportedError, undecodable_seen
from tandemdb.replication.network import wire

if TYPE_CHECKING:
    from tandemdb.storage import Database


def check_texts(database: Database) -> None:
    """Refuse to mirror a database that holds text which is no UTF-8.

    Raises:
        NotSupportedError: it does.
    Cost: none in a process that has met no such text, else that of encoding all records.
    """
    if not undecodable_seen:
        return
    for table in database.snapshot().tables.values():
        for records in table.record_lists():
            if not wire.can_carry_rows(records):
                raise undecodable(table.definition.name, records)


def undecodable(name: str, records: Sequence[tuple[Any, ...]]) -> NotSupportedError:
    """Make the error, with the first column that has such text."""
    column = next(at for at in range(len(records[0])) if not wire.can_carry_rows([(record[at],) for record in records]))
    return NotSupportedError(
        f"table {name} holds text that is no UTF-8, which cannot be mirrored",
        detail=f"It is in column {column + 1}; nothing has been mirrored.",
        hint="Store the bytes as a BLOB first: CAST(... AS BLOB); with text_factory = bytes such text can be fetched.",
    )
