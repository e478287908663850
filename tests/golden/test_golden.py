"""Each golden script answers what it says, on tandemdb, and rows and errors on sqlite3 too.

`pytest tests/golden --rewrite-golden` writes tandemdb's answers into the scripts; sqlite3's still have to match.
"""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tests.golden.script import FormatError, read_steps, run_steps, without_plans, write_steps

SCRIPTS = sorted(Path(__file__).parent.glob("*.golden"))
ORACLE = (3, 40)  # The SQLite whose words tandemdb speaks; a later one words some errors differently.
_store_numbers = itertools.count(1)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_tandemdb(path: Path, request: pytest.FixtureRequest) -> None:
    steps, rest = read_steps(path.read_text(encoding="utf-8"))
    name = f":memory:golden{next(_store_numbers)}"
    answers = run_steps(steps, lambda: tandemdb.connect(name, isolation_level=None, timeout=0), plans=True)
    if request.config.getoption("--rewrite-golden"):
        path.write_text(write_steps(steps, answers, rest), encoding="utf-8")
        return
    compare(path, steps, answers, [step.answers for step in steps])


@pytest.mark.skipif(
    sqlite3.sqlite_version_info[:2] != ORACLE, reason=f"answers are SQLite 3.40's, this is {sqlite3.sqlite_version}"
)
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_sqlite3(path: Path, tmp_path: Path) -> None:
    """The oracle, in WAL mode: there readers see snapshots and never wait, as in tandemdb."""
    steps, _ = read_steps(path.read_text(encoding="utf-8"))

    def connect() -> Any:
        connection = sqlite3.connect(tmp_path / "oracle.db", isolation_level=None, timeout=0)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    answers = run_steps(steps, connect, plans=False)
    expected = [
        answer if step.differs else without_plans(step.answers) for step, answer in zip(steps, answers, strict=True)
    ]
    compare(path, steps, answers, expected)


def compare(path: Path, steps: Any, found: list[list[str]], expected: list[list[str]]) -> None:
    shown = [
        f"{path.name}:{step.line}: {step.sql}\n  expected {wanted}\n  found    {answer}"
        for step, answer, wanted in zip(steps, found, expected, strict=True)
        if answer != wanted
    ]
    assert not shown, "\n".join(shown)


def test_a_script_is_read_and_written_back_as_it_was() -> None:
    text = "# Title.\n\na> SELECT 1,\n..   'two'\n| 1, 'two'\n"
    text += "# differs: a reason\nb plan> SELECT 3\n  SCAN\n| 3\n\n# End.\n"
    steps, rest = read_steps(text)
    assert [(step.line, step.connection, step.planned, step.differs) for step in steps] == [
        (3, "a", False, False),
        (7, "b", True, True),
    ]
    assert steps[0].sql == "SELECT 1,\n  'two'"
    assert write_steps(steps, [step.answers for step in steps], rest) == text
    assert run_steps(steps, lambda: sqlite3.connect(":memory:"), plans=False) == [["| 1, 'two'"], ["| 3"]]


@pytest.mark.parametrize("text", ["SELECT 1", "| 1", "a> SELECT 1\n\n| 1"])
def test_lines_out_of_place_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match=r"line \d: expected a statement"):
        read_steps(text)
