"""Binding FROM: tables, views, subqueries and joins become the sources of a core and the entries of its scope.

    FROM city c LEFT JOIN (SELECT code, name AS land FROM country) k USING (code)

    sources                                       entries
    0  c  table city      INNER                   c: id, name, code
    1  k  query           LEFT  on code = code    k: code (merged), land

A subquery or view that only picks, renames and filters is merged into the core around it: its entry's columns are then
expressions over the core's own sources. The left side of a RIGHT or FULL join, and a join in parentheses, is made to rows
first and becomes one source, whose columns its old entries point to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner import ast
from tandemdb.planner.bind_common import unique_names
from tandemdb.planner.bind_expression import ExpressionBinder
from tandemdb.planner.bound import (
    HOLDS_ANY,
    Column,
    Core,
    Expr,
    FunctionCall,
    Query,
    ResultColumn,
    Rowid,
    Source,
    SourceColumn,
    sources_of,
)
from tandemdb.planner.scope import Entry, EntryColumn, Scope
from tandemdb.planner.traits import affinity_of, collation_of

if TYPE_CHECKING:
    from tandemdb.planner.bind import Binder

CATALOG_COLUMNS = ("type", "name", "tbl_name", "rootpage", "sql")


class FromBinder:
    """Binds the FROM clause of one scope."""

    __slots__ = ("binder", "scope", "core")

    def __init__(self, binder: Binder, scope: Scope) -> None:
        self.binder = binder
        self.scope = scope
        self.core = scope.core

    def bind(self, node: ast.Source) -> None:
        """Add the sources and entries of a FROM clause to the scope."""
        spine = []
        while isinstance(node, ast.Join):
            spine.append(node)
            node = node.left
        self.bind_item(node, "INNER")
        for join in reversed(spine):
            self.bind_join(join)

    def bind_joined(self, node: ast.Source) -> None:
        """Add the FROM clause of an UPDATE, joined to the table that is there already."""
        if isinstance(node, ast.Join):
            spine = []
            item: ast.Source = node
            while isinstance(item, ast.Join):
                spine.append(item)
                item = item.left
            self.bind_item(item, "INNER")
            for join in reversed(spine):
                self.bind_join(join)
        else:
            self.bind_item(node, "INNER")

    # ---- joins

    def bind_join(self, join: ast.Join) -> None:
        if join.kind in ("RIGHT", "FULL"):
            self.fold_left_side()
        before_entries, before_sources = len(self.scope.entries), list(self.core.sources)
        kind = "LEFT" if join.kind == "LEFT" else join.kind if join.kind in ("RIGHT", "FULL") else "INNER"
        self.bind_item(join.right, kind)
        added = self.core.sources[len(before_sources) :]
        conditions = self.join_conditions(join, before_entries)
        if kind == "INNER":
            self.core.conjuncts.extend(conditions)
            if join.kind == "CROSS":
                for source in added:
                    source.requires |= {other.number for other in before_sources}
            return
        source = added[0]
        source.join = kind
        source.on = conditions
        source.requires |= {other.number for other in before_sources}
        source.nullable = kind in ("LEFT", "FULL")
        if kind in ("RIGHT", "FULL"):
            for other in before_sources:
                other.nullable = True

    def join_conditions(self, join: ast.Join, before: int) -> list[Expr]:
        from tandemdb.planner.bind import split_and

        left, right = self.scope.entries[:before], self.scope.entries[before:]
        names = list(join.using or ())
        if join.natural:
            known = {c.name.lower() for entry in left for c in entry.columns if not c.hidden and not c.merged}
            for entry in right:
                names.extend(c.name for c in entry.columns if c.name.lower() in known and not c.hidden)
        conditions: list[Expr] = [self.using(name, left, right, join.kind) for name in names]
        if join.on is not None:
            conditions.extend(split_and(ExpressionBinder(self.binder, self.scope).bind_scalar(join.on)))
        return conditions

    def using(self, name: str, left: Sequence[Entry], right: Sequence[Entry], kind: str) -> Expr:
        """The equality of a USING column; the right one is hidden, the left one stands for both."""
        lowered = name.lower()
        on_left = [(entry, entry.by_name[lowered]) for entry in left if lowered in entry.by_name]
        on_left = [(entry, at) for entry, at in on_left if not entry.columns[at].merged]
        on_right = [(entry, entry.by_name[lowered]) for entry in right if lowered in entry.by_name]
        if not on_left or not on_right:
            raise OperationalError(
                f"cannot join using column {name} - column not present in both tables", code="SQLITE_ERROR"
            )
        if len(on_left) > 1:
            raise OperationalError(f"ambiguous reference to {name} in USING()", code="SQLITE_ERROR")
        (entry, at), (other, other_at) = on_left[0], on_right[0]
        left_expression, right_expression = entry.columns[at].expression, other.columns[other_at].expression
        other.columns[other_at] = other.columns[other_at]._replace(merged=True)
        if kind in ("RIGHT", "FULL"):
            self.share(entry, at, left_expression, right_expression)
        return ast.Binary("=", left_expression, right_expression)

    def share(self, entry: Entry, at: int, left: Expr, right: Expr) -> None:
        """Make the unqualified name mean whichever side is there, keeping the qualified ones as they are."""
        function = self.binder.scalar_function("coalesce", 2)
        both = FunctionCall(function, "coalesce", (left, right))
        name = entry.columns[at].name
        entry.columns[at] = entry.columns[at]._replace(merged=True)
        position = self.scope.entries.index(entry)
        self.scope.entries.insert(position, Entry("", None, [EntryColumn(name, both)], None))

    def fold_left_side(self) -> None:
        """Make everything bound so far one source of rows, which the old entries then read."""
        inner = Query()
        core = Core()
        core.sources, self.core.sources = self.core.sources, []
        core.conjuncts, self.core.conjuncts = self.core.conjuncts, []
        inner.cores = [core]
        self.read_through(inner, core, self.scope.entries)

    def read_through(self, query: Query, core: Core, entries: Sequence[Entry]) -> Source:
        """A source over `query` whose columns are all the columns of `entries`, which are pointed to it."""
        from tandemdb.planner.bind import result_columns

        places: list[tuple[Entry, int]] = []
        for entry in entries:
            for at, column in enumerate(entry.columns):
                core.results.append(ResultColumn(column.expression, column.name))
                places.append((entry, at))
            table = entry.source.table if entry.source is not None else None
            if table is not None and not table.without_rowid:
                from tandemdb.planner.scope import rowid_of

                assert entry.source is not None
                core.results.append(ResultColumn(rowid_of(entry.source), "rowid"))
                entry.columns.append(EntryColumn("rowid", None, merged=False, hidden=True))
                entry.by_name.setdefault("rowid", len(entry.columns) - 1)
                places.append((entry, len(entry.columns) - 1))
        query.columns = result_columns(query)
        query.outer = {s for e in core.conjuncts for s in sources_of(e)} - set(core.sources)
        source = self.binder.new_source("joined", query.columns, self.core)
        source.query = query
        self.scope.query.outer |= query.outer - set(self.core.sources)
        for position, (entry, at) in enumerate(places):
            entry.columns[at] = entry.columns[at]._replace(expression=Column(source, position))
            entry.source = None
        return source

    # ---- items

    def bind_item(self, node: ast.Source, join: str) -> None:
        if isinstance(node, ast.Join):
            self.bind_parenthesised(node, join)
        elif isinstance(node, ast.SubquerySource):
            self.bind_subquery(node.select, node.alias or "", join)
        elif node.arguments is not None:
            self.bind_table_function(node)
        else:
            self.bind_table(node, join)

    def bind_parenthesised(self, node: ast.Join, join: str) -> None:
        if join == "INNER" and only_inner(node):
            spine = []
            item: ast.Source = node
            while isinstance(item, ast.Join):
                spine.append(item)
                item = item.left
            self.bind_item(item, "INNER")
            for link in reversed(spine):
                self.bind_join(link)
            return
        query, core = Query(), Core()
        query.cores = [core]
        scope = Scope(self.scope.parent, core, query)
        FromBinder(self.binder, scope).bind(node)
        self.read_through(query, core, scope.entries)
        self.scope.entries.extend(scope.entries)

    def bind_table(self, node: ast.TableSource, join: str) -> None:
        if node.schema is None:
            common = self.binder.find_common(node.name)
            if common is not None:
                self.bind_common(node, common)
                return
        found = self.catalog_source(node) or self.named_table(node, join)
        if found is None:
            return
        self.scope.entries.append(found)

    def bind_common(self, node: ast.TableSource, common: Any) -> None:
        rows = common.use(self.binder)
        source = self.binder.new_source(node.alias or node.name, rows.columns, self.core)
        source.function = rows
        self.scope.entries.append(source_entry(source, node.alias or node.name, None))

    def catalog_source(self, node: ast.TableSource) -> Entry | None:
        """sqlite_master and its other names: table 0 of the database."""
        lowered = node.name.lower()
        if lowered not in ("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"):
            return None
        from tandemdb.planner.schema import catalog_table

        names = self.binder.namespace.names
        schema = node.schema or ("temp" if "temp" in lowered else "main")
        position = next((i for i, name in enumerate(names) if name.lower() == schema.lower()), None)
        if position is None:
            if schema.lower() != "temp":
                raise OperationalError(f"no such table: {schema}.{node.name}", code="SQLITE_ERROR")
            position = 0
            return self.table_entry(node, position, catalog_table(), empty=True)
        return self.table_entry(node, position, catalog_table())

    def named_table(self, node: ast.TableSource, join: str) -> Entry | None:
        from tandemdb.planner.schema import View

        found = self.binder.namespace.find_table(node.name, node.schema)
        if found is None:
            from tandemdb.planner.table_functions import is_table_function

            if node.schema is None and is_table_function(node.name):
                self.bind_table_function(node._replace(arguments=()))
                return None
        position, table = self.binder.namespace.require_table(node.name, node.schema)
        if isinstance(table, View):
            self.bind_view(node, table, join)
            return None
        return self.table_entry(node, position, table)

    def table_entry(self, node: ast.TableSource, database: int, table: Any, *, empty: bool = False) -> Entry:
        binder = self.binder
        stored = binder.roots[database].tables[table.id]
        binder.tables_read[(database, table.id)] = stored
        columns = [
            SourceColumn(column.name, column.affinity, column.collation, stored.classes[column.position], column.type_name)
            for column in table.columns
        ]
        source = binder.new_source(node.alias or node.name, columns, self.core)
        source.table = table
        source.database = database
        if node.index:
            if not any(index.name.lower() == node.index.lower() for index in table.indexes):
                raise OperationalError(f"no such index: {node.index}", code="SQLITE_ERROR")
        source.index_hint = node.index
        if empty:
            self.core.conjuncts.append(ast.Literal(0))
        schema = binder.namespace.names[database]
        offered = [
            EntryColumn(column.name, Column(source, column.position), hidden=bool(column.hidden == 1))
            for column in table.columns
        ]
        return Entry(node.alias or table.name, schema if node.alias is None else None, offered, source, table.name)

    def bind_view(self, node: ast.TableSource, view: Any, join: str) -> None:
        binder = self.binder
        if view.name.lower() in binder.views:
            raise OperationalError(f"view {view.name} is circularly defined", code="SQLITE_ERROR")
        binder.views.append(view.name.lower())
        hidden, binder.common = binder.common, []
        try:
            self.bind_subquery(view.select, node.alias or node.name, join, names=view.columns, view=view.name)
        finally:
            binder.views.pop()
            binder.common = hidden

    def bind_subquery(
        self, select: ast.Select, alias: str, join: str, *, names: Sequence[str] = (), view: str | None = None
    ) -> None:
        if join == "INNER" and is_mergeable(self.binder, select):
            self.merge(select, alias, names, view)
            return
        binder = self.binder
        query = binder.bind_select(select, self.scope.parent)
        columns = [column._replace(classes=HOLDS_ANY) for column in query.columns]
        if names:
            check_view_width(view, names, len(columns))
            columns = [column._replace(name=name) for column, name in zip(columns, names, strict=True)]
        source = binder.new_source(alias or "subquery", unique_names(columns), self.core)
        source.query = query
        self.scope.query.outer |= query.outer
        self.scope.entries.append(source_entry(source, alias, view))

    def merge(self, select: ast.Select, alias: str, names: Sequence[str], view: str | None) -> None:
        """Bind a picking and filtering subquery into this very core."""
        node = select.cores[0]
        assert isinstance(node, ast.SelectCore)
        inner = Scope(self.scope.parent, self.core, self.scope.query)
        if node.source is not None:
            FromBinder(self.binder, inner).bind(node.source)
        held, self.core.results = self.core.results, []
        self.binder.bind_results(node, self.core, inner, ExpressionBinder(self.binder, inner))
        inner.aggregates = inner.windows_allowed = False
        if node.where is not None:
            from tandemdb.planner.bind import split_and

            bound = ExpressionBinder(self.binder, inner).bind_scalar(node.where)
            self.core.conjuncts.extend(split_and(bound))
        results, self.core.results = self.core.results, held
        columns = [
            SourceColumn(result.name, affinity_of(result.expression), collation_name(result.expression), HOLDS_ANY)
            for result in results
        ]
        if names:
            check_view_width(view, names, len(columns))
            columns = [column._replace(name=name) for column, name in zip(columns, names, strict=True)]
        offered = [
            EntryColumn(column.name, result.expression)
            for column, result in zip(unique_names(columns), results, strict=True)
        ]
        self.scope.entries.append(Entry(alias, None, offered, None, view))

    def bind_table_function(self, node: ast.TableSource) -> None:
        from tandemdb.planner.table_functions import check_arguments, find_table_function

        if node.arguments and self.binder.namespace.find_table(node.name, node.schema) is not None:
            raise OperationalError(f"'{node.name}' is not a function", code="SQLITE_ERROR")
        function = find_table_function(node.name)
        check_arguments(function, node.name, len(node.arguments or ()))
        binder = ExpressionBinder(self.binder, self.scope)
        arguments = [binder.bind_scalar(item) for item in node.arguments or ()]
        source = self.binder.new_source(node.alias or node.name, function.columns, self.core)
        source.function = function
        source.arguments = arguments
        here = set(self.core.sources)
        source.requires |= {s.number for item in arguments for s in sources_of(item) if s in here}
        offered = [
            EntryColumn(column.name, Column(source, i), hidden=i >= function.visible)
            for i, column in enumerate(function.columns)
        ]
        self.scope.entries.append(Entry(node.alias or node.name, None, offered, source, node.name))


def source_entry(source: Source, alias: str, origin: str | None) -> Entry:
    offered = [EntryColumn(column.name, Column(source, i)) for i, column in enumerate(source.columns)]
    return Entry(alias, None, offered, source, origin)


def collation_name(expression: Expr) -> str:
    found = collation_of(expression)
    return found[0] if found else "BINARY"


def check_view_width(view: str | None, names: Sequence[str], found: int) -> None:
    if len(names) != found:
        raise OperationalError(f"expected {len(names)} columns for '{view}' but got {found}", code="SQLITE_ERROR")


def only_inner(node: ast.Source) -> bool:
    while isinstance(node, ast.Join):
        if node.kind not in ("INNER", "COMMA", "CROSS") or not only_inner(node.right):
            return False
        node = node.left
    return True


def is_mergeable(binder: Binder, select: ast.Select) -> bool:
    """Whether a subquery only picks, renames and filters, so that its expressions may stand in the query around it."""
    node = select.cores[0]
    if len(select.cores) > 1 or not isinstance(node, ast.SelectCore) or node.source is None:
        return False
    if select.limit is not None or select.with_ is not None or node.distinct or node.group_by or node.having:
        return False
    if select.order_by or node.windows or not only_inner(node.source):
        return False
    pending: list[Any] = [column.expression for column in node.columns]
    while pending:
        item = pending.pop()
        if isinstance(item, (ast.Subquery, ast.Exists, ast.InSelect, ast.Parameter)):
            return False
        if isinstance(item, ast.Call):
            name = item.name.lower()
            count = 0 if item.star else len(item.arguments)
            if item.over is not None or name in ("random", "randomblob"):
                return False
            if binder.users.scalar(name, count) is not None or binder.aggregate_function(name, count, item.star):
                return False
        if isinstance(item, (list, tuple)):
            pending.extend(item)
    return True


__all__ = ["CATALOG_COLUMNS", "FromBinder", "Rowid"]
