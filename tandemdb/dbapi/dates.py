"""The default adapters and converters for dates, which Python 3.12 deprecated, with their warning at the caller's line.

    sqlite3's own: warn(..., stacklevel=2), which names the line that called it: a user's in C, tandemdb's here

So where the registry still holds sqlite3's own function, the one here of the same effect is called instead.
"""

from __future__ import annotations

import datetime
import sqlite3
import sys
import warnings
from collections.abc import Callable
from typing import Any

TEXT = (
    "The default {} is deprecated as of Python 3.12; see the sqlite3 documentation for suggested replacement recipes"
)


def find_caller() -> int:
    """Return the stacklevel at which a warning by this function's caller names the line outside tandemdb."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tandemdb."):
        frame, level = frame.f_back, level + 1
    return level


def adapt_date(value: datetime.date) -> str:
    """Write a date as SQLite does."""
    warnings.warn(TEXT.format("date adapter"), DeprecationWarning, stacklevel=find_caller())
    return value.isoformat()


def adapt_datetime(value: datetime.datetime) -> str:
    """Write a date and time as SQLite does."""
    warnings.warn(TEXT.format("datetime adapter"), DeprecationWarning, stacklevel=find_caller())
    return value.isoformat(" ")


def convert_date(data: bytes) -> datetime.date:
    """Read a date."""
    warnings.warn(TEXT.format("date converter"), DeprecationWarning, stacklevel=find_caller())
    return datetime.date(*map(int, data.split(b"-")))


def convert_timestamp(data: bytes) -> datetime.datetime:
    """Read a date and time."""
    warnings.warn(TEXT.format("timestamp converter"), DeprecationWarning, stacklevel=find_caller())
    date, time = data.split(b" ")
    seconds, *fraction = time.split(b".")
    microseconds = int(f"{fraction[0].decode():0<6.6}") if len(fraction) == 1 else 0
    return datetime.datetime(*map(int, date.split(b"-")), *map(int, seconds.split(b":")), microseconds)  # type: ignore[arg-type, call-arg]


def find_defaults() -> dict[Any, Callable[[Any], Any]]:
    """Match sqlite3's own functions, as far as the registries still hold them, with those here."""
    if sys.version_info < (3, 12):
        return {}
    entries = [
        (sqlite3.adapters.get((datetime.date, sqlite3.PrepareProtocol)), adapt_date),
        (sqlite3.adapters.get((datetime.datetime, sqlite3.PrepareProtocol)), adapt_datetime),
        (sqlite3.converters.get("DATE"), convert_date),
        (sqlite3.converters.get("TIMESTAMP"), convert_timestamp),
    ]
    return {theirs: ours for theirs, ours in entries if getattr(theirs, "__module__", "") == "sqlite3.dbapi2"}


own_of_default = find_defaults()
