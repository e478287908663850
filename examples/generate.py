"""Writes world.sql: facts from facts.py, and rows that well-known rules compute.

    python examples/generate.py            writes examples/world.sql
    python examples/generate.py --check    fails if that file is not what this program would write

Computed: the place of each element in the periodic table, the dates of Easter, leap years, a calendar, prime
numbers and prime factors. Every run writes the same bytes.
"""

from __future__ import annotations

import calendar
import datetime
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from facts import CONTINENTS, COUNTRIES, CURRENCIES, ELEMENTS, LANGUAGES, MOONS, PLANETS, lines

SCRIPT = Path(__file__).with_name("world.sql")
FIRST_YEAR, LAST_YEAR = 1900, 2030
FIRST_CALENDAR_YEAR = 2021
PRIMES_BELOW = 10_000
FACTORS_UP_TO = 500
ROWS_PER_INSERT = 100
NOBLE_GASES = (2, 10, 18, 36, 54, 86, 118)

SCHEMA = """\
-- Facts about the world, and some that numbers and calendars give. Written by generate.py; change that, not this.

PRAGMA foreign_keys = ON;

BEGIN;

CREATE TABLE continent (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE currency (
    code TEXT PRIMARY KEY CHECK (length(code) = 3),
    name TEXT NOT NULL,
    digits INTEGER NOT NULL DEFAULT 2 -- after the decimal point
);

CREATE TABLE language (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE country (
    code TEXT PRIMARY KEY CHECK (length(code) = 2),
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    capital TEXT,
    continent_code TEXT NOT NULL REFERENCES continent (code),
    currency_code TEXT NOT NULL REFERENCES currency (code)
);
CREATE INDEX country_by_continent ON country (continent_code, name);
CREATE INDEX country_by_currency ON country (currency_code);

CREATE TABLE country_language (
    country_code TEXT NOT NULL REFERENCES country (code) ON DELETE CASCADE,
    language_code TEXT NOT NULL REFERENCES language (code),
    PRIMARY KEY (country_code, language_code)
) WITHOUT ROWID;
CREATE INDEX country_language_by_language ON country_language (language_code);

CREATE TABLE element (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    symbol TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    period INTEGER NOT NULL,
    "group" INTEGER, -- NULL for the lanthanides and actinides
    discovered INTEGER -- year; NULL for those known since antiquity
);
CREATE INDEX element_by_discovery ON element (discovered);

CREATE TABLE planet (
    position INTEGER PRIMARY KEY, -- from the Sun outwards
    name TEXT NOT NULL UNIQUE,
    radius_km REAL NOT NULL,
    orbit_years REAL NOT NULL
);

CREATE TABLE moon (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    planet_position INTEGER NOT NULL REFERENCES planet (position),
    name TEXT NOT NULL UNIQUE,
    discovered INTEGER,
    discoverer TEXT
);
CREATE INDEX moon_by_planet ON moon (planet_position);

CREATE TABLE calendar_year (
    year INTEGER PRIMARY KEY,
    is_leap INTEGER NOT NULL CHECK (is_leap IN (0, 1)),
    easter TEXT NOT NULL UNIQUE -- western, Gregorian
);

CREATE TABLE calendar_day (
    day TEXT PRIMARY KEY, -- YYYY-MM-DD
    year INTEGER NOT NULL REFERENCES calendar_year (year),
    month INTEGER NOT NULL CHECK (month BETWEEN 1 AND 12),
    weekday TEXT NOT NULL,
    day_of_year INTEGER NOT NULL,
    iso_week INTEGER NOT NULL
);
CREATE INDEX calendar_day_by_month ON calendar_day (year, month);

CREATE TABLE prime (
    position INTEGER PRIMARY KEY, -- 2 is the first
    value INTEGER NOT NULL UNIQUE
);

CREATE TABLE factor (
    number INTEGER NOT NULL,
    prime_value INTEGER NOT NULL REFERENCES prime (value),
    exponent INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (number, prime_value)
) WITHOUT ROWID;

CREATE VIEW country_overview AS
    SELECT country.name AS country, capital, continent.name AS continent, currency.name AS currency,
        (SELECT count(*) FROM country_language WHERE country_code = country.code) AS languages
    FROM country
    JOIN continent ON continent.code = continent_code
    JOIN currency ON currency.code = currency_code;

CREATE VIEW planet_moons AS
    SELECT planet.position, planet.name, count(moon.id) AS moons, min(moon.discovered) AS first_discovery
    FROM planet LEFT JOIN moon ON moon.planet_position = planet.position
    GROUP BY planet.position;

"""

Row = Sequence[object]


def main() -> int:
    script = SCHEMA + "".join(insert(table, rows) for table, rows in tables()) + "COMMIT;\n"
    if "--check" in sys.argv:
        return 0 if SCRIPT.read_text(encoding="utf-8") == script else 1
    SCRIPT.write_text(script, encoding="utf-8")
    return 0


def tables() -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each table, referenced tables before those that refer to them."""
    yield "continent", list(lines(CONTINENTS))
    yield "currency", [(code, name, int(digits)) for code, name, digits in lines(CURRENCIES)]
    yield "language", list(lines(LANGUAGES))
    countries = lines(COUNTRIES)
    yield "country", [(code, name, capital or None, *codes) for code, name, capital, *codes, _ in countries]
    yield "country_language", sorted((row[0], language) for row in countries for language in row[-1].split())
    yield "element", [(number, *element) for number, element in enumerate(elements(), 1)]
    planets = lines(PLANETS)
    yield "planet", [(at, name, float(radius), float(orbit)) for at, (name, radius, orbit) in enumerate(planets, 1)]
    positions = {name: at for at, (name, *_) in enumerate(planets, 1)}
    moons = [(positions[planet], name, known(year), by or None) for planet, name, year, by in lines(MOONS)]
    yield "moon", [(at, *moon) for at, moon in enumerate(moons, 1)]
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    yield "calendar_year", [(year, int(calendar.isleap(year)), easter(year).isoformat()) for year in years]
    yield "calendar_day", list(days())
    primes = [number for number in range(2, PRIMES_BELOW) if is_prime(number)]
    yield "prime", list(enumerate(primes, 1))
    yield "factor", [row for number in range(2, FACTORS_UP_TO + 1) for row in factors(number, primes)]


def elements() -> Iterator[Row]:
    """Yield (symbol, name, period, group, discovered) of each element."""
    for number, (symbol, name, discovered) in enumerate(lines(ELEMENTS), 1):
        yield symbol, name, *place(number), known(discovered)


def place(number: int) -> tuple[int, int | None]:
    """Return (period, group) of an element: periods end with a noble gas, and groups count from either side."""
    period = 1 + sum(number > gas for gas in NOBLE_GASES)
    after = number - (0, *NOBLE_GASES)[period - 1]  # 1 for an alkali metal
    before = NOBLE_GASES[period - 1] - number  # 0 for a noble gas
    if after <= 2 and number != 2:
        return period, after
    group = 18 - before
    return period, group if group >= 3 else None


def easter(year: int) -> datetime.date:
    """The Meeus/Jones/Butcher rule for the Gregorian calendar."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    leaps, rest = divmod(century, 4)
    moon_correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leaps - moon_correction + 15) % 30
    to_sunday = (32 + 2 * rest + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return datetime.date(year, month, day + 1)


def days() -> Iterator[Row]:
    day = datetime.date(FIRST_CALENDAR_YEAR, 1, 1)
    while day.year <= LAST_YEAR:
        weekday = calendar.day_name[day.weekday()]
        yield day.isoformat(), day.year, day.month, weekday, day.timetuple().tm_yday, day.isocalendar().week
        day += datetime.timedelta(days=1)


def is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def factors(number: int, primes: Iterable[int]) -> Iterator[Row]:
    rest = number
    for prime in primes:
        if rest == 1:
            return
        exponent = 0
        while rest % prime == 0:
            rest //= prime
            exponent += 1
        if exponent:
            yield number, prime, exponent


def known(year: str) -> int | None:
    return None if year == "-" else int(year)


def insert(table: str, rows: Sequence[Row]) -> str:
    """Write INSERT statements of a hundred rows each."""
    statements = []
    for start in range(0, len(rows), ROWS_PER_INSERT):
        values = ",\n".join(f"    ({', '.join(map(literal, row))})" for row in rows[start : start + ROWS_PER_INSERT])
        statements.append(f"INSERT INTO {table} VALUES\n{values};\n")
    return "\n".join(statements) + "\n"


def literal(value: object) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    sys.exit(main())
