"""Name resolution: which column of which source a name in a query means.

    SELECT ... FROM city c JOIN country USING (code) WHERE (SELECT max(x) FROM t WHERE t.y = c.code)

    Scope (inner SELECT)            entries: t(x, y)
       | parent
    Scope (outer SELECT)            entries: c(..., code), country(code*, ...)      * merged by USING: not found unqualified

A name is looked up in the entries of its own scope, then among the result aliases, then in the scope around it; a hit further
out makes the inner query correlated, which every query in between records in `Query.outer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.bound import Core, Expr, Query, Rowid, Source, sources_of

ROWID_NAMES = frozenset({"rowid", "oid", "_rowid_"})


class EntryColumn(NamedTuple):
    """A column that an entry offers. `merged` hides it from unqualified look-ups and from `*` (USING, NATURAL)."""

    name: str
    expression: Expr
    merged: bool = False
    hidden: bool = False


class Entry:
    """One item of FROM as names see it: an alias and its columns, each a bound expression."""

    __slots__ = ("alias", "schema", "columns", "by_name", "source", "origin")

    def __init__(
        self,
        alias: str,
        schema: str | None,
        columns: Sequence[EntryColumn],
        source: Source | None,
        origin: str | None = None,
    ) -> None:
        self.alias = alias
        self.schema = schema
        self.columns = list(columns)
        self.by_name: dict[str, int] = {}
        for position, column in enumerate(columns):
            self.by_name.setdefault(column.name.lower(), position)
        self.source = source
        self.origin = origin

    def matches(self, table: str, schema: str | None) -> bool:
        return self.alias.lower() == table.lower() and (
            schema is None or (self.schema or "").lower() == schema.lower()
        )


class Scope:
    """The names visible inside one core."""

    __slots__ = ("entries", "parent", "aliases", "core", "query", "aggregates", "place", "in_aggregate", "windows_allowed",
                 "window_definitions")  # fmt: skip

    def __init__(self, parent: Scope | None, core: Core, query: Query) -> None:
        self.entries: list[Entry] = []
        self.parent = parent
        self.aliases: dict[str, Expr] = {}
        self.core = core
        self.query = query
        self.aggregates = False
        self.place = ""
        self.in_aggregate = ""
        self.windows_allowed = False
        self.window_definitions: dict[str, object] = {}

    def resolve(self, column: str, table: str | None, schema: str | None) -> Expr | None:
        """The expression that the name stands for, None if no scope knows it.

        Raises:
            OperationalError: ambiguous column name.
        """
        scope: Scope | None = self
        crossed: list[Scope] = []
        while scope is not None:
            found = scope.find_here(column, table, schema)
            if found is not None:
                if crossed:
                    read = sources_of(found)
                    for inner in crossed:
                        inner.query.outer |= read
                return found
            crossed.append(scope)
            scope = scope.parent
        return None

    def find_here(self, column: str, table: str | None, schema: str | None) -> Expr | None:
        lowered = column.lower()
        hits = []
        for entry in self.entries:
            if table is not None and not entry.matches(table, schema):
                continue
            position = entry.by_name.get(lowered)
            if position is None:
                continue
            offered = entry.columns[position]
            if offered.merged and table is None:
                continue
            hits.append(offered.expression)
        if len(hits) > 1:
            shown = ".".join(part for part in (schema, table, column) if part)
            raise OperationalError(f"ambiguous column name: {shown}", code="SQLITE_ERROR")
        if hits:
            return hits[0]
        if lowered in ROWID_NAMES:
            rowid = self.find_rowid(table, schema)
            if rowid is not None:
                return rowid
        if table is None and lowered in self.aliases:
            return self.aliases[lowered]
        return None

    def find_rowid(self, table: str | None, schema: str | None) -> Expr | None:
        keyed = [
            entry.source
            for entry in self.entries
            if (table is None or entry.matches(table, schema))
            and entry.source is not None
            and entry.source.table is not None
            and not entry.source.table.without_rowid
        ]
        if not keyed:
            return None
        if len(keyed) > 1:
            raise OperationalError("ambiguous column name: rowid", code="SQLITE_ERROR")
        return rowid_of(keyed[0])


def rowid_of(source: Source) -> Expr:
    """The expression of a table source's rowid: its INTEGER PRIMARY KEY column where there is one, else the unique key."""
    from tandemdb.planner.bound import Column

    table = source.table
    if table is not None and table.rowid_position >= 0:
        return Column(source, table.rowid_position)
    source.uses_key = True
    return Rowid(source)
