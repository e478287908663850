"""What must not grow with the data, and what the data weigh.

python -m benchmarks.scale [--rows 1000000]

select by key, single-row commit, fork   at 1,000 rows and at --rows; the ratio should stay near 1
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
    small, large = filled(1_000), filled(options.rows)
    print(f"{'':20} {1000:>12,} {options.rows:>12,}   ratio")
    for name, step in (("select by key", select_by_key), ("single-row commit", single_commit), ("fork", fork)):
        few, many = step(small, 1_000), step(large, options.rows)
        print(f"{name:20} {few * 1e6:9.2f} us {many * 1e6:9.2f} us {many / few:7.2f}", flush=True)
    del small, large
    gc.collect()
    print()
    for name, size in bytes_per_row(200_000).items():
        print(f"{name:20} {size:9.1f} bytes a row")
    print()
    for name, seconds in import_times().items():
        print(f"{name:20} {seconds * 1000:9.1f} ms")


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


def filled(count: int) -> Any:
    """A database of tandemdb with so many rows and two secondary keys."""
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute(TABLE)
    connection.execute("BEGIN")
    connection.executemany(INSERT, rows(count))
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX item_grp ON item (grp)")
    connection.execute("CREATE INDEX item_code ON item (code)")
    return connection


def median_of(work: Callable[[], Any], times: int, rounds: int = 5) -> float:
    """Seconds a call, the median of some rounds."""
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - started) / times)
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
