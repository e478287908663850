"""Blobs: one value of a table, read and written like a file.

    Blob(table, column, row) --> offset 0 ............ len - 1        the length never changes
         read:  SELECT column FROM table WHERE rowid = row            at each call, so that it sees the open transaction
         write: UPDATE table SET column = ? WHERE rowid = row         a commit by itself outside a transaction

A blob expires when its row is changed otherwise or deleted; it then answers "query aborted", as SQLite's do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from tandemdb.errors import OperationalError, ProgrammingError

if TYPE_CHECKING:
    from tandemdb.dbapi.state import ConnectionState


class Blob:
    """A handle on one blob (or text) value; sqlite3.Blob, method for method."""

    __slots__ = ("__weakref__", "_connection", "_expected", "_offset", "_readonly", "_row", "_select", "_update")
    __module__ = "tandemdb"

    _connection: ConnectionState | None
    _expected: bytes | str
    _offset: int

    def __new__(cls) -> Self:
        """Refuse: only a connection's blobopen() makes blobs."""
        raise TypeError("cannot create 'tandemdb.Blob' instances")

    def _open(self, connection: ConnectionState, names: tuple[str, str, str], row: int, readonly: bool) -> None:
        """Open the value of schema, table and column `names` at this rowid."""
        schema, table, column = (quote(name) for name in names)
        self._connection = connection
        self._select = f"SELECT {column} FROM {schema}.{table} WHERE rowid = ?"
        self._row = row
        self._readonly = readonly
        self._offset = 0
        value = self._find()
        if not isinstance(value, (bytes, str)):
            kind = {type(None): "null", int: "integer", float: "real"}[type(value)]
            raise OperationalError(f"cannot open value of type {kind}", code="SQLITE_ERROR")
        self._expected = value
        # Text is bound as bytes: with a part of it overwritten, it may be no UTF-8.
        written = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
        self._update = f"UPDATE {schema}.{table} SET {column} = {written} WHERE rowid = ?"

    def _find(self) -> bytes | str | int | float | None:
        """Fetch the value as it is now."""
        session = self._open_connection()._session
        for record in session.run(session.prepare(self._select), (self._row,)).rows:
            value: bytes | str | int | float | None = record[0]
            return value
        raise OperationalError(f"no such rowid: {self._row}", code="SQLITE_ERROR")

    def _open_connection(self) -> ConnectionState:
        """Return the connection if blob and connection may be used."""
        if self._connection is None:
            raise ProgrammingError("Cannot operate on a closed blob.")
        self._connection._check()
        return self._connection

    def _content(self) -> bytes:
        """Return the value, which must be the one that this handle knows."""
        expected = self._expected
        try:
            value = self._find()
        except OperationalError:
            value = None
        if value != expected:
            raise OperationalError("query aborted", code="SQLITE_ABORT")
        return expected.encode("utf-8", "surrogateescape") if isinstance(expected, str) else expected

    def _replace(self, offset: int, data: bytes) -> None:
        """Write data over part of the value."""
        with self._open_connection()._guard():
            if self._readonly:
                raise OperationalError("attempt to write a readonly database", code="SQLITE_READONLY")
            before = self._content()
            content = before[:offset] + data + before[offset + len(data) :]
            text = isinstance(self._expected, str)
            session = self._open_connection()._session
            session.run(session.prepare(self._update), (content, self._row))
            self._expected = content.decode("utf-8", "surrogateescape") if text else content

    def read(self, length: int = -1, /) -> bytes:
        """Read up to `length` bytes from the current position; negative reads to the end."""
        with self._open_connection()._guard():
            rest = len(self) - self._offset
            if length < 0 or length > rest:
                length = rest
            if length == 0:
                return b""
            data = self._content()[self._offset : self._offset + length]
            self._offset += length
            return data

    def write(self, data: Any, /) -> None:
        """Write bytes at the current position; they must fit."""
        self._open_connection()
        data = contiguous(data)
        if len(data) > len(self) - self._offset:
            raise ValueError("data longer than blob length")
        self._replace(self._offset, data)
        self._offset += len(data)

    def seek(self, offset: int, origin: int = 0, /) -> None:
        """Move the position: from the start (0), from where it is (1), or from the end (2)."""
        self._open_connection()
        if origin not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError("'origin' should be os.SEEK_SET, os.SEEK_CUR, or os.SEEK_END")
        base = 0 if origin == os.SEEK_SET else self._offset if origin == os.SEEK_CUR else len(self)
        if base + offset > 2**31 - 1:
            raise OverflowError("seek offset results in overflow")
        if not 0 <= base + offset <= len(self):
            raise ValueError("offset out of blob range")
        self._offset = base + offset

    def tell(self) -> int:
        """Return the position."""
        self._open_connection()
        return self._offset

    def close(self) -> None:
        """Close the handle."""
        if self._connection is not None:
            self._connection._check()
        self._connection = None

    def __enter__(self) -> Self:
        """Begin a block that closes the blob at its end."""
        self._open_connection()
        return self

    def __exit__(
        self, type: type[BaseException] | None, val: BaseException | None, tb: TracebackType | None, /
    ) -> Literal[False]:
        """Close the blob."""
        self._open_connection()
        self.close()
        return False

    def __len__(self) -> int:
        self._open_connection()
        expected = self._expected
        return len(expected.encode("utf-8", "surrogateescape") if isinstance(expected, str) else expected)

    def __getitem__(self, key: Any) -> Any:
        with self._open_connection()._guard():
            if hasattr(key, "__index__"):
                return self._content()[self._position(key)]
            if isinstance(key, slice):
                start, stop, step = key.indices(len(self))
                return self._content()[start:stop:step] if len(range(start, stop, step)) else b""
            raise TypeError("Blob indices must be integers")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._open_connection()
        if hasattr(key, "__index__"):
            position = self._position(key)
            if not isinstance(value, int):
                raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
            if not 0 <= value <= 255:
                raise ValueError("byte must be in range(0, 256)")
            self._replace(position, bytes((value,)))
        elif isinstance(key, slice):
            self._assign(key, contiguous(value))
        else:
            raise TypeError("Blob indices must be integers")

    def _assign(self, key: slice, data: bytes) -> None:
        """Write data over a slice of the same length."""
        start, stop, step = key.indices(len(self))
        places = range(start, stop, step)
        if len(places) != len(data):
            raise IndexError("Blob slice assignment is wrong size")
        if not places:
            return
        if step == 1:
            self._replace(start, data)
            return
        whole = bytearray(self._content())
        whole[start:stop:step] = data
        self._replace(0, bytes(whole))

    def __delitem__(self, key: Any) -> None:
        self._open_connection()
        if hasattr(key, "__index__"):
            raise TypeError("Blob doesn't support item deletion")
        if isinstance(key, slice):
            raise TypeError("Blob doesn't support slice deletion")
        raise TypeError("Blob indices must be integers")

    def _position(self, key: Any) -> int:
        """Return an index from the start, or refuse it."""
        size, position = len(self), key.__index__()
        if not -sys.maxsize - 1 <= position <= sys.maxsize:
            raise IndexError("cannot fit 'int' into an index-sized integer")
        if position < 0:
            position += size
        if not 0 <= position < size:
            raise IndexError("Blob index out of range")
        return int(position)

    # Without these, `x in blob` and `iter(blob)` would go by __getitem__, which sqlite3's Blob does not allow.
    def __iter__(self) -> Iterator[int]:
        self._not_iterable("'{}' object is not iterable")

    def __contains__(self, item: object) -> bool:
        self._not_iterable("argument of type '{}' is not iterable")

    def _not_iterable(self, text: str) -> NoReturn:
        raise TypeError(text.format("tandemdb.Blob"))


def open_blob(connection: ConnectionState, names: tuple[str, str, str], row: int, readonly: bool) -> Blob:
    """Open the value in schema, table and column `names` at a rowid.

    Raises:
        OperationalError: there is no such row, or its value is no blob or text.
    """
    blob: Blob = object.__new__(Blob)
    blob._open(connection, names, row, readonly)
    return blob


def contiguous(data: Any) -> bytes:
    """Return the bytes of a buffer, which must lie in one piece."""
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'") from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes()


def quote(name: str) -> str:
    """Return the name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
