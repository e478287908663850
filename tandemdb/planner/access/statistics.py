"""How many distinct values a secondary key has, as access paths ask it."""

from __future__ import annotations

from typing import Any

from tandemdb.planner.nested import BUILT_IN

ROWS_OF_A_VALUE = 10
"""What SQLite assumes of a key that was not analysed."""


def distinct_values(index: Any, key: Any, count: float, columns: int) -> float:
    """Estimate how many distinct values the first columns of a key have, at least one.

    A sample tells (`SecondaryKey.distinct_prefix_count`), but not where that would have to ask a collation of the
    user's: no function is called before a statement runs, for there is no telling what it does.

    Args:
        count: the rows of the table.
    """
    if any(column.collation.upper() not in BUILT_IN for column in index.columns[:columns]):
        return max(1.0, count / ROWS_OF_A_VALUE)
    return max(1.0, float(key.distinct_prefix_count(columns)))
