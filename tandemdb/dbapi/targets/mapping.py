"""Mapping: a table of SQLite's kind as one of a system that has types, and every value's way there and back.

    declared here                      there                     takes
    ...INT...                          BIGINT                    int
    REAL, FLOAT, DOUBLE                DOUBLE PRECISION          float
    CHAR, CLOB, TEXT                   TEXT                      text without NUL characters
    BLOB                               BYTEA, BLOB ...           bytes
    NUMERIC, DECIMAL                   NUMERIC                   int, float
    BOOL...                            BOOLEAN                   0, 1
    another, or none                   what the column holds by now: one storage class, or int and float; else TEXT

    unique key    INTEGER PRIMARY KEY, or the key of a WITHOUT ROWID table; else a column more, tandemdb_rowid

SQLite lets any value into (nearly) any column; a value that a type there cannot hold, so that it would come back as
another, is refused with the table's and the column's name. Text stays text: dates, too, as SQLite keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from tandemdb.replication.targets import TargetRefused
from tandemdb.storage.values import HOLDS_BLOB, HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT

if TYPE_CHECKING:
    from tandemdb.planner.schema.schema import Column, Table
    from tandemdb.storage import Table as StoredTable
    from tandemdb.storage.values import Key, Record

ROWID_COLUMN = "tandemdb_rowid"
CLASS_NAMES = {int: "an INTEGER", float: "a REAL", str: "a TEXT", bytes: "a BLOB"}


class Kind(NamedTuple):
    """A type there: `put` turns a value into what the driver takes, or raises ValueError; `get` turns it back."""

    make: Callable[[], sa.types.TypeEngine[Any]]
    put: Callable[[Any], Any]
    get: Callable[[Any], Any]


def put_exactly(kind: type) -> Callable[[Any], Any]:
    """Take values of one class as they are."""

    def put(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError
        return value

    return put


def put_text(value: Any) -> str:
    """Take text that other systems can hold."""
    if type(value) is not str or "\0" in value:
        raise ValueError
    value.encode()  # lone surrogates: UnicodeEncodeError is a ValueError
    return value


def put_boolean(value: Any) -> bool:
    """Take 0 and 1."""
    if type(value) is not int or value not in (0, 1):
        raise ValueError
    return bool(value)


def put_numeric(value: Any) -> Decimal:
    """Take numbers. The digits of a float are those that make it again; it has decimals, which tells it from an int."""
    if type(value) is int:
        return Decimal(value)
    if type(value) is not float or not isfinite(value):
        raise ValueError
    number = Decimal(repr(value))
    if not number and number.is_signed():
        raise ValueError  # NUMERIC has no -0.0.
    return number if has_decimals(number) else Decimal(f"{number:f}.0")


def get_numeric(value: Any) -> int | float:
    """Turn it into what `put_numeric` was given."""
    number = Decimal(value)
    return float(number) if has_decimals(number) else int(number)


def has_decimals(number: Decimal) -> bool:
    """Tell whether a number is written with decimals, zeros or others."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent < 0


KINDS: dict[str, Kind] = {
    "integer": Kind(sa.BigInteger, put_exactly(int), int),
    "real": Kind(sa.Double, put_exactly(float), float),
    "text": Kind(sa.Text, put_text, str),
    "blob": Kind(sa.LargeBinary, put_exactly(bytes), bytes),
    "boolean": Kind(sa.Boolean, put_boolean, int),
    "numeric": Kind(sa.Numeric, put_numeric, get_numeric),
}
KIND_OF_CLASSES = {
    0: "text",
    HOLDS_INT: "integer",
    HOLDS_FLOAT: "real",
    HOLDS_INT | HOLDS_FLOAT: "numeric",
    HOLDS_TEXT: "text",
    HOLDS_BLOB: "blob",
}


def choose_kind(table: Table, column: Column, stored: StoredTable) -> str:
    """Choose the type of a column.

    Raises:
        TargetRefused: it declares none, and holds values that no one type can.
    """
    declared = column.type_name.upper()
    if column.affinity == "INTEGER":
        return "integer"
    if column.affinity in ("REAL", "TEXT"):
        return column.affinity.lower()
    if "BLOB" in declared:
        return "blob"
    if "BOOL" in declared:
        return "boolean"
    if declared.startswith(("NUMERIC", "DECIMAL")):
        return "numeric"
    kind = KIND_OF_CLASSES.get(classes_of(stored, column.position))
    if kind is None:
        raise TargetRefused(
            f"column {column.name} of table {table.name} cannot be mapped to a type",
            detail=f"It is declared as {column.type_name or 'nothing'} and holds values of different storage classes.",
            hint="Declare a type for it, and convert what it holds.",
        )
    return kind


def classes_of(stored: StoredTable, position: int) -> int:
    """Tell which storage classes but NULL a column holds now."""
    mask = stored.classes[position] & ~HOLDS_NULL
    if mask in KIND_OF_CLASSES:
        return mask
    # What it has ever held may be gone.
    bits = {int: HOLDS_INT, float: HOLDS_FLOAT, str: HOLDS_TEXT, bytes: HOLDS_BLOB, type(None): 0}
    held = 0
    for records in stored.record_lists():
        for record in records:
            held |= bits[type(record[position])]
    return held


class MappedTable:
    """A table as it is there; `kinds` are the types chosen when it was created, by column."""

    def __init__(self, table: Table, kinds: list[str], metadata: sa.MetaData) -> None:
        """Describe it for SQLAlchemy."""
        self.table = table
        self.kinds = kinds
        self.has_rowid_column = not table.without_rowid and table.rowid_position < 0
        self._puts = [KINDS[kind].put for kind in kinds]
        self._gets = [KINDS[kind].get for kind in kinds]
        key = set(table.primary_key) if table.without_rowid else {table.rowid_position}
        columns = [
            sa.Column(
                column.name,
                KINDS[kind].make(),
                primary_key=column.position in key,
                nullable=not column.not_null and column.position not in key,
                autoincrement=False,
            )
            for column, kind in zip(table.columns, kinds, strict=True)
        ]
        if self.has_rowid_column:
            columns.insert(0, sa.Column(ROWID_COLUMN, sa.BigInteger(), primary_key=True, autoincrement=False))
        self.names = [column.name for column in columns]
        self.there = sa.Table(table.name, metadata, *columns)
        for index in table.indexes:
            if not index.computed and index.id >= 0 and all(part.collation == "BINARY" for part in index.columns):
                parts = [self.there.c[table.columns[part.position].name] for part in index.columns]
                sa.Index(index.name, *parts, unique=index.unique)

    @property
    def insert(self) -> sa.Insert:
        """The statement that inserts a row."""
        return self.there.insert()

    @property
    def delete(self) -> sa.Delete:
        """The statement that deletes a row by its key."""
        keys = list(self.there.primary_key.columns)
        return self.there.delete().where(*[column == sa.bindparam(f"key_{at}") for at, column in enumerate(keys)])

    def key_of(self, key: Key, record: Record) -> dict[str, Any]:
        """Return the parameters of `delete`."""
        if not self.table.without_rowid:
            return {"key_0": key}
        names = [column.name for column in self.there.primary_key.columns]
        places = [self.table.by_name[name.lower()].position for name in names]
        return {f"key_{at}": self._puts[place](record[place]) for at, place in enumerate(places)}

    def row_of(self, key: Key, record: Record) -> dict[str, Any]:
        """Return the parameters of `insert`.

        Raises:
            TargetRefused: a value that its column there cannot hold.
        """
        try:
            values = [
                None if value is None else put(value) for put, value in zip(self._puts, record, strict=True)
            ]
        except ValueError:
            raise self._refuse(record) from None
        if self.has_rowid_column:
            values.insert(0, key)
        return dict(zip(self.names, values, strict=True))

    def read(self, row: tuple[Any, ...]) -> tuple[Key, Record]:
        """Turn a row from there into key and record; the key is None where the record has it."""
        key: Key = None
        if self.has_rowid_column:
            key, row = row[0], row[1:]
        elif not self.table.without_rowid:
            key = row[self.table.rowid_position]
        record = tuple([None if value is None else get(value) for get, value in zip(self._gets, row, strict=True)])
        return key, record

    def _refuse(self, record: Record) -> TargetRefused:
        """Say which value of a record it was, by its class only."""
        for column, put, kind, value in zip(self.table.columns, self._puts, self.kinds, record, strict=True):
            if value is None:
                continue
            try:
                put(value)
            except ValueError:
                what = CLASS_NAMES[type(value)]
                return TargetRefused(
                    f"a value in column {column.name} of table {self.table.name} cannot be kept in the backup target",
                    detail=f"The column is of type {kind} there, and the value is {what} that it cannot hold.",
                    hint="Store values of the type that the column declares.",
                )
        raise AssertionError("no value of the record is refused")
