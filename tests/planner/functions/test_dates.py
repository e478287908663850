"""Date functions: a table of known answers, and thousands of made-up calls against the oracle."""

from __future__ import annotations

import datetime
import os
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tandemdb.planner.functions.registry import find_scalar

TIMES: list[Any] = [
    *("2023-05-06", "2023-02-31", "2000-01-01 12:34:56.789", "12:30", "24:00", "24:59:59", "23:59:59.9999"),
    *("2023-13-01", "2023-00-10", "2023-12-32", "0000-01-01", "-4713-11-24 12:00", "-4714-01-01", "-0001-05-05"),
    *("9999-12-31 23:59:59.999", "9999-12-31T23:59:59.9999", "2023-05-06 12:00:00+05:30", "2023-05-06T12:00Z"),
    *("2023-05-06 12:00 -14:00", "2023-05-06 12:00 +15:00", "2023-05-06   ", "2023-05-06TT10:00", "2023-05-06 10"),
    *("now!", "2460000.5", "  2460000.5 ", "1e3", "-1", "5373484.5", "5373484.4999", "1700000000", "abc", "", None),
    *(b"2023-05-06", 2460000, 2460000.25, 1700000000, 1700000000.5, -1, -1.5, 0, 0.0, 1e18, 5373484.49999999),
    *(253402300799, 253402300800, -210866760000, -210866760001, "2024-02-29 23:59:59", "2023-03-26 01:30:00"),
    *("2023-10-29 02:30:00", "1969-12-31", "2050-07-01 00:00", "1901-01-01", "2023-05-06 12:30 x", "2023-05-06\n"),
    *("12:30:45.", "12:30:", "1:30", "2023-5-6", "12:30:45.123456789012", "2023-05-06 12:30:60", "a\0b"),
    *("2023-05-06\0x", "12:30Z", "12:30+01:00", float("inf"), "2023-01-31", "2023-12-31 00:00:00.0005", "now"),
]
NUMBERS = [
    *("1", "+1", "-1", "+0", "0", "1.5", "-1.5", "12", "-13", "+100", ".5", "1e3", "-0", "30", "365", "+36525"),
    *("5373484", "5373485", "-14713", "14712", "464269000000000", "1e15", "x", "+", "1.", "1e", "999", "0.0001"),
]
UNITS = [
    *("day", "days", "hour", "hours", "minute", "minutes", "second", "seconds", "month", "months", "year", "years"),
    *("DAYS", "Month", "week", "sec", "dayss", "d"),
]
MODIFIERS: list[Any] = [
    *("start of month", "start of year", "start of day", "start of week", "START OF MONTH", "weekday 0", "weekday 3"),
    *("weekday 6", "weekday 7", "weekday 1.5", "weekday 2.0", "weekday", "weekday  1 ", "weekday x", "unixepoch"),
    *("auto", "julianday", "localtime", "utc", "UTC", "LOCALTIME", "Auto", "+01:30", "-01:30", "01:30:15.5"),
    *("+25:00", "-24:00", "+00:00", "12:30x", "+01:30Z", "+01:30+02:00", "", "subsec", "ceiling", None, 5, "5 days"),
    *("+1:30", "-00:00:00.001", "start of", "utcx"),
]
FORMATS: list[Any] = [
    *("%Y-%m-%d", "%H:%M:%f", "%j", "%J", "%s", "%w %W", "%S%%", "%", "%%", "", "%x", "abc", "%f", "%Y%Y", "%%%d"),
    *("a%", None, "%H%M", "é%dé", "%%%%", "%\0d", 12, "%J %f"),
]
NAMES = ("date", "time", "datetime", "julianday", "unixepoch", "strftime")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("date", ("2023-02-31",), "2023-02-31"),
        ("date", ("2023-02-31", "+0 days"), "2023-03-03"),
        ("date", ("2023-01-31", "+1 month"), "2023-03-03"),
        ("date", ("2024-02-29", "+1 year"), "2025-03-01"),
        ("date", ("2023-05-06", "start of month", "+1 month", "-1 day"), "2023-05-31"),
        ("date", ("2023-05-06", "weekday 0"), "2023-05-07"),
        ("datetime", (0, "unixepoch"), "1970-01-01 00:00:00"),
        ("datetime", (1700000000, "auto"), "2023-11-14 22:13:20"),
        ("datetime", ("2023-05-06T12:00+02:00",), "2023-05-06 10:00:00"),
        ("datetime", ("now",), "2023-05-06 12:34:56"),
        ("datetime", (), "2023-05-06 12:34:56"),
        ("time", ("12:30", "-01:45"), "10:45:00"),
        ("julianday", ("2000-01-01 12:00",), 2451545.0),
        ("unixepoch", ("2023-05-06 12:34:56.789",), 1683376496),
        ("strftime", ("%H:%M:%f %j %W %w %s", "2023-05-06 12:34:56.789"), "12:34:56.789 126 18 6 1683376496"),
        ("strftime", ("%q", "now"), None),
        ("date", ("tomorrow",), None),
        ("date", ("2023-05-06", "+1 fortnight"), None),
        ("current_date", (), "2023-05-06"),
        ("current_time", (), "12:34:56"),
        ("current_timestamp", (), "2023-05-06 12:34:56"),
    ],
)
def test_known_answers(context: Any, name: str, arguments: tuple[Any, ...], expected: Any) -> None:
    found = find_scalar(name, len(arguments)).call(context, *arguments)
    assert (type(found), found) == (type(expected), expected)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata", "Europe/Berlin"])
def zone(request: Any) -> Iterator[str]:
    """Set this machine's zone for a while."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its zone")
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


class Running:
    """A context whose clock runs, as the oracle's does."""

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def made_up(source: random.Random) -> tuple[str, list[Any]]:
    """A call of a date function with a time value and up to three modifiers."""
    name = source.choice(NAMES)
    value = source.choice(TIMES)
    choice = source.random()
    if choice < 0.3:
        year = source.choice([0, 1, 1582, 1900, 1969, 1970, 1999, 2000, 2023, 2037, 2038, 2100, 9999])
        day = f"{year:04d}-{source.randrange(1, 13):02d}-{source.randrange(1, 32):02d}"
        clock = f"{source.randrange(25):02d}:{source.randrange(60):02d}:{source.randrange(60):02d}"
        value = f"{day} {clock}.{source.randrange(1000):03d}"
    elif choice < 0.45:
        ranges = [source.uniform(0, 5373485), source.randrange(3 * 10**9), source.uniform(-1e11, 3e11)]
        value = source.choice(ranges)
    modifiers = [
        source.choice(NUMBERS) + source.choice([" ", "  ", "", " \t"]) + source.choice(UNITS)
        if source.random() < 0.4
        else source.choice(MODIFIERS)
        for _ in range(source.choice([0, 0, 1, 1, 1, 2, 3]))
    ]
    if value == "now":
        name, modifiers = "date", []  # the clocks differ by microseconds
    return name, [*([source.choice(FORMATS)] if name == "strftime" else []), value, *modifiers]


def test_made_up_calls(oracle: Any, comparison: Any, tools: Any, zone: str) -> None:
    source = random.Random(zone)
    for _ in range(6000):
        name, arguments = made_up(source)
        expected = tools.ask(oracle, f"SELECT {name}({','.join('?' * len(arguments))})", arguments)
        found = tools.attempt(find_scalar(name, len(arguments)).call, [Running(), *arguments])
        if went_out_of_range(found, arguments):
            continue
        comparison.add(name, arguments, expected, found)


def went_out_of_range(found: Any, arguments: list[Any]) -> bool:
    """Tell whether 'utc' or 'localtime' was asked of a moment outside of the years that count.

    SQLite forgets that error there and goes on with an arbitrary moment; here the result is NULL, or another such one.
    """
    zoned = any(isinstance(item, str) and item.lower() in ("utc", "localtime") for item in arguments)
    first = arguments[0] if not isinstance(arguments[0], str) or "%" not in arguments[0] else arguments[1]
    plain_year = isinstance(first, str) and first[:4].isdigit() and first[4:5] == "-" and "0001" < first[:4] < "9999"
    return zoned and not plain_year


def test_zones(context: Any, zone: str) -> None:
    expected = {
        "UTC": ("2023-07-01 12:00:00", "2023-07-01 12:00:00"),
        "America/New_York": ("2023-07-01 08:00:00", "2023-07-01 16:00:00"),
        "Asia/Kolkata": ("2023-07-01 17:30:00", "2023-07-01 06:30:00"),
        "Europe/Berlin": ("2023-07-01 14:00:00", "2023-07-01 10:00:00"),
    }[zone]
    date_time = find_scalar("datetime", 2).call
    assert date_time(context, "2023-07-01 12:00", "localtime") == expected[0]
    assert date_time(context, "2023-07-01 12:00", "utc") == expected[1]
