"""Functions that ask the session, the clock's neighbours and the library about themselves.

changes() total_changes() last_insert_rowid()   of the session, through the ExecutionContext
random() randomblob(N)                          from a generator of the engine's own, from the system
sqlite_version() sqlite_source_id() ...         of the SQLite whose behaviour this is: 3.40.1
"""

from __future__ import annotations

from os import urandom

from tandemdb.errors import DataError, OperationalError
from tandemdb.planner.functions.registry import ExecutionContext, ScalarFunction
from tandemdb.planner.functions.text import as_32_bits
from tandemdb.planner.runtime.values import as_integer, to_text
from tandemdb.storage.values import HOLDS_BLOB, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value, fold_ascii

VERSION = "3.40.1"
SOURCE_ID = "2022-12-28 14:03:47 df5c253c0b3dd24916e4ec7cf77d3db5294cc9fd45ae7b9c5e82ad8197f38a24"


def changes(context: ExecutionContext) -> int:
    """changes(): rows that the last INSERT, UPDATE or DELETE changed."""
    return context.changes


def total_changes(context: ExecutionContext) -> int:
    """total_changes(): rows changed since the session began."""
    return context.total_changes


def last_insert_rowid(context: ExecutionContext) -> int:
    """last_insert_rowid()."""
    return context.last_insert_rowid


def random(context: ExecutionContext) -> int:
    """random(): never the least integer, which has no absolute value."""
    number = context.random()
    return number if number >= 0 else -(number & 0x7FFFFFFFFFFFFFFF)


def random_blob(size: Value) -> bytes:
    """randomblob(N): one byte at least, from the system, for programs make keys of it."""
    count = max(as_integer(size), 1)
    if count > 1_000_000_000:
        raise DataError("string or blob too big", code="SQLITE_TOOBIG")
    return urandom(count)


def load_extension(path: Value, entry: Value = None) -> Value:
    """load_extension(X, Y): refused, as SQLite refuses it until the application allows it."""
    raise OperationalError("not authorized", code="SQLITE_ERROR")


def log_message(code: Value, message: Value) -> None:
    """sqlite_log(X, Y): there is no error log, so nothing is written."""


def version() -> str:
    """sqlite_version()."""
    return VERSION


def source_id() -> str:
    """sqlite_source_id()."""
    return SOURCE_ID


# What describes behaviour that is the same here; settings of the disk format and of threads are SQLite's own.
COMPILE_OPTIONS = (
    "DEFAULT_RECURSIVE_TRIGGERS",
    "ENABLE_COLUMN_METADATA",
    "ENABLE_MATH_FUNCTIONS",
    "ENABLE_UPDATE_DELETE_LIMIT",
    "LIKE_DOESNT_MATCH_BLOBS",
    "MAX_COLUMN=2000",
    "MAX_FUNCTION_ARG=127",
    "MAX_LENGTH=1000000000",
    "MAX_LIKE_PATTERN_LENGTH=50000",
    "MAX_SQL_LENGTH=1000000000",
    "MAX_TRIGGER_DEPTH=1000",
    "MAX_VARIABLE_NUMBER=250000",
    "SOUNDEX",
    "TEMP_STORE=1",
    "THREADSAFE=1",
    "USE_URI",
)


def compile_option(position: Value) -> str | None:
    """sqlite_compileoption_get(N): NULL beyond the last."""
    index = as_32_bits(position)
    return COMPILE_OPTIONS[index] if 0 <= index < len(COMPILE_OPTIONS) else None


def compile_option_used(name: Value) -> int | None:
    """sqlite_compileoption_used(X): with or without SQLITE_ in front and the setting behind."""
    if name is None:
        return None
    wanted = fold_ascii(to_text(name)).removeprefix("sqlite_")
    known = [fold_ascii(option) for option in COMPILE_OPTIONS]
    return int(any(option == wanted or option.startswith(wanted + "=") for option in known))


INTEGER, TEXT, NULL = HOLDS_INT, HOLDS_TEXT, HOLDS_NULL
SCALAR_FUNCTIONS = {
    function.name: function
    for function in (
        ScalarFunction("changes", changes, 0, 0, False, result_classes=INTEGER, needs_context=True),
        ScalarFunction("total_changes", total_changes, 0, 0, False, result_classes=INTEGER, needs_context=True),
        ScalarFunction("last_insert_rowid", last_insert_rowid, 0, 0, False, result_classes=INTEGER, needs_context=True),
        ScalarFunction("random", random, 0, 0, False, result_classes=INTEGER, needs_context=True),
        ScalarFunction("randomblob", random_blob, 1, 1, False, result_classes=HOLDS_BLOB),
        ScalarFunction("load_extension", load_extension, 1, 2, False),
        ScalarFunction("sqlite_log", log_message, 2, 2, result_classes=NULL),
        ScalarFunction("sqlite_version", version, 0, 0, result_classes=TEXT),
        ScalarFunction("sqlite_source_id", source_id, 0, 0, result_classes=TEXT),
        ScalarFunction("sqlite_compileoption_get", compile_option, 1, 1, result_classes=TEXT | NULL),
        ScalarFunction("sqlite_compileoption_used", compile_option_used, 1, 1, result_classes=INTEGER | NULL),
    )
}
