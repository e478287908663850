"""Values going in: what a caller passes to execute() becomes a sequence of SQL's five storage classes.

    parameters ---- a tuple or list of exact int, float, str, bytes, None ----> passed on as it is
         |
         +--------- anything else ---> adapt each value ---> check it ---> a list
                                       sqlite3.adapters, __conform__,
                                       subclasses, buffers

The rules and texts are those of CPython's Modules/_sqlite/cursor.c (bind_parameters, bind_param). The registry of
adapters is the standard library's own, so that `sqlite3.register_adapter` serves tandemdb too.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import ne
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakSet

from tandemdb.dbapi.dates import find_caller, own_of_default
from tandemdb.errors import ProgrammingError

Value: TypeAlias = None | int | float | str | bytes
Values: TypeAlias = Sequence[Value]

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
CHUNK_ROWS = 256  # executemany() checks this many rows by columns at a time
BASE_TYPES = (int, float, str, bytearray, bytes, type(None))

# True once an adapter exists for a type that otherwise passes unexamined; like sqlite3's own flag it stays on.
base_types_adapted = False
# Connections that must hear of it.
when_adapted: WeakSet[Any] = WeakSet()


class Shape(NamedTuple):
    """What binding needs to know of a statement; it follows from its text alone."""

    names: tuple[str | None, ...]  # as written, with the prefix: ":a", "?2"; None for a bare "?"
    is_dml: bool
    warned: tuple[int, ...]  # positions of named parameters, which a sequence should not supply
    has_literals: bool  # there may be others that differ in these only


# What sqlite3 takes for a change of rows: the first word decides, so that WITH ... INSERT is none.
DML = re.compile(r"(?:[ \t\f\r\n]+|--[^\n]*\n|/\*.*?\*/)*(?:insert|update|delete|replace)", re.I | re.S)


def make_shape(sql: str, names: Sequence[str | None], has_literals: bool) -> Shape:
    """Return the shape of a statement with these parameters."""
    warned = tuple(at for at, name in enumerate(names) if name and is_named(name))
    return Shape(tuple(names), DML.match(sql) is not None, warned, has_literals)


def is_named(name: str) -> bool:
    """Tell whether sqlite3 warns of a sequence for it; since Python 3.13 it lets numbered ones (?2) pass."""
    if sys.version_info >= (3, 13):
        return not name.startswith("?")
    return sys.version_info >= (3, 12)


def is_plain(values: Iterable[Any]) -> bool:
    """Tell whether every value can be stored just as it is.

    Cost: 0.1 us for one value, 0.2 us for five (CPython 3.11); this loop beats building a set of the types.
    """
    for value in values:
        kind = type(value)
        if kind is int:
            if not INTEGER_MIN <= value <= INTEGER_MAX:
                return False
        elif kind is str:
            if not value.isascii() and has_surrogates(value):
                return False
        elif kind is float:
            if value != value:
                return False
        elif value is not None and kind is not bytes:
            return False
    return not base_types_adapted


def has_surrogates(text: str) -> bool:
    """Tell whether the text cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def bind(shape: Shape, parameters: Any) -> Values:
    """Return one storable value for each placeholder.

    Raises:
        ProgrammingError: a wrong number of values, a missing name, or a type that has no adapter.
        OverflowError: an integer beyond 64 bits. UnicodeEncodeError: a lone surrogate.
    """
    if type(parameters) in (tuple, list) or is_sequence(parameters):
        return bind_sequence(shape, parameters)
    if is_mapping(parameters):
        return bind_mapping(shape, parameters)
    raise ProgrammingError(
        "parameters are of unsupported type",
        detail=f"Expected a sequence or a mapping; found {type(parameters).__name__}.",
    )


def is_sequence(value: Any) -> bool:
    """Tell what PySequence_Check would, but for a Mapping that is no dict, which sqlite3 takes for a sequence."""
    return hasattr(type(value), "__getitem__") and not isinstance(value, Mapping)


def is_mapping(value: Any) -> bool:
    """Tell what PyMapping_Check would."""
    return hasattr(type(value), "__getitem__")


def bind_sequence(shape: Shape, parameters: Sequence[Any]) -> Values:
    """Match the values with the placeholders by position."""
    expected, found = len(shape.names), len(parameters)
    if expected != found:
        raise ProgrammingError(
            f"Incorrect number of bindings supplied. The current statement uses {expected}, "
            f"and there are {found} supplied.",
            detail=f"Expected one value for each of {expected} placeholders; "
            f"found a {type(parameters).__name__} of {found}.",
            hint="Pass one value per ?; a lone value needs a trailing comma: execute(sql, (value,)).",
        )
    for position in shape.warned:
        warnings.warn(
            f"Binding {position + 1} ('{shape.names[position]}') is a named parameter, but you supplied a sequence "
            "which requires nameless (qmark) placeholders. Starting with Python 3.14 an sqlite3.ProgrammingError "
            "will be raised.",
            DeprecationWarning,
            stacklevel=find_caller(),
        )
    if type(parameters) in (tuple, list) and is_plain(parameters):
        return parameters
    return [storable(parameters[at], at + 1) for at in range(expected)]


def bind_mapping(shape: Shape, parameters: Mapping[str, Any]) -> Values:
    """Match the values with the placeholders by name."""
    values = []
    for position, name in enumerate(shape.names):
        if name is None:
            raise ProgrammingError(
                f"Binding {position + 1} has no name, but you supplied a dictionary (which has only names).",
                hint="Write :name in the statement, or pass a sequence.",
            )
        try:
            value = parameters[name[1:]]
        except LookupError:
            raise ProgrammingError(
                f"You did not supply a value for binding parameter :{name[1:]}.",
                detail=f"The statement's parameters are {', '.join(filter(None, shape.names))}.",
            ) from None
        values.append(storable(value, position + 1))
    return values


def storable(value: Any, position: int) -> Value:
    """Adapt a value, then turn it into a storage class."""
    kind = type(value)
    if base_types_adapted or kind not in (int, float, str, bytearray):
        own = own_of_default.get(sqlite3.adapters.get((kind, sqlite3.PrepareProtocol)))
        if own is not None:
            return own(value)  # type: ignore[no-any-return]
        value = sqlite3.adapt(value, sqlite3.PrepareProtocol, value)  # gives the value back if nothing adapts it
    return to_value(value, lambda: unsupported(value, position))


def unsupported(value: Any, position: int) -> ProgrammingError:
    """Make the error for a type that SQL has no place for."""
    name = type(value).__name__
    return ProgrammingError(
        f"Error binding parameter {position}: type '{name}' is not supported",
        hint="Convert the value, or teach sqlite3.register_adapter the type.",
    )


def to_value(value: Any, refuse: Callable[[], Exception]) -> Value:
    """Turn a Python value into its storage class: exact int, float, str, bytes or None."""
    if value is None:
        return None
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return int.__int__(value)
    if isinstance(value, float):
        return None if value != value else float.__float__(value)  # SQLite has no NaN: it stores NULL
    if isinstance(value, str):
        value.encode()  # raises UnicodeEncodeError, as sqlite3 does
        return str.__str__(value)
    if type(value) is bytes:
        return value
    try:
        view = memoryview(value)
    except TypeError:
        raise refuse() from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes()


def bind_rows(shape: Shape, rows: Iterable[Any]) -> Iterable[Values]:
    """Bind one set of parameters after another, for executemany().

    A list or tuple is checked in chunks, column by column: 0.02 us a value; where nothing needs binding the rows are
    returned as they are. An iterator is taken one by one, because what it yields may depend on the rows that went in
    before.
    """
    if type(rows) in (list, tuple) and not shape.warned:
        from tandemdb.planner.change.uniform_rows import UniformRows  # not with the module, which loads no planner

        kinds: list[set[type]] = [set() for _ in shape.names]
        chunks = [rows[at : at + CHUNK_ROWS] for at in range(0, len(rows), CHUNK_ROWS)]  # type: ignore[index, arg-type]
        if all(is_uniform(chunk, kinds) for chunk in chunks):
            uniform = UniformRows(rows)
            uniform.kinds = kinds
            return uniform
    return bind_each(shape, rows)


def bind_each(shape: Shape, rows: Iterable[Any]) -> Iterator[Values]:
    """Bind rows of which some may need it."""
    if type(rows) in (list, tuple):
        iterator = iter(rows)
        while chunk := list(islice(iterator, CHUNK_ROWS)):
            if is_uniform(chunk, [set() for _ in shape.names]) and not shape.warned:
                yield from chunk
            else:
                for row in chunk:
                    yield bind(shape, row)
        return
    for row in rows:
        yield bind(shape, row)


def until_failure(rows: Iterable[Values], failures: list[BaseException]) -> Iterable[Values]:
    """End where the rows fail, so that those before it are run as sqlite3 runs them; the error is for the caller."""
    return rows if isinstance(rows, (list, tuple)) else up_to_failure(rows, failures)


def up_to_failure(rows: Iterable[Values], failures: list[BaseException]) -> Iterator[Values]:
    try:
        yield from rows
    except GeneratorExit:
        raise
    except BaseException as error:
        failures.append(error)


def is_uniform(chunk: Sequence[Any], found: list[set[type]]) -> bool:
    """Tell whether all rows are tuples or lists of one width, and their values plain; note each column's types."""
    if base_types_adapted or not {*map(type, chunk)} <= {tuple, list} or {*map(len, chunk)} != {len(found)}:
        return False
    return all(map(is_plain_column, zip(*chunk, strict=True), found))


def is_plain_column(column: tuple[Any, ...], found: set[type]) -> bool:
    """Tell what `is_plain` would, quicker when the column is of one type; note the types."""
    kinds = {*map(type, column)}
    found |= kinds
    if type(None) in kinds and len(kinds) == 2:
        kinds.remove(type(None))
        column = tuple([value for value in column if value is not None])
    if kinds == {int}:
        return bool(INTEGER_MIN <= min(column) and max(column) <= INTEGER_MAX)
    if kinds == {str}:
        return not has_surrogates("".join(column))
    if kinds == {float}:
        return not any(map(ne, column, column))
    if kinds <= {bytes, type(None)}:
        return True
    return is_plain(column)


def adapt(obj: Any, /, *arguments: Any) -> Any:
    """Adapt an object to a protocol by the registry; the alternative, if given, when nothing adapts it.

    Raises:
        ProgrammingError: nothing adapts it.
    """
    try:
        return sqlite3.adapt(obj, *arguments)
    except sqlite3.ProgrammingError as error:
        raise ProgrammingError(str(error)) from None


def register_adapter(type: type, adapter: Callable[[Any], Any], /) -> None:
    """Register a function to adapt values of `type`, in the registry shared with the standard library's sqlite3."""
    sqlite3.register_adapter(type, adapter)
    if type in BASE_TYPES:
        find_base_adapters()


def find_base_adapters() -> None:
    """Notice adapters for plain types, also those that were registered through the standard library's module."""
    global base_types_adapted
    if not base_types_adapted and any((kind, sqlite3.PrepareProtocol) in sqlite3.adapters for kind in BASE_TYPES):
        base_types_adapted = True
        for connection in list(when_adapted):
            connection._choose_road()


def base_types_are_adapted() -> bool:
    """Tell whether every value must be looked at for an adapter."""
    return base_types_adapted
