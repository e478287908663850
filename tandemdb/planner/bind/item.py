"""Binding one item of FROM: a table, view, subquery, common table or table-valued function.

    city AS c                      a source that reads the table                     Entry c, its columns
    (SELECT id, name FROM city)    merged: the table becomes a source of this core, the entry's columns its expressions
    (SELECT ... GROUP BY ...)      a source that reads the rows of a query

A subquery or view is merged if it only picks, renames and filters, and no outer join could put NULLs in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, Column, Expr, Query, Source, SourceColumn, sources_of
from tandemdb.planner.bind.common import unique_names
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.scope import Entry, EntryColumn, Scope
from tandemdb.planner.bind.traits import affinity_of, collation_of
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.from_items import FromBinder
    from tandemdb.planner.bind.query import Binder

TEMP = 1
"""The place of the temporary database; its views may name tables of any."""


def bind_item(place: FromBinder, node: ast.Source, *, mergeable: bool) -> None:
    """Add the item's sources to the core and one entry to the scope.

    Raises:
        OperationalError: no such table, no such index, a circular view, wrong column counts.
    """
    if isinstance(node, ast.SubquerySource):
        bind_subquery(place, node.select, node.alias, mergeable)
        return
    assert isinstance(node, ast.TableSource)
    if node.arguments is not None:
        bind_table_function(place, node)
        return
    common = place.binder.find_common(node.name) if node.schema is None else None
    if common is not None:
        bind_common(place, node, common)
    else:
        bind_named(place, node, mergeable)


def bind_common(place: FromBinder, node: ast.TableSource, common: Any) -> None:
    if node.index:
        raise OperationalError(f"no such index: {node.index}", code="SQLITE_ERROR")
    rows = common.use(place.binder)
    source = place.binder.new_source(node.alias or node.name, rows.columns, place.core)
    source.function = rows
    place.scope.entries.append(query_entry(source, node.alias or node.name, None))


def bind_named(place: FromBinder, node: ast.TableSource, mergeable: bool) -> None:
    """A table or view, one of the catalog's names, or a table-valued function without arguments."""
    from tandemdb.planner.bind.table_functions import is_table_function
    from tandemdb.planner.schema.schema import View

    if bind_catalog(place, node):
        return
    namespace = place.binder.namespace
    schema = node.schema or place.binder.home
    if node.schema is None and namespace.find_table(node.name, schema) is None and is_table_function(node.name):
        bind_table_function(place, node._replace(arguments=()))
        return
    position, table = namespace.require_table(node.name, schema)
    if isinstance(table, View):
        bind_view(place, node, table, position, mergeable)
    else:
        bind_table(place, node, position, table)


def bind_catalog(place: FromBinder, node: ast.TableSource) -> bool:
    """sqlite_master and its other names: table 0 of the database."""
    lowered = node.name.lower()
    if lowered not in ("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"):
        return False
    from tandemdb.planner.schema.schema import catalog_table

    names = place.binder.namespace.names
    schema = node.schema or ("temp" if "temp" in lowered else "main")
    position = next((i for i, name in enumerate(names) if name.lower() == schema.lower()), None)
    if position is None and schema.lower() != "temp":
        raise OperationalError(f"no such table: {schema}.{node.name}", code="SQLITE_ERROR")
    bind_table(place, node, position or 0, catalog_table())
    if position is None:
        place.core.conjuncts.append(ast.Literal(0))  # Nothing temporary was made yet.
    return True


def bind_table(place: FromBinder, node: ast.TableSource, database: int, table: Any) -> None:
    binder = place.binder
    stored = binder.roots[database].tables[table.id]
    binder.tables_read[(database, table.id)] = stored
    columns = [
        SourceColumn(column.name, column.affinity, column.collation, stored.classes[column.position], column.type_name)
        for column in table.columns
    ]
    source = binder.new_source(node.alias or node.name, columns, place.core)
    source.table = table
    source.database = database
    if node.index and not any(index.name.lower() == node.index.lower() for index in table.indexes):
        raise OperationalError(f"no such index: {node.index}", code="SQLITE_ERROR")
    source.index_hint = node.index
    offered = [
        EntryColumn(column.name, Column(source, column.position), hidden=bool(column.hidden == 1))
        for column in table.columns
    ]
    schema = binder.namespace.names[database]
    place.scope.entries.append(Entry(node.alias or table.name, schema, offered, source, table.name))


def bind_view(place: FromBinder, node: ast.TableSource, view: Any, database: int, mergeable: bool) -> None:
    binder = place.binder
    if view.name.lower() in binder.views:
        raise OperationalError(f"view {view.name} is circularly defined", code="SQLITE_ERROR")
    if node.index:
        raise OperationalError(f"no such index: {node.index}", code="SQLITE_ERROR")
    binder.views.append(view.name.lower())
    if binder.authority is not None:
        binder.authority.path.append(view.name)
    hidden, binder.common = binder.common, []
    home, binder.home = binder.home, None if database == TEMP else binder.namespace.names[database]
    try:
        bind_subquery(place, view.select, node.alias or view.name, mergeable, names=view.columns, view=view.name)
    finally:
        binder.views.pop()
        binder.common, binder.home = hidden, home
        if binder.authority is not None:
            binder.authority.path.pop()
    if binder.authority is not None:
        binder.authority.views[place.core.sources[-1].number] = (view.name, database)
    place.scope.entries[-1].schema = binder.namespace.names[database]


def bind_subquery(
    place: FromBinder,
    select: ast.Select,
    alias: str | None,
    mergeable: bool,
    *,
    names: Sequence[str] = (),
    view: str | None = None,
) -> None:
    """A subquery, or with `view` the query of a view of that name whose columns are called `names`."""
    if mergeable and place.binder.authority is None and is_mergeable(place.binder, select):
        merge(place, select, alias or "", names, view)
        return
    parent = None if view is not None else place.scope.parent
    query = place.binder.bind_select(select, parent)
    check_view_width(view, names, len(query.columns))
    source = new_query_source(place, query, alias or "subquery", names, view)
    place.scope.query.outer |= query.outer
    place.scope.entries.append(query_entry(source, alias or "", view))


def new_query_source(
    place: FromBinder, query: Query, label: str, names: Sequence[str] = (), view: str | None = None
) -> Source:
    """A source that reads the rows of a query, under the names that SQLite gives the columns of a subquery."""
    from tandemdb.planner.bind.query import result_columns

    query.columns = query.columns or result_columns(query)
    called = names or inner_names(query, view)
    columns = [
        column._replace(name=name, classes=HOLDS_ANY, affinity=column.affinity or ("BLOB" if view else None))
        for column, name in zip(query.columns, called, strict=True)
    ]
    source = place.binder.new_source(label, unique_names(columns), place.core)
    source.query = query
    return source


def inner_names(query: Query, view: str | None) -> list[str]:
    """The names of a subquery's columns, before they are made unique; a view spells columns as their table does."""
    return [result.name if view is not None else result.inner_name or result.name for result in query.cores[0].results]


def merge(place: FromBinder, select: ast.Select, alias: str, names: Sequence[str], view: str | None) -> None:
    """Bind a picking and filtering subquery into this very core."""
    from tandemdb.planner.bind.from_items import FromBinder
    from tandemdb.planner.bind.query import split_and

    node = select.cores[0]
    assert isinstance(node, ast.SelectCore) and node.source is not None
    core, binder = place.core, place.binder
    inner = Scope(None if view is not None else place.scope.parent, core, place.scope.query)
    sources = FromBinder(binder, inner)
    sources.bind_items(node.source)
    expressions = ExpressionBinder(binder, inner)
    held, core.results = core.results, []
    binder.bind_results(node, core, inner, expressions)
    results, core.results = core.results, held
    inner.aggregates = inner.windows_allowed = False
    if node.where is not None:
        core.conjuncts.extend(split_and(expressions.bind_scalar(node.where)))
    sources.bind_conditions()
    check_view_width(view, names, len(results))
    called = names or [result.name if view is not None else result.inner_name or result.name for result in results]
    columns = [
        SourceColumn(name, affinity_of(result.expression), collation_name(result.expression), HOLDS_ANY)
        for name, result in zip(called, results, strict=True)
    ]
    offered = [
        EntryColumn(column.name, result.expression)
        for column, result in zip(unique_names(columns), results, strict=True)
    ]
    entry = Entry(alias, None, offered, None, view)
    entry.rowid = no_rowid
    place.scope.entries.append(entry)


def bind_table_function(place: FromBinder, node: ast.TableSource) -> None:
    from tandemdb.planner.bind.table_functions import check_arguments, find_table_function

    binder = place.binder
    if node.arguments and binder.namespace.find_table(node.name, node.schema) is not None:
        raise OperationalError(f"'{node.name}' is not a function", code="SQLITE_ERROR")
    function = find_table_function(node.name)
    check_arguments(function, node.name, len(node.arguments or ()))
    expressions = ExpressionBinder(binder, place.scope)
    arguments = [expressions.bind_scalar(item) for item in node.arguments or ()]
    source = binder.new_source(node.alias or node.name, function.columns, place.core)
    source.function = function
    source.arguments = arguments
    here = set(place.core.sources)
    source.requires |= {s.number for item in arguments for s in sources_of(item) if s in here}
    offered = [
        EntryColumn(column.name, Column(source, i), hidden=i >= function.visible)
        for i, column in enumerate(function.columns)
    ]
    place.scope.entries.append(Entry(node.alias or node.name, None, offered, source, node.name))


def query_entry(source: Source, alias: str, origin: str | None) -> Entry:
    offered = [EntryColumn(column.name, Column(source, i)) for i, column in enumerate(source.columns)]
    entry = Entry(alias, None, offered, source, origin)
    entry.rowid = no_rowid
    return entry


def no_rowid() -> Expr:
    """The rowid of a subquery's or view's row: NULL, as builds of SQLite with ALLOW_ROWID_IN_VIEW have it."""
    return ast.Literal(None)


def collation_name(expression: Expr) -> str:
    found = collation_of(expression)
    return found[0] if found else "BINARY"


def check_view_width(view: str | None, names: Sequence[str], found: int) -> None:
    if names and len(names) != found:
        raise OperationalError(f"expected {len(names)} columns for '{view}' but got {found}", code="SQLITE_ERROR")


def is_mergeable(binder: Binder, select: ast.Select) -> bool:
    """Whether a subquery only picks, renames and filters, so that its expressions may stand in the query around it."""
    from tandemdb.planner.bind.from_items import only_inner

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
        if isinstance(item, (ast.Subquery, ast.Exists, ast.InSelect, ast.Parameter, ast.Collate)):
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
