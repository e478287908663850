"""Name resolution: which column of which source a name in a query means.

    SELECT ... FROM city c JOIN country USING (code) WHERE (SELECT max(x) FROM t WHERE t.y = c.code)

    Scope (inner SELECT)            entries: t(x, y)
       | parent
    Scope (outer SELECT)            entries: c(..., code), country(code, ...) using {code}

A name is looked up in the entries of its own scope, then among the result aliases, then in the scope around it; a hit
further
out makes the inner query correlated, which every query in between records in `Query.outer`. Where several entries
have the
column, USING decides: the left one stands for both, of a RIGHT JOIN the right one, of a FULL JOIN whichever is not
NULL.

A join in parentheses is one entry whose columns carry labels: the schema, table and column that names inside may say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import Core, Expr, Query, Rowid, Source, sources_of

ROWID_NAMES = frozenset({"rowid", "oid", "_rowid_"})
NO_SCHEMA = "*"
"""The schema by which `*` names the columns of a subquery, which has none."""


class Label(NamedTuple):
    """What a column of a join in parentheses may be called: `shared` marks the one that a USING clause makes of
    several.
    """

    schema: str
    table: str
    column: str
    shared: bool = False

    def matches(self, column: str | None, table: str | None, schema: str | None) -> bool:
        return (
            (column is None or self.column.lower() == column.lower())
            and (table is None or self.table.lower() == table.lower())
            and (schema is None or self.schema.lower() == schema.lower())
        )


class EntryColumn(NamedTuple):
    """A column that an entry offers. `merged` hides it from unqualified look-ups and from `*`, `hidden` from `*`."""

    name: str
    expression: Expr
    merged: bool = False
    hidden: bool = False


class Entry:
    """One item of FROM as names see it: an alias and its columns, each a bound expression.

    `using` has the names of the USING clause (or NATURAL) that joins it to what stands before, by their lower-case
    form; `join` is the kind of that join. `labels` is there for a join in parentheses only. `rowid` gives the
    expression of its rowid; None without one.
    """

    __slots__ = ("alias", "schema", "columns", "by_name", "source", "origin", "using", "join", "labels", "rowid")

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
        self.using: dict[str, str] = {}
        self.join = "INNER"
        self.labels: Sequence[Label] | None = None
        self.rowid: Callable[[], Expr] | None = None
        if source is not None and source.table is not None and not source.table.without_rowid:
            self.rowid = lambda: rowid_of(source)

    def matches(self, table: str, schema: str | None) -> bool:
        if self.alias.lower() != table.lower():
            return False
        return schema is None or (self.schema or NO_SCHEMA).lower() == schema.lower()


class Found(NamedTuple):
    """A resolved name; `name` is the column's own spelling, None for what is no single column."""

    expression: Expr
    name: str | None


class Scope:
    """The names visible inside one core."""

    __slots__ = ("entries", "parent", "aliases", "core", "query", "aggregates", "place", "in_aggregate",
                 "windows_allowed",
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
        found = self.look_up(column, table, schema)
        return None if found is None else found.expression

    def look_up(self, column: str, table: str | None, schema: str | None) -> Found | None:
        """As `resolve`, with the column's own name."""
        scope: Scope | None = self
        crossed: list[Scope] = []
        while scope is not None:
            found = scope.find_here(column, table, schema)
            if found is not None:
                if crossed:
                    read = sources_of(found.expression)
                    for inner in crossed:
                        inner.query.outer |= read
                return found
            crossed.append(scope)
            scope = scope.parent
        return None

    def column_names(self, table: str | None) -> set[str]:
        """The names of all columns that may be named here, of one table if it is given: what a hint chooses from."""
        names: set[str] = set()
        scope: Scope | None = self
        while scope is not None:
            for entry in scope.entries:
                if table is None or entry.matches(table, None):
                    names.update(column.name for column in entry.columns if not column.hidden)
            scope = scope.parent
        return names

    def find_here(self, column: str, table: str | None, schema: str | None) -> Found | None:
        search = Search(column, table, schema)
        for entry in self.entries:
            search.visit(entry)
        if search.hits:
            return search.result()
        if search.rowid is not None and search.rowids == 1 and column.lower() in ROWID_NAMES:
            expression = search.rowid()
            return Found(expression, rowid_name(expression))
        if table is None and column.lower() in self.aliases:
            return Found(self.aliases[column.lower()], None)
        return None


class Search:
    """One look-up among the entries of a scope, in their order."""

    __slots__ = ("column", "lowered", "table", "schema", "hits", "candidates", "name", "rowids", "rowid")

    def __init__(self, column: str, table: str | None, schema: str | None) -> None:
        self.column = column
        self.lowered = column.lower()
        self.table = table
        self.schema = schema
        self.hits = 0
        self.candidates: list[Expr] | None = []
        self.name: str | None = None
        self.rowids = 0
        self.rowid: Callable[[], Expr] | None = None

    def visit(self, entry: Entry) -> None:
        if entry.labels is not None and self.visit_labels(entry, entry.labels):
            return
        if self.table is not None and not entry.matches(self.table, self.schema):
            return
        position = entry.by_name.get(self.lowered)
        if position is not None and not (entry.columns[position].merged and self.table is None and not entry.labels):
            self.take(entry, position)
        if not self.hits and entry.rowid is not None:
            self.rowids += 1
            self.rowid = entry.rowid

    def visit_labels(self, entry: Entry, labels: Sequence[Label]) -> bool:
        """Look among the labels of a join in parentheses; True if that is all there is to look at."""
        hit = False
        for position, label in enumerate(labels):
            if label.matches(self.column, self.table, self.schema) and self.take(entry, position):
                hit = True
                if label.shared:
                    break
        return hit or self.table is None

    def take(self, entry: Entry, position: int) -> bool:
        """Count a hit; where there was one before, the entry's USING clause tells which of them is meant."""
        if self.hits:
            if self.lowered not in entry.using:
                self.candidates = None
            elif entry.join not in ("RIGHT", "FULL"):
                return False
            elif entry.join == "RIGHT":
                self.hits, self.candidates = 0, []
        self.hits += 1
        column = entry.columns[position]
        self.name = column.name
        if self.candidates is not None:
            self.candidates.append(column.expression)
        return True

    def result(self) -> Found:
        """The one column that was found.

        Raises:
            OperationalError: there are several, and no USING clause makes one of them.
        """
        if self.candidates is None or len(self.candidates) != self.hits:
            shown = ".".join(part for part in (self.schema, self.table, self.column) if part)
            raise OperationalError(f"ambiguous column name: {shown}", code="SQLITE_ERROR")
        if len(self.candidates) == 1:
            return Found(self.candidates[0], self.name)
        return Found(first_that_is_there(self.candidates), None)


def first_that_is_there(candidates: Sequence[Expr]) -> Expr:
    """coalesce() of the columns that FULL JOINs with USING make one."""
    from tandemdb.planner.bind.bound import FunctionCall
    from tandemdb.planner.functions.registry import find_scalar

    return FunctionCall(find_scalar("coalesce", len(candidates)), "coalesce", tuple(candidates))


def rowid_of(source: Source) -> Expr:
    """The expression of a table source's rowid: its INTEGER PRIMARY KEY column where there is one, else the unique
    key.
    """
    from tandemdb.planner.bind.bound import Column

    table = source.table
    if table is not None and table.rowid_position >= 0:
        return Column(source, table.rowid_position)
    source.uses_key = True
    return Rowid(source)


def rowid_name(expression: Expr) -> str:
    from tandemdb.planner.bind.bound import Column

    if isinstance(expression, Column):
        return expression.source.columns[expression.position].name
    return "rowid"
