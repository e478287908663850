"""Roots: all that one commit published, reached by one reference.

    Database.root --> Root  LSN 41  epoch 1   tables {0: sqlite_master, 1: layout, 2: ...}
                      Root  LSN 40  epoch 1   tables {0: ........., 1: ....., 2: ...}   held by a reader, or kept

A reader that holds a root sees the database as of its LSN for as long as it likes, without a lock. A transaction works
on a copy that bears its stamp; roots of different stamps share every table that was not written in between.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from tandemdb.storage.block import Stamp
from tandemdb.storage.errors import NoSuchObject
from tandemdb.storage.secondary import SecondaryKey
from tandemdb.storage.table import Table

LSN: TypeAlias = int
Epoch: TypeAlias = int


class Root:
    """The tables by object id, and what numbers the commit. `schema` belongs to the planner: None when out of date.

    `has_stale`: there may be computed keys that came without their functions, as a mirror gets them.
    """

    __slots__ = ("__weakref__", "epoch", "has_stale", "lsn", "next_object_id", "schema", "stamp", "tables")

    def __init__(
        self, tables: dict[int, Table], stamp: Stamp, lsn: LSN, epoch: Epoch, next_object_id: int, schema: Any = None
    ) -> None:
        self.tables = tables
        self.stamp = stamp
        self.lsn = lsn
        self.epoch = epoch
        self.next_object_id = next_object_id
        self.schema = schema
        self.has_stale = False

    def copy(self, stamp: Stamp) -> Root:
        """Return a version that the bearer of the stamp may change. Cost: O(tables)."""
        copied = Root(self.tables.copy(), stamp, self.lsn, self.epoch, self.next_object_id, self.schema)
        copied.has_stale = self.has_stale
        return copied

    def key(self, key_id: int) -> SecondaryKey:
        """Find a secondary key by its object id. Cost: O(tables).

        Raises:
            NoSuchObject: the id is no secondary key's.
        """
        for table in self.tables.values():
            if key_id in table.keys:
                return table.keys[key_id]
        raise NoSuchObject(key_id, "secondary key")

    def __repr__(self) -> str:
        return f"<Root: LSN {self.lsn}, epoch {self.epoch}, {len(self.tables)} tables>"
