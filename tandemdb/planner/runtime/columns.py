"""Columns of a table beside its records, kept for scans that read a few of them again and again.

    one version of "item"     records   (1, 'c1', 2.5) (2, 'c2', 0.25) ...
                              amount    array('d', [2.5, 0.25, ...])            8 bytes a value; reals, or integers
                              code      ['c1', 'c2', ...]                       anything else

Reading a column does not touch the records, which lie all over the memory. Made when such a scan comes for the second
time upon one version of a table, and given up with that version (see `kept`).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from tandemdb.planner.runtime.kept import KEPT_RECORDS_MAX, put, shelf_of
from tandemdb.planner.runtime.places import Few
from tandemdb.storage.values import HOLDS_FLOAT, HOLDS_INT

Column = Sequence[Any]
TYPE_CODES = {HOLDS_INT: "q", HOLDS_FLOAT: "d"}


def columns_of(context: Any, table: Any, positions: tuple[int, ...], lists: Any = None) -> Any:
    """The column, or a tuple of several; None where the records are to be read.

    `lists`: what a scan would read. A few records are not worth a column; nor can one be watched by a progress handler.
    """
    if type(lists) is Few or table.writer.stamp == table.stamp or table.count > KEPT_RECORDS_MAX:
        return None
    if context.session.progress is not None:
        return None
    shelf = shelf_of(table)
    found = [column_of(shelf, table, position) for position in positions]
    if any(column is None for column in found):
        return None
    return found[0] if len(found) == 1 else tuple(found)


def column_of(shelf: dict[Any, Any], table: Any, position: int) -> Column | None:
    """A column; None for the first time."""
    name = "column", position
    found: Column | None = shelf.get(name)
    if found is None:
        if name not in shelf:
            put(shelf, name, None)
            return None
        values = map(itemgetter(position), chain.from_iterable(table.record_lists()))
        code = TYPE_CODES.get(table.classes[position])
        found = shelf[name] = list(values) if code is None else array(code, values)
    return found
