"""Table-valued functions: json_each, json_tree and generate_series.

    json_tree('{"a":[7]}')
    position  0 object    1 label "a"    2 array    3 integer 7        a tree laid out flat, as SQLite numbers it
    rows      0           1 (with 2)                3
    key       NULL        'a'                       0
    fullkey   $           $.a                       $.a[0]

A row is (key, value, type, atom, id, parent, fullkey, path). Rows of json_tree below a path in an array name that
array's place as [0]: SQLite 3.40 counts only what it has walked over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.functions.json_document import Label, Node, look_up, parse, unescape, value_of
from tandemdb.planner.functions.json_quick import OTHERWISE, Real, atom, read
from tandemdb.planner.runtime.values import as_integer, to_text, until_nul
from tandemdb.storage.values import Value

JsonRow = tuple[Value, Value, str, Value, int, Value, str, str]
WHOLE: Final = "$"


class TableFunction(NamedTuple):
    """A table-valued function: its columns, its hidden columns (also its arguments, in order) and its rows."""

    name: str
    columns: tuple[str, ...]
    hidden: tuple[str, ...]
    rows: Callable[..., Any]


def json_each_rows(value: Value, path: Value = WHOLE) -> list[JsonRow]:
    """List the members of an array or object, or the one atom, at a path; none if an argument is NULL.

    Raises:
        OperationalError: malformed JSON, or a malformed path.
    """
    if path == WHOLE and type(value) is str:
        found = members_of(value)
        if found is not None:
            return found
    start = find_start(value, path)
    if start is None:
        return []
    flat, first = start
    root = until_nul(to_text(path))
    node = flat.nodes[first]
    if node.kind not in ("array", "object"):
        return [(None, value_of(node), node.kind, value_of(node), first, None, root, root)]
    rows: list[JsonRow] = []
    position = first + 1
    for index, child in enumerate(node.items):
        if node.kind == "object":
            label = node.labels[index]
            key, full_key = unescape(label.source), root + label_step(label)
            position += 1
        else:
            key, full_key = index, f"{root}[{index}]"  # type: ignore[assignment]
        rows.append((key, value_of(child), child.kind, atom_of(child), position, None, full_key, root))
        position = flat.ends[position]
    return rows


def members_of(text: str) -> list[JsonRow] | None:
    """The members of an array or object of atoms, read by the C scanner; None of anything else."""
    document = read(text)
    steps: Iterable[tuple[Value, str, Any, int]]
    if type(document) is list:
        steps = [(index, f"[{index}]", item, index + 1) for index, item in enumerate(document)]
    elif type(document) is tuple:
        steps = [
            (label, f".{label}" if PLAIN_LABEL.fullmatch(label) else f'."{label}"', item, 2 * index + 2)
            for index, (label, item) in enumerate(document)
        ]
    else:
        return None
    rows: list[JsonRow] = []
    for key, step, item, position in steps:
        kind = KINDS.get(type(item))
        found: Any = OTHERWISE if kind is None else atom(item)
        if kind is None or found is OTHERWISE:
            return None
        kind = KIND_OF_TRUTH[item] if kind == "truth" else kind
        rows.append((key, found, kind, found, position, None, f"${step}", "$"))
    return rows


KINDS = {type(None): "null", bool: "truth", int: "integer", Real: "real", str: "text"}
KIND_OF_TRUTH = {True: "true", False: "false"}


def json_tree_rows(value: Value, path: Value = WHOLE) -> list[JsonRow]:
    """List a node at a path and all below it, each before its members; see `json_each_rows`."""
    start = find_start(value, path)
    if start is None:
        return []
    flat, first = start
    node = flat.nodes[first]
    container = node.kind in ("array", "object")
    rows: list[JsonRow] = []
    for position in range(first, flat.ends[first]):
        child = flat.nodes[position]
        if child.kind == "label":
            continue
        parent = flat.parents[position]
        around = flat.nodes[parent].kind
        label = flat.labels[position]
        counted = position != first
        if counted and around == "array":
            flat.indexes[parent] = 0 if parent == position - 1 else flat.indexes[parent] + 1
        key: Value = None
        if position and (counted or container) and label is not None:
            key = unescape(label.source)
        elif counted and around == "array":
            key = flat.indexes[parent]
        row_parent = parent if counted else None
        full_key, row_path = flat.path_of(position), flat.path_of(parent)
        rows.append((key, value_of(child), child.kind, atom_of(child), position, row_parent, full_key, row_path))
    return rows


def find_start(value: Value, path: Value) -> tuple[FlatTree, int] | None:
    """Lay JSON out flat and find the position of the node at a path."""
    if value is None:
        return None
    root = parse(value)
    if path is None:
        return None
    node, _ = look_up(root, to_text(path))
    if node is None:
        return None
    flat = FlatTree(root)
    return flat, next(position for position, candidate in enumerate(flat.nodes) if candidate is node)


def atom_of(node: Node) -> Value:
    """Return the value of an atom, NULL for arrays and objects."""
    return None if node.kind in ("array", "object") else value_of(node)


class FlatTree:
    """The nodes of a tree, labels included, in the order of their text; lists by position."""

    def __init__(self, root: Node) -> None:
        self.nodes: list[Node] = []
        self.labels: list[Label | None] = []
        self.parents: list[int] = []
        self.ends: list[int] = []
        self.indexes: list[int] = []
        pending: list[tuple[Node, Label | None, int]] = [(root, None, 0)]
        while pending:
            node, label, parent = pending.pop()
            if label is not None:
                self.append(LABEL, None, parent)
            position = self.append(node, label, parent)
            labels: list[Label] | list[None] = node.labels or [None] * len(node.items)
            pending.extend([(item, name, position) for item, name in zip(node.items, labels, strict=True)][::-1])
        for position in range(len(self.nodes) - 1, 0, -1):
            parent = self.parents[position]
            self.ends[parent] = max(self.ends[parent], self.ends[position])

    def append(self, node: Node, label: Label | None, parent: int) -> int:
        """Add a node; return its position."""
        position = len(self.nodes)
        self.nodes.append(node)
        self.labels.append(label)
        self.parents.append(parent)
        self.ends.append(position + 1)
        self.indexes.append(0)
        return position

    def path_of(self, position: int) -> str:
        """Return the path to a node, by the indexes counted so far."""
        steps: list[str] = []
        while position:
            label = self.labels[position]
            position = self.parents[position]
            steps.append(f"[{self.indexes[position]}]" if label is None else label_step(label))
        return "$" + "".join(reversed(steps))


LABEL = Node("label")
PLAIN = re.compile(r'"[A-Za-z][A-Za-z0-9]*"')
PLAIN_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def label_step(label: Label) -> str:
    """Write a step of a path: quoted unless it is a letter with letters and digits behind."""
    return f".{label.source[1:-1]}" if PLAIN.fullmatch(label.source) else f".{label.source}"


def generate_series_rows(start: Value, stop: Value = 0xFFFFFFFF, step: Value = 1) -> Iterator[tuple[int]]:
    """Count from start to stop; no rows if an argument is NULL. Not in the sqlite3 module, but in SQLite's shell."""
    if start is None or stop is None or step is None:
        return iter(())
    stride = as_integer(step) or 1
    end = as_integer(stop)
    return zip(range(as_integer(start), end + 1 if stride > 0 else end - 1, stride))


JSON_COLUMNS = ("key", "value", "type", "atom", "id", "parent", "fullkey", "path")
TABLE_FUNCTIONS: dict[str, TableFunction] = {
    function.name: function
    for function in (
        TableFunction("json_each", JSON_COLUMNS, ("json", "root"), json_each_rows),
        TableFunction("json_tree", JSON_COLUMNS, ("json", "root"), json_tree_rows),
        TableFunction("generate_series", ("value",), ("start", "stop", "step"), generate_series_rows),
    )
}


def find_table_function(name: str) -> TableFunction:
    """Find a table-valued function.

    Raises:
        OperationalError: no such table.
    """
    function = TABLE_FUNCTIONS.get(name.lower())
    if function is None:
        raise OperationalError(f"no such table: {name}", code="SQLITE_ERROR")
    return function
