"""Definitions: what storage knows of a table or secondary key; names of columns and types are the planner's.

    TableDefinition 7 "rowid" columns=3              KeyDefinition 8 of table 7
        record = (column 0, column 1, column 2)          columns = (position 2, NOCASE), (position 0, BINARY)

They are made without an id by whoever creates the object; the transaction gives them theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from tandemdb.storage.values import BUILT_IN_COLLATIONS, CLASS_RANK, Key, Record, Value, collation_key

Extract: TypeAlias = Callable[[Key, Record], "tuple[Value, ...] | None"]
Entry: TypeAlias = "tuple[int, Any] | None"


class KeyColumn(NamedTuple):
    """A column of a key: its position in the record (-1: computed by `KeyDefinition.extract`) and its collation."""

    position: int
    collation: str = "BINARY"


class TableDefinition(NamedTuple):
    """A table: `kind` is "rowid" (integer unique keys) or "unique" (keys of `primary_key`, see `unique_key_function`).

    `rowid_position` is the column that repeats the rowid, -1 if none does. `class_masks` are the classes to begin
    with, one mask a column (empty: none); they only grow from there.
    """

    id: int = -1
    name: str = ""
    kind: str = "rowid"
    columns: int = 0
    primary_key: tuple[KeyColumn, ...] = ()
    rowid_position: int = -1
    class_masks: tuple[int, ...] = ()

    def own_collation(self) -> str | None:
        """The first collation that orders its unique keys and is not built in: one of this process's only."""
        names = [column.collation.upper() for column in self.primary_key]
        return next((name for name in names if name != "BINARY" and name not in BUILT_IN_COLLATIONS), None)


class KeyDefinition(NamedTuple):
    """A secondary key of a table.

    A computed key (partial, or on expressions) takes its column values from `extract(unique key, record)`; None from
    it leaves the record out. Where no such function is at hand, as on a mirror without a planner, the key is stale.
    `unique` is information for the planner, which checks it by `SecondaryKey.first`.
    """

    id: int = -1
    table_id: int = -1
    columns: tuple[KeyColumn, ...] = ()
    unique: bool = False
    computed: bool = False
    extract: Extract | None = None


def unique_key_function(columns: tuple[KeyColumn, ...]) -> Callable[[Record], tuple[Any, ...]]:
    """Make the function from a record to its unique key in a table of kind "unique".

    The key is (rank, value, rank, value, ...) of the columns, text with its collation applied.
    """
    collations = [collation_key(column.collation) for column in columns]
    if len(columns) == 1 and collations[0] is None:
        position = columns[0].position

        def key_of_one_column(record: Record) -> tuple[Any, ...]:
            value = record[position]
            return (CLASS_RANK[type(value)], value)

        return key_of_one_column
    parts = [(column.position, collation) for column, collation in zip(columns, collations, strict=True)]

    def key_of_columns(record: Record) -> tuple[Any, ...]:
        key: list[Any] = []
        for position, collation in parts:
            value: Any = record[position]
            rank = CLASS_RANK[type(value)]
            key += (rank, collation(value) if rank == 2 and collation is not None else value)
        return tuple(key)

    return key_of_columns


def stored_function(columns: tuple[KeyColumn, ...]) -> Callable[[tuple[Value, ...]], tuple[int, Any]]:
    """Make the function from the values of a secondary key's columns to (segment's rank, stored value).

    Of one column, the stored value is the collated value itself, 0 for NULL. Of several it is the flat tuple
    (lead, rank 2, value 2, rank 3, value 3, ...), `lead` being 0 for NULL.
    """
    collations = [collation_key(column.collation) for column in columns]

    def stored_of_one(values: tuple[Value, ...]) -> tuple[int, Any]:
        value: Any = values[0]
        rank = CLASS_RANK[type(value)]
        if rank == 2:
            collation = collations[0]
            return (2, value if collation is None else collation(value))
        return (rank, value) if rank else (0, 0)

    def stored_of_many(values: tuple[Value, ...]) -> tuple[int, Any]:
        lead_rank, lead = stored_of_one(values)
        stored: list[Any] = [lead]
        value: Any
        for value, collation in zip(values[1:], collations[1:], strict=True):
            rank = CLASS_RANK[type(value)]
            stored += (rank, collation(value) if rank == 2 and collation is not None else value)
        return (lead_rank, tuple(stored))

    return stored_of_one if len(columns) == 1 else stored_of_many


def entry_function(definition: KeyDefinition) -> Callable[[Key, Record], Entry]:
    """Make the function from a record to its entry in a secondary key; None where the key leaves the record out."""
    stored_of = stored_function(definition.columns)
    extract = definition.extract
    if definition.computed:
        if extract is None:
            raise ValueError(f"key {definition.id} is computed; its extract function is needed to maintain it")

        def entry_of_computed(key: Key, record: Record) -> Entry:
            values = extract(key, record)
            return None if values is None else stored_of(values)

        return entry_of_computed
    positions = tuple([column.position for column in definition.columns])
    if len(positions) == 1 and collation_key(definition.columns[0].collation) is None:
        position = positions[0]

        def entry_of_plain_column(key: Key, record: Record) -> Entry:
            value: Any = record[position]
            return (CLASS_RANK[type(value)], value) if value is not None else (0, 0)

        return entry_of_plain_column

    if all(collation_key(column.collation) is None for column in definition.columns):
        return entry_of_plain_columns(positions)

    def entry_of_columns(key: Key, record: Record) -> Entry:
        return stored_of(tuple([record[position] for position in positions]))

    return entry_of_columns


@cache
def entry_of_plain_columns(positions: tuple[int, ...]) -> Callable[[Key, Record], Entry]:
    """As `entry_function` of several columns without a collation, written out: a third of the time.

    For the positions 3 and 1:  (rank[type(one)], (one if one is not None else 0, rank[type(two)], two))
    """
    lead, *others = [f"record[{position}]" for position in positions]
    parts = "".join([f", rank[type({value})], {value}" for value in others])
    text = f"lambda key, record: (rank[type({lead})], ({lead} if {lead} is not None else 0{parts}))"
    return eval(text, {"rank": CLASS_RANK, "type": type, "__builtins__": {}})  # type: ignore[no-any-return]
