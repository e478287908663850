"""ALTER TABLE ADD COLUMN and DROP COLUMN: the text of the table, then every one of its records.

    ADD COLUMN c DEFAULT 5      (1, 'x')     -> (1, 'x', 5)
    DROP COLUMN b               (1, 'x', 5)  -> (1, 5)           keys on later columns are built anew

SQLite leaves the records of ADD COLUMN as they are and fills in the default as it reads; here a record always has all
columns, generated ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.parser import parse
from tandemdb.planner.runtime.values import AFFINITY_FUNCTIONS, CAST_FUNCTIONS, negate
from tandemdb.planner.schema.alter import alterable_table, check_definitions, fault, missing_table, require_alterable
from tandemdb.planner.schema.build import build_table, table_definition
from tandemdb.planner.schema.check import check_table, operands
from tandemdb.planner.schema.create import collation_check, definition_of_index
from tandemdb.planner.schema.schema import (
    CATALOG_ID,
    CATALOG_NAMES,
    Column,
    Schema,
    Table,
    load_schema,
    parse_definition,
)
from tandemdb.planner.syntax import ast, ddl
from tandemdb.planner.syntax.name_marks import SourceText

if TYPE_CHECKING:
    from tandemdb.planner.session import Session
    from tandemdb.storage import Transaction

WHEN_ADDED = "after add column"
WHEN_DROPPED = "after drop column"


# ---- ADD COLUMN


def add_column(session: Session, txn: Transaction, node: ddl.AddColumn, database: str) -> None:
    """Append a column, with its default or generated value in every record."""
    schema = load_schema(txn.root)
    lowered = node.table.lower()
    if lowered not in schema.tables and lowered not in schema.views and lowered not in CATALOG_NAMES:
        raise missing_table(node)
    if lowered in schema.views:
        raise fault("Cannot add a column to a view")
    table = alterable_table(schema, node.table, database)
    assert table is not None
    check_new_column(session, txn, table, node.column)
    sql = with_column(table.sql, node.text)
    changed = changed_table(table, sql, WHEN_ADDED, session)
    values = added_values(txn, schema, table, changed.columns[-1])
    replace_sql(txn, table, sql)
    txn.alter_table(table_definition(changed)._replace(id=table.id))
    writable = txn.table(table.id)
    for (key, record), added in zip(list(writable.items()), values, strict=True):
        writable.replace(key, (*record, added))
    check_rows(txn, changed, node.column, ignores_checks=session.settings.ignore_check_constraints)


def check_new_column(session: Session, txn: Transaction, table: Table, column: ddl.ColumnDefinition) -> None:
    """What SQLite refuses of a column for rows that are already there."""
    if column.name.lower() in table.by_name:
        raise fault(f"duplicate column name: {column.name}")
    if column.collation is not None:
        collation_check(session.users)(column.collation)
    if column.default is not None:
        from tandemdb.planner.schema.check import is_constant_or_function

        if not is_constant_or_function(column.default):
            raise fault(f"default value of column [{column.name}] is not constant")
    if column.primary_key is not None:
        raise fault("Cannot add a PRIMARY KEY column")
    if column.unique:
        raise fault("Cannot add a UNIQUE column")
    if txn.root.tables[table.id].count == 0:
        return
    if column.generated is not None:
        if column.generated.stored:
            raise fault("cannot add a STORED column")
        return
    has_default = column.default is not None and column.default != ast.Literal(None)
    if isinstance(column.default, ast.Literal) and column.default.value is None:
        has_default = False
    if column.references and has_default and session.settings.foreign_keys:
        raise fault("Cannot add a REFERENCES column with non-NULL default value")
    if column.not_null and not has_default:
        raise fault("Cannot add a NOT NULL column with default value NULL")
    if has_default:
        constant_value(column.default)


def with_column(sql: str, column: str) -> str:
    """The text with a column behind the last one: before the table's constraints, or its closing parenthesis."""
    text = SourceText(sql)
    place = column_boundaries(text)[-1]
    offset = text.offsets[place]
    return f"{sql[:offset]}, {column}{sql[offset:]}"


def column_boundaries(text: SourceText) -> list[int]:
    """The tokens where each column definition begins, and the one right behind the last: a comma or the parenthesis."""
    place = text.kinds.index("(")
    starts = [place + 1]
    depth = 0
    for position in range(place + 1, len(text.kinds)):
        kind = text.kinds[position]
        if kind == "(":
            depth += 1
        elif kind == ")":
            depth -= 1
            if depth < 0:
                return [*starts, position]
        elif kind == "," and depth == 0:
            if text.kinds[position + 1] in ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"):
                return [*starts, position]
            starts.append(position + 1)
    raise fault("malformed CREATE TABLE")


def added_values(txn: Transaction, schema: Schema, table: Table, column: Column) -> Sequence[Any]:
    """The new column's value in each record, in the order of the unique key."""
    affinity = AFFINITY_FUNCTIONS[column.affinity]
    stored = txn.root.tables[table.id]
    if not stored.count:
        return []
    if column.generated is None:
        return [affinity(constant_value(column.default))] * stored.count
    from tandemdb.planner.change.row_functions import compile_row_functions

    compute = compile_row_functions(table, [column.generated.expression], None, schema, column.name)
    return [affinity((compute(key, record) or (None,))[0]) for key, record in stored.items()]


def constant_value(expression: ast.Expression | None) -> Any:
    """The value of a DEFAULT that needs no evaluation: a literal, signed or cast.

    Raises:
        OperationalError: it is anything else.
    """
    if expression is None:
        return None
    if isinstance(expression, ast.Literal):
        return expression.value
    if isinstance(expression, ast.Name) and expression.table is None:
        word = expression.column.lower()
        if word in ("true", "false"):
            return int(word == "true")
    if isinstance(expression, ast.Unary) and expression.operator in ("-", "+"):
        value = constant_value(expression.operand)
        return negate(value) if expression.operator == "-" else value
    if isinstance(expression, ast.Cast):
        from tandemdb.planner.schema.schema import affinity_of

        return CAST_FUNCTIONS[affinity_of(expression.type_name)](constant_value(expression.operand))
    raise fault("Cannot add a column with non-constant default")


def check_rows(txn: Transaction, table: Table, column: ddl.ColumnDefinition, *, ignores_checks: bool) -> None:
    """See that the rows there are keep the constraints that came with the column."""
    stored = txn.root.tables[table.id]
    if not stored.count:
        return
    if column.not_null and any(record[-1] is None for _, record in stored.items()):
        raise fault("NOT NULL constraint failed")
    from tandemdb.planner.change.row_functions import compile_row_functions

    for check in () if ignores_checks else column.checks:
        broken = ast.Unary("NOT", check.expression)
        find_broken = compile_row_functions(table, [ast.Literal(1)], broken, load_schema(txn.root), column.name)
        if any(find_broken(key, record) is not None for key, record in stored.items()):
            raise fault("CHECK constraint failed")


# ---- DROP COLUMN


def drop_column(session: Session, txn: Transaction, node: ddl.DropColumn, database: str) -> None:
    """Take a column out of the text and out of every record."""
    schema = load_schema(txn.root)
    table = require_alterable(schema, node, database, 'cannot drop column from view "{}"')
    column = table.by_name.get(node.column.lower())
    if column is None:
        raise fault(f'no such column: "{node.column}"')
    definition = parse_definition(catalog_row(schema, table), ddl.CreateTable).columns[column.position]
    if column.primary_key:
        raise fault(f'cannot drop PRIMARY KEY column: "{node.column}"')
    if definition.unique:
        raise fault(f'cannot drop UNIQUE column: "{node.column}"')
    if len(table.columns) == 1:
        raise fault(f'cannot drop column "{node.column}": no other columns exist')
    check_definitions(session, database, "")
    sql = without_column(table.sql, column.position)
    changed = changed_table(table, sql, WHEN_DROPPED, session)
    check_unnamed(schema, table, changed, column)
    replace_sql(txn, table, sql)
    check_definitions(session, database, WHEN_DROPPED)
    remove_values(txn, schema, table, changed, column.position)


def check_unnamed(schema: Schema, table: Table, changed: Table, column: Column) -> None:
    """See that no CHECK, generated column or index names a dropped column: in "", it would be a text from then on.

    Raises:
        OperationalError: one does.
    """
    computed = [other.generated.expression for other in changed.columns if other.generated is not None]
    held = [(f"table {table.name}", [*(check.expression for check in changed.checks), *computed])]
    for row in schema.rows:
        if row[0] == "index" and row[4] is not None and row[2] == table.name:
            node = parse_definition(row, ddl.CreateIndex)
            parts = [term.expression for term in node.columns]
            held.append((f"index {row[1]}", parts if node.where is None else [*parts, node.where]))
    for holder, pending in held:
        while pending:
            part: Any = pending.pop()
            if isinstance(part, ast.Name) and part.table is None and part.column.lower() == column.name.lower():
                raise fault(f"error in {holder} {WHEN_DROPPED}: no such column: {part.column}")
            pending.extend(operands(part))


def catalog_row(schema: Schema, table: Table) -> Any:
    return next(row for row in schema.rows if row[0] == "table" and row[1] == table.name)


def without_column(sql: str, position: int) -> str:
    """The text without one column: up to the next one's name, or from the comma before it if it is the last."""
    text = SourceText(sql)
    boundaries = column_boundaries(text)
    start, end = text.offsets[boundaries[position]], text.offsets[boundaries[position + 1]]
    if position == len(boundaries) - 2:
        start = sql.rindex(",", 0, start)
    return sql[:start] + sql[end:]


def remove_values(txn: Transaction, schema: Schema, table: Table, changed: Table, position: int) -> None:
    """Rewrite the records; keys are dropped before and built again after, for their columns move."""
    indexes = [index for index in table.indexes if index.id >= 0]
    for index in indexes:
        txn.drop_key(index.id)
    definition = table_definition(changed)._replace(id=table.id)
    classes = list(txn.root.tables[table.id].classes)
    del classes[position]
    txn.alter_table(definition._replace(class_masks=tuple(classes)))
    writable = txn.table(table.id)
    for key, record in list(writable.items()):
        writable.replace(key, record[:position] + record[position + 1 :])
    fresh = load_schema(txn.root)
    now = fresh.tables[table.name.lower()]
    ids: dict[str, int] = {}
    for index in sorted(indexes, key=lambda index: index.id):
        found = next(other for other in now.indexes if other.name == index.name)
        ids[index.name] = txn.create_key(definition_of_index(now, found, fresh))
    catalog = txn.table(CATALOG_ID)
    for row_key, row in list(catalog.items()):
        if row[0] == "index" and row[1] in ids:
            catalog.replace(row_key, (row[0], row[1], row[2], ids[str(row[1])], row[4]))


# ---- shared


def replace_sql(txn: Transaction, table: Table, sql: str) -> None:
    catalog = txn.table(CATALOG_ID)
    for key, row in list(catalog.items()):
        if row[0] == "table" and str(row[1]).lower() == table.name.lower():
            catalog.replace(key, (*row[:4], sql))


def changed_table(table: Table, sql: str, when: str, session: Session) -> Table:
    """The table as its new text describes it.

    Raises:
        OperationalError: `error in table t after ...`, if the text no longer holds.
    """
    try:
        node = parse(sql).node
        if not isinstance(node, ddl.CreateTable):
            raise fault("not a table")
        changed = build_table(node._replace(name=table.name))
        check_table(changed, session.users)
    except OperationalError as error:
        raise fault(f"error in table {table.name} {when}: {error}") from error
    changed.id = table.id
    return changed
