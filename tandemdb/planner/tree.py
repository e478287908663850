"""Walking the parser's tree.

    walk(Select(...))  ->  Select, SelectCore, ResultColumn, Name, TableSource, ...    from the top down, left to right

Every node is a named tuple; sequences of nodes, and pairs in sequences, are looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk(node: Any) -> Iterator[Any]:
    """The node itself and every node below it; O(1) stack whatever the depth."""
    pending: list[Any] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            yield item
        elif not isinstance(item, (list, tuple)):
            continue
        pending.extend(reversed(item))
