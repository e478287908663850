"""Points in time as SQLite's date functions see them: up to three forms of one moment, each valid or not.

    julian    milliseconds since noon in Greenwich, 24 November 4714 BC       has_julian
    year month day, hour minute seconds                                       has_date, has_time
    seconds   a bare number, not yet taken for a julian day or Unix time      is_raw

A form is computed from the others when it is needed, and changing one makes the others invalid. That a form stays as
it was written until something else is asked of it shows in results: date('2023-02-31') is '2023-02-31', and with
'+0 days' it is '2023-03-03'. So the order of steps here is SQLite's.

Years 0 to 9999 count, and back to -4713; a moment out of range has `failed`.
"""

from __future__ import annotations

import re
import time
from copy import copy

from tandemdb.errors import OperationalError
from tandemdb.planner.runtime.reals import text_to_real
from tandemdb.planner.runtime.values import numeric_or_none
from tandemdb.storage.values import fold_ascii

DAY = 86_400_000
HALF_DAY = 43_200_000
UNIX_EPOCH = 210_866_760_000_000
JULIAN_MAX = 464_269_060_799_999

BLANK = r"[\t-\r ]*"
TIME = re.compile(
    rf"([0-9]{{2}}):([0-9]{{2}})(?::([0-9]{{2}})(?:\.([0-9]+))?)?{BLANK}"
    rf"(?:([+-])([0-9]{{2}}):([0-9]{{2}}){BLANK}|([Zz]){BLANK})?\Z"
)
DATE = re.compile(r"(-?)([0-9]{4})-([0-9]{2})-([0-9]{2})[\t-\r T]*")
NUMBER_END = re.compile(r".[^:\t-\r ]*", re.DOTALL)


def quotient(a: int, b: int) -> int:
    """Divide as C does, towards zero; b is positive."""
    return a // b if a >= 0 else -(-a // b)


class Moment:
    """A moment in its forms; a new one is the midnight that begins 2000-01-01, with no form valid."""

    __slots__ = (
        *("julian", "year", "month", "day", "hour", "minute", "seconds", "offset_minutes"),
        *("has_julian", "has_date", "has_time", "has_offset", "offset_given", "is_raw", "failed"),
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.julian = self.year = self.month = self.day = self.hour = self.minute = self.offset_minutes = 0
        self.seconds = 0.0
        self.has_julian = self.has_date = self.has_time = self.has_offset = False
        self.offset_given = self.is_raw = self.failed = False

    def fail(self) -> None:
        """Mark the moment as out of range."""
        self.reset()
        self.failed = True

    # ---- from what a statement gives

    def set_number(self, number: float) -> None:
        """Take a number: a julian day if it is in range, else known only by a modifier to come."""
        self.seconds = number
        self.is_raw = True
        if 0.0 <= number < 5373484.5:
            self.julian = int(number * 86400000.0 + 0.5)
            self.has_julian = True

    def set_julian(self, julian: int) -> None:
        """Take milliseconds since the julian epoch."""
        self.julian = julian
        self.has_julian = True

    def read_date(self, text: str) -> bool:
        """Read `YYYY-MM-DD`, perhaps with a time behind; tell whether the text is one."""
        match = DATE.match(text)
        if match is None:
            return False
        month, day = int(match[3]), int(match[4])
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return False
        if match.end() == len(text):
            self.has_time = False
        elif not self.read_time(text[match.end() :]):
            return False
        self.has_julian = False
        self.has_date = True
        self.year = -int(match[2]) if match[1] else int(match[2])
        self.month, self.day = month, day
        if self.has_offset:
            self.compute_julian()
        return True

    def read_time(self, text: str) -> bool:
        """Read `HH:MM`, `HH:MM:SS` or `HH:MM:SS.FFF`, perhaps with an offset or Z behind."""
        match = TIME.match(text)
        if match is None:
            return False
        hour, minute, whole_seconds = int(match[1]), int(match[2]), int(match[3] or 0)
        offset = int(match[6]) * 60 + int(match[7]) if match[5] else 0
        if hour > 24 or minute > 59 or whole_seconds > 59 or (match[5] and (int(match[6]) > 14 or int(match[7]) > 59)):
            return False
        self.has_julian = self.is_raw = False
        self.has_time = True
        self.hour, self.minute = hour, minute
        self.seconds = whole_seconds + (fraction(match[4]) if match[4] else 0.0)
        self.offset_minutes = -offset if match[5] == "-" else offset
        if match[5] or match[8]:
            self.offset_given = True
        self.has_offset = self.offset_minutes != 0
        return True

    # ---- from one form to another

    def compute_julian(self) -> None:
        """Make `julian` valid."""
        if self.has_julian:
            return
        year, month, day = (self.year, self.month, self.day) if self.has_date else (2000, 1, 1)
        if year < -4713 or year > 9999 or self.is_raw:
            self.fail()
            return
        if month <= 2:
            year -= 1
            month += 12
        century = quotient(year, 100)
        leap = 2 - century + quotient(century, 4)
        days = quotient(36525 * (year + 4716), 100) + quotient(306001 * (month + 1), 10000) + day + leap
        self.set_julian(int((days - 1524.5) * 86400000))
        if self.has_time:
            self.julian += self.hour * 3_600_000 + self.minute * 60_000 + int(self.seconds * 1000 + 0.5)
            if self.has_offset:
                self.julian -= self.offset_minutes * 60_000
                self.forget_parts()

    def compute_date(self) -> None:
        """Make year, month and day valid."""
        if self.has_date:
            return
        if not self.has_julian:
            self.year, self.month, self.day = 2000, 1, 1
        elif not 0 <= self.julian <= JULIAN_MAX:
            self.fail()
            return
        else:
            whole = (self.julian + HALF_DAY) // DAY
            a = int((whole - 1867216.25) / 36524.25)
            b = whole + 1 + a - quotient(a, 4) + 1524
            c = int((b - 122.1) / 365.25)
            d = 36525 * (c & 32767) // 100
            e = int((b - d) / 30.6001)
            self.day = b - d - int(30.6001 * e)
            self.month = e - 1 if e < 14 else e - 13
            self.year = c - 4716 if self.month > 2 else c - 4715
        self.has_date = True

    def compute_time(self) -> None:
        """Make hour, minute and seconds valid."""
        if self.has_time:
            return
        self.compute_julian()
        milliseconds = self.julian + HALF_DAY
        milliseconds -= quotient(milliseconds, DAY) * DAY
        self.seconds = milliseconds / 1000.0
        whole = int(self.seconds)
        self.seconds -= whole
        self.hour = quotient(whole, 3600)
        whole -= self.hour * 3600
        self.minute = quotient(whole, 60)
        self.seconds += whole - self.minute * 60
        self.is_raw = False
        self.has_time = True

    def compute_parts(self) -> None:
        """Make date and time valid."""
        self.compute_date()
        self.compute_time()

    def forget_parts(self) -> None:
        """Make date, time and offset invalid: `julian` has changed."""
        self.has_date = self.has_time = self.has_offset = False

    # ---- modifiers; each tells whether it could be applied

    def modify(self, modifier: str, position: int) -> bool:
        """Apply a modifier, the `position`-th after the time value, counted from 1."""
        first = modifier[:1]
        if first and first in "+-0123456789":
            return self.shift(modifier)
        name = fold_ascii(modifier)
        if name == "auto":
            return position == 1 and self.take_by_size()
        if name == "julianday":
            if position > 1 or not (self.has_julian and self.is_raw):
                return False
            self.is_raw = False
            return True
        if name == "localtime":
            self.to_local()
            return True
        if name == "unixepoch":
            return self.is_raw and position == 1 and self.take_unix_time()
        if name == "utc":
            return self.to_utc()
        if name.startswith("weekday "):
            return self.move_to_weekday(name[8:])
        return name.startswith("start of ") and self.move_to_start(name[9:])

    def take_by_size(self) -> bool:
        """auto: a number out of the range of julian days is Unix time."""
        if not self.is_raw or self.has_julian:
            self.is_raw = False
            return True
        if -210866760000 <= self.seconds <= 253402300799:
            number = self.seconds * 1000.0 + 210866760000000.0
            self.forget_parts()
            self.set_julian(int(number + 0.5))
            self.is_raw = False
            return True
        return False

    def take_unix_time(self) -> bool:
        """unixepoch: the number is seconds since 1970."""
        number = self.seconds * 1000.0 + 210866760000000.0
        if not 0.0 <= number < 464269060800000.0:
            return False
        self.forget_parts()
        self.set_julian(int(number + 0.5))
        self.is_raw = False
        return True

    def to_local(self) -> None:
        """localtime: from UTC to this machine's zone; outside of 1970 to 2037 by the rules of a like year."""
        self.compute_julian()
        years = 0
        likeness = self
        if not 210866760000000 <= self.julian <= 213014145600000:
            likeness = copy(self)
            likeness.compute_parts()
            years = 2000 + (likeness.year - quotient(likeness.year, 4) * 4) - likeness.year
            likeness.year += years
            likeness.has_julian = False
            likeness.compute_julian()
        try:
            local = time.localtime(quotient(likeness.julian, 1000) - 210866760000)
        except (OverflowError, OSError, ValueError):
            raise OperationalError("local time unavailable", code="SQLITE_ERROR") from None
        self.year, self.month, self.day = local.tm_year - years, local.tm_mon, local.tm_mday
        self.hour, self.minute = local.tm_hour, local.tm_min
        self.seconds = local.tm_sec + (self.julian - quotient(self.julian, 1000) * 1000) * 0.001
        self.has_date = self.has_time = True
        self.has_julian = self.is_raw = self.has_offset = self.failed = False

    def to_utc(self) -> bool:
        """utc: from this machine's zone to UTC, unless the text itself gave its offset."""
        if self.offset_given:
            return True
        self.compute_julian()
        guess, error = self.julian, 0
        for _ in range(4):
            guess -= error
            trial = Moment()
            trial.set_julian(guess)
            trial.to_local()
            trial.compute_julian()
            error = trial.julian - self.julian
            if not error:
                break
        self.reset()
        self.set_julian(guess)
        self.offset_given = True
        return True

    def move_to_weekday(self, text: str) -> bool:
        """weekday N: forward to the next one, Sunday is 0."""
        number = numeric_or_none(text)
        if number is None or not 0 <= number < 7 or int(number) != number:
            return False
        self.compute_parts()
        self.has_offset = self.has_julian = False
        self.compute_julian()
        days = self.julian + 129_600_000
        weekday = quotient(days, DAY) - quotient(quotient(days, DAY), 7) * 7
        if weekday > number:
            weekday -= 7
        self.julian += (int(number) - weekday) * DAY
        self.forget_parts()
        return True

    def move_to_start(self, unit: str) -> bool:
        """start of month, year or day."""
        if not self.has_julian and not self.has_date and not self.has_time:
            return False
        self.compute_date()
        self.has_time = True
        self.hour = self.minute = 0
        self.seconds = 0.0
        self.is_raw = self.has_offset = self.has_julian = False
        if unit in ("month", "year"):
            self.day = 1
            self.month = 1 if unit == "year" else self.month
        return unit in ("month", "year", "day")

    def shift(self, modifier: str) -> bool:
        """`+NNN units` or `+HH:MM:SS`."""
        match = NUMBER_END.match(modifier)
        assert match is not None  # there is a first character
        end = match.end()
        if numeric_or_none(modifier[:end]) is None:
            return False
        if modifier.startswith(":", end):
            return self.shift_time(modifier)
        number = text_to_real(modifier[:end])
        unit = modifier[end:].lstrip("\t\n\v\f\r ")
        if not 3 <= len(unit) <= 10:
            return False
        unit = fold_ascii(unit).removesuffix("s")
        self.compute_julian()
        known = unit in UNITS and -UNITS[unit][0] < number < UNITS[unit][0]
        if known:
            self.shift_by(number, unit)
        self.forget_parts()
        return known

    def shift_time(self, modifier: str) -> bool:
        """Add `HH:MM:SS.FFF`, or take it off with a sign of minus."""
        duration = Moment()
        if not duration.read_time(modifier if modifier[0] not in "+-" else modifier[1:]):
            return False
        duration.compute_julian()
        milliseconds = (duration.julian - HALF_DAY) % DAY
        self.compute_julian()
        self.forget_parts()
        self.julian += -milliseconds if modifier[0] == "-" else milliseconds
        return True

    def shift_by(self, number: float, unit: str) -> None:
        """Add units; months and years by the calendar, what remains of them as 30 and 365 days."""
        rounder = -0.5 if number < 0 else 0.5
        if unit in ("month", "year"):
            self.compute_parts()
            whole = int(number)
            if unit == "month":
                self.month += whole
                years = quotient(self.month - 1 if self.month > 0 else self.month - 12, 12)
                self.year += years
                self.month -= years * 12
            else:
                self.year += whole
            self.has_julian = False
            number -= whole
        self.compute_julian()
        self.julian += int(number * 1000.0 * UNITS[unit][1] + rounder)


# Largest number, kept in single precision by SQLite, and seconds in one.
UNITS = {
    "second": (464269992787968.0, 1.0),
    "minute": (7737900007424.0, 60.0),
    "hour": (128969998336.0, 3600.0),
    "day": (5373485.0, 86400.0),
    "month": (176546.0, 2592000.0),
    "year": (14713.0, 31536000.0),
}


def fraction(digits: str) -> float:
    """Return the value of the digits behind a point, summed up in doubles as SQLite does."""
    value, scale = 0.0, 1.0
    for digit in digits:
        value = value * 10.0 + int(digit)
        scale *= 10.0
    return value / scale if scale < 1e308 else 0.0
