"""Dates and times: date, time, datetime, julianday, unixepoch, strftime and the CURRENT_ three.

    strftime('%Y', '2023-05-06', '+1 month')      format, time value, modifiers
                    time value --> Moment --> modify --> ... --> text or number; NULL where any step fails

'now' is the ExecutionContext's, so it stands still through a statement and follows the session's clock.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from copy import copy
from functools import lru_cache, wraps
from typing import Any

from tandemdb.planner.functions.moment import DAY, HALF_DAY, JULIAN_MAX, UNIX_EPOCH, Moment
from tandemdb.planner.functions.registry import ExecutionContext, ScalarFunction
from tandemdb.planner.runtime.reals import format_real, text_to_real
from tandemdb.planner.runtime.values import numeric_or_none, to_text, until_nul
from tandemdb.storage.values import HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value, fold_ascii

MILLISECOND = datetime.timedelta(milliseconds=1)
EPOCH = datetime.datetime(1970, 1, 1)


def date(context: ExecutionContext, *arguments: Value) -> str | None:
    """date(TIME, MODIFIER, ...)."""
    moment = read_moment(context, arguments)
    return None if moment is None else date_text(moment)


def time(context: ExecutionContext, *arguments: Value) -> str | None:
    """time(TIME, MODIFIER, ...)."""
    moment = read_moment(context, arguments)
    return None if moment is None else time_text(moment)


def date_time(context: ExecutionContext, *arguments: Value) -> str | None:
    """datetime(TIME, MODIFIER, ...)."""
    moment = read_moment(context, arguments)
    return None if moment is None else f"{date_text(moment)} {time_text(moment)}"


def julian_day(context: ExecutionContext, *arguments: Value) -> float | None:
    """julianday(TIME, MODIFIER, ...)."""
    moment = read_moment(context, arguments)
    return None if moment is None else moment.julian / 86400000.0


def unix_time(context: ExecutionContext, *arguments: Value) -> int | None:
    """unixepoch(TIME, MODIFIER, ...): whole seconds."""
    moment = read_moment(context, arguments)
    return None if moment is None else moment.julian // 1000 - UNIX_EPOCH // 1000


def format_time(context: ExecutionContext, *arguments: Value) -> str | None:
    """strftime(FORMAT, TIME, MODIFIER, ...): NULL if the format has an unknown mark."""
    if not arguments or arguments[0] is None:
        return None
    moment = read_moment(context, arguments[1:])
    if moment is None:
        return None
    moment.compute_parts()
    pieces = []
    marks = iter(until_nul(to_text(arguments[0])).split("%"))
    pieces.append(next(marks))
    for piece in marks:
        if not piece:  # a second % follows, or the end
            following = next(marks, None)
            if following is None:
                return None
            pieces.append("%" + following)
            continue
        write = MARKS.get(piece[0])
        if write is None:
            return None
        pieces.append(write(moment) + piece[1:])
    return "".join(pieces)


def current_date(context: ExecutionContext) -> str | None:
    """CURRENT_DATE."""
    return date(context)


def current_time(context: ExecutionContext) -> str | None:
    """CURRENT_TIME."""
    return time(context)


def current_timestamp(context: ExecutionContext) -> str | None:
    """CURRENT_TIMESTAMP."""
    return date_time(context)


def read_moment(context: ExecutionContext, arguments: tuple[Value, ...]) -> Moment | None:
    """Read a time value and apply the modifiers; None if one of them cannot be understood or leaves the range."""
    moment = Moment()
    if not arguments:
        moment.set_julian(now(context))
        return moment
    value = arguments[0]
    if isinstance(value, (int, float)):
        moment.set_number(float(value))
    elif value is None or not read_text(context, moment, until_nul(to_text(value))):
        return None
    for position, modifier in enumerate(arguments[1:], 1):
        if modifier is None or not moment.modify(until_nul(to_text(modifier)), position):
            return None
    moment.compute_julian()
    return moment if not moment.failed and 0 <= moment.julian <= JULIAN_MAX else None


def read_text(context: ExecutionContext, moment: Moment, text: str) -> bool:
    """Read a time value that is a text; tell whether it is one."""
    if moment.read_date(text) or moment.read_time(text):
        return True
    if fold_ascii(text) == "now":
        moment.set_julian(now(context))
        return True
    if numeric_or_none(text) is None:
        return False
    moment.set_number(text_to_real(text))
    return True


def now(context: ExecutionContext) -> int:
    """Return the context's time in milliseconds since the julian epoch."""
    return (context.now() - EPOCH) // MILLISECOND + UNIX_EPOCH


def date_text(moment: Moment) -> str:
    """Write YYYY-MM-DD."""
    moment.compute_date()
    return f"{'-' if moment.year < 0 else ''}{abs(moment.year) % 10000:04d}-{moment.month:02d}-{moment.day:02d}"


def time_text(moment: Moment) -> str:
    """Write HH:MM:SS."""
    moment.compute_time()
    return f"{moment.hour:02d}:{moment.minute:02d}:{int(moment.seconds):02d}"


def day_of_year(moment: Moment) -> int:
    """Count the days since the first of January."""
    first = copy(moment)
    first.has_julian = False
    first.month = first.day = 1
    first.compute_julian()
    return (moment.julian - first.julian + HALF_DAY) // DAY


def week_of_year(moment: Moment) -> int:
    """Count the Mondays of the year so far."""
    weekday = (moment.julian + HALF_DAY) // DAY % 7
    return (day_of_year(moment) + 7 - weekday) // 7


def seconds_text(moment: Moment) -> str:
    """Write seconds and milliseconds, SS.SSS."""
    seconds = min(moment.seconds, 59.999)
    return format_real(seconds, "f", 3, alternate=False, more_digits=False, prefix="").rjust(6, "0")


def julian_text(moment: Moment) -> str:
    """Write the julian day with 16 digits."""
    day = moment.julian / 86400000.0
    return format_real(day, "g", 16, alternate=False, more_digits=False, prefix="")


MARKS: dict[str, Callable[[Moment], str]] = {
    "d": lambda moment: f"{moment.day:02d}",
    "f": seconds_text,
    "H": lambda moment: f"{moment.hour:02d}",
    "j": lambda moment: f"{day_of_year(moment) + 1:03d}",
    "J": julian_text,
    "m": lambda moment: f"{moment.month:02d}",
    "M": lambda moment: f"{moment.minute:02d}",
    "s": lambda moment: str(moment.julian // 1000 - UNIX_EPOCH // 1000),
    "S": lambda moment: f"{int(moment.seconds):02d}",
    "w": lambda moment: str((moment.julian + 129_600_000) // DAY % 7),
    "W": lambda moment: f"{week_of_year(moment):02d}",
    "Y": lambda moment: f"{moment.year:04d}",
}

REMEMBERED_MAX = 4096
"""Answers kept of each function: a column of dates holds each of them many times."""
CLOCKLESS = frozenset("0123456789+-%")
"""Texts that begin so are formats, plain times or plain modifiers: none of them asks what time it is, or where."""


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its answers remembered where only texts are given that do not ask for the clock."""

    @lru_cache(REMEMBERED_MAX)
    def known(arguments: tuple[str, ...]) -> Any:
        return function(None, *arguments)

    @wraps(function)
    def answer(context: ExecutionContext, *arguments: Value) -> Any:
        for argument in arguments:
            if type(argument) is not str or argument[:1] not in CLOCKLESS:
                return function(context, *arguments)
        return known(arguments) if arguments else function(context)

    return answer


TEXT, NULL = HOLDS_TEXT, HOLDS_NULL
# Deterministic but for 'now', 'localtime' and 'utc', as SQLite has it: a context that serves an index or a CHECK
# refuses to tell the time.
SCALAR_FUNCTIONS = {
    function.name: function
    for function in (
        ScalarFunction("date", remembered(date), 0, -1, True, True, TEXT | NULL, needs_context=True),
        ScalarFunction("time", remembered(time), 0, -1, True, True, TEXT | NULL, needs_context=True),
        ScalarFunction("datetime", remembered(date_time), 0, -1, True, True, TEXT | NULL, needs_context=True),
        ScalarFunction("julianday", remembered(julian_day), 0, -1, True, True, HOLDS_FLOAT | NULL, needs_context=True),
        ScalarFunction("unixepoch", remembered(unix_time), 0, -1, True, True, HOLDS_INT | NULL, needs_context=True),
        ScalarFunction("strftime", remembered(format_time), 0, -1, True, True, TEXT | NULL, needs_context=True),
        ScalarFunction("current_date", current_date, 0, 0, False, False, TEXT, needs_context=True),
        ScalarFunction("current_time", current_time, 0, 0, False, False, TEXT, needs_context=True),
        ScalarFunction("current_timestamp", current_timestamp, 0, 0, False, False, TEXT, needs_context=True),
    )
}
