"""How long a whole script takes, the first time in a process: `executescript` beside sqlite3's, imports excepted.

    python -m benchmarks.load_script ../shared/data/chinook.sql [--times 5] [--mirror] [--imports]

Each figure comes from a process of its own, so that nothing is compiled or cached beforehand. Modules that are loaded
with the first statements are loaded before, by a script of its own in another database: imports are not measured here
(`--imports` leaves them in).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ONE_RUN = """
import importlib, json, sys, time
module = importlib.import_module(sys.argv[1])
text = open(sys.argv[2], encoding="utf-8-sig").read()
if sys.argv[4] == "without":
    other = module.connect(":memory:")
    other.executescript(
        "CREATE TABLE o (a INTEGER PRIMARY KEY, b TEXT NOT NULL UNIQUE, c REAL, FOREIGN KEY (c) REFERENCES o (a));"
        "CREATE INDEX i ON o (c); INSERT INTO o VALUES (1, 'x', NULL), (2, 'y', NULL); DROP TABLE IF EXISTS o;"
    )
connection = module.connect(":memory:")
if sys.argv[3] == "mirror" and sys.argv[1] == "tandemdb":
    backup = module.connect(":memory:")
    connection.replicate_to(backup, mode="sync")
started = time.perf_counter()
connection.executescript(text)
seconds = time.perf_counter() - started
names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
rows = sum(connection.execute('SELECT count(*) FROM "%s"' % name).fetchone()[0] for name in names)
print(json.dumps({"seconds": seconds, "tables": len(names), "rows": rows}))
"""


def main(arguments: list[str] | None = None) -> int:
    """Print both medians and their ratio; return 1 if the engines hold different numbers of rows."""
    parser = argparse.ArgumentParser(prog="benchmarks.load_script")
    parser.add_argument("script", type=Path)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--mirror", action="store_true", help="tandemdb copies each commit to a backup in the process")
    parser.add_argument("--imports", action="store_true", help="measure what loads with the first statement too")
    options = parser.parse_args(arguments)
    found: dict[str, list[dict[str, float]]] = {"sqlite3": [], "tandemdb": []}
    for _ in range(options.times):
        for name, runs in found.items():
            how = ["mirror" if options.mirror else "plain", "with" if options.imports else "without"]
            runs.append(one_run(name, options.script, how))
    seconds = {name: statistics.median(run["seconds"] for run in runs) for name, runs in found.items()}
    loaded = {name: (runs[0]["tables"], runs[0]["rows"]) for name, runs in found.items()}
    for name, value in seconds.items():
        print(f"{name:10} {value * 1000:8.1f} ms   {loaded[name][0]} tables, {loaded[name][1]} rows")
    print(f"ratio      {seconds['tandemdb'] / seconds['sqlite3']:8.2f}")
    return 0 if loaded["sqlite3"] == loaded["tandemdb"] else 1


def one_run(name: str, script: Path, how: list[str]) -> dict[str, float]:
    command = [sys.executable, "-c", ONE_RUN, name, str(script), *how]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if answer.returncode:
        raise SystemExit(answer.stderr)
    result: dict[str, float] = json.loads(answer.stdout)
    return result


if __name__ == "__main__":
    sys.exit(main())
