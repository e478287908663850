"""Errors of constraints, in sqlite3's words; each carries the action that decides what is undone.

    conflict_action   ABORT (the statement is undone), FAIL (what it did so far stays), ROLLBACK (the transaction ends)
"""

from __future__ import annotations

from typing import Any

from tandemdb.errors import IntegrityError
from tandemdb.planner.runtime import values

STRICT_CLASSES: dict[str, tuple[type, ...]] = {
    "INT": (int,), "INTEGER": (int,), "REAL": (float,), "TEXT": (str,), "BLOB": (bytes,),
}  # fmt: skip
CLASS_NAMES = {int: "INT", float: "REAL", str: "TEXT", bytes: "BLOB"}


def constraint_error(message: str, code: str, action: str) -> IntegrityError:
    """An IntegrityError that tells the session what to undo."""
    error = IntegrityError(message, code=code)
    error.conflict_action = action  # type: ignore[attr-defined]
    return error


def not_null_error(column: str, action: str) -> IntegrityError:
    return constraint_error(f"NOT NULL constraint failed: {column}", "SQLITE_CONSTRAINT_NOTNULL", action)


def check_error(label: str, action: str) -> IntegrityError:
    return constraint_error(f"CHECK constraint failed: {label}", "SQLITE_CONSTRAINT_CHECK", action)


def unique_error(message: str, code: str, action: str) -> IntegrityError:
    return constraint_error(message, code, action)


def integer_key(value: Any) -> int:
    """A value given for a rowid as an integer.

    Raises:
        IntegrityError: datatype mismatch: it is not one.
    """
    converted = values.affinity_integer(value)
    if type(converted) is not int:
        raise IntegrityError("datatype mismatch", code="SQLITE_MISMATCH")
    return converted


def strict_value(value: Any, type_name: str, label: str) -> Any:
    """A value as a STRICT table's column takes it.

    Raises:
        IntegrityError: cannot store TEXT value in INT column t.c.
    """
    if value is None:
        return value
    affinity = "INTEGER" if type_name == "INT" else type_name
    converted = values.AFFINITY_FUNCTIONS[affinity](value)
    if type(converted) not in STRICT_CLASSES[type_name]:
        raise IntegrityError(
            f"cannot store {CLASS_NAMES[type(converted)]} value in {type_name} column {label}",
            code="SQLITE_CONSTRAINT_DATATYPE",
        )
    return converted


def index_code(index: Any) -> str:
    """The extended result code of a unique index's violation."""
    return "SQLITE_CONSTRAINT_PRIMARYKEY" if index.origin == "pk" else "SQLITE_CONSTRAINT_UNIQUE"
