"""What a statement of a shape never seen before costs, and where: parse, bind, plan, generate, compile, run.

    python -m benchmarks.cold

    first    a new shape: nothing of it is in any cache
    literals the same shape with other literals
    database the same shape and schema on a fresh database
    warm     the same statement again

Phases are found with a profile hook, in runs of their own; their times are therefore shares, not figures to compare.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import sqlite3
import statistics
import time
from collections import defaultdict
from typing import Any

from benchmarks.workloads.data import PARENTS, item_rows

SHAPES = {
    "one-table select": "SELECT code, amount AS n{i} FROM item WHERE id = {v}",
    "two-table join": "SELECT i.code, p.name AS n{i} FROM item i JOIN parent p ON p.id = i.parent WHERE i.grp = {v}",
    "three-table join": (
        "SELECT i.code, p.name, r.name AS n{i} FROM item i JOIN parent p ON p.id = i.parent "
        "JOIN region r ON r.id = p.region WHERE i.grp = {v} AND r.id < 5 ORDER BY i.id"
    ),
    "aggregate": "SELECT parent, count(*) AS n{i} FROM item WHERE grp <> {v} GROUP BY 1 HAVING n{i} > 1 ORDER BY 2",
    "insert": "INSERT INTO region AS n{i} VALUES (NULL, 'name {v}')",
    "update": "UPDATE item AS n{i} SET amount = {v}.5 WHERE id = {v}",
    "delete": "DELETE FROM item AS n{i} WHERE id = {v}",
}
PHASES = {
    "parser": "parse", "lexer": "parse", "bind": "bind", "scope": "bind", "namespace": "bind", "access": "plan",
    "join_order": "plan", "tree": "plan", "pipeline": "plan", "traits": "plan", "emit": "generate",
    "writer": "generate", "generate": "generate",
}  # fmt: skip
TIMES = 15


def main() -> None:
    """Print the table of times, then each shape's phases."""
    import tandemdb

    modules = {"sqlite3": sqlite3, "tandemdb": tandemdb}
    print(f"{'statement':18} {'':9} {'first':>10} {'literals':>10} {'database':>10} {'warm':>10}")
    for name, shape in SHAPES.items():
        for engine, module in modules.items():
            figures = measure(module, shape)
            print(f"{name:18} {engine:9} " + " ".join(f"{value * 1e6:7.1f} us" for value in figures), flush=True)
    print()
    for name, shape in SHAPES.items():
        shares = phases(tandemdb, shape)
        print(f"{name:18} " + "  ".join(f"{phase} {share:.0%}" for phase, share in shares))


def small_shop(module: Any) -> Any:
    """A database of three small tables."""
    connection = module.connect(":memory:", isolation_level=None)
    connection.executescript(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT, parent INTEGER);"
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, region INTEGER);"
        "CREATE TABLE region (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE INDEX item_grp ON item (grp);"
    )
    connection.executemany(
        "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", [(*row[:5], row[5] % 50 + 1) for row in item_rows(500)]
    )
    connection.executemany(
        "INSERT INTO parent VALUES (?, ?, ?)", [(n, f"p{n}", n % 9) for n in range(1, PARENTS // 20 + 1)]
    )
    connection.executemany("INSERT INTO region VALUES (?, ?)", [(n, f"r{n}") for n in range(9)])
    return connection


def measure(module: Any, shape: str) -> list[float]:
    """Median seconds of the four kinds of run."""
    connection, other = small_shop(module), small_shop(module)
    times: dict[str, list[float]] = defaultdict(list)
    for number in range(TIMES):
        text = shape.format(i=number, v=number)
        times["first"].append(timed(connection, text))
        # The least of three each: what the caches have lost to the making of the first is not what is asked.
        others = [shape.format(i=number, v=number + 20 * more) for more in range(1, 4)]
        times["literals"].append(min([timed(connection, other) for other in others]))
        times["database"].append(timed(other, text))
        times["warm"].append(min(timed(connection, text) for _ in range(3)))
    return [statistics.median(times[kind]) for kind in ("first", "literals", "database", "warm")]


def timed(connection: Any, text: str) -> float:
    gc.disable()
    started = time.perf_counter()
    connection.execute(text).fetchall()
    seconds = time.perf_counter() - started
    gc.enable()
    return seconds


def phases(module: Any, shape: str) -> list[tuple[str, float]]:
    """Shares of a new shape's time by phase, largest first, from the profiler's own times of each function."""
    connection = small_shop(module)
    profile = cProfile.Profile()
    for number in range(100, 120):
        text = shape.format(i=number, v=number)
        profile.enable()
        connection.execute(text).fetchall()
        profile.disable()
    totals: dict[str, float] = defaultdict(float)
    for (path, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        totals[phase_of(path, function)] += own
    whole = sum(totals.values())
    return sorted(((phase, value / whole) for phase, value in totals.items()), key=lambda pair: -pair[1])


def phase_of(path: str, function: str) -> str:
    """The phase that a function belongs to, by the name of its module."""
    if "compile" in function and path == "~":
        return "compile"
    _, _, inside = path.partition("planner/")
    for prefix, phase in PHASES.items():
        if inside.startswith(prefix):
            return phase
    if path.startswith("<tandemdb"):
        return "run"
    return "planner, other" if inside else "driver, storage, builtins"


if __name__ == "__main__":
    main()
