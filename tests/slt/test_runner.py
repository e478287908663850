"""The runner itself, on sqlite3 and small files of our own: right answers pass, and each kind of wrong one fails."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from tests.slt.records import FormatError, read_records, sample
from tests.slt.rendering import render
from tests.slt.runner import connect, main, run

TABLE = """\
# The table of these tests.
statement ok
CREATE TABLE t1(a INTEGER, b TEXT, c REAL)

statement ok
INSERT INTO t1 VALUES(10, 'ten', 10.5), (9, '', NULL), (NULL, 'caf\u00e9', -0.0)

"""


def run_text(tmp_path: Path, text: str) -> list[str]:
    """Run a file of the table above and `text`; return the reasons of its failures."""
    path = tmp_path / "own.test"
    path.write_text(TABLE + text, encoding="utf-8")
    return [failure.reason for failure in run(connect("sqlite3"), read_records(path)).failures]


def test_right_answers_pass(tmp_path: Path) -> None:
    text = """\
query ITR nosort
SELECT a, b, c FROM t1 ORDER BY rowid
----
10
ten
10.500
9
(empty)
NULL
NULL
caf@@
0.000

query I rowsort
SELECT a FROM t1
----
10
9
NULL

query TT valuesort x1
SELECT a, b FROM t1
----
(empty)
10
9
NULL
caf@@
ten

query I
SELECT a FROM t1 WHERE a > 99
----

query I
SELECT sum(x) FROM (SELECT 9223372036854775807 AS x UNION ALL SELECT 1)
----

statement error
INSERT INTO nowhere VALUES(1)
"""
    assert run_text(tmp_path, text) == []


def test_hashed_results_are_compared_by_count_and_hash(tmp_path: Path) -> None:
    text = "query I rowsort\nSELECT a FROM t1\n----\n3 values hashing to %s\n"
    right = hashlib.md5(b"10\n9\nNULL\n").hexdigest()
    assert run_text(tmp_path, text % right) == []
    assert run_text(tmp_path, text.replace("3 values", "4 values") % right) == ["expected 4 values, found 3"]
    assert f"3 values as expected, but they hash to {right}" in run_text(tmp_path, text % ("0" * 32))[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("query I\nSELECT a FROM t1 WHERE b = 'ten'\n----\n11\n", "expected ['11'], found ['10']"),
        ("query I\nSELECT a FROM t1 WHERE b = 'ten'\n----\n", "expected [], found ['10']"),
        ("query II\nSELECT a FROM t1 WHERE b = 'ten'\n----\n10\n", "expected 2 columns, found 1"),
        ("query I\nSELECT missing FROM t1\n----\n", "OperationalError: no such column: missing"),
        ("statement ok\nSELECT missing FROM t1\n", "OperationalError: no such column: missing"),
        ("statement error\nSELECT a FROM t1\n", "expected an error, found none"),
        (
            "query I nosort x\nSELECT 1\n----\n1\n\nquery I nosort x\nSELECT 2\n----\n2\n",
            "label x: other values than the query at line 8",
        ),
    ],
)
def test_wrong_answers_fail_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    assert run_text(tmp_path, text) == [reason]


def test_conditions_comments_and_halt(tmp_path: Path) -> None:
    path = tmp_path / "own.test"
    path.write_text(
        "hash-threshold 8\n\nskipif sqlite # why\nstatement ok\nONE\n\nonlyif mysql\nhalt\n\n"
        "skipif mysql\nonlyif sqlite\nstatement ok\n# inside\nTWO\nLINES\n   \nhalt\n\nstatement ok\nNEVER\n"
    )
    assert [(record.line, record.sql) for record in read_records(path)] == [(12, "TWO\nLINES")]


def test_a_file_in_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.test"
    path.write_text("\nquery I sideways\nSELECT 1\n----\n1\n")
    with pytest.raises(FormatError, match=r"own\.test:2: expected a sort mode"):
        read_records(path)


def test_a_sample_keeps_every_statement(tmp_path: Path) -> None:
    path = tmp_path / "own.test"
    path.write_text(TABLE + "".join(f"query I\nSELECT {n}\n----\n{n}\n\n" for n in range(50)))
    records = read_records(path)
    chosen = sample(records, 10, seed=1)
    assert [record for record in chosen if record.kind == "statement"] == records[:2]
    assert len(chosen) == 12
    assert chosen == sample(records, 10, seed=1) != sample(records, 10, seed=2)
    assert sample(records, 50, seed=1) == records


def test_an_engine_that_breaks_fails_its_record_only(tmp_path: Path) -> None:
    class Broken:
        def execute(self, sql: str) -> sqlite3.Cursor:
            if "boom" in sql:
                raise KeyError("boom")
            return connect("sqlite3").execute(sql)

    path = tmp_path / "own.test"
    path.write_text("statement error\nSELECT boom\n\nquery I\nSELECT 1\n----\n1\n")
    report = run(Broken(), read_records(path))
    assert (report.passed, [failure.reason for failure in report.failures]) == (1, ["KeyError: 'boom'"])


@pytest.mark.parametrize(
    ("value", "letter", "text"),
    [
        (3.99, "I", "3"),
        (-3.99, "I", "-3"),
        ("12abc", "I", "12"),
        ("abc", "I", "0"),
        (1e300, "I", "9223372036854775807"),
        (2, "R", "2.000"),
        ("1.5e1x", "R", "15.000"),
        (0.0625, "R", "0.063"),
        (-0.0625, "R", "-0.063"),
        (-0.0001, "R", "0.000"),
        (-9223372036854775808, "R", "-9223372036854776000.000"),
        (float("inf"), "R", "Inf"),
        (1.5, "T", "1.5"),
        (1e20, "T", "1.0e+20"),
        (b"a\xff", "T", "a@"),
        (None, "T", "NULL"),
    ],
)
def test_rendering(value: object, letter: str, text: str) -> None:
    assert render(value, letter) == text


def test_the_command_counts_and_sets_its_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.test"
    path.write_text("query I\nSELECT 1\n----\n1\n\nquery I\nSELECT 1\n----\n2\n")
    assert main(["--engine", "sqlite3", "--timing", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: 1 passed, 1 failed; sqlite3 ")
    assert lines[1:3] == [f"  {path}:6: expected ['2'], found ['1']", "    SELECT 1"]
    assert lines[3].startswith("total: 1 passed, 1 failed; sqlite3 ")
    path.write_text("query I\nSELECT 1\n----\n1\n")
    assert main(["--engine", "sqlite3", str(path)]) == 0
