"""Limits that a connection may lower and that a running statement meets; the defaults are SQLite's.

    attached, trigger_depth     looked at by ATTACH and by triggers as they fire
    length                      plans that change rows measure them (part of `plan_key`); none does by default
    pattern                     functions like() and glob() of the connection's own stand for LIKE and GLOB
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tandemdb.errors import DataError
from tandemdb.planner.runtime import patterns
from tandemdb.planner.runtime.values import to_text

if TYPE_CHECKING:
    from tandemdb.planner.session import Session

LENGTH_MAX = 1_000_000_000


@dataclass(slots=True)
class Limits:
    """One session's limits."""

    length: int = LENGTH_MAX
    attached: int = 10
    trigger_depth: int = 1000
    pattern: int = patterns.PATTERN_BYTES_MAX


def set_limit(session: Session, name: str, value: int) -> None:
    """Set a limit by its name here."""
    setattr(session.limits, name, value)
    session.change_key = None
    session.ready.clear()
    if name == "pattern":
        limit_patterns(session)


def limit_patterns(session: Session) -> None:
    """Let functions that measure the pattern stand for LIKE and GLOB, unless the user has registered such."""

    def like(pattern: Any, value: Any, escape: Any = patterns.NO_ESCAPE) -> int | None:
        sensitive = session.settings.case_sensitive_like
        test = patterns.too_complex if is_long(pattern) else patterns.like_function(pattern, escape, sensitive)
        return as_integer(test(value))

    def glob(pattern: Any, value: Any) -> int | None:
        return as_integer((patterns.too_complex if is_long(pattern) else patterns.glob_function(pattern))(value))

    def is_long(pattern: Any) -> bool:
        if pattern is None or isinstance(pattern, bytes):
            return False
        return len(to_text(pattern).encode("utf-8", "surrogateescape")) > session.limits.pattern

    for name, count, function in (("like", 2, like), ("like", 3, like), ("glob", 2, glob)):
        if (name, count) not in session.users.entries:
            session.create_function(name, count, function, deterministic=True)


def as_integer(answer: bool | None) -> int | None:
    return None if answer is None else int(answer)


def check_record(record: Sequence[Any], rowid_position: int, length_max: int) -> None:
    """Refuse a record that is longer than the limit, in the format of SQLite's files.

    Raises:
        DataError: string or blob too big.
    """
    header = body = 0
    for position, value in enumerate(record):
        size = 0 if position == rowid_position else size_of(value)
        body += size
        header += varint_size(2 * size + 13) if isinstance(value, (str, bytes)) else 1
    header += 1 if header <= 126 else varint_size(header + varint_size(header))
    if header + body > length_max:
        raise too_big()


def size_of(value: Any) -> int:
    """The bytes of a value in a record."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return len(value)
    if value is None or value in (0, 1) and isinstance(value, int):
        return 0
    if isinstance(value, int):
        bits = (value if value >= 0 else ~value).bit_length() + 1
        return next(size for size in (1, 2, 3, 4, 6, 8) if bits <= 8 * size)
    return 8


def varint_size(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))


def too_big() -> DataError:
    return DataError("string or blob too big", code="SQLITE_TOOBIG")
