"""Rows coming out: from the tuples of a result to what a cursor returns.

    result.rows --> converters and text_factory --> row_factory --> the caller
    (C iterator)    only where they are set         a tuple, or factory(cursor, tuple)

A `Row` is a real `sqlite3.Row`, built in C: that class insists on a real `sqlite3.Cursor`, from which it takes nothing
but the description. So each list of column names ever asked for is kept as an empty real cursor that bears it:

    ("id", "name") --> <sqlite3.Cursor of  SELECT NULL AS "id", NULL AS "name" LIMIT 0>

which makes `row_factory = sqlite3.Row`, and its subclasses, work as they are.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from tandemdb.dbapi.constants import PARSE_COLNAMES, PARSE_DECLTYPES
from tandemdb.dbapi.dates import own_of_default
from tandemdb.errors import OperationalError, undecodable_seen

if TYPE_CHECKING:
    from tandemdb.dbapi.cursor import Cursor

Record: TypeAlias = tuple[Any, ...]
Columns: TypeAlias = tuple[str, ...]
Description: TypeAlias = tuple[tuple[str, None, None, None, None, None, None], ...]
Converter: TypeAlias = Callable[[bytes], Any]
RowFactory: TypeAlias = "type[sqlite3.Row] | Callable[[Cursor, Record], object] | None"

NO_ROWS: Iterator[Record] = iter(())
_lock = threading.Lock()
_naming: list[sqlite3.Connection] = []  # the one real connection, opened when the first Row is made


class Row(sqlite3.Row):
    """A row that can be read by position or by name, case ignored, as the standard library's class of this name."""

    __slots__ = ()
    __module__ = "tandemdb"

    def __new__(cls, cursor: Cursor, data: Record, /) -> Self:
        """Make a row of this cursor's columns."""
        return sqlite3.Row.__new__(cls, as_real_cursor(cursor), data)


def as_real_cursor(cursor: Any) -> sqlite3.Cursor:
    """Return a real cursor with the description of this one."""
    if issubclass(type(cursor), sqlite3.Cursor):
        real: sqlite3.Cursor = cursor
        return real
    from tandemdb.dbapi.cursor import Cursor

    if not issubclass(type(cursor), Cursor):  # not isinstance(): an object may lie about its class
        raise TypeError(f"Row() argument 1 must be sqlite3.Cursor, not {type(cursor).__name__}")
    description: Description | None = cursor.description
    return name_columns(tuple(column[0] for column in description or ()))


@lru_cache(maxsize=1024)
def name_columns(columns: Columns) -> sqlite3.Cursor:
    """Make a real cursor whose description has these names."""
    with _lock:
        if not _naming:
            _naming.append(sqlite3.connect(":memory:", check_same_thread=False))
        cursor = _naming[0].cursor()
        if columns:
            names = ", ".join('NULL AS "' + name.replace('"', '""') + '"' for name in columns)
            cursor.execute(f"SELECT {names} LIMIT 0")
        return cursor


def make_factory(factory: Any, cursor: Cursor) -> Callable[[Record], Any]:
    """Return what turns a tuple into this cursor's row; for sqlite3.Row and its subclasses, without Python code."""
    if isinstance(factory, type) and issubclass(factory, sqlite3.Row):
        description = cursor.description
        real = name_columns(tuple(column[0] for column in description or ()))
        if factory is Row:
            return partial(sqlite3.Row.__new__, Row, real)
        return partial(factory, real)
    if not callable(factory):
        raise TypeError(f"'{type(factory).__name__}' object is not callable")
    return partial(factory, cursor)


@lru_cache(maxsize=1024)
def describe(columns: Columns) -> Description:
    """Return PEP 249's description: seven items a column, of which SQLite knows the first."""
    return tuple((name, None, None, None, None, None, None) for name in columns)


@lru_cache(maxsize=1024)
def shorten_names(columns: Columns) -> Columns:
    """Cut the converter's name, `"when [timestamp]"`, off the column names, as PARSE_COLNAMES asks."""
    return tuple(shorten_name(name) for name in columns)


def shorten_name(name: str) -> str:
    """Cut at the first bracket and the blank before it."""
    at = name.find("[")
    if at < 0:
        return name
    return name[: at - 1] if at and name[at - 1] == " " else name[:at]


def find_converters(
    columns: Columns, declared: tuple[str | None, ...] | None, detect_types: int
) -> list[Converter | None]:
    """Return each column's converter: named in brackets in its name, else by its declared type's first word."""
    found: list[Converter | None] = []
    for position, name in enumerate(columns):
        converter = None
        if detect_types & PARSE_COLNAMES:
            start = end = -1
            if (end := name.find("]", name.find("["))) >= 0 and (start := name.rfind("[", 0, end)) >= 0:
                converter = sqlite3.converters.get(name[start + 1 : end].upper())
        if converter is None and detect_types & PARSE_DECLTYPES and declared and declared[position]:
            word = (declared[position] or "").split("(")[0].split(" ")[0]
            converter = sqlite3.converters.get(word.upper())
        found.append(own_of_default.get(converter, converter))
    return found


def convert_rows(
    rows: Iterator[Record],
    columns: Columns,
    converters: list[Converter | None],
    text_factory: Callable[[], Any],
) -> Iterator[Record]:
    """Apply converters, and the connection's text factory as it stands when each row is read."""
    convert_any = any(converters)
    for row in rows:
        factory = text_factory()
        if not convert_any:
            yield tuple(
                [
                    make_text(value, factory, column) if type(value) is str else value
                    for value, column in zip(row, columns, strict=True)
                ]
            )
            continue
        yield tuple(
            [
                (converter(as_bytes(value)) if value is not None and value != b"" and value != "" else None)
                if converter is not None
                else make_text(value, factory, column)
                if type(value) is str
                else value
                for value, converter, column in zip(row, converters, columns, strict=True)
            ]
        )


class Unreadable:
    """What is left of the rows where the next one has text that is no UTF-8: as in sqlite3, each fetch fails at it."""

    __slots__ = ("message",)

    def __init__(self, column: str, text: str) -> None:
        """Word the error as sqlite3 does, which has 198 bytes for it and no letters but ASCII."""
        shown = text[: text.index("\0")] if "\0" in text else text
        message = f"Could not decode to UTF-8 column '{column}' with text '{shown}'"
        self.message = message.encode("utf-8", "surrogateescape")[:198].decode("ascii", "replace")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        error = OperationalError(self.message, code=None)
        error.rest = self  # type: ignore[attr-defined]
        raise error


def readable(batches: Iterable[Sequence[Record]], columns: Columns) -> Iterator[Iterable[Record]]:
    """Pass on batches of rows that are made while they are read, up to the row that has text which is no UTF-8.

    Such text is known of, at the latest, when its batch has been made.
    """
    for batch in batches:
        found = find_unreadable(batch, columns) if undecodable_seen else None
        if found is not None:
            place, rest = found
            yield batch[:place]
            yield rest
        yield batch


def find_unreadable(rows: Iterable[Record], columns: Columns) -> tuple[int, Unreadable] | None:
    """Find the first row that has text which is no UTF-8; of no columns, none has."""
    if not columns:
        return None
    for place, row in enumerate(rows):
        for column, value in zip(columns, row, strict=True):
            if isinstance(value, str) and not is_decodable(value):
                return place, Unreadable(column, value)
    return None


def is_decodable(text: str) -> bool:
    """Tell whether a text was UTF-8; if not, it has surrogates in place of bytes."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def make_text(text: str, factory: Any, column: str) -> Any:
    """Build a text value as text_factory wants it."""
    if factory is str:
        if undecodable_seen and not is_decodable(text):
            next(Unreadable(column, text))
        return text
    encoded = text.encode("utf-8", "surrogateescape")
    return encoded if factory is bytes else factory(encoded)


def as_bytes(value: Any) -> bytes:
    """Return what SQLite hands a converter: the value's text, encoded, or the blob."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, int):
        return str(value).encode()
    from tandemdb.planner.runtime.values import to_text  # reals have a text form of SQLite's own

    return to_text(value).encode()
