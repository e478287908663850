"""SQLAlchemy's compliance suite passes with no failure, and runs all that it runs on SQLAlchemy's own SQLite dialect.

    SQLAlchemy   its own tests' requirements, on pysqlite   these, on pysqlite   on tandemdb   on aiotandemdb
    2.0.58       1391 passed                                1402 passed          1405 passed   1419 passed
    2.1.9        1610 passed                                1621 passed          1624 passed   1638 passed

Compared test by test, what passes here is what passes there and more; the count tells whether one has gone missing.
The suite is a process of its own (see `compliance`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

ROOT = Path(__file__).parents[2]
PASSED_MIN = 1610 if sqlalchemy.__version__ >= "2.1" else 1391


@pytest.mark.timeout(600)  # seconds; a process of some twelve, on a machine that has nothing else to do
@pytest.mark.parametrize("database", ["tandemdb", "aiotandemdb"])
def test_no_test_of_the_suite_fails(database: str) -> None:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    run = subprocess.run(
        [sys.executable, "-m", "tests.dialect.compliance", "-q", "--against", database],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None, run.stdout
    assert int(passed[1]) >= PASSED_MIN
