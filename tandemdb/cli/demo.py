"""`tandemdb demo`: a database loses its primary, and nothing else.

    1 world.sql --> primary ==every commit==> standby
    2               primary <-- queries, through DB-API and SQLAlchemy
    3               primary <-- more commits, each acknowledged by the standby
    4               primary dies
    5                                         standby, promoted, has all of it and takes writes

Each step says what it does and checks what it claims: the exit status is 1 if something was lost.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import Any

from tandemdb.cli import engine
from tandemdb.cli.output import write_result
from tandemdb.cli.run import as_hexadecimal
from tandemdb.cli.script import read_script, statements

PRIMARY = "demo-primary"
COMMITS = 100
LARGEST_MOONS = [("Ganymede", 2634.1), ("Titan", 2574.7), ("Callisto", 2410.3), ("Io", 1821.6), ("Moon", 1737.4)]
QUERY = """\
SELECT continent, count(*) AS countries, sum(languages) AS official_languages, min(country) AS first_country
FROM country_overview GROUP BY continent ORDER BY countries DESC"""


def run_demo() -> int:
    """Play the demonstration and return 0 if nothing was lost, else 1."""
    primary, standby = engine.connect(PRIMARY), engine.connect(":memory:")
    load(primary, standby)
    query(primary)
    query_with_sqlalchemy()
    commit(primary)
    before = describe(primary)
    say("4", "The primary dies")
    primary.close()
    del primary
    gc.collect()  # SQLAlchemy's pool and the connections it closed refer to each other.
    print("Its connections are closed and its memory is freed. What is left is the standby.")
    return promote(standby, before)


def load(primary: Any, standby: Any) -> None:
    say("1", "A script is loaded into a primary with a live standby")
    primary.replicate_to(standby, mode="sync")
    path = find_script()
    script = list(statements(path.name, read_script(str(path))))
    start = time.perf_counter()
    for statement in script:
        engine.execute(primary, statement.sql)
    seconds = time.perf_counter() - start
    rows, tables = sum(count_rows(primary).values()), len(count_rows(primary))
    print(f"{path.name}: {len(script)} statements, {rows:,} rows in {tables} tables, {1000 * seconds:.0f} ms,")
    print("each commit acknowledged by the standby before it returned.")
    print(f"  primary {describe_digest(primary)}")
    print(f"  standby {describe_digest(standby)}")


def query(primary: Any) -> None:
    say("2a", "It is queried through DB-API, as sqlite3 would be")
    print(QUERY)
    print()
    write_result(primary.execute(QUERY), sys.stdout)


def query_with_sqlalchemy() -> None:
    say("2b", "The same database, through SQLAlchemy's ORM")
    try:
        from sqlalchemy import create_engine, select
        from sqlalchemy.ext.automap import automap_base
        from sqlalchemy.orm import Session
    except ImportError:
        print("SQLAlchemy is not installed: pip install sqlalchemy, and it shows this step.")
        return
    alchemy = create_engine(f"sqlite+tandemdb:///:memory:{PRIMARY}")
    base = automap_base()
    base.prepare(autoload_with=alchemy)
    planet = base.classes.planet
    print("classes reflected from the schema:", ", ".join(sorted(base.classes.keys())))
    with Session(alchemy) as session:
        for giant in session.scalars(select(planet).where(planet.radius_km > 20_000).order_by(planet.position)):
            names = sorted(moon.name for moon in giant.moon_collection)
            print(f"  {giant.name:8} {len(names):3} moons: {', '.join(names[:5])}, ...")
    alchemy.dispose()


def commit(primary: Any) -> None:
    say("3", f"{COMMITS} more commits, and one transaction that never commits")
    primary.execute("CREATE TABLE moon_radius (moon TEXT PRIMARY KEY REFERENCES moon (name), radius_km REAL)")
    primary.executemany("INSERT INTO moon_radius VALUES (?, ?)", LARGEST_MOONS)
    primary.execute("CREATE TABLE heartbeat (number INTEGER PRIMARY KEY, square INTEGER)")
    start = time.perf_counter()
    for number in range(COMMITS):
        primary.execute("INSERT INTO heartbeat VALUES (?, ?)", (number, number * number))
    seconds = time.perf_counter() - start
    print(f"{COMMITS} commits, {1e6 * seconds / COMMITS:.0f} microseconds each, mirrored")
    primary.execute("BEGIN")
    primary.execute("DELETE FROM heartbeat")
    print(f"inside a transaction: heartbeat has {count_rows(primary)['heartbeat']} rows, but nothing was committed")
    primary.execute("ROLLBACK")


def describe(connection: Any) -> tuple[int, dict[str, int]]:
    return connection.digest(), count_rows(connection)


def promote(standby: Any, before: tuple[int, dict[str, int]]) -> int:
    say("5", "The standby is promoted")
    start = time.perf_counter()
    standby.promote()
    print(f"promoted in {1e6 * (time.perf_counter() - start):.0f} microseconds")
    digest, rows = after = describe(standby)
    for table, count in rows.items():
        lost = before[1].get(table, 0) - count
        print(f"  {table:17} {count:6,} rows{f', {lost} LOST' if lost else ''}")
    print(f"  digest {as_hexadecimal(digest)}, the primary's last was {as_hexadecimal(before[0])}")
    standby.execute("INSERT INTO heartbeat VALUES (?, ?)", (COMMITS, COMMITS * COMMITS))
    (last,) = standby.execute("SELECT max(square) FROM heartbeat").fetchone()
    print(f"and it takes writes: the largest square is now {last:,}")
    same = after == before
    print("\nNothing was lost." if same else "\nSOMETHING WAS LOST.")
    standby.close()
    return 0 if same and last == COMMITS * COMMITS else 1


def count_rows(connection: Any) -> dict[str, int]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid"
    names = [name for (name,) in connection.execute(query).fetchall()]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def describe_digest(connection: Any) -> str:
    return f"LSN {connection.lsn}, digest {as_hexadecimal(connection.digest())}"


def find_script() -> Path:
    """Return the example script: beside this file in an installed package, in examples/ in a checkout."""
    installed = Path(__file__).with_name("world.sql")
    return installed if installed.exists() else Path(__file__).parents[2] / "examples" / "world.sql"


def say(step: str, text: str) -> None:
    print(f"\n{step}. {text}\n")
