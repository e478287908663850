"""Dates and times: date, time, datetime, julianday, unixepoch, strftime and the CURRENT_ three.

    strftime('%Y', '2023-05-06', '+1 month')      format, time value, modifiers
                    time value --> Moment --> modify --> ... --> text or number; NULL where any step fails

'now' is the ExecutionContext's, so it stands still through a statement and follows the session's clock.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from copy import copy
from functools import lru_cache, partial, wraps
from typing import Any, TypeGuard

from tandemdb.planner.functions.moment import DAY, HALF_DAY, JULIAN_MAX, UNIX_EPOCH, Moment
from tandemdb.planner.functions.registry import ExecutionContext, ScalarFunction
from tandemdb.planner.runtime.reals import format_real, text_to_real
from tandemdb.planner.runtime.values import numeric_or_none, to_text, until_nul
from tandemdb.storage.values import HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, HOLDS_TEXT, Value, fold_ascii

MILLISECOND = datetime.timedelta(milliseconds=1)
SECOND = datetime.timedelta(seconds=1)
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

# ---- what nearly every time value looks like


class Checked(dict[str, bool]):
    """Which texts pass a check, as far as they were seen; no more than so many are kept."""

    __slots__ = ("check",)

    def __init__(self, check: Callable[[str], bool]) -> None:
        super().__init__()
        self.check = check

    def __missing__(self, text: str) -> bool:
        if len(self) >= CHECKED_MAX:
            self.clear()
        found = self[text] = self.check(text)
        return found


CHECKED_MAX = 20_000


def is_day(text: str) -> bool:
    """Whether a text is a day `YYYY-MM-DD` that exists, and not at an end of the calendar."""
    if DAY_TEXT.match(text) is None or not "0001" <= text[:4] <= "9998":
        return False
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_time(text: str) -> bool:
    """Whether a text is what follows a day: a time to the second, or nothing."""
    return not text or TIME_TEXT.match(text) is not None


DAY_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
TIME_TEXT = re.compile(r"[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\Z")
DAYS, TIMES = Checked(is_day), Checked(is_time)
"""There are far fewer days, and times of the day, than moments."""


def is_usual(text: Value) -> TypeGuard[str]:
    """Whether a time value is a text `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS` of a day that exists."""
    return type(text) is str and DAYS[text[:10]] and TIMES[text[10:]]


def moved(text: str, modifiers: tuple[Value, ...]) -> datetime.datetime | None:
    """The moment of a usual text, moved by plain modifiers; None for others, and near the ends of the calendar."""
    moment = datetime.datetime.fromisoformat(text)
    try:
        for modifier in modifiers:
            step = step_of(modifier)
            if step is None:
                return None
            moment = step(moment)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year < 9999 else None


@lru_cache(256)
def step_of(modifier: Value) -> Callable[[datetime.datetime], datetime.datetime] | None:
    """What a plain modifier does to a moment; None for any other."""
    if type(modifier) is not str:
        return None
    start = STARTS.get(modifier)
    if start is not None:
        month, day = start
        return lambda moment: moment.replace(
            month=month or moment.month, day=day or moment.day, hour=0, minute=0, second=0
        )
    match = PLAIN_SHIFT.match(modifier)
    if match is None:
        return None
    number, unit = int(match[1]), match[2]
    if unit in ("month", "year"):
        return partial(add_months, number=number * (12 if unit == "year" else 1))
    shift = datetime.timedelta(**{f"{unit}s": number})
    return lambda moment: moment + shift


def add_months(moment: datetime.datetime, number: int) -> datetime.datetime:
    """The same day so many months on, or, where the month is too short, as many days into the next."""
    years, month = divmod(moment.month - 1 + number, 12)
    first = moment.replace(year=moment.year + years, month=month + 1, day=1)
    return first + datetime.timedelta(days=moment.day - 1)


STARTS: dict[Value, tuple[int, int]] = {"start of day": (0, 0), "start of month": (0, 1), "start of year": (1, 1)}
PLAIN_SHIFT = re.compile(r"([+-]?[0-9]{1,6}) (second|minute|hour|day|month|year)s?\Z")


def usual_text(text: Value, modifiers: tuple[Value, ...]) -> str | None:
    """`YYYY-MM-DD HH:MM:SS` (or with a T between) of a usual text moved by plain modifiers; None for any other."""
    if not is_usual(text):
        return None
    if modifiers:
        moment = moved(text, modifiers)
        return None if moment is None else moment.isoformat(" ")
    return text if len(text) == 19 else f"{text} 00:00:00"


def usual_date(text: Value, *modifiers: Value) -> str | None:
    whole = usual_text(text, modifiers)
    return None if whole is None else whole[:10]


def usual_time(text: Value, *modifiers: Value) -> str | None:
    whole = usual_text(text, modifiers)
    return None if whole is None else whole[11:]


def usual_date_time(text: Value, *modifiers: Value) -> str | None:
    whole = usual_text(text, modifiers)
    return None if whole is None else f"{whole[:10]} {whole[11:]}"


def usual_julian_day(text: Value, *modifiers: Value) -> float | None:
    moment = moved(text, modifiers) if is_usual(text) else None
    return None if moment is None else ((moment - EPOCH) // MILLISECOND + UNIX_EPOCH) / 86400000.0


def usual_unix_time(text: Value, *modifiers: Value) -> int | None:
    moment = moved(text, modifiers) if is_usual(text) else None
    return None if moment is None else (moment - EPOCH) // SECOND


def usual_format_time(format_text: Value, text: Value, *modifiers: Value) -> str | None:
    places = places_of(format_text)
    whole = None if places is None else usual_text(text, modifiers)
    if whole is None or places is None:
        return None
    return "".join([place if isinstance(place, str) else whole[place] for place in places])


@lru_cache(256)
def places_of(format_text: Value) -> list[str | slice] | None:
    """A format of the plain marks alone, each as its place in `YYYY-MM-DD HH:MM:SS`; None for any other."""
    if type(format_text) is not str or "\0" in format_text:
        return None
    pieces = PLAIN_MARK.split(format_text)
    if any("%" in piece for piece in pieces[::2]):
        return None
    return [PLACES[piece] if at % 2 else piece for at, piece in enumerate(pieces) if piece]


PLAIN_MARK = re.compile("%([YmdHMS])")
PLACES = {
    "Y": slice(4), "m": slice(5, 7), "d": slice(8, 10), "H": slice(11, 13), "M": slice(14, 16), "S": slice(17, 19),
}  # fmt: skip

# ---- what was asked before

REMEMBERED_MAX = 4096
"""Answers kept of each function: a column of dates holds each of them many times."""
CLOCKLESS = frozenset("0123456789+-%")
"""Texts that begin so are formats, plain times or plain modifiers: none of them asks what time it is, or where."""


def remembered(function: Callable[..., Any], usual: Callable[..., Any], least: int = 1) -> Callable[..., Any]:
    """The function, its answers remembered where only texts are given that do not ask for the clock.

    `usual` knows the answer to what most time values look like, of `least` arguments or more; None for others.
    """

    @lru_cache(REMEMBERED_MAX)
    def known(arguments: tuple[str, ...]) -> Any:
        return function(None, *arguments)

    @wraps(function)
    def answer(context: ExecutionContext, *arguments: Value) -> Any:
        if len(arguments) >= least and (found := usual(*arguments)) is not None:
            return found
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
        *(
            ScalarFunction(name, remembered(call, usual, least), 0, -1, True, True, classes | NULL, needs_context=True)
            for name, call, usual, least, classes in (
                ("date", date, usual_date, 1, TEXT),
                ("time", time, usual_time, 1, TEXT),
                ("datetime", date_time, usual_date_time, 1, TEXT),
                ("julianday", julian_day, usual_julian_day, 1, HOLDS_FLOAT),
                ("unixepoch", unix_time, usual_unix_time, 1, HOLDS_INT),
                ("strftime", format_time, usual_format_time, 2, TEXT),
            )
        ),
        ScalarFunction("current_date", current_date, 0, 0, False, False, TEXT, needs_context=True),
        ScalarFunction("current_time", current_time, 0, 0, False, False, TEXT, needs_context=True),
        ScalarFunction("current_timestamp", current_timestamp, 0, 0, False, False, TEXT, needs_context=True),
    )
}
