"""The command: measures, prints one table, writes JSON and a plot.

python -m benchmarks.run                     the eight workloads of the first table
python -m benchmarks.run --set all           all of them
python -m benchmarks.run --only join         those whose name or group has this in it
"""

from __future__ import annotations

import argparse
import importlib
import sqlite3
import sys
import time
from pathlib import Path

from benchmarks.measure import Measurement, Stores, measure
from benchmarks.plot import draw
from benchmarks.report import print_row, print_summary, print_title, write_json
from benchmarks.workloads import all_workloads

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; return 1 if an engine failed or an answer differed."""
    parser = argparse.ArgumentParser(prog="benchmarks.run", description="tandemdb beside sqlite3 in one process")
    parser.add_argument("--set", choices=["first", "all"], default="first", dest="which")
    parser.add_argument("--only", default="", help="only workloads with this text in their name or group")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--module", default="tandemdb", help="the driver to measure beside sqlite3")
    parser.add_argument("--output", default="", help="name of the results' files (none with --only)")
    options = parser.parse_args(arguments)
    reference, candidate = Stores(sqlite3), Stores(importlib.import_module(options.module))
    chosen = [w for w in all_workloads() if options.which == "all" or w.first or options.only]
    chosen = [w for w in chosen if options.only.lower() in f"{w.group} {w.name}".lower()]
    found: list[Measurement] = []
    print_title()
    for workload in chosen:
        found.append(measure(workload, reference, candidate, options.rounds))
        print_row(found[-1])
    print_summary(found)
    if options.output or not options.only:
        name = options.output or f"{time.strftime('%Y-%m-%d')}-{options.which}"
        RESULTS.mkdir(exist_ok=True)
        write_json(RESULTS / f"{name}.json", found, candidate.module)
        (RESULTS / f"{name}.svg").write_text(draw(found), encoding="utf-8")
    return 1 if any(measurement.error for measurement in found) else 0


if __name__ == "__main__":
    sys.exit(main())
