"""The queries of sqllogictest files with their plans compiled: each one's time against sqlite3's, and the worst.

    python -m benchmarks.warm_slt [--every N] [--worst N] FILES

    statement   run on both
    query       run on both: first (parsed, planned, compiled), then twice more -> the best is its warm time
                                                              ratio = warm on tandemdb / warm on sqlite3

Of a file with more than `--whole` queries, every Nth is taken; all statements are run, so its tables are as meant.
Queries that take less than 50 us on tandemdb are counted but have no ratio: there the call is what one would measure.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.slt.records import Record, read_records
from tests.slt.runner import connect, execute_statement, expand

COUNTED_MIN_SECONDS = 50e-6
WARM_RUNS = 2
# A ratio above this is measured again, with more runs: what other processes take would pass for the engine's time.
DOUBTED_RATIO = 3.0
DOUBTED_RUNS = 12
LIMIT_RATIO = 10.0
BOUNDS = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, LIMIT_RATIO)
TEXT_MAX = 300


@dataclass(frozen=True, slots=True)
class Timing:
    """The warm seconds of one query."""

    place: str
    sql: str
    tandemdb: float
    sqlite3: float

    @property
    def ratio(self) -> float:
        return self.tandemdb / self.sqlite3


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the distribution of the ratios and the worst queries; exit status 1 when one is above 10x."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_slt", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILES", help="files, or folders of .test files")
    parser.add_argument("--every", type=int, default=10, metavar="N", help="of a large file, take every Nth query")
    parser.add_argument("--whole", type=int, default=200, metavar="N", help="a file of up to N queries is not large")
    parser.add_argument("--worst", type=int, default=20, metavar="N", help="print the N worst ratios")
    options = parser.parse_args(arguments)
    timings: list[Timing] = []
    for path in expand(options.files):
        timings += time_file(path, options.every, options.whole)
    counted = sorted((timing for timing in timings if timing.tandemdb > COUNTED_MIN_SECONDS), key=lambda it: -it.ratio)
    print(f"{len(timings)} queries, {len(counted)} of them above {COUNTED_MIN_SECONDS * 1e6:.0f} us on tandemdb")
    if not counted:
        return 0
    print_distribution(counted)
    for timing in counted[: options.worst]:
        print(f"{timing.ratio:6.2f}x  {timing.tandemdb * 1e6:9.0f} us  {timing.sqlite3 * 1e6:9.0f} us  {timing.place}")
        print(f"         {shorten(timing.sql)}")
    return 1 if counted[0].ratio > LIMIT_RATIO else 0


def time_file(path: Path, every: int, whole: int) -> list[Timing]:
    """Run a file on both engines; return the timings of the queries taken that both can answer."""
    records = read_records(path)
    step = every if sum(record.kind == "query" for record in records) > whole else 1
    engines = [connect("tandemdb"), connect("sqlite3")]
    timings: list[Timing] = []
    seen = 0
    for record in records:
        if record.kind == "statement":
            for engine in engines:
                run_statement(engine, record)
            continue
        seen += 1
        if seen % step == 0 or step == 1:
            timing = time_query(engines, record, path)
            if timing is not None:
                timings.append(timing)
    return timings


def run_statement(engine: Any, record: Record) -> None:
    try:
        execute_statement(engine, record.sql)
    except Exception:
        if not record.fails:
            raise


def time_query(engines: list[Any], record: Record, path: Path) -> Timing | None:
    """Return the warm times on tandemdb and sqlite3; None where the query is an error, as one of the corpus is."""
    try:
        for engine in engines:
            engine.execute(record.sql).fetchall()
    except sqlite3.Error:
        return None
    place = f"{path.parent.name}/{path.name}:{record.line}"
    timing = Timing(place, record.sql, *(warm_seconds(engine, record.sql, WARM_RUNS) for engine in engines))
    if timing.tandemdb > COUNTED_MIN_SECONDS and timing.ratio > DOUBTED_RATIO:
        again = [warm_seconds(engine, record.sql, DOUBTED_RUNS) for engine in engines]
        timing = Timing(place, record.sql, min(timing.tandemdb, again[0]), min(timing.sqlite3, again[1]))
    return timing


def warm_seconds(engine: Any, sql: str, runs: int) -> float:
    """The best of a number of runs of a statement that has run before."""
    best = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        engine.execute(sql).fetchall()
        best = min(best, time.perf_counter() - started)
    return best


def print_distribution(counted: list[Timing]) -> None:
    ratios = [timing.ratio for timing in counted]
    cuts = statistics.quantiles(ratios, n=100, method="inclusive") if len(ratios) > 1 else ratios * 99
    print("  ".join(f"p{percent} {cuts[percent - 1]:.2f}x" for percent in (10, 25, 50, 75, 90, 99)), end="")
    print(f"  max {ratios[0]:.2f}x")
    both = sum(timing.tandemdb for timing in counted), sum(timing.sqlite3 for timing in counted)
    print(f"together: tandemdb {both[0]:.3f} s, sqlite3 {both[1]:.3f} s, {both[0] / both[1]:.2f}x")
    low = 0.0
    for high in (*BOUNDS, float("inf")):
        count = sum(low < ratio <= high for ratio in ratios)
        print(f"  {low:4.1f}x to {high:4.1f}x  {count:6}  {count / len(ratios):6.1%}")
        low = high


def shorten(sql: str) -> str:
    flat = " ".join(sql.split())
    return flat if len(flat) <= TEXT_MAX else f"{flat[:TEXT_MAX]}..."


if __name__ == "__main__":
    raise SystemExit(main())
