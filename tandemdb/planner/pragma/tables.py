"""The PRAGMAs that describe the schema, and those that list what the engine knows.

    table_info, table_xinfo   columns of a table or view       index_list             indexes of a table
    table_list                tables and views                 index_info, _xinfo     columns of an index
    foreign_key_list          references of a table            database_list ...      what there is

A name without a database is looked for in temp, main and the attached databases, in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tandemdb.planner.namespace import namespace_of
from tandemdb.planner.schema.build import same_column
from tandemdb.planner.schema.schema import CATALOG_NAMES, Column, Index, Schema, Table, View, catalog_table, load_schema

if TYPE_CHECKING:
    from tandemdb.planner.pragma.pragma import Call, PragmaSession

Rows = list[tuple[Any, ...]]

ALL_DATABASES = -1
"""The position of a PRAGMA that names no database."""
TEMP_UNUSED = -2
"""The position of temp as long as the connection has no temporary objects."""

BUILT_IN_COLLATIONS = ("BINARY", "NOCASE", "RTRIM")
DETERMINISTIC_FLAGS, OTHER_FLAGS = 2099200, 2097152


def search_order(call: Call) -> list[int]:
    """The positions of the databases to look in."""
    if call.home >= 0:
        return [call.home]
    if call.home == TEMP_UNUSED:
        return []
    count = len(call.session.databases)
    return [0] if count == 1 else [1, 0, *range(2, count)]


def all_positions(call: Call) -> Sequence[int]:
    """The positions of the database named, or of all."""
    if call.home >= 0:
        return [call.home]
    return [] if call.home == TEMP_UNUSED else range(len(call.session.databases))


def schemas(call: Call) -> Iterator[tuple[int, Schema]]:
    for position in search_order(call):
        yield position, load_schema(call.session.databases[position].root())


def find_table(call: Call) -> Table | View | None:
    """The table or view that the PRAGMA's value names."""
    if call.value is None:
        return None
    lowered = call.value.lower()
    if lowered in CATALOG_NAMES:
        return catalog_table()
    for _, schema in schemas(call):
        found = schema.tables.get(lowered) or schema.views.get(lowered)
        if found is not None:
            return found
    return None


def find_index(call: Call) -> tuple[Table, Index] | None:
    """The index that the value names, or the primary key of a WITHOUT ROWID table of that name."""
    if call.value is None:
        return None
    lowered = call.value.lower()
    for _, schema in schemas(call):
        index = schema.indexes.get(lowered)
        if index is not None:
            return schema.tables[index.table_name.lower()], index
    table = find_table(call)
    if isinstance(table, Table) and table.without_rowid:
        return table, next(index for index in table.indexes if index.origin == "pk")
    return None


# ---- tables


def show_table_info(call: Call) -> Rows:
    shown = [row[:6] for row in describe_columns(call) if not row[6]]
    return [(number, *row[1:]) for number, row in enumerate(shown)]


def show_table_xinfo(call: Call) -> Rows:
    return describe_columns(call)


def describe_columns(call: Call) -> Rows:
    found = find_table(call)
    if found is None:
        return []
    if isinstance(found, View):
        columns = view_columns(call.session, found, call)
        return [(at, name, kind, 0, None, 0, 0) for at, (name, kind) in enumerate(columns)]
    return [describe_column(column) for column in found.columns]


def describe_column(column: Column) -> tuple[Any, ...]:
    default = None if column.generated is not None else column.default_text
    return (
        column.position, column.name, column.type_name, int(column.not_null), default, column.primary_key,
        column.hidden,
    )  # fmt: skip


def view_columns(session: PragmaSession, view: View, call: Call) -> list[tuple[str, str]]:
    """Names and declared types of a view's columns.

    Raises:
        OperationalError: the view's SELECT names what is not there.
    """
    from tandemdb.planner.bind.query import Binder

    roots = [attached.root() for attached in session.databases]
    namespace = namespace_of([attached.name for attached in session.databases], [load_schema(root) for root in roots])
    binder = Binder(namespace, roots, session.users)
    for name, schema in zip(namespace.names, namespace.schemas, strict=True):
        if name != "temp" and schema is not None and view in schema.views.values():
            binder.home = name
    columns = binder.bind_select(view.select, None).columns
    names = view.columns or [column.name for column in columns]
    return [(name, column.type_name or "") for name, column in zip(names, columns, strict=True)]


def show_table_list(call: Call) -> Rows:
    rows: Rows = []
    wanted = None if call.value is None else call.value.lower()
    for position in all_positions(call):
        attached = call.session.databases[position]
        schema = load_schema(attached.root())
        for row in reversed(schema.rows):
            kind, name = row[0], row[1]
            if kind in ("table", "view") and wanted in (None, name.lower()):
                rows.append((attached.name, name, kind, *shape(call, schema, name.lower())))
        catalog = "sqlite_temp_schema" if attached.name == "temp" else "sqlite_schema"
        if wanted is None or (
            wanted in CATALOG_NAMES and (CATALOG_NAMES[wanted] == "temp") == (attached.name == "temp")
        ):
            rows.append((attached.name, catalog, "table", 5, 0, 0))
    if call.home < 0 and "temp" not in [attached.name for attached in call.session.databases] and wanted is None:
        rows.append(("temp", "sqlite_temp_schema", "table", 5, 0, 0))
    return rows


def shape(call: Call, schema: Schema, lowered: str) -> tuple[int, int, int]:
    """The number of columns, and whether it is WITHOUT ROWID and STRICT."""
    view = schema.views.get(lowered)
    if view is not None:
        return len(view.columns or view_columns(call.session, view, call)), 0, 0
    table = schema.tables[lowered]
    return len(table.columns), int(table.without_rowid), int(table.strict)


# ---- indexes


def show_index_list(call: Call) -> Rows:
    table = find_table(call)
    if not isinstance(table, Table):
        return []
    return [
        (number, index.name, int(index.unique), index.origin, int(index.where is not None))
        for number, index in enumerate(table.indexes)
    ]


def show_index_info(call: Call) -> Rows:
    return [row[:3] for row in show_index_xinfo(call) if row[5]]


def show_index_xinfo(call: Call) -> Rows:
    """The index's own columns, then those that lead to the row: the rowid, or the rest of the unique key."""
    found = find_index(call)
    if found is None:
        return []
    table, index = found
    rows: Rows = []
    for column in index.columns:
        name = table.columns[column.position].name if column.position >= 0 else None
        cid = column.position if column.position >= 0 else -2
        rows.append((len(rows), cid, name, int(column.descending), column.collation, 1))
    if not table.without_rowid:
        rows.append((len(rows), -1, None, 0, "BINARY", 0))
        return rows
    if index.origin == "pk":
        own = {column.position for column in index.columns}
        rest = [column for column in table.columns if column.position not in own and column.hidden != 2]
        return rows + [(len(rows) + at, column.position, column.name, 0, "BINARY", 0) for at, column in enumerate(rest)]
    for column in table.primary_key_columns:
        if not any(same_column(column, other) for other in index.columns):
            name = table.columns[column.position].name
            rows.append((len(rows), column.position, name, int(column.descending), column.collation, 0))
    return rows


# ---- foreign keys


def show_foreign_keys(call: Call) -> Rows:
    """One row a column; the foreign key declared last is number 0."""
    table = find_table(call)
    if not isinstance(table, Table):
        return []
    rows: Rows = []
    for number, foreign_key in enumerate(reversed(table.foreign_keys)):
        for at, position in enumerate(foreign_key.columns):
            to = foreign_key.parent_columns[at] if foreign_key.parent_columns else None
            rows.append((
                number, at, foreign_key.parent, table.columns[position].name, to, foreign_key.on_update,
                foreign_key.on_delete, "NONE",
            ))  # fmt: skip
    return rows


# ---- what there is


def show_databases(call: Call) -> Rows:
    """The databases in use; temp only once it was written to."""
    rows: Rows = []
    for position, attached in enumerate(call.session.databases):
        if attached.name != "temp" or attached.root().lsn or attached.root().tables[0].count:
            rows.append((position, attached.name, attached.file))
    return rows


def show_collations(call: Call) -> Rows:
    """The newest first, as SQLite lists them: the connection's own, then the built-in ones."""
    from tandemdb.storage import collation_keys

    own = [
        name for name in collation_keys if name not in BUILT_IN_COLLATIONS and call.session.users.has_collation(name)
    ]
    names = [*reversed(own), *reversed(BUILT_IN_COLLATIONS)]
    return list(enumerate(names))


def show_compile_options(call: Call) -> Rows:
    from tandemdb.planner.functions.session import COMPILE_OPTIONS

    return [(option,) for option in COMPILE_OPTIONS]


def show_modules(call: Call) -> Rows:
    return [("json_tree",), ("json_each",)]


def show_functions(call: Call) -> Rows:
    """The built-in functions: s scalar, w aggregate (each of which may be used over a window)."""
    from tandemdb.planner.functions.registry import AGGREGATES, SCALARS

    rows: Rows = []
    for homes, kind, held in ((SCALARS, "s", "SCALAR_FUNCTIONS"), (AGGREGATES, "w", "AGGREGATE_FUNCTIONS")):
        for name, home in sorted(homes.items()):
            function = getattr(import_module(f"tandemdb.planner.functions.{home}"), held)[name]
            count = function.min_arguments if function.min_arguments == function.max_arguments else -1
            flags = DETERMINISTIC_FLAGS if getattr(function, "deterministic", False) else OTHER_FLAGS
            rows.append((name, 1, kind, "utf8", count, flags))
    return rows
