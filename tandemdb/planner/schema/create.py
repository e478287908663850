"""CREATE TABLE, INDEX, VIEW and TRIGGER: each a row of sqlite_master, and what storage keeps for it.

    CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b UNIQUE)

    sqlite_master                                        storage
    table  t                     t                2      table 2   "rowid", 2 columns
    index  sqlite_autoindex_t_1  t                3      key   3   of table 2, column 1, unique
    table  sqlite_sequence       sqlite_sequence  4      table 4   (with the first AUTOINCREMENT only)

Each function works on one storage transaction, that of the database where the object goes (`schema.names.find_home`). A
function that raises may have done half of its work: the caller restores the mark it set before the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import IntegrityError, NotSupportedError, OperationalError
from tandemdb.planner.schema.build import (
    CheckCollation,
    accept_collation,
    build_index,
    build_table,
    key_definition,
)
from tandemdb.planner.schema.check import INDEX_COLUMN, INDEX_WHERE, check_expression, check_table
from tandemdb.planner.schema.recipes import (
    Recipe,
    Step,
    add_catalog_row,
    find_recipe,
    keep_recipe,
    run_steps,
    settle,
    steps_of_table,
)
from tandemdb.planner.schema.schema import (
    CATALOG_NAMES,
    Index,
    Schema,
    Table,
    View,
    load_schema,
    remember_definition,
)
from tandemdb.planner.schema.text import create_table_text, name_as_written, numbered_names
from tandemdb.planner.settings import bump_schema_version
from tandemdb.planner.syntax import ast, ddl
from tandemdb.planner.syntax.tree import walk
from tandemdb.storage.definition import KeyDefinition

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import UserFunctions
    from tandemdb.storage import Transaction

MODULES = frozenset({
    "dbstat", "fts3", "fts3tokenize", "fts4", "fts4aux", "fts5", "fts5vocab", "json_each", "json_tree", "rtree",
    "rtree_i32", "sqlite_stmt",
})  # fmt: skip
"""The virtual table modules of a usual SQLite; any other name is unknown there too."""


def create_table(
    txn: Transaction,
    node: ddl.CreateTable,
    *,
    columns_of_select: Sequence[tuple[str, str | None]] | None = None,
    rows: Iterable[tuple[Any, ...]] = (),
    users: UserFunctions | None = None,
) -> None:
    """Create a table, with the keys of its constraints; for CREATE TABLE AS also its rows.

    `columns_of_select` gives the result columns' names and affinities (None: no affinity), `rows` its records.
    Raises:
        OperationalError: the name is taken or reserved, or the definition is at fault, in sqlite3's words.
    """
    schema = load_schema(txn.root)
    recipe = find_recipe(schema, node.text, users) if node.text else None
    if recipe is None:
        if not name_is_free(schema, node):
            return
        if columns_of_select is not None:
            node = definition_of_select(node, columns_of_select)
        recipe = table_recipe(schema, node, users)
    ids = run_steps(txn, recipe.steps)
    if columns_of_select is not None:
        records = list(rows)
        txn.table(ids[0]).append_many(list(range(1, len(records) + 1)), records)
    bump_schema_version(txn)
    settle(txn, recipe, ids)
    keep_recipe(schema, node.text, recipe, users)


def table_recipe(schema: Schema, node: ddl.CreateTable, users: UserFunctions | None) -> Recipe:
    """Check the definition; tell what to make, sqlite_sequence with the first AUTOINCREMENT included."""
    table = build_table(node, collation_check(users))
    check_table(table, users)
    remember_definition(node.text, node)
    steps = steps_of_table(table, node.text)
    if table.autoincrement and "sqlite_sequence" not in schema.tables:
        steps += bookkeeping_steps("sqlite_sequence", ("name", "seq"))
    return Recipe(steps, table)


def bookkeeping_steps(name: str, columns: Sequence[str]) -> list[Step]:
    """A table that SQLite makes by itself, written as SQLite writes it."""
    text = f"CREATE TABLE {name}({','.join(columns)})"
    node = ddl.CreateTable(name, None, tuple(ddl.ColumnDefinition(column, "") for column in columns), text=text)
    remember_definition(text, node)
    return steps_of_table(build_table(node), text)


def name_is_free(schema: Schema, node: ddl.CreateTable | ddl.CreateView) -> bool:
    """False if IF NOT EXISTS makes the statement do nothing.

    Raises:
        OperationalError: the name is reserved, or another object's.
    """
    check_object_name(node.name)
    lowered = node.name.lower()
    if lowered in schema.tables or lowered in schema.views:
        if node.if_not_exists:
            return False
        kind = "view" if lowered in schema.views else "table"
        raise fault(f"{kind} {name_as_written(node.text) if node.text else node.name} already exists")
    if lowered in schema.indexes:
        raise fault(f"there is already an index named {node.name}")
    return True


def check_object_name(name: str) -> None:
    if name[:7].lower() == "sqlite_":
        raise fault(f"object name reserved for internal use: {name}")


def definition_of_select(node: ddl.CreateTable, columns: Sequence[tuple[str, str | None]]) -> ddl.CreateTable:
    """The CREATE TABLE that SQLite stores for a CREATE TABLE AS: bare column names and a type for each affinity."""
    types = {"TEXT": "TEXT", "NUMERIC": "NUM", "INTEGER": "INT", "REAL": "REAL"}
    names = numbered_names([name for name, _ in columns])
    definitions = tuple(
        ddl.ColumnDefinition(name, types.get(affinity or "", ""))
        for name, (_, affinity) in zip(names, columns, strict=True)
    )
    text = create_table_text(node.name, definitions)
    return node._replace(columns=definitions, select=None, text=text)


def create_index(
    txn: Transaction, node: ddl.CreateIndex, *, database: str = "main", users: UserFunctions | None = None
) -> None:
    """Create an index and build it.

    Raises:
        OperationalError: the name is taken or reserved, the table isn't there or not one to index, a fault in a column.
        IntegrityError: a UNIQUE index finds two equal rows.
    Cost: O(rows log rows).
    """
    schema = load_schema(txn.root)
    recipe = find_recipe(schema, node.text, users) or index_recipe(schema, node, database, users)
    if recipe is None:
        return
    ids = run_steps(txn, recipe.steps)
    if node.unique and recipe.index is not None:
        check_unique(txn, recipe.table, recipe.index, ids[0])
    bump_schema_version(txn)
    settle(txn, recipe, ids)
    keep_recipe(schema, node.text, recipe, users)


def index_recipe(schema: Schema, node: ddl.CreateIndex, database: str, users: UserFunctions | None) -> Recipe | None:
    """Check the definition; None if IF NOT EXISTS leaves nothing to do."""
    table = indexed_table(schema, node, database)
    check_object_name(node.name)
    if node.name.lower() in schema.tables or node.name.lower() in schema.views:
        raise fault(f"there is already a table named {node.name}")
    if node.name.lower() in schema.indexes:
        if node.if_not_exists:
            return None
        raise fault(f"index {node.name} already exists")
    if node.where is not None:
        check_expression(node.where, table, INDEX_WHERE, users)
    check_collation = collation_check(users)
    index = build_index(node, table, check_collation)
    for column in index.columns:
        check_collation(column.collation)
        if column.expression is not None:
            check_expression(column.expression, table, INDEX_COLUMN, users)
    remember_definition(node.text, node)
    definition = definition_of_index(table, index, schema, users)
    return Recipe([Step(node.name, table.name, definition, node.text)], table, index)


def indexed_table(schema: Schema, node: ddl.CreateIndex, database: str) -> Table:
    lowered = node.table.lower()
    if lowered in CATALOG_NAMES:
        raise fault(f"table {'sqlite_temp_master' if database == 'temp' else 'sqlite_master'} may not be indexed")
    if lowered in schema.views:
        raise fault("views may not be indexed")
    table = schema.tables.get(lowered)
    if table is None:
        raise fault(f"no such table: {database}.{node.table}")
    if lowered.startswith("sqlite_"):
        raise fault(f"table {table.name} may not be indexed")
    return table


def definition_of_index(
    table: Table, index: Index, schema: Schema, users: UserFunctions | None = None
) -> KeyDefinition:
    """What storage is told of an index, with the function that computes its values where it needs one."""
    definition = key_definition(index, table.id)
    if index.computed:
        from tandemdb.planner.change.row_functions import compile_extract

        definition = definition._replace(extract=compile_extract(table, index, schema, users))
    return definition


def check_unique(txn: Transaction, table: Table, index: Index, key_id: int) -> None:
    """Refuse two entries of equal values; a NULL in any column makes an entry unlike all others."""
    previous: Any = None
    several = len(index.columns) > 1
    for rank, stored, _ in txn.root.tables[table.id].keys[key_id].scan_entries():
        if rank and stored == previous and not (several and 0 in stored[1::2]):
            raise IntegrityError(unique_text(table, index), code="SQLITE_CONSTRAINT_UNIQUE")
        previous = stored if rank else None


def unique_text(table: Table, index: Index) -> str:
    """`UNIQUE constraint failed: ...`, naming the columns, or the index where an expression has no name."""
    if any(column.position < 0 for column in index.columns):
        return f"UNIQUE constraint failed: index '{index.name}'"
    names = ", ".join(f"{table.name}.{table.columns[column.position].name}" for column in index.columns)
    return f"UNIQUE constraint failed: {names}"


def create_view(txn: Transaction, node: ddl.CreateView, *, database: str = "main") -> None:
    """Create a view; what it selects from need not exist yet.

    Raises:
        OperationalError: the name is taken or reserved, it has parameters, or it names another database.
    """
    if any(isinstance(part, ast.Parameter) for part in walk(node.select)):
        raise fault("parameters are not allowed in views")
    if not name_is_free(load_schema(txn.root), node):
        return
    check_databases("view", node.name, node.select, database)
    remember_definition(node.text, node)
    add_catalog_row(txn, "view", node.name, node.name, 0, node.text)
    bump_schema_version(txn)


def check_databases(kind: str, name: str, tree: Any, database: str) -> None:
    """An object may name tables of its own database only; temporary ones may name any."""
    if database == "temp":
        return
    for part in walk(tree):
        if isinstance(part, (ast.TableSource, ast.TableName)) and part.schema is not None:
            if part.schema.lower() != database.lower():
                raise fault(f"{kind} {name} cannot reference objects in database {part.schema}")


def create_trigger(
    txn: Transaction, node: ddl.CreateTrigger, *, database: str = "main", owner: Table | View | None = None
) -> None:
    """Create a trigger; the statements in it are checked when it first fires.

    `owner` is its table or view where that stands in another database (temporary triggers may be on any table).
    Raises:
        OperationalError: the name is taken or reserved, the table is not there or not of the right kind, a clause that
            triggers may not have.
    """
    check_body(node)
    schema = load_schema(txn.root)
    if database != "temp" and node.table_schema is not None and node.table_schema.lower() != database.lower():
        raise fault(f"trigger {node.name} cannot reference objects in database {node.table_schema}")
    lowered = node.table.lower()
    found = owner
    if found is None and (node.table_schema or database).lower() == database.lower():
        found = schema.tables.get(lowered) or schema.views.get(lowered)
    if found is None and lowered not in CATALOG_NAMES:
        raise fault(f"no such table: {node.table_schema or database}.{node.table}")
    check_object_name(node.name)
    if node.name.lower() in schema.triggers:
        if node.if_not_exists:
            return
        raise fault(f"trigger {name_as_written(node.text)} already exists")
    if found is None or lowered.startswith("sqlite_"):
        raise fault("cannot create trigger on system table")
    if isinstance(found, View) and node.time != "INSTEAD OF":
        raise fault(f"cannot create {node.time} trigger on view: {node.table}")
    if isinstance(found, Table) and node.time == "INSTEAD OF":
        raise fault(f"cannot create INSTEAD OF trigger on table: {node.table}")
    if any(isinstance(part, ast.Parameter) for part in walk(node)):
        raise fault("trigger cannot use variables")
    check_databases("trigger", node.name, node.body, database)
    remember_definition(node.text, node)
    add_catalog_row(txn, "trigger", node.name, found.name, 0, node.text)
    bump_schema_version(txn)


def check_body(node: ddl.CreateTrigger) -> None:
    """Refuse the clauses that statements inside a trigger may not have."""
    for statement in node.body:
        if not isinstance(statement, (ast.Insert, ast.Update, ast.Delete)):
            continue
        if statement.returning:
            raise fault("cannot use RETURNING in a trigger")
        if statement.table.schema is not None:
            raise fault(
                "qualified table names are not allowed on INSERT, UPDATE, and DELETE statements within triggers"
            )
        if statement.table.index is not None:
            clause = "INDEXED BY" if statement.table.index else "NOT INDEXED"
            raise fault(f"the {clause} clause is not allowed on UPDATE or DELETE statements within triggers")


def create_virtual_table(txn: Transaction, node: ddl.CreateVirtualTable) -> None:
    """Refuse: there are no virtual tables.

    Raises:
        OperationalError: the name is taken, or SQLite has no such module either.
        NotSupportedError: a module that SQLite has.
    """
    schema = load_schema(txn.root)
    check_object_name(node.name)
    lowered = node.name.lower()
    if lowered in schema.tables or lowered in schema.views:
        if node.if_not_exists:
            return
        kind = "view" if lowered in schema.views else "table"
        raise fault(f"{kind} {node.name} already exists")
    if node.module.lower() in MODULES:
        raise NotSupportedError(
            f"virtual tables are not supported: module {node.module}",
            hint="Keep the text in an ordinary table, and search it with LIKE or an index on an expression.",
        )
    raise fault(f"no such module: {node.module}")


def collation_check(users: UserFunctions | None) -> CheckCollation:
    """What refuses unknown collations: nothing where no connection is there to ask."""
    if users is None:
        return accept_collation

    def check(name: str) -> None:
        if not users.has_collation(name):
            raise OperationalError(f"no such collation sequence: {name}", code="SQLITE_ERROR_MISSING_COLLSEQ")

    return check


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
