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
        kind = type(item)
        if kind in PLAIN:
            continue
        if kind is not tuple and kind is not list:
            if not isinstance(item, tuple):
                continue
            yield item
        pending.extend(item[::-1])


PLAIN = frozenset({str, int, float, bytes, bool, type(None)})
"""Most of what is not looked into."""


def without_slots(node: Any) -> Any:
    """A copy of a tree whose literals are constants of their own, not literal tokens of the running statement."""
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        if type(node).__name__ == "Literal":
            return node._replace(slot=-1)  # type: ignore[attr-defined]
        return type(node)(*map(without_slots, node))
    if isinstance(node, tuple):
        return tuple(map(without_slots, node))
    if isinstance(node, list):
        return list(map(without_slots, node))
    return node
