"""Schemas: what the rows of `sqlite_master` mean, parsed once in a process however many databases hold them.

    root.tables[0]                                   Schema (interned by the rows themselves)
    type   name  tbl_name rootpage sql                +- tables:   {"city": Table
    table  city  city     2        CREATE TABLE ...   |    +- columns:  [Column(id) Column(name)]
    index  byn   city     3        CREATE INDEX ...   |    +- indexes:  [Index(byn, id 3)]
    view   big   big      0        CREATE VIEW ...    |    +- triggers: []}
                                                      +- views:    {"big": View}
                                                      +- plans:    {}    what the planner keeps per schema

Three caches, each bounded, make a schema cheap: parsed statements by their text, tables by their own row and those of
their indexes and triggers, schemas by all rows. So one more CREATE TABLE costs one parse (none when the same process
ran the statement), and a fresh database that reaches rows seen before gets the same Schema object, plans included.

Everything a Schema holds is immutable once it is loaded, apart from its dictionaries of plans and of recipes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tandemdb.errors import DatabaseError
from tandemdb.planner.syntax import ast, ddl
from tandemdb.planner.syntax.tree import without_slots

CATALOG_ID: Final = 0
"""The storage table of sqlite_master."""

LAYOUT_ID: Final = 1
"""The storage table that describes tables and keys."""

CATALOG_NAMES: Final = {
    "sqlite_master": "main",
    "sqlite_schema": "main",
    "sqlite_temp_master": "temp",
    "sqlite_temp_schema": "temp",
}
"""Names of the catalog table itself, and the database that an unqualified one means."""

Definition = TypeVar("Definition")

SCHEMAS_MAX = 512
TABLES_MAX = 4096
STATEMENTS_MAX = 8192

CatalogRow = tuple[Any, ...]
"""(type, name, tbl_name, rootpage, sql), as sqlite_master keeps it."""


@dataclass(slots=True, eq=False)
class Column:
    """A column of a table. `hidden`, as in PRAGMA table_xinfo: 2 for a virtual, 3 for a stored generated column."""

    name: str
    position: int
    type_name: str
    affinity: str
    collation: str = "BINARY"
    not_null: bool = False
    not_null_conflict: str | None = None
    default: ast.Expression | None = None
    default_text: str | None = None
    generated: ddl.Generated | None = None
    hidden: int = 0
    primary_key: int = 0


@dataclass(slots=True, eq=False)
class IndexColumn:
    """`position` is -1 for an expression, and for the rowid where `is_rowid`."""

    position: int
    expression: ast.Expression | None
    collation: str
    descending: bool = False


@dataclass(slots=True, eq=False)
class Index:
    """An index; `id` names the storage key, and is -1 for the primary key of a WITHOUT ROWID table, which is the table.

    `origin`: c for CREATE INDEX, u for UNIQUE, pk for PRIMARY KEY.
    """

    name: str
    id: int
    table_name: str
    columns: tuple[IndexColumn, ...]
    unique: bool
    where: ast.Expression | None = None
    origin: str = "c"
    conflict: str | None = None
    sql: str | None = None

    @property
    def computed(self) -> bool:
        """Whether its entries need expressions evaluated: it is partial or on expressions."""
        return self.where is not None or any(column.position < 0 for column in self.columns)


@dataclass(slots=True, eq=False)
class ForeignKey:
    """A reference from the child's `columns` (positions); no `parent_columns`: the parent's primary key is meant."""

    table_name: str
    columns: tuple[int, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str
    deferred: bool
    match: str = "NONE"
    name: str | None = None


@dataclass(slots=True, eq=False)
class Trigger:
    """A trigger; `table_name` is the table or view it belongs to."""

    name: str
    table_name: str
    node: ddl.CreateTrigger
    sql: str

    @property
    def time(self) -> str:
        return self.node.time

    @property
    def event(self) -> str:
        return self.node.event


@dataclass(slots=True, eq=False)
class Table:
    """A table. `id` is its storage table; `rowid_position` the INTEGER PRIMARY KEY's column, or -1.

    `indexes` stand in the order in which SQLite checks and lists them: newest first, those of ON CONFLICT REPLACE last.
    `triggers` stand in the order they fire: the newest first. `primary_conflict` is the ON CONFLICT of the unique key.
    """

    name: str
    id: int
    columns: tuple[Column, ...]
    by_name: dict[str, Column]
    sql: str
    rowid_position: int = -1
    without_rowid: bool = False
    strict: bool = False
    autoincrement: bool = False
    primary_key: tuple[int, ...] = ()
    primary_key_columns: tuple[IndexColumn, ...] = ()
    primary_conflict: str | None = None
    indexes: list[Index] = field(default_factory=list)
    checks: tuple[ddl.Check, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: list[Trigger] = field(default_factory=list)

    def find_rowid_alias(self, name: str) -> bool:
        """Whether `name` means the rowid here: rowid, oid, _rowid_, unless a column is called so."""
        return not self.without_rowid and name.lower() in ROWID_NAMES and name.lower() not in self.by_name


ROWID_NAMES: Final = frozenset({"rowid", "oid", "_rowid_"})


@dataclass(slots=True, eq=False)
class View:
    """A view; `columns` are the names written after its own, if any. `triggers`: INSTEAD OF ones, the newest first."""

    name: str
    columns: tuple[str, ...]
    select: ast.Select
    sql: str
    triggers: list[Trigger] = field(default_factory=list)


class Schema:
    """The objects of one database by lower-case name."""

    __slots__ = ("fingerprint", "rows", "tables", "views", "indexes", "triggers", "plans", "recipes", "_children")

    def __init__(self, rows: tuple[CatalogRow, ...]) -> None:
        self.rows = rows
        self.fingerprint = fingerprint_of(rows)
        self.tables: dict[str, Table] = {}
        self.views: dict[str, View] = {}
        self.indexes: dict[str, Index] = {}
        self.triggers: dict[str, Trigger] = {}
        self.plans: dict[Any, Any] = {}
        self.recipes: dict[Any, Any] = {}
        self._children: dict[str, list[tuple[Table, ForeignKey]]] | None = None

    def children_of(self, parent: str) -> Sequence[tuple[Table, ForeignKey]]:
        """The foreign keys that reference `parent`, each with its table; the parent need not exist."""
        if self._children is None:
            children: dict[str, list[tuple[Table, ForeignKey]]] = {}
            for table in self.tables.values():
                for foreign_key in table.foreign_keys:
                    children.setdefault(foreign_key.parent.lower(), []).append((table, foreign_key))
            self._children = children
        return self._children.get(parent.lower(), ())


_schemas: OrderedDict[tuple[CatalogRow, ...], Schema] = OrderedDict()
_tables: OrderedDict[tuple[CatalogRow, ...], Table] = OrderedDict()
_statements: OrderedDict[str, Any] = OrderedDict()


def load_schema(root: Any) -> Schema:
    """The schema that a root's catalog describes; the same object for equal catalogs.

    Raises:
        DatabaseError: a row's SQL is not a statement that creates what the row names.
    Cost: O(1) while the root keeps its schema, else O(rows of the catalog) and a parse per statement not seen before.
    """
    schema: Schema | None = root.schema
    if schema is None:
        schema = root.schema = schema_of_rows(
            [record for records in root.tables[CATALOG_ID].record_lists() for record in records]
        )
    return schema


def schema_of_rows(records: Sequence[CatalogRow]) -> Schema:
    """The schema of these rows of sqlite_master, which stand in rowid order."""
    rows = tuple(records)
    schema = _schemas.get(rows)
    if schema is None:
        schema = _schemas[rows] = build_schema(rows)
        if len(_schemas) > SCHEMAS_MAX:
            _schemas.popitem(last=False)
    else:
        _schemas.move_to_end(rows)
    return schema


def build_schema(rows: tuple[CatalogRow, ...]) -> Schema:
    """Gather each table's rows (its own, its indexes', its triggers'), then look the tables up or assemble them."""
    schema = Schema(rows)
    owned: dict[str, list[CatalogRow]] = {}
    for row in rows:
        if row[0] in ("index", "trigger"):
            owned.setdefault(row[2].lower(), []).append(row)
    for row in rows:
        kind, name = row[0], row[1]
        if kind == "table":
            table = find_or_assemble_table((row, *owned.get(name.lower(), ())))
            schema.tables[name.lower()] = table
            schema.indexes.update((index.name.lower(), index) for index in reversed(table.indexes))
            schema.triggers.update((trigger.name.lower(), trigger) for trigger in table.triggers)
        elif kind == "view":
            schema.views[name.lower()] = view = assemble_view(row, owned.get(name.lower(), ()))
            schema.triggers.update((trigger.name.lower(), trigger) for trigger in view.triggers)
    add_foreign_triggers(schema, owned)
    return schema


def add_foreign_triggers(schema: Schema, owned: dict[str, list[CatalogRow]]) -> None:
    """Temporary triggers may belong to a table of another database: they stand in `triggers` only."""
    for owner, owned_rows in owned.items():
        if owner not in schema.tables and owner not in schema.views:
            for trigger in triggers_of_rows(owned_rows):
                schema.triggers[trigger.name.lower()] = trigger


def find_or_assemble_table(rows: tuple[CatalogRow, ...]) -> Table:
    table = _tables.get(rows)
    if table is None:
        table = _tables[rows] = assemble_table(rows)
        if len(_tables) > TABLES_MAX:
            _tables.popitem(last=False)
    return table


def assemble_table(rows: tuple[CatalogRow, ...]) -> Table:
    """A table from its row, then those of its indexes and triggers."""
    from tandemdb.planner.schema.build import build_index, build_table, order_indexes

    own = rows[0]
    node = parse_definition(own, ddl.CreateTable)
    table = build_table(node._replace(name=own[1]))
    table.id = own[3]
    table.sql = own[4]
    ids = {row[1].lower(): row[3] for row in rows[1:] if row[0] == "index"}
    for index in table.indexes:
        index.id = ids.get(index.name.lower(), -1)
    for row in rows[1:]:
        if row[0] == "index" and row[4] is not None:
            index = build_index(parse_definition(row, ddl.CreateIndex), table)
            index.id, index.sql = row[3], row[4]
            table.indexes.insert(0, index)
    table.indexes = order_indexes(table.indexes)
    table.triggers = triggers_of_rows(rows[1:])
    return table


def assemble_view(row: CatalogRow, owned: Sequence[CatalogRow]) -> View:
    node = parse_definition(row, ddl.CreateView)
    return View(row[1], tuple(node.columns), node.select, row[4], triggers_of_rows(owned))


def triggers_of_rows(rows: Sequence[CatalogRow]) -> list[Trigger]:
    triggers = [
        Trigger(row[1], row[2], parse_definition(row, ddl.CreateTrigger), row[4]) for row in rows if row[0] == "trigger"
    ]
    triggers.reverse()
    return triggers


def parse_definition(row: CatalogRow, expected: type[Definition]) -> Definition:
    """The parsed statement of a catalog row."""
    sql = row[4]
    node = _statements.get(sql)
    if node is None:
        from tandemdb.planner.parser import parse

        try:
            node = parse(sql).node
        except DatabaseError as error:
            raise DatabaseError(f"malformed database schema ({row[1]}) - {error}", code="SQLITE_ERROR") from error
        node = remember_definition(sql, node)
    if not isinstance(node, expected):
        raise DatabaseError(f"malformed database schema ({row[1]})", code="SQLITE_ERROR")
    return node


def remember_definition(sql: str, node: Any) -> Any:
    """Keep a parsed definition under the text that sqlite_master keeps: who has just parsed it saves the next parse.

    Its literals become constants, for they are no literals of the statements that will use it.
    """
    kept = _statements.get(sql)
    if kept is not None:
        return kept
    kept = _statements[sql] = without_slots(node)
    if len(_statements) > STATEMENTS_MAX:
        _statements.popitem(last=False)
    return kept


def fingerprint_of(rows: Sequence[CatalogRow]) -> int:
    """A 64-bit digest of a catalog's rows: equal in all processes for equal schemas."""
    digest = hashlib.blake2b(repr(rows).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def catalog_table() -> Table:
    """sqlite_master itself, as a table that can be read like any other."""
    return CATALOG


def make_catalog() -> Table:
    types = {"type": "TEXT", "name": "TEXT", "tbl_name": "TEXT", "rootpage": "INT", "sql": "TEXT"}
    columns = tuple(Column(name, at, kind, affinity_of(kind)) for at, (name, kind) in enumerate(types.items()))
    sql = "CREATE TABLE sqlite_master(type text,name text,tbl_name text,rootpage int,sql text)"
    return Table("sqlite_master", CATALOG_ID, columns, {column.name: column for column in columns}, sql)


def affinity_of(type_name: str) -> str:
    """The affinity of a declared type: INTEGER, TEXT, BLOB, REAL or NUMERIC.

    Source: https://www.sqlite.org/datatype3.html, section 3.1; the first rule that fits wins.
    """
    if not type_name:
        return "BLOB"
    upper = type_name.upper()
    if "INT" in upper:
        return "INTEGER"
    if "CHAR" in upper or "CLOB" in upper or "TEXT" in upper:
        return "TEXT"
    if "BLOB" in upper:
        return "BLOB"
    if "REAL" in upper or "FLOA" in upper or "DOUB" in upper:
        return "REAL"
    return "NUMERIC"


CATALOG: Final = make_catalog()
