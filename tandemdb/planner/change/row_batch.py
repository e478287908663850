"""Rows gathered by an INSERT, appended at once where no unique index stands in the way.

    keys     [101, 102, 103]          ascending, above all in the table
    records  [r101, r102, r103]       affinity applied, NOT NULL and CHECK passed

One look at all rows decides for each unique index; only if two would clash are they inserted one by one, up to the row
that must be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandemdb.planner.change.row_errors import unique_error

BATCH_MIN = 4
"""Fewer rows than this cost less one by one."""


def append_batch(
    table: Any, keys: list[Any], records: list[Any], uniques: Sequence[tuple[int, str, str]],
    masks: Sequence[int] | None = None,
) -> int:  # fmt: skip
    """Append the rows; how many were.

    Args:
        uniques: (id of the secondary key, message, result code) of each unique index.
        masks: the classes that the records' columns hold, if they are known.
    Raises:
        IntegrityError: a row's values are there already; the rows before it stay inserted.
    """
    if len(keys) < BATCH_MIN:
        return insert_each(table, keys, records, uniques)
    if not table.append_many(keys, records, [key_id for key_id, _, _ in uniques], masks):
        return insert_each(table, keys, records, uniques)
    return len(keys)


def insert_each(table: Any, keys: list[Any], records: list[Any], uniques: Sequence[tuple[int, str, str]]) -> int:
    last = None
    for number, (key, record) in enumerate(zip(keys, records, strict=True)):
        for key_id, message, code in uniques:
            secondary = table.keys[key_id]
            rank, stored = secondary.entry_of(key, record)
            if None in [record[column.position] for column in secondary.definition.columns]:
                continue
            if secondary.first(rank, stored) is not None:
                error = unique_error(message, code, "ABORT")
                error.last_key, error.inserted = last, number  # type: ignore[attr-defined]
                raise error
        table.insert(key, record)
        last = key
    return len(keys)
