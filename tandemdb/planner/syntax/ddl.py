"""The syntax tree's nodes for statements that change the schema.

    CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL DEFAULT 'x', CHECK (a > 0))

    CreateTable t
     +- columns:     [ColumnDefinition(a, INTEGER, primary key), ColumnDefinition(b, TEXT, not null, Literal('x'))]
     +- checks:      [Check(Binary('>', Name(a), Literal(0)))]

Named tuples, as in `ast`. Definitions are kept as their text in sqlite_master and parsed from there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tandemdb.planner.syntax.ast import Delete, Expression, Insert, OrderTerm, Select, Update


class ForeignKey(NamedTuple):
    """REFERENCES; `columns` are the child's, `parent_columns` empty when the primary key is meant."""

    columns: Sequence[str]
    parent: str
    parent_columns: Sequence[str] = ()
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    deferred: bool = False
    match: str = "NONE"
    name: str | None = None


class Check(NamedTuple):
    """`text` is what the error message quotes if there is no name: the source between the parentheses, or part of
    it."""

    expression: Expression
    text: str
    name: str | None = None


class UniqueConstraint(NamedTuple):
    """UNIQUE (...) or PRIMARY KEY (...) of a table; columns may carry COLLATE and DESC."""

    columns: Sequence[OrderTerm]
    primary: bool
    conflict: str | None = None
    autoincrement: bool = False
    name: str | None = None


class Generated(NamedTuple):
    expression: Expression
    text: str
    stored: bool


class ColumnDefinition(NamedTuple):
    """One column of CREATE TABLE; `primary_key` is ASC or DESC, or None. `default_text` is its source text."""

    name: str
    type_name: str
    primary_key: str | None = None
    primary_key_conflict: str | None = None
    autoincrement: bool = False
    not_null: bool = False
    not_null_conflict: str | None = None
    unique: bool = False
    unique_conflict: str | None = None
    default: Expression | None = None
    default_text: str | None = None
    collation: str | None = None
    generated: Generated | None = None
    checks: Sequence[Check] = ()
    references: Sequence[ForeignKey] = ()


class CreateTable(NamedTuple):
    """`text` is what sqlite_master keeps: from CREATE TABLE on, as written (IF NOT EXISTS and TEMP left out)."""

    name: str
    schema: str | None
    columns: Sequence[ColumnDefinition]
    keys: Sequence[UniqueConstraint] = ()
    checks: Sequence[Check] = ()
    foreign_keys: Sequence[ForeignKey] = ()
    temporary: bool = False
    if_not_exists: bool = False
    without_rowid: bool = False
    strict: bool = False
    select: Select | None = None
    text: str = ""


class CreateIndex(NamedTuple):
    name: str
    schema: str | None
    table: str
    columns: Sequence[OrderTerm]
    unique: bool = False
    where: Expression | None = None
    if_not_exists: bool = False
    text: str = ""


class CreateView(NamedTuple):
    name: str
    schema: str | None
    columns: Sequence[str]
    select: Select
    temporary: bool = False
    if_not_exists: bool = False
    text: str = ""


class CreateTrigger(NamedTuple):
    """`time`: BEFORE, AFTER, INSTEAD OF. `event`: INSERT, UPDATE, DELETE."""

    name: str
    schema: str | None
    time: str
    event: str
    columns: Sequence[str]
    table: str
    table_schema: str | None
    when: Expression | None
    body: Sequence[Select | Insert | Update | Delete]
    temporary: bool = False
    if_not_exists: bool = False
    text: str = ""


class CreateVirtualTable(NamedTuple):
    name: str
    schema: str | None
    module: str
    arguments: Sequence[str]
    if_not_exists: bool = False
    text: str = ""


class Drop(NamedTuple):
    """`kind`: TABLE, INDEX, VIEW, TRIGGER."""

    kind: str
    name: str
    schema: str | None
    if_exists: bool


class RenameTable(NamedTuple):
    table: str
    schema: str | None
    new_name: str


class RenameColumn(NamedTuple):
    table: str
    schema: str | None
    column: str
    new_name: str


class AddColumn(NamedTuple):
    """`text` is the column's source text, which is appended to the table's."""

    table: str
    schema: str | None
    column: ColumnDefinition
    text: str


class DropColumn(NamedTuple):
    table: str
    schema: str | None
    column: str
