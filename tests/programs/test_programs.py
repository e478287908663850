"""Programs and libraries from PyPI that keep their state in SQLite, run on tandemdb and on sqlite3.

    python -m tests.programs.run sqlite3    play_*.py, each through its program's public API  --+
    python -m tests.programs.run tandemdb   the same, sqlite3 replaced by tandemdb.install()  --+-- compared here

The files that programs leave are read by the standard library's sqlite3 in the end.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem.removeprefix("play_") for path in HERE.glob("play_*.py"))


@cache
def played(module: str) -> tuple[dict[str, Any], Path]:
    """Play on one module; return the results by program, and where the files are."""
    directory = Path(mkdtemp(prefix=f"programs-{module}-"))
    root = HERE.parents[1]
    run = subprocess.run(
        [sys.executable, "-m", "tests.programs.run", module, str(directory)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0"},
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"program"')]
    return {line.pop("program"): line for line in lines}, directory


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_with_sqlite3(program: str) -> None:
    expected, found = played("sqlite3")[0][program], played("tandemdb")[0][program]
    if "missing" in expected:
        pytest.skip(f"not installed: {expected['missing']}")
    assert "result" in expected, f"the play itself is wrong:\n{expected['error']}"
    assert "result" in found, found.get("error")
    for number, (one, other) in enumerate(zip(found["result"], expected["result"], strict=True)):
        assert one == other, f"result {number}"


def test_files_left_behind() -> None:
    """Every file is whole, and tables hold as many rows as those sqlite3 left."""
    directories = [played(module)[1] for module in ("tandemdb", "sqlite3")]
    counts = [count_rows(directory) for directory in directories]
    assert counts[0] == counts[1]


def count_rows(directory: Path) -> dict[str, Any]:
    """Count the rows of each table of each database file."""
    counts = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.open("rb").read(16) == b"SQLite format 3\0":
            real = sqlite3.connect(path)
            assert real.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            tables = [row[0] for row in real.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
            counts[str(path.relative_to(directory))] = [
                (table, real.execute(f'SELECT count(*) FROM "{table}"').fetchone())
                for table in tables
                if not table.startswith("sqlite_stat")
            ]
            real.close()
    return counts
