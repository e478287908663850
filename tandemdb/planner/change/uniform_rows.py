"""An executemany's rows, once each value has been looked at: they can be stored as they are.

    [(1, 'Oslo'), (2, None)]       kinds [{int}, {str, NoneType}]
"""

from __future__ import annotations

from typing import Any


class UniformRows(list[Any]):
    """Rows of one width, tuples or lists, and the types that each of their columns holds."""

    __slots__ = ("kinds",)
    kinds: list[set[type]]
