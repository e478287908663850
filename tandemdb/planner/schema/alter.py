"""ALTER TABLE: the stored texts are edited token by token, and everything else in them stays as it was written.

    ALTER TABLE city RENAME TO town

    row                 text before                               text after
    table   city        CREATE TABLE city (id, name)              CREATE TABLE "town" (id, name)
    index   by_name     CREATE INDEX by_name ON city (name)       CREATE INDEX by_name ON "town" (name)
    view    big         CREATE VIEW big AS SELECT * FROM city     CREATE VIEW big AS SELECT * FROM "town"

`references` finds the tokens. In the end every definition is resolved again under the new schema, so that one which no
longer holds refuses the whole statement: `error in view big after rename: no such column: name`.
ADD COLUMN and DROP COLUMN are in `schema.alter_columns`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import DatabaseError, OperationalError
from tandemdb.planner.schema.build import build_index, build_table
from tandemdb.planner.schema.check import INDEX_COLUMN, INDEX_WHERE, check_expression, check_table
from tandemdb.planner.schema.create import check_object_name
from tandemdb.planner.schema.references import Resolver, Target
from tandemdb.planner.schema.schema import CATALOG_ID, CATALOG_NAMES, Schema, Table, load_schema, parse_definition
from tandemdb.planner.schema.text import quote, quote_if_needed
from tandemdb.planner.settings import bump_schema_version
from tandemdb.planner.syntax import ddl
from tandemdb.planner.syntax.keywords import FALLBACK
from tandemdb.planner.syntax.name_marks import SourceText, parse_marked

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import UserFunctions
    from tandemdb.planner.session import Session
    from tandemdb.storage import Transaction

AFTER_RENAME = "after rename"

NODES: dict[str, type] = {
    "table": ddl.CreateTable,
    "index": ddl.CreateIndex,
    "view": ddl.CreateView,
    "trigger": ddl.CreateTrigger,
}


def alter_table(session: Session, txn: Transaction, node: Any, database: str = "main") -> None:
    """Run one ALTER TABLE on the storage transaction of the table's database.

    On an error the caller restores the mark it set before the statement.
    Raises:
        OperationalError: as sqlite3 words it: unknown or taken names, what may not be altered, or a definition that
            would no longer hold.
    Cost: RENAME is O(texts in the catalog); ADD COLUMN and DROP COLUMN rewrite every record.
    """
    if isinstance(node, ddl.RenameTable):
        rename_table(session, txn, node, database)
    elif isinstance(node, ddl.RenameColumn):
        rename_column(session, txn, node, database)
    else:
        from tandemdb.planner.schema.alter_columns import add_column, drop_column

        if isinstance(node, ddl.AddColumn):
            add_column(session, txn, node, database)
        else:
            drop_column(session, txn, node, database)
    bump_schema_version(txn)


# ---- RENAME TO


def rename_table(session: Session, txn: Transaction, node: ddl.RenameTable, database: str) -> None:
    schema = load_schema(txn.root)
    lowered, new = node.table.lower(), node.new_name
    known = lowered in schema.tables or lowered in schema.views or lowered in CATALOG_NAMES
    if not known:
        raise missing_table(node)
    if new.lower() in schema.tables or new.lower() in schema.views or new.lower() in schema.indexes:
        raise fault(f"there is already another table or index with this name: {new}")
    table = alterable_table(schema, node.table, database)
    check_object_name(new)
    if table is None:
        raise fault(f"view {schema.views[lowered].name} may not be altered")
    legacy = session.settings.legacy_alter_table
    target = Target(database, lowered)
    edit_catalogs(session, database, target, lambda text: quote(new), legacy=legacy)
    if not legacy:
        rename_temporary_triggers(session, database, table, new)
    rename_rows(txn, table, new)
    rename_sequence(txn, schema, table.name, new)
    definition = txn.root.tables[table.id].definition
    txn.alter_table(definition._replace(name=new))
    if not legacy:
        check_definitions(session, database, AFTER_RENAME)


def rename_rows(txn: Transaction, table: Table, new: str) -> None:
    """Rename the table in the other columns of sqlite_master, and with it the keys of its constraints."""
    catalog = txn.table(CATALOG_ID)
    prefix = f"sqlite_autoindex_{table.name}_".lower()
    for key, row in list(catalog.items()):
        kind, name, owner, rootpage, sql = row
        if kind == "view" or str(owner).lower() != table.name.lower():
            continue
        if kind == "table":
            name = new
        elif kind == "index" and str(name).lower().startswith(prefix):
            name = f"sqlite_autoindex_{new}_{str(name)[len(prefix) :]}"
        catalog.replace(key, (kind, name, new, rootpage, sql))


def rename_temporary_triggers(session: Session, database: str, table: Table, new: str) -> None:
    """Tell the triggers of temp that are on a table of another database what its name is now."""
    for position, name in holders_of_definitions(session, database):
        schema = load_schema(session.databases[position].root())
        if name == database or table.name.lower() in schema.tables:
            continue
        owner = table.name.lower()
        owned = {trigger.name for trigger in schema.triggers.values() if trigger.table_name.lower() == owner}
        if owned:
            catalog = session.write(position).table(CATALOG_ID)
            for key, row in list(catalog.items()):
                if row[0] == "trigger" and row[1] in owned:
                    catalog.replace(key, (row[0], row[1], new, row[3], row[4]))


def rename_sequence(txn: Transaction, schema: Schema, old: str, new: str) -> None:
    sequence = schema.tables.get("sqlite_sequence")
    if sequence is not None:
        rows = [(key, row) for key, row in txn.root.tables[sequence.id].items() if row[0] == old]
        for key, row in rows:
            txn.table(sequence.id).replace(key, (new, row[1]))


# ---- RENAME COLUMN


def rename_column(session: Session, txn: Transaction, node: ddl.RenameColumn, database: str) -> None:
    schema = load_schema(txn.root)
    table = require_alterable(schema, node, database, 'cannot rename columns of view "{}"')
    if node.column.lower() not in table.by_name:
        raise fault(f'no such column: "{node.column}"')
    new = node.new_name
    plain = quote_if_needed(new)
    if new.upper() in FALLBACK:
        plain = new
    quoted = quote(new)

    def renamed(text: str) -> str:
        """Quoted where the old name was, or where the new one has to be."""
        return plain if text[0] not in "\"'`[" else quoted

    target = Target(database, table.name.lower(), node.column.lower())
    if session.settings.legacy_alter_table:
        check_definitions(session, database, "")
    edit_catalogs(session, database, target, renamed, legacy=False)
    check_columns(txn, table)
    check_definitions(session, database, AFTER_RENAME)


def check_columns(txn: Transaction, table: Table) -> None:
    """See that no two columns have one name now, before a schema is made of it."""
    for _, row in txn.root.tables[CATALOG_ID].items():
        if row[0] == "table" and row[1] == table.name:
            try:
                build_table(parse_definition(row, ddl.CreateTable))
            except DatabaseError as error:
                raise fault(f"error in table {table.name} {AFTER_RENAME}: {error}") from error


# ---- editing the stored texts


def edit_catalogs(
    session: Session, database: str, target: Target, renamed: Callable[[str], str], *, legacy: bool
) -> None:
    """Replace every token that names the target, in all definitions (with `legacy`, not in views and triggers).

    Definitions of temp may name tables of other databases.
    Raises:
        OperationalError: `error in view v: ...`, a definition that didn't hold even before.
    """
    edited = [
        (position, edited_rows(
            session.databases[position].root(), visible_schemas(session, name), name, target, renamed, legacy))
        for position, name in holders_of_definitions(session, database)
    ]  # fmt: skip
    # Only now: definitions of temp are read under the names that tables of other databases had.
    for position, rows in edited:
        if rows:
            catalog = session.write(position).table(CATALOG_ID)
            for key, row in rows:
                catalog.replace(key, row)


def holders_of_definitions(session: Session, database: str) -> list[tuple[int, str]]:
    """The databases whose definitions may name a table of this one: itself, and temp."""
    return [(at, held.name) for at, held in enumerate(session.databases) if held.name in (database, "temp")]


def visible_schemas(session: Session, database: str) -> dict[str, Schema]:
    """The schemas that definitions of a database may name, in the order in which they are searched."""
    held = {attached.name: attached for attached in session.databases}
    names = ["temp", *(name for name in held if name != "temp")] if database == "temp" else [database]
    return {name: load_schema(held[name].root()) for name in names}


def edited_rows(
    root: Any, visible: dict[str, Schema], database: str, target: Target, renamed: Callable[[str], str], legacy: bool
) -> list[tuple[Any, Any]]:
    """The rows of one catalog that change, with their keys."""
    edited: list[tuple[Any, Any]] = []
    for key, row in root.tables[CATALOG_ID].items():
        kind, name, owner, rootpage, sql = row
        owned = str(owner).lower() == target.table and (database == target.database or kind == "trigger")
        if not isinstance(sql, str) or (legacy and kind in ("view", "trigger")):
            if not (legacy and kind == "trigger" and owned):
                continue
        if kind == "index" and not owned:
            continue
        new_sql = edited_text(visible, database, target, str(kind), str(name), str(sql), renamed, legacy)
        if new_sql != sql:
            edited.append((key, (kind, name, owner, rootpage, new_sql)))
    return edited


def edited_text(
    visible: dict[str, Schema], database: str, target: Target, kind: str, name: str, sql: str,
    renamed: Callable[[str], str], legacy: bool,
) -> str:  # fmt: skip
    text = SourceText(sql)
    sought = target.table if target.column is None else target.column
    resolver = Resolver(visible, database, target)
    try:
        node: Any = parse_marked(text, [sought])
        if legacy and isinstance(node, ddl.CreateTrigger):
            resolver.resolve_owner(node)  # Nobody looks into its statements.
        else:
            resolve(resolver, node)
    except DatabaseError as error:
        raise fault(f"error in {kind} {name}: {error}") from error
    return text.replaced({token: renamed(text.texts[token]) for token in resolver.tokens})


def resolve(resolver: Resolver, node: Any) -> None:
    if isinstance(node, ddl.CreateTable):
        resolver.resolve_table(node)
    elif isinstance(node, ddl.CreateIndex):
        resolver.resolve_index(node)
    elif isinstance(node, ddl.CreateView):
        resolver.resolve_view(node)
    elif isinstance(node, ddl.CreateTrigger):
        resolver.resolve_trigger(node)


def check_definitions(session: Session, database: str, when: str) -> None:
    """See that every definition of the database, and every one of temp, holds under the schemas as they are now.

    Raises:
        OperationalError: `error in view v after rename: no such column: a`.
    """
    legacy = session.settings.legacy_alter_table
    for position, name in holders_of_definitions(session, database):
        visible = visible_schemas(session, name)
        rows = load_schema(session.databases[position].root()).rows
        # Tables and indexes are read again first, where something has changed.
        for row in sorted(rows, key=lambda row: bool(when) and row[0] in ("view", "trigger")):
            if not legacy or row[0] not in ("view", "trigger"):
                check_row(visible, name, row, when, session.users)
            elif not when:
                check_readable(visible, name, row, session.users)


def check_row(visible: dict[str, Schema], database: str, row: Any, when: str, users: UserFunctions | None) -> None:
    kind, name, sql = row[0], row[1], row[4]
    if sql is None or name.lower().startswith("sqlite_"):
        return
    try:
        check_definition(visible, database, row, users)
    except DatabaseError as error:
        raise fault(f"error in {kind} {name}{' ' + when if when else ''}: {error}") from error


def check_readable(visible: dict[str, Schema], database: str, row: Any, users: UserFunctions | None) -> None:
    """With `legacy_alter_table`, SQLite stumbles over views and triggers that don't hold as it looks for quotes."""
    try:
        check_definition(visible, database, row, users)
    except DatabaseError as error:
        raise OperationalError(
            "SQL logic error", detail=f"The {row[0]} {row[1]} does not hold: {error}", code="SQLITE_ERROR"
        ) from error


def check_definition(visible: dict[str, Schema], database: str, row: Any, users: UserFunctions | None) -> None:
    kind = row[0]
    node: Any = parse_definition(row, NODES[kind])
    if kind == "table":
        check_table(build_table(node), users)
    elif kind == "index":
        table = visible[database].tables[row[2].lower()]
        index = build_index(node, table)
        for column in index.columns:
            if column.expression is not None:
                check_expression(column.expression, table, INDEX_COLUMN, users)
        if index.where is not None:
            check_expression(index.where, table, INDEX_WHERE, users)
    else:
        resolve(Resolver(visible, database), node)


# ---- what may be altered


def require_alterable(schema: Schema, node: Any, database: str, of_view: str) -> Table:
    """The table that a statement alters.

    Raises:
        OperationalError: it is not there, a system table, or a view (in the words of `of_view`).
    """
    lowered = node.table.lower()
    if lowered not in schema.tables and lowered not in schema.views and lowered not in CATALOG_NAMES:
        raise missing_table(node)
    table = alterable_table(schema, node.table, database)
    if table is None:
        raise fault(of_view.format(schema.views[lowered].name))
    return table


def alterable_table(schema: Schema, name: str, database: str) -> Table | None:
    """The table; None for a view. System tables are refused."""
    lowered = name.lower()
    if lowered in CATALOG_NAMES:
        raise fault(f"table {'sqlite_temp_master' if database == 'temp' else 'sqlite_master'} may not be altered")
    if lowered.startswith("sqlite_"):
        raise fault(f"table {schema.tables[lowered].name} may not be altered")
    return schema.tables.get(lowered)


def missing_table(node: Any) -> OperationalError:
    shown = node.table if node.schema is None else f"{node.schema}.{node.table}"
    return fault(f"no such table: {shown}")


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
