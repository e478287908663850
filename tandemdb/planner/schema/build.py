"""From a parsed CREATE TABLE or CREATE INDEX to the schema's Table and Index, and on to storage's definitions.

    ddl.CreateTable                        schema.Table                      storage
    columns: id INTEGER PRIMARY KEY  --->  rowid_position 0            --->  TableDefinition "rowid", 2 columns
             name TEXT UNIQUE        --->  Index sqlite_autoindex_...  --->  KeyDefinition (1, BINARY) unique

`build_table` makes every structural check that SQLite makes, in the order in which its parser meets the clauses, so
that a statement with several faults is refused for the same one. What needs names resolved is in `schema.check`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tandemdb.errors import OperationalError
from tandemdb.planner.schema.schema import Column, ForeignKey, Index, IndexColumn, Table, affinity_of
from tandemdb.planner.syntax import ast, ddl
from tandemdb.storage.definition import KeyColumn, KeyDefinition, TableDefinition
from tandemdb.storage.values import HOLDS_BLOB, HOLDS_FLOAT, HOLDS_INT, HOLDS_TEXT

COLUMNS_MAX = 2000
STANDARD_TYPES = frozenset({"ANY", "BLOB", "INT", "INTEGER", "REAL", "TEXT"})

CheckCollation = Callable[[str], None]
"""Raises `no such collation sequence` for a name that the connection doesn't know."""


def build_table(node: ddl.CreateTable, check_collation: CheckCollation | None = None) -> Table:
    """The table that a CREATE TABLE describes; ids are 0 and the indexes' -1 until storage has given them.

    Raises:
        OperationalError: a structural fault, in sqlite3's words. Without `check_collation` any collation will do.
    """
    table = Table(node.name, 0, (), {}, node.text, strict=node.strict, without_rowid=node.without_rowid)
    builder = TableBuilder(table, node, check_collation or accept_collation)
    for definition in node.columns:
        builder.add_column(definition)
    for key in node.keys:
        builder.add_key(key.columns, key.primary, key.conflict, key.autoincrement)
    for foreign_key in node.foreign_keys:
        builder.add_foreign_key(foreign_key)
    builder.finish()
    return table


def accept_collation(name: str) -> None:
    """A schema that was once accepted is loaded even where a collation is not registered (yet)."""


class TableBuilder:
    """Collects the parts of one table in the order of its clauses."""

    def __init__(self, table: Table, node: ddl.CreateTable, check_collation: CheckCollation) -> None:
        self.table = table
        self.node = node
        self.check_collation = check_collation
        self.has_primary_key = False
        self.primary_index: Index | None = None
        self.primary_descending = False
        self.checks: list[ddl.Check] = []
        self.foreign_keys: list[ForeignKey] = []

    def add_column(self, definition: ddl.ColumnDefinition) -> None:
        table = self.table
        lowered = definition.name.lower()
        if len(table.columns) >= COLUMNS_MAX:
            raise fault(f"too many columns on {table.name}")
        if lowered in table.by_name:
            raise fault(f"duplicate column name: {definition.name}")
        if definition.collation is not None:
            self.check_collation(definition.collation)
        column = make_column(definition, len(table.columns))
        table.columns += (column,)
        table.by_name[lowered] = column
        if definition.generated is not None:
            check_generated(definition)
        if definition.default is not None:
            check_default(definition)
        own = [ast.OrderTerm(ast.Name(definition.name))]
        if definition.primary_key is not None:
            own = [own[0]._replace(descending=definition.primary_key == "DESC")]
            descending = definition.primary_key == "DESC"
            self.add_primary_key(
                own, definition.primary_key_conflict, definition.autoincrement, may_be_rowid=not descending
            )
        if definition.unique:
            self.add_index([ast.OrderTerm(ast.Name(definition.name))], "u", definition.unique_conflict)
        self.checks.extend(definition.checks)
        for reference in definition.references:
            self.add_reference(reference, column)

    def add_key(
        self, columns: Sequence[ast.OrderTerm], primary: bool, conflict: str | None, autoincrement: bool
    ) -> None:
        if primary:
            self.add_primary_key(columns, conflict, autoincrement, may_be_rowid=True)
        else:
            self.add_index(columns, "u", conflict)

    def add_primary_key(
        self, terms: Sequence[ast.OrderTerm], conflict: str | None, autoincrement: bool, *, may_be_rowid: bool
    ) -> None:
        table = self.table
        if self.has_primary_key:
            raise fault(f'table "{table.name}" has more than one primary key')
        self.has_primary_key = True
        found = [table.by_name.get((named_column(term.expression) or "").lower()) for term in terms]
        for place, column in enumerate(found):
            if column is None:
                continue
            if column.generated is not None:
                raise fault("generated columns cannot be part of the PRIMARY KEY")
            if not column.primary_key:
                column.primary_key = place + 1
        only = found[0] if len(found) == 1 else None
        if only is not None and only.type_name == "INTEGER" and may_be_rowid:
            check_nulls_order(terms)
            table.rowid_position = only.position
            table.primary_conflict = conflict
            table.autoincrement = autoincrement
            self.primary_descending = terms[0].descending
        elif autoincrement:
            raise fault("AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY")
        else:
            self.primary_index = self.add_index(terms, "pk", conflict)

    def add_index(self, terms: Sequence[ast.OrderTerm], origin: str, conflict: str | None) -> Index:
        table = self.table
        check_nulls_order(terms)
        columns = tuple(self.key_column(term) for term in terms)
        for index in table.indexes:
            if same_columns(index.columns, columns):
                if index.conflict != conflict and index.conflict is not None and conflict is not None:
                    raise fault("conflicting ON CONFLICT clauses specified")
                index.conflict = index.conflict or conflict
                if origin == "pk":
                    index.origin = origin
                return index
        name = f"sqlite_autoindex_{table.name}_{len(table.indexes) + 1}"
        index = Index(name, -1, table.name, columns, True, None, origin, conflict)
        table.indexes.append(index)
        return index

    def key_column(self, term: ast.OrderTerm) -> IndexColumn:
        expression, collation = split_collation(term.expression)
        if collation is not None:
            self.check_collation(collation)
        name = named_column(expression)
        column = None if name is None else self.table.by_name.get(name.lower())
        if column is None:
            if name is None or (isinstance(expression, ast.Name) and expression.quoted):
                raise fault("expressions prohibited in PRIMARY KEY and UNIQUE constraints")
            raise fault(f"no such column: {name}")
        return IndexColumn(column.position, None, collation or column.collation, term.descending)

    def add_reference(self, reference: ddl.ForeignKey, column: Column) -> None:
        if len(reference.parent_columns) > 1:
            raise fault(f"foreign key on {column.name} should reference only one column of table {reference.parent}")
        self.foreign_keys.append(make_foreign_key(self.table, reference, (column.position,)))

    def add_foreign_key(self, reference: ddl.ForeignKey) -> None:
        if reference.parent_columns and len(reference.parent_columns) != len(reference.columns):
            raise fault("number of columns in foreign key does not match the number of columns in the referenced table")
        positions = []
        for name in reference.columns:
            column = self.table.by_name.get(name.lower())
            if column is None:
                raise fault(f'unknown column "{name}" in foreign key definition')
            positions.append(column.position)
        self.foreign_keys.append(make_foreign_key(self.table, reference, tuple(positions)))

    def finish(self) -> None:
        table = self.table
        self.checks.extend(self.node.checks)
        table.checks = tuple(self.checks)
        table.foreign_keys = tuple(self.foreign_keys)
        if table.strict:
            finish_strict(table)
        if table.without_rowid:
            self.finish_without_rowid()
        elif table.rowid_position >= 0:
            table.primary_key = (table.rowid_position,)
            table.primary_key_columns = (IndexColumn(table.rowid_position, None, "BINARY"),)
        elif self.primary_index is not None:
            table.primary_key = tuple(dict.fromkeys(column.position for column in self.primary_index.columns))
            table.primary_key_columns = self.primary_index.columns
        if table.columns and all(column.generated is not None for column in table.columns):
            raise fault("must have at least one non-generated column")
        table.indexes = order_indexes(list(reversed(table.indexes)))

    def finish_without_rowid(self) -> None:
        """The primary key becomes the unique key: its columns are NOT NULL, and repeated ones count once."""
        table = self.table
        if table.autoincrement:
            raise fault("AUTOINCREMENT not allowed on WITHOUT ROWID tables")
        if not self.has_primary_key:
            raise fault(f"PRIMARY KEY missing on table {table.name}")
        if table.rowid_position >= 0:
            name = table.columns[table.rowid_position].name
            term = ast.OrderTerm(ast.Name(name), self.primary_descending)
            self.primary_index = self.add_index([term], "pk", table.primary_conflict)
            table.rowid_position = -1
        index = self.primary_index
        assert index is not None
        kept: list[IndexColumn] = []
        for column in index.columns:
            if not any(same_column(column, other) for other in kept):
                kept.append(column)
        index.columns = tuple(kept)
        table.primary_conflict = index.conflict
        table.primary_key = tuple(dict.fromkeys(column.position for column in kept))
        table.primary_key_columns = index.columns
        for place, position in enumerate(table.primary_key):
            table.columns[position].primary_key = place + 1
            table.columns[position].not_null = True


def make_column(definition: ddl.ColumnDefinition, position: int) -> Column:
    upper = definition.type_name.upper()
    standard = upper in STANDARD_TYPES
    generated = definition.generated
    return Column(
        name=definition.name,
        position=position,
        type_name=upper if standard else definition.type_name,
        affinity="NUMERIC" if upper == "ANY" else affinity_of(definition.type_name),
        collation=definition.collation or "BINARY",
        not_null=definition.not_null,
        not_null_conflict=definition.not_null_conflict,
        default=definition.default,
        default_text=definition.default_text,
        generated=generated,
        hidden=0 if generated is None else 3 if generated.stored else 2,
    )


def check_generated(definition: ddl.ColumnDefinition) -> None:
    if definition.default is not None or definition.default_text is not None:
        raise fault("cannot use DEFAULT on a generated column")
    if definition.primary_key is not None:
        raise fault("generated columns cannot be part of the PRIMARY KEY")


def check_default(definition: ddl.ColumnDefinition) -> None:
    from tandemdb.planner.schema.check import is_constant_or_function

    if definition.default is not None and not is_constant_or_function(definition.default):
        raise fault(f"default value of column [{definition.name}] is not constant")


def check_nulls_order(terms: Sequence[ast.OrderTerm]) -> None:
    for term in terms:
        if term.nulls is not None:
            raise fault(f"unsupported use of NULLS {term.nulls}")


def finish_strict(table: Table) -> None:
    """A STRICT table names one of six types per column; ANY keeps values as they are, and a key holds no NULL."""
    for column in table.columns:
        if column.type_name not in STANDARD_TYPES:
            if not column.type_name:
                raise fault(f"missing datatype for {table.name}.{column.name}")
            raise fault(f'unknown datatype for {table.name}.{column.name}: "{column.type_name}"')
        if column.type_name == "ANY":
            column.affinity = "BLOB"
        if column.primary_key and column.position != table.rowid_position:
            column.not_null = True


def make_foreign_key(table: Table, node: ddl.ForeignKey, positions: tuple[int, ...]) -> ForeignKey:
    return ForeignKey(
        table.name, positions, node.parent, tuple(node.parent_columns), node.on_delete, node.on_update,
        node.deferred, node.match, node.name,
    )  # fmt: skip


def build_index(node: ddl.CreateIndex, table: Table, check_collation: CheckCollation = accept_collation) -> Index:
    """The index that a CREATE INDEX describes; expressions are taken over unresolved.

    Raises:
        OperationalError: an unknown column or collation, NULLS FIRST or LAST.
    """
    check_nulls_order(node.columns)
    columns = []
    for term in node.columns:
        expression, collation = split_collation(term.expression)
        if collation is not None:
            check_collation(collation)
        name = named_column(expression)
        column = None if name is None else table.by_name.get(name.lower())
        if column is not None:
            columns.append(IndexColumn(column.position, None, collation or column.collation, term.descending))
        else:
            if isinstance(expression, ast.Literal) and isinstance(expression.value, str):
                raise fault(f"no such column: {expression.value}")
            columns.append(IndexColumn(-1, expression, collation or "BINARY", term.descending))
    return Index(node.name, -1, table.name, tuple(columns), node.unique, node.where, "c", None, node.text)


def split_collation(expression: ast.Expression) -> tuple[ast.Expression, str | None]:
    """The expression below its COLLATE operators, and the outermost collation."""
    collation = None
    while isinstance(expression, ast.Collate):
        collation = collation or expression.collation
        expression = expression.operand
    return expression, collation


def named_column(expression: ast.Expression) -> str | None:
    """The name that stands alone as a column of a key; a string literal counts as one, for old schemas write so."""
    while isinstance(expression, ast.Collate):
        expression = expression.operand
    if isinstance(expression, ast.Name) and expression.table is None:
        return expression.column
    if isinstance(expression, ast.Literal) and isinstance(expression.value, str):
        return expression.value
    return None


def same_columns(left: Sequence[IndexColumn], right: Sequence[IndexColumn]) -> bool:
    return len(left) == len(right) and all(map(same_column, left, right))


def same_column(left: IndexColumn, right: IndexColumn) -> bool:
    return left.position == right.position and left.collation.lower() == right.collation.lower()


def order_indexes(newest_first: list[Index]) -> list[Index]:
    """SQLite's order: as they were made, the newest first, but those that replace rows after all others."""
    return sorted(newest_first, key=lambda index: index.conflict == "REPLACE")


# ---- definitions for storage


def table_definition(table: Table) -> TableDefinition:
    """What storage is told of a table."""
    return TableDefinition(
        name=table.name,
        kind="unique" if table.without_rowid else "rowid",
        columns=len(table.columns),
        primary_key=key_columns(table.primary_key_columns) if table.without_rowid else (),
        rowid_position=table.rowid_position,
        class_masks=tuple(expected_classes(column) for column in table.columns),
    )


def key_definition(index: Index, table_id: int) -> KeyDefinition:
    """What storage is told of an index; the function that computes a computed key's values is the caller's to add."""
    return KeyDefinition(
        table_id=table_id, columns=key_columns(index.columns), unique=index.unique, computed=index.computed
    )


def key_columns(columns: Sequence[IndexColumn]) -> tuple[KeyColumn, ...]:
    return tuple(KeyColumn(column.position, column.collation.upper()) for column in columns)


def expected_classes(column: Column) -> int:
    """The classes to begin with, so that the first usual record doesn't change them: what the type's name promises."""
    if column.affinity != "NUMERIC":
        return CLASSES_OF_AFFINITY[column.affinity] if column.type_name else 0
    upper = column.type_name.upper()
    return HOLDS_TEXT if "DATE" in upper or "TIME" in upper or "JSON" in upper else HOLDS_INT


CLASSES_OF_AFFINITY = {"INTEGER": HOLDS_INT, "REAL": HOLDS_FLOAT, "TEXT": HOLDS_TEXT, "BLOB": HOLDS_BLOB}


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
