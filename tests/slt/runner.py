"""Runs sqllogictest files on any DB-API connection and compares what it answers.

    file --read_records--> records --run--> connection
                                      |
           expected values, hash  ====+====  rows, rendered by column letter, sorted as the record says
                                      |
                                    Report(passed, failures, seconds spent inside the engine)

As a command: python -m tests.slt.runner [--engine sqlite3|tandemdb] [--timing] FILES
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import re
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.slt.records import Record, read_records, sample
from tests.slt.rendering import render

HASHED = re.compile(r"(\d+) values hashing to ([0-9a-f]{32})")
# The one error that a record of the corpus expects of a query, by expecting no rows. Any other error while a query runs
# fails its record, or a feature that is missing would pass for an empty result.
END_OF_ROWS = "integer overflow"


@dataclass(frozen=True, slots=True)
class Failure:
    """One record that did not answer as it should."""

    record: Record
    reason: str


@dataclass(slots=True)
class Report:
    """What came of a run: records passed, failures in file order, seconds spent inside the engine."""

    passed: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0


class Mismatch(Exception):
    """Raised when a record's answer is not the expected one; says how."""


def run(connection: Any, records: Iterable[Record]) -> Report:
    """Run the records in order on a connection in autocommit mode; go on after failures."""
    report = Report()
    labelled: dict[str, tuple[int, str]] = {}
    for record in records:
        try:
            if record.kind == "statement":
                run_statement(connection, record, report)
            else:
                run_query(connection, record, report, labelled)
        except Mismatch as mismatch:
            report.failures.append(Failure(record, str(mismatch)))
        else:
            report.passed += 1
    return report


def run_statement(connection: Any, record: Record, report: Report) -> None:
    error = timed(report, execute_statement, connection, record.sql)[1]
    if error is None and record.fails:
        raise Mismatch("expected an error, found none")
    if error is not None and not (record.fails and isinstance(error, sqlite3.DatabaseError)):
        raise Mismatch(describe(error))


def execute_statement(connection: Any, sql: str) -> None:
    try:
        connection.execute(sql)
    except (sqlite3.Warning, sqlite3.ProgrammingError) as error:
        if "one statement at a time" not in str(error):
            raise
        connection.executescript(sql)


def run_query(connection: Any, record: Record, report: Report, labelled: dict[str, tuple[int, str]]) -> None:
    rows, error = timed(report, lambda: connection.execute(record.sql).fetchall())
    if error is not None:
        if not isinstance(error, sqlite3.DatabaseError) or str(error) != END_OF_ROWS:
            raise Mismatch(describe(error))
        rows = []
    values = rendered(rows, record)
    compare(values, record.expected)
    if record.label:
        digest = hash_values(values)
        line, first = labelled.setdefault(record.label, (record.line, digest))
        if first != digest:
            raise Mismatch(f"label {record.label}: other values than the query at line {line}")


def timed(report: Report, call: Any, *arguments: Any) -> tuple[Any, Exception | None]:
    """Return (result, None) or (None, error) of a call, and add its time to the report."""
    start = time.perf_counter()
    try:
        return call(*arguments), None
    except Exception as error:  # An engine that fails in an unforeseen way fails this record, not the whole run.
        return None, error
    finally:
        report.seconds += time.perf_counter() - start


def rendered(rows: Sequence[Sequence[Any]], record: Record) -> list[str]:
    if rows and len(rows[0]) != len(record.letters):
        raise Mismatch(f"expected {len(record.letters)} columns, found {len(rows[0])}")
    table = [[render(value, letter) for value, letter in zip(row, record.letters, strict=True)] for row in rows]
    if record.sort == "rowsort":
        table.sort()
    values = [value for row in table for value in row]
    return sorted(values) if record.sort == "valuesort" else values


def compare(values: list[str], expected: tuple[str, ...]) -> None:
    hashed = HASHED.fullmatch(expected[0].strip()) if len(expected) == 1 else None
    if hashed:
        if len(values) != int(hashed[1]):
            raise Mismatch(f"expected {hashed[1]} values, found {len(values)}")
        if hash_values(values) != hashed[2]:
            raise Mismatch(f"{len(values)} values as expected, but they hash to {hash_values(values)}: {values[:20]}")
    elif tuple(values) != expected:
        raise Mismatch(f"expected {shorten(expected)}, found {shorten(values)}")


def hash_values(values: Iterable[str]) -> str:
    return hashlib.md5("".join(f"{value}\n" for value in values).encode(), usedforsecurity=False).hexdigest()


def shorten(values: Sequence[str], values_max: int = 20) -> str:
    more = f" and {len(values) - values_max} more" if len(values) > values_max else ""
    return f"{list(values[:values_max])}{more}"


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def connect(engine: str) -> Any:
    """Open a private database of the engine, a module named `sqlite3` or `tandemdb`, in autocommit mode."""
    return importlib.import_module(engine).connect(":memory:", isolation_level=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run files and print what came of each; exit status 1 when a record failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.slt.runner", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILES", help="files, or folders of .test files")
    parser.add_argument("--engine", choices=("sqlite3", "tandemdb"), default="tandemdb")
    parser.add_argument("--timing", action="store_true", help="run each file on sqlite3 too and print both times")
    parser.add_argument("--sample", type=int, metavar="QUERIES", help="run so many queries a file, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--failures", type=int, default=5, metavar="N", help="print the first N failures of each file")
    options = parser.parse_args(arguments)
    total = Report()
    reference_seconds = 0.0
    for path in expand(options.files):
        records = read_records(path)
        if options.sample is not None:
            records = sample(records, options.sample, options.seed)
        report = run(connect(options.engine), records)
        line = f"{path}: {report.passed} passed, {len(report.failures)} failed"
        if options.timing:
            reference = run(connect("sqlite3"), records)
            reference_seconds += reference.seconds
            line += timing(options.engine, report.seconds, reference.seconds)
        print(line, flush=True)
        for failure in report.failures[: options.failures]:
            print(f"  {path}:{failure.record.line}: {failure.reason}\n    {failure.record.sql}")
        total.passed += report.passed
        total.failures += report.failures
        total.seconds += report.seconds
    line = f"total: {total.passed} passed, {len(total.failures)} failed"
    print(line + (timing(options.engine, total.seconds, reference_seconds) if options.timing else ""))
    return 1 if total.failures else 0


def timing(engine: str, seconds: float, reference_seconds: float) -> str:
    return f"; {engine} {seconds:.3f} s, sqlite3 {reference_seconds:.3f} s ({seconds / reference_seconds:.2f}x)"


def expand(paths: Iterable[Path]) -> list[Path]:
    return [file for path in paths for file in (sorted(path.rglob("*.test")) if path.is_dir() else [path])]


if __name__ == "__main__":
    sys.exit(main())
