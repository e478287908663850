"""Values: the five storage classes, their masks and ranks, and the collations that keys apply.

    Python type   class     mask bit           rank (order between classes, as SQLite sorts them)
    NoneType      NULL      HOLDS_NULL   1     0
    int           INTEGER   HOLDS_INT    2     1   int and float compare with each other
    float         REAL      HOLDS_FLOAT  4     1
    str           TEXT      HOLDS_TEXT   8     2
    bytes         BLOB      HOLDS_BLOB  16     3

A key never holds a value that cannot be compared plainly with its neighbours: the rank is compared first, and text is
stored with its collation already applied ("Oslo" under NOCASE is kept as "oslo").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter, or_
from typing import Any, TypeAlias

from tandemdb.storage.errors import StorageError, UnknownCollation

Value: TypeAlias = int | float | str | bytes | None
Record: TypeAlias = tuple[Value, ...]
Key: TypeAlias = Any  # int, or tuple[Any, ...] in a table of kind "unique"; a union would not compare with itself
Signature: TypeAlias = tuple[type, ...]

HOLDS_NULL = 1
HOLDS_INT = 2
HOLDS_FLOAT = 4
HOLDS_TEXT = 8
HOLDS_BLOB = 16

CLASS_BIT: dict[type, int] = {
    type(None): HOLDS_NULL,
    int: HOLDS_INT,
    float: HOLDS_FLOAT,
    str: HOLDS_TEXT,
    bytes: HOLDS_BLOB,
}
CLASS_RANK: dict[type, int] = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}
RANKS = 4
RANK_ABOVE_ALL = 9
"""Greater than any rank: `prefix + (RANK_ABOVE_ALL,)` is just above all composite keys that begin with `prefix`."""

collation_keys: dict[str, Callable[[str], Any]] = {}
"""User collations of this process: upper-case name -> function from a text to what is compared in its place."""


def collation_key(collation: str) -> Callable[[str], Any] | None:
    """Find what a collation compares in place of a text; None stands for the text itself (BINARY).

    Raises:
        UnknownCollation: the name is neither built in nor in `collation_keys`.
    """
    name = collation.upper()
    if name == "BINARY":
        return None
    if name in BUILT_IN_COLLATIONS:
        return BUILT_IN_COLLATIONS[name]
    if name not in collation_keys:
        raise UnknownCollation(collation)
    return collation_keys[name]


def fold_ascii(text: str) -> str:
    """NOCASE: lower the 26 letters of ASCII and no others."""
    return text.lower() if text.isascii() else text.translate(ASCII_LOWER)


def trim_right(text: str) -> str:
    """RTRIM: spaces at the end do not count."""
    return text.rstrip(" ")


ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
BUILT_IN_COLLATIONS: dict[str, Callable[[str], Any]] = {"NOCASE": fold_ascii, "RTRIM": trim_right}


def widen_classes(classes: tuple[int, ...], signature: Signature) -> tuple[int, ...]:
    """Return the masks that also cover a record of these types: the same object if they already did.

    Raises:
        StorageError: a type is none of the five, or the record is not as wide as the table.
    """
    if len(signature) != len(classes):
        raise StorageError(f"a record of {len(signature)} values does not fit a table of {len(classes)} columns")
    try:
        widened = tuple([mask | CLASS_BIT[kind] for mask, kind in zip(classes, signature, strict=True)])
    except KeyError as error:
        raise StorageError(f"values of type {error.args[0].__name__} cannot be stored") from None
    return classes if widened == classes else widened


def widen_classes_by_records(classes: tuple[int, ...], records: list[Record]) -> tuple[int, ...]:
    """Return the masks that also cover all these records, looking at whole columns at a time."""
    widened = classes
    # By chunks, so that the columns stay in the processor's cache.
    for start in range(0, len(records), 1024):
        widened = join_classes(widened, classes_of(records[start : start + 1024]))
    return classes if widened == classes else widened


def join_classes(classes: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    """Return the masks of what either holds: the same object if that is the first.

    Raises:
        StorageError: they are not of as many columns.
    """
    if len(others) != len(classes):
        raise StorageError(f"a record of {len(others)} values does not fit a table of {len(classes)} columns")
    joined = tuple(map(or_, classes, others))
    return classes if joined == classes else joined


def classes_of(records: Sequence[Record]) -> tuple[int, ...]:
    """Return the masks of the columns of these records, at least one.

    Raises:
        StorageError: a type is none of the five, or the records are not of one width.
    """
    try:
        columns = list(zip(*records, strict=True))
    except ValueError:
        widths = sorted(set(map(len, records)))
        raise StorageError(f"records of {widths[0]} and of {widths[1]} values do not fit one table") from None
    masks = []
    for values in columns:
        mask = 0
        for kind in set(map(type, values)):
            if kind not in CLASS_BIT:
                raise StorageError(f"values of type {kind.__name__} cannot be stored")
            mask |= CLASS_BIT[kind]
        masks.append(mask)
    return tuple(masks)


def widen_classes_of_columns(
    classes: tuple[int, ...], columns: Sequence[int], records: list[Record]
) -> tuple[int, ...]:
    """Return the masks that also cover these columns of the records: the same object if they already did."""
    masks = list(classes)
    for column in columns:
        for kind in set(map(type, map(itemgetter(column), records))):
            if kind not in CLASS_BIT:
                raise StorageError(f"values of type {kind.__name__} cannot be stored")
            masks[column] |= CLASS_BIT[kind]
    widened = tuple(masks)
    return classes if widened == classes else widened
