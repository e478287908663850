"""EXPLAIN QUERY PLAN: the tree of steps as SQLite words it, gathered while a query is written.

    id  parent  notused  detail
     2       0        0  SCAN city
     5       0        0  SEARCH country USING INTEGER PRIMARY KEY (rowid=?)
    14       0        0  USE TEMP B-TREE FOR ORDER BY
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import Source

if TYPE_CHECKING:
    from tandemdb.planner.access.join_order import Step
    from tandemdb.planner.access.paths import Path

EXPLAIN_COLUMNS = ("id", "parent", "notused", "detail")


class Explanation:
    """The lines so far, each with its number and its parent's."""

    __slots__ = ("lines", "parents", "subqueries")

    def __init__(self) -> None:
        self.lines: list[tuple[int, int, int, str]] = []
        self.parents = [0]
        self.subqueries = 0

    def line(self, detail: str) -> int:
        number = len(self.lines) + 1
        self.lines.append((number, self.parents[-1], 0, detail))
        return number

    def open(self, detail: str) -> None:
        self.parents.append(self.line(detail))

    def close(self) -> None:
        self.parents.pop()

    def constant(self, rows: int) -> None:
        """The line of a core without sources, or of a VALUES list."""
        self.line("SCAN CONSTANT ROW" if rows == 1 else f"SCAN {rows} CONSTANT ROWS")

    def subquery_number(self) -> int:
        self.subqueries += 1
        return self.subqueries

    def step(self, step: Step) -> None:
        """The line of one source of a join."""
        source, path = step.source, step.path
        name = source.alias
        suffix = " LEFT-JOIN" if source.join == "LEFT" else ""
        if hasattr(source.function, "explain"):
            self.line(f"SCAN {name}{source.function.explain(source.arguments)}{suffix}")
        elif path.kind.startswith("scan"):
            self.line(f"SCAN {name}{suffix}")
        elif path.kind == "find":
            self.line(f"SEARCH {name} USING INTEGER PRIMARY KEY (rowid=?){suffix}")
        elif path.kind.startswith("range"):
            tests = [f"rowid{term.operator[0]}?" for term in (path.low, path.high) if term is not None]
            self.line(f"SEARCH {name} USING INTEGER PRIMARY KEY ({' AND '.join(tests)}){suffix}")
        elif path.kind.startswith("primary") and source.table is not None:
            names = [source.columns[at].name for at in source.table.primary_key[: len(path.terms)]]
            self.line(f"SEARCH {name} USING PRIMARY KEY ({' AND '.join(f'{label}=?' for label in names)}){suffix}")
        elif path.kind == "hash":
            names = [column_label(term.key, source) for term in path.terms]
            tests = [f"{label}=?" for label in names]
            self.line(f"SEARCH {name} USING AUTOMATIC COVERING INDEX ({' AND '.join(tests)}){suffix}")
        elif path.kind in LOOKUPS:
            self.lookup(source, path, name, suffix)
        else:
            columns = [index_label(column, source) for column in path.key.columns]
            tests = [f"{column}=?" for column in columns[: len(path.terms)]]
            tests += [
                f"{columns[len(path.terms)]}{term.operator[0]}?" for term in (path.low, path.high) if term is not None
            ]
            self.line(f"SEARCH {name} USING {index_word(path)} {path.key.name} ({' AND '.join(tests)}){suffix}")


    def lookup(self, source: Source, path: Path, name: str, suffix: str) -> None:
        """The lines of a path that looks several keys up, or reads in the order of a key."""
        if path.kind.startswith("key_scan"):
            self.line(f"SCAN {name} USING {index_word(path)} {path.key.name}{suffix}")
        elif path.kind == "prefix":
            column = index_label(path.key.columns[0], source)
            self.line(f"SEARCH {name} USING INDEX {path.key.name} ({column}>? AND {column}<?){suffix}")
        elif path.kind == "either":
            self.open("MULTI-INDEX OR")
            for number, branch in enumerate(path.node, 1):
                self.open(f"INDEX {number}")
                self.line(f"SEARCH {name} {equality_label(branch.key, source)}{suffix}")
                self.close()
            self.close()
        else:
            self.line(f"SEARCH {name} {equality_label(path.key, source)}{suffix}")


LOOKUPS = frozenset({"members", "prefix", "either", "key_scan", "key_scan_reversed"})


def index_word(path: Path) -> str:
    return "COVERING INDEX" if path.cover else "INDEX"


def equality_label(key: Any, source: Source) -> str:
    if key is None:
        return "USING INTEGER PRIMARY KEY (rowid=?)"
    return f"USING INDEX {key.name} ({index_label(key.columns[0], source)}=?)"


def index_label(column: Any, source: Source) -> str:
    return source.columns[column.position].name if column.position >= 0 else "<expr>"


def column_label(key: object, source: object) -> str:
    position = getattr(key, "position", None)
    if position is None:
        return "expr"
    columns = getattr(source, "columns")  # noqa: B009
    name: str = columns[position].name
    return name
