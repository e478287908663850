"""SQLite's sqllogictest corpus on tandemdb: every file, of the large ones a seeded sample of the queries.

`pytest tests/slt --slt-full` runs every record. A sample keeps all statements, so its tables are as meant.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared_data import MISSING, SHARED, shared_files
from tests.slt.records import read_records, sample
from tests.slt.runner import connect, run

QUERIES_MAX = 300
SEED = 1
ABSENT = pytest.param("", marks=pytest.mark.skip(f"sqllogictest files are {MISSING}"))
FILES = [path.relative_to(SHARED / "slt").as_posix() for path in shared_files("slt/**/*.test")]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FILES or [ABSENT])
def test_file(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = SHARED / "slt" / name
    records = read_records(path)
    if not request.config.getoption("--slt-full"):
        records = sample(records, QUERIES_MAX, SEED)
    report = run(connect("tandemdb"), records)
    shown = [f"{path}:{failure.record.line}: {failure.reason}\n  {failure.record.sql}" for failure in report.failures]
    assert not shown, f"{len(shown)} of {report.passed + len(shown)} records failed:\n" + "\n".join(shown[:5])
