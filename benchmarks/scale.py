"""What must not grow with the data, and what the data weigh.

python -m benchmarks.scale [--rows 1000000]

select by key, single-row commit, fork   at 1,000 rows and at --rows; the ratio should stay near 1
... of sqlite3, of a list of tuples      the same beside them: what it costs that a row at random is in no cache
... by hand in tandemdb's blocks         what a commit's figure would be, were nothing but the row and its block touched
bytes a row                              of 200,000 rows of six columns: tandemdb, sqlite3, a list of tuples
import                                   of tandemdb and its first query, in new processes, beside a bare interpreter
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tandemdb

TABLE = "CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT, parent INTEGER)"
INSERT = "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scale")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    print(f"{'':20} {1000:>12,} {options.rows:>12,}   ratio")
    small, large = filled(tandemdb, 1_000), filled(tandemdb, options.rows)
    compare("select by key", select_by_key, small, large, options.rows)
    compare("single-row commit", single_commit, small, large, options.rows)
    compare("  ... by hand", replace_in_blocks, small, large, options.rows)
    compare("fork", fork, small, large, options.rows)  # last: what a fork shares is copied when it is changed
    small, large = filled(sqlite3, 1_000), filled(sqlite3, options.rows)
    compare("  sqlite3's select", select_by_key, small, large, options.rows)
    compare("  sqlite3's commit", single_commit, small, large, options.rows)
    small, large = rows(1_000), rows(options.rows)
    compare("  a list's row read", read_tuple, small, large, options.rows)
    compare("  ... and replaced", replace_tuple, small, large, options.rows)
    del small, large
    gc.collect()
    print()
    for name, size in bytes_per_row(200_000).items():
        print(f"{name:20} {size:9.1f} bytes a row")
    print()
    for name, seconds in import_times().items():
        print(f"{name:20} {seconds * 1000:9.1f} ms")


def compare(name: str, step: Callable[[Any, int], float], small: Any, large: Any, count: int) -> None:
    """Print what a step takes on few and on many rows."""
    few, many = step(small, 1_000), step(large, count)
    figures = f"{few * 1e6:9.2f} us {many * 1e6:9.2f} us {many / few:7.2f} {(many - few) * 1e6:+7.2f} us"
    print(f"{name:20} {figures}", flush=True)


def rows(count: int) -> list[tuple[Any, ...]]:
    draw = random.Random(4)
    return [
        (
            n,
            n % 1000,
            f"code {draw.randrange(10**6)}",
            draw.randrange(10**6) / 4,
            f"note {n % 100}",
            draw.randrange(10**4),
        )
        for n in range(count)
    ]


def filled(module: Any, count: int) -> Any:
    """A database with so many rows and two secondary keys."""
    connection = module.connect(":memory:", isolation_level=None)
    connection.execute(TABLE)
    connection.execute("BEGIN")
    connection.executemany(INSERT, rows(count))
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX item_grp ON item (grp)")
    connection.execute("CREATE INDEX item_code ON item (code)")
    return connection


def median_of(work: Callable[[], Any], times: int, rounds: int = 5) -> float:
    """Seconds of processor time a call, the median of some rounds."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - started) / times)
    return statistics.median(found)


def select_by_key(connection: Any, count: int) -> float:
    draw = random.Random(1)
    keys = [draw.randrange(count) for _ in range(1000)]
    place = iter(keys * 6)
    return median_of(lambda: connection.execute("SELECT code FROM item WHERE id = ?", (next(place),)).fetchone(), 1000)


def single_commit(connection: Any, count: int) -> float:
    draw = random.Random(2)
    place = iter([draw.randrange(count) for _ in range(2500)])
    text = "UPDATE item SET amount = amount + 1 WHERE id = ?"
    return median_of(lambda: connection.execute(text, (next(place),)), 400)


def read_tuple(listed: list[Any], count: int) -> float:
    draw = random.Random(1)
    place = iter([draw.randrange(count) for _ in range(6000)])
    return median_of(lambda: listed[next(place)][2], 1000)


def replace_tuple(listed: list[Any], count: int) -> float:
    draw = random.Random(2)
    place = iter([draw.randrange(count) for _ in range(6000)])

    def replace() -> None:
        at = next(place)
        row = listed[at]
        listed[at] = (row[0], row[1], row[2], row[3] + 1, row[4], row[5])

    return median_of(replace, 1000)


def replace_in_blocks(connection: Any, count: int) -> float:
    """What a commit cannot do without: a row is found and its block's place given to another one."""
    tables = connection._session.main.database.root.tables.values()
    [pages] = [table.location.pages for table in tables if table.count == count]
    draw = random.Random(2)
    place = iter([draw.randrange(count) for _ in range(6000)])

    def replace() -> None:
        at = next(place)
        records = pages[at >> 13].blocks[at >> 7 & 63].records
        row = records[at & 127]
        records[at & 127] = (row[0], row[1], row[2], row[3] + 1, row[4], row[5])

    return median_of(replace, 1000)


def fork(connection: Any, count: int) -> float:
    return median_of(connection.fork, 20)


def bytes_per_row(count: int) -> dict[str, float]:
    """What each holder of the same rows allocates, Python's part by tracemalloc, sqlite3's from its page count."""
    found = {}
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept: Any = rows(count)
    found["list of tuples"] = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    del kept
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = tandemdb.connect(":memory:")
    kept.execute(TABLE)
    kept.executemany(INSERT, rows(count))
    kept.commit()
    gc.collect()
    found["tandemdb"] = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    connection = sqlite3.connect(":memory:")
    connection.execute(TABLE)
    connection.executemany(INSERT, rows(count))
    pages = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    found["sqlite3"] = pages / count
    return found


def import_times() -> dict[str, float]:
    """Medians over new processes, which find everything compiled: so does all but the first of an installation."""
    query = "tandemdb.connect(':memory:').execute('SELECT 1 + 1').fetchall()"
    programs = {
        "bare interpreter": "pass",
        "import sqlite3": "import sqlite3",
        "import tandemdb": "import tandemdb",
        "... and first query": f"import tandemdb; {query}",
    }
    with tempfile.TemporaryDirectory() as compiled:
        for program in programs.values():
            run(program, compiled)
        return {name: statistics.median(run(program, compiled) for _ in range(5)) for name, program in programs.items()}


def run(program: str, compiled: str) -> float:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1], env=environment)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
