"""Random schemas: a few small tables, with every affinity, collations, keys, constraints, indexes and awkward rows.

Database ── tables ── Table(name, columns, without_rowid) ── Column(name, type, collation, not_null, unique, key)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..choices import Choices
from ..fragment import Fragment, items, optional, sql
from ..script import Statement

TYPES = ["INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "", "INT", "VARCHAR(10)", "DECIMAL(8,2)", "BOOLEAN"]
COLUMN_NAMES = ["a", "b", "c", "d", "e"]


@dataclass
class Column:
    """A column and all that bears on what it may hold."""

    name: str
    type: str
    collation: str = ""
    not_null: bool = False
    unique: bool = False
    key: bool = False
    default: str = ""


@dataclass
class Table:
    """A table as created; `keyed`: it has an INTEGER PRIMARY KEY; `constrained`: a UNIQUE over two."""

    name: str
    columns: list[Column]
    without_rowid: bool = False
    indexes: list[str] = field(default_factory=list)
    constrained: bool = False
    temporary: bool = False

    @property
    def keyed(self) -> bool:
        return any(column.key for column in self.columns)

    def unique_columns(self) -> list[Column]:
        return [column for column in self.columns if column.unique or column.key]


@dataclass
class Database:
    """What statements may name."""

    tables: list[Table] = field(default_factory=list)
    views: list[Table] = field(default_factory=list)
    savepoints: list[str] = field(default_factory=list)
    in_transaction: bool = False
    strict: bool = False
    counter: int = 0

    def new_name(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"


def create_tables(choices: Choices, database: Database) -> list[Statement]:
    """Make one to three tables, with a few indexes; half of them start with rows, which another layer inserts."""
    statements = []
    for _ in range(choices.number(1, 3)):
        statements.append(create_table(choices, database))
        statements += [create_index(choices, database) for _ in range(choices.number(0, 2))]
    return statements


def create_table(choices: Choices, database: Database) -> Statement:
    """CREATE TABLE with a column of each of some types."""
    table = Table(database.new_name("t"), [])
    for name in COLUMN_NAMES[: choices.number(1, 5)]:
        table.columns.append(make_column(choices, name))
    kind = choices.weighted((3, "plain"), (4, "key"), (1, "without rowid"))
    first = table.columns[0]
    if kind != "plain":
        first.key, first.unique = True, False
        table.without_rowid = kind == "without rowid"
        first.type = "INTEGER" if kind == "key" else first.type
        first.default = ""
    definitions: list[str | Fragment] = [define(column) for column in table.columns]
    if len(table.columns) > 2 and choices.chance(1, 6):
        definitions.append(sql(f"CHECK ({table.columns[1].name} IS NOT 5)"))
    if len(table.columns) > 2 and choices.chance(1, 6):
        table.constrained = True
        definitions.append(sql(f"UNIQUE ({table.columns[1].name}, {table.columns[2].name})"))
    database.tables.append(table)
    ending = " WITHOUT ROWID" if table.without_rowid else ""
    return Statement(sql(f"CREATE TABLE {table.name} (", items(definitions), ")", ending))


def make_column(choices: Choices, name: str) -> Column:
    column = Column(name, choices.of(TYPES))
    if column.type in ("TEXT", "VARCHAR(10)", "") and choices.chance(1, 3):
        column.collation = choices.one_of("NOCASE", "RTRIM", "BINARY")
    column.not_null = choices.chance(1, 6)
    column.unique = choices.chance(1, 8)
    if choices.chance(1, 5):
        column.default = choices.one_of("7", "'dflt'", "NULL", "1.5", "(1 + 1)")
    return column


def define(column: Column) -> Fragment:
    """The column's definition; each constraint may be left out when a failing script is reduced."""
    parts: list[str | Fragment] = [column.name]
    if column.type:
        parts.append(optional(" ", column.type) if not column.key else f" {column.type}")
    if column.key:
        parts.append(" PRIMARY KEY")
    if column.collation:
        parts.append(optional(" COLLATE ", column.collation))
    if column.not_null:
        parts.append(optional(" NOT NULL"))
    if column.unique:
        parts.append(optional(" UNIQUE"))
    if column.default:
        parts.append(optional(" DEFAULT ", column.default))
    return sql(*parts)


def create_index(choices: Choices, database: Database) -> Statement:
    """CREATE INDEX on one to three columns, at times unique, descending, with a collation of its own or partial."""
    table = choices.of(database.tables)
    name = database.new_name("i")
    columns = choices.sample(table.columns, 1, 3)
    parts: list[str | Fragment] = [
        sql(
            column.name,
            optional(" COLLATE NOCASE") if choices.chance(1, 8) else "",
            optional(" DESC") if choices.chance(1, 5) else "",
        )
        for column in columns
    ]
    unique = optional("UNIQUE ") if choices.chance(1, 8) else ""
    where = optional(f" WHERE {columns[0].name} IS NOT NULL") if choices.chance(1, 8) else ""
    table.indexes.append(name)
    return Statement(sql("CREATE ", unique, f"INDEX {name} ON {table.name} (", items(parts), ")", where))


def create_view(choices: Choices, database: Database) -> Statement:
    """CREATE VIEW over one table."""
    table = choices.of(database.tables)
    view = Table(
        database.new_name("v"), [Column(column.name, column.type, column.collation) for column in table.columns]
    )
    view.without_rowid = True  # that is, it has no rowid to name
    database.views.append(view)
    names = ", ".join(column.name for column in table.columns)
    where = optional(f" WHERE {table.columns[0].name} IS NOT NULL") if choices.chance(1, 2) else ""
    return Statement(sql(f"CREATE VIEW {view.name} AS SELECT {names} FROM {table.name}", where))


def drop_index(choices: Choices, database: Database) -> Statement:
    """DROP INDEX of one that exists, or of one that does not."""
    indexed = [table for table in database.tables if table.indexes]
    if not indexed or choices.chance(1, 6):
        return Statement(sql("DROP INDEX ", choices.one_of("", "IF EXISTS "), "nowhere"))
    table = choices.of(indexed)
    return Statement(sql("DROP INDEX ", table.indexes.pop()))


def drop_table(choices: Choices, database: Database) -> Statement:
    """DROP TABLE, when another is left."""
    if len(database.tables) < 2:
        return Statement(sql("DROP TABLE IF EXISTS nowhere"))
    table = choices.of(database.tables)
    database.tables.remove(table)
    return Statement(sql("DROP TABLE ", table.name))


SCHEMA_CHANGES = [(4, create_index), (2, create_table), (2, create_view), (2, drop_index), (1, drop_table)]
