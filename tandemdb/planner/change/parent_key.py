"""Which columns of its parent a foreign key points to, and what makes them unique.

    child (a, b) REFERENCES parent (x, y)       parent: UNIQUE INDEX on (y, x)
    ParentKey.positions = (x's, y's)            the child's order, not the index's
             .collations = those of the parent's columns

Source: https://www.sqlite.org/foreignkeys.html, section 3.
"""

from __future__ import annotations

from typing import NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.schema.schema import ForeignKey, Index, Schema, Table


class ParentKey(NamedTuple):
    """The parent's columns in the order of the child's; `unique_index` is None where the rowid is meant."""

    table: Table
    positions: tuple[int, ...]
    unique_index: Index | None


def find_parent_key(schema: Schema, child: Table, foreign_key: ForeignKey) -> ParentKey | None:
    """The parent's side of a foreign key; None if there is no such table.

    Raises:
        OperationalError: `foreign key mismatch`: the columns are not there, or no unique key covers just them.
    """
    parent = schema.tables.get(foreign_key.parent.lower())
    if parent is None:
        return None
    width = len(foreign_key.columns)
    if not foreign_key.parent_columns:
        if len(parent.primary_key_columns) != width:
            raise mismatch(child, foreign_key)
        if parent.rowid_position >= 0:
            return ParentKey(parent, (parent.rowid_position,), None)
        primary = next(index for index in parent.indexes if index.origin == "pk")
        return ParentKey(parent, tuple(column.position for column in primary.columns), primary)
    columns = [parent.by_name.get(name.lower()) for name in foreign_key.parent_columns]
    if width == 1 and columns[0] is not None and columns[0].position == parent.rowid_position:
        return ParentKey(parent, (parent.rowid_position,), None)
    positions = tuple(column.position for column in columns if column is not None)
    for index in parent.indexes:
        if len(positions) == width and serves(index, positions, parent):
            return ParentKey(parent, positions, index)
    raise mismatch(child, foreign_key)


def serves(index: Index, positions: tuple[int, ...], parent: Table) -> bool:
    """Whether an index makes exactly these columns unique, in the collations of the columns."""
    if not index.unique or index.where is not None or len(index.columns) != len(positions):
        return False
    if sorted(column.position for column in index.columns) != sorted(positions):
        return False
    return all(
        column.position >= 0 and column.collation.lower() == parent.columns[column.position].collation.lower()
        for column in index.columns
    )


def mismatch(child: Table, foreign_key: ForeignKey) -> OperationalError:
    return OperationalError(
        f'foreign key mismatch - "{child.name}" referencing "{foreign_key.parent}"', code="SQLITE_ERROR"
    )
