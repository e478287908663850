"""How results are written, value by value, in each format, in plain characters and by rich."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys

import pytest

from tandemdb.cli.output import FORMATS, Style, draw_plan, write_result
from tandemdb.cli.progress import ProgressBar


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def written(query: str, form: str, headers: bool = True, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    write_result(sqlite3.connect(":memory:").execute(query), out, form, Style(headers))
    return out.getvalue()


def test_values_in_a_table() -> None:
    query = "SELECT 1 AS i, -2.5 AS r, 'a' AS t, X'0aff' AS b, NULL AS n UNION ALL SELECT 100, 9e999, '', X'', 1"
    text = written(query, "table")
    assert text == (
        "  i |    r | t | b       |    n\n"
        "----+------+---+---------+-----\n"
        "  1 | -2.5 | a | X'0AFF' | NULL\n"
        "100 |  Inf |   | X''     |    1\n"
    )


def test_a_table_keeps_its_columns_with_line_ends_and_wide_characters() -> None:
    assert written("SELECT 'a\nb' AS x, 1 AS y UNION ALL SELECT '日本', 2", "table") == (
        "x    | y\n-----+--\na\\nb | 1\n日本 | 2\n"
    )


def test_without_headers() -> None:
    assert written("SELECT 1, 2", "table", headers=False) == "1 | 2\n"
    assert written("SELECT 1, 2", "csv", headers=False) == "1,2\r\n"
    assert written("SELECT 1 WHERE 0", "table", headers=False) == ""


def test_an_empty_result() -> None:
    query = "SELECT 1 AS a WHERE 0"
    assert [written(query, form) for form in FORMATS] == [
        "a\n-\n", "a\r\n", "[]\n", "", "", "| a |\n| --- |\n", "",
    ]  # fmt: skip


def test_csv_can_be_read_back() -> None:
    text = written("SELECT 'a,\"b\"\n' AS x, NULL AS y, 1.5 AS z", "csv")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["x", "y", "z"], ['a,"b"\n', "", "1.5"]]


def test_json_can_be_read_back_and_keeps_columns_of_one_name() -> None:
    text = written("SELECT 1 AS a, 'é\"' AS a, X'01' AS b, -9e999 AS c, NULL AS d", "json")
    assert json.loads(text) == [{"a": 'é"', "b": "X'01'", "c": float("-inf"), "d": None}]
    assert text.count('"a"') == 2


def test_rich_draws_tables_at_a_terminal_and_prints_no_markup() -> None:
    pytest.importorskip("rich")
    text = written("SELECT '[bold]x[/bold]' AS a", "table", out=Terminal())
    assert "[bold]x[/bold]" in text and "╭" in text


def test_without_rich_a_terminal_gets_plain_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert written("SELECT 1 AS a", "table", out=Terminal()) == "a\n-\n1\n"


def test_no_progress_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr("tandemdb.cli.progress.DELAY_SECONDS", 0.0)
    with ProgressBar("s.sql", 10) as bar:
        bar.advance(5)
    assert err.getvalue() == ""


def test_a_progress_bar_at_a_terminal_only_after_its_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    with ProgressBar("quick.sql", 10) as bar:
        bar.advance(5)
    assert err.getvalue() == ""
    monkeypatch.setattr("tandemdb.cli.progress.DELAY_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar("slow.sql", 10) as bar:
        bar.advance(5)
    assert "slow.sql" in err.getvalue()


def test_a_line_of_json_for_each_row() -> None:
    query = "SELECT 1 AS a, 'x\"y' AS a, NULL AS n UNION ALL SELECT 2.5, X'ff', ''"
    assert written(query, "jsonl") == '{"a": 1, "a": "x\\"y", "n": null}\n{"a": 2.5, "a": "X\'FF\'", "n": ""}\n'


def test_markdown() -> None:
    assert written("SELECT 'a|b' AS x, 'two\nlines' AS \"y|\"", "markdown") == (
        "| x | y\\| |\n| --- | --- |\n| a\\|b | two\\nlines |\n"
    )


def test_inserts_make_the_same_rows_again() -> None:
    values = "1, -2.5, 9e999, -9e999, 'it''s', 'a' || char(0) || 'b', X'00ff', NULL"
    text = written(f"SELECT {values}", "insert", headers=False)
    other = sqlite3.connect(":memory:")
    other.execute('CREATE TABLE "table" (a, b, c, d, e, f, g, h)')
    other.executescript(text)
    assert other.execute('SELECT * FROM "table"').fetchall() == other.execute(f"SELECT {values}").fetchall()
    assert written('SELECT 1 AS "a""b"', "insert") == 'INSERT INTO "table" ("a""b") VALUES (1);\n'


def test_plans_are_drawn_as_sqlites_shell_draws_them() -> None:
    out = io.StringIO()
    draw_plan([(2, 0, 0, "A"), (5, 2, 0, "B"), (6, 2, 0, "C"), (7, 6, 0, "D"), (9, 0, 0, "E")], out)
    assert out.getvalue() == "QUERY PLAN\n|--A\n|  |--B\n|  `--C\n|     `--D\n`--E\n"
