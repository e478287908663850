"""`tandemdb shell`, fed through standard input as a pipe and, for prompts, as a terminal."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import tandemdb
from tandemdb.cli import shell
from tandemdb.cli.dot_commands import COMMANDS
from tandemdb.dbapi import nodes
from tests.cli.conftest import Command, Outcome

TABLE = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);\nINSERT INTO t VALUES (1, 'one'), (2, 'two');\n"


@pytest.fixture
def piped(command: Command, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run the shell with text on standard input."""

    def run(text: str, *arguments: str) -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return command("shell", *arguments)

    return run


def test_statements_may_span_lines_and_share_them(piped) -> None:
    assert piped(TABLE + "SELECT a\nFROM t\nWHERE a = 1; SELECT 'x;y' AS s;\n") == (
        0,
        "a\n-\n1\ns\n---\nx;y\n",
        "",
    )


def test_the_last_statement_needs_no_semicolon(piped) -> None:
    assert piped("SELECT 1 AS one") == (0, "one\n---\n  1\n", "")


def test_an_error_is_printed_and_the_shell_goes_on(piped) -> None:
    status, out, err = piped("SELECT nowhere;\nSELECT 1 AS one;\n")
    assert (status, out) == (1, "one\n---\n  1\n")
    assert err.startswith("Error in line 1: no such column: nowhere\n")


def test_an_error_in_a_pipe_tells_the_line(piped) -> None:
    """It is that of the statement's first word, whatever stands before it and in its line."""
    text = ".print begin\n\n-- a comment\nSELECT 1 AS a; SELECT\n  nowhere; SELECT 2 AS b;\n.nonsense\nSELECT\nnowhere"
    lines = [line for line in piped(text).err.splitlines() if line.startswith("Error")]
    assert [line.split(":")[0] for line in lines] == ["Error in line 4", "Error in line 6", "Error in line 7"]


def test_names_and_schema(piped) -> None:
    text = TABLE + "CREATE INDEX t_b ON t(b);\nCREATE VIEW v AS SELECT a FROM t;\n"
    assert piped(text + ".tables\n").out == "t\nv\n"
    assert piped(text + ".indexes\n.indexes T\n.indexes v\n").out == "t_b\nt_b\n"
    assert piped(text + ".schema\n").out == (
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);\n"
        "CREATE INDEX t_b ON t(b);\n"
        "CREATE VIEW v AS SELECT a FROM t;\n"
    )
    assert piped(text + ".schema V\n").out == "CREATE VIEW v AS SELECT a FROM t;\n"


def test_a_dump_can_be_read_back(piped, tmp_path: Path) -> None:
    dump = piped(TABLE + ".dump\n").out
    assert dump.startswith("BEGIN TRANSACTION;\n") and dump.endswith("COMMIT;\n")
    path = tmp_path / "dump.sql"
    path.write_text(dump)
    assert piped(f".read {path}\nSELECT count(*) AS n FROM t;\n").out == "n\n-\n2\n"


def test_scripts_run_first(piped, tmp_path: Path) -> None:
    path = tmp_path / "first.sql"
    path.write_text(TABLE)
    assert piped("SELECT b FROM t WHERE a = 2;", str(path)).out == "b\n---\ntwo\n"


def test_modes_and_headers(piped) -> None:
    text = TABLE + ".mode csv\nSELECT * FROM t;\n.headers off\nSELECT * FROM t WHERE a = 1;\n"
    assert piped(text).out == "a,b\r\n1,one\r\n2,two\r\n1,one\r\n"


def test_timer(piped) -> None:
    assert piped(".timer on\nSELECT 1;\n").err.endswith(" ms\n")


def test_quit_and_help(piped) -> None:
    status, out, err = piped(".help\n.quit\nSELECT 1;\n")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == sorted(set(COMMANDS) - {".exit"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".nonsense", 'unknown command ".nonsense"; ".help" lists those there are'),
        (".", 'unknown command "."; ".help" lists those there are'),
        (".t", '".t" may be .tables, .timer'),
        (".mode pie", "usage: .mode table|csv|json|jsonl|line|markdown|insert [TABLE]"),
        (".headers maybe", "usage: .headers on|off"),
        (".read", "usage: .read FILE"),
        (".tables a b", "usage: .tables"),
        (".eqp", "usage: .eqp on|off"),
        (".print 'open", "no closing quotation: .print 'open"),
        (".restore nowhere.db", "nowhere.db: no such file"),
        (".import nowhere.csv t", "nowhere.csv: No such file or directory"),
    ],
)
def test_wrong_commands(piped, line: str, message: str) -> None:
    assert piped(line + "\n") == (1, "", f"Error in line 1: {message}\n")


def test_results_go_into_files(piped, tmp_path: Path) -> None:
    once, all_of_them = tmp_path / "once.csv", tmp_path / "all.txt"
    text = f"""\
.mode csv
.once '{once}'
SELECT 1 AS a;
SELECT 2 AS b;
.output '{all_of_them}'
SELECT 3 AS c;
.print three
.output
.print  'to  the' terminal C:\\new # 1
"""
    assert piped(text).out == "b\r\n2\r\nto  the terminal C:\\new # 1\n"
    assert once.read_bytes() == b"a\r\n1\r\n"
    assert all_of_them.read_bytes() == b"c\r\n3\r\nthree\n"


def test_a_file_that_cannot_be_written_leaves_results_where_they_were(piped, tmp_path: Path) -> None:
    status, out, err = piped(f".output '{tmp_path}'\nSELECT 1 AS a;\n")
    assert (status, out) == (1, "a\n-\n1\n")
    assert err.startswith(f"Error in line 1: {tmp_path}: ")


def test_null_echo_and_inserts(piped) -> None:
    text = ".nullvalue -\n.echo on\nSELECT NULL AS n, 1 AS i;\n.mode insert t\nSELECT NULL AS n;\n"
    assert piped(text).out == (
        "SELECT NULL AS n, 1 AS i;\nn | i\n--+--\n- | 1\nSELECT NULL AS n;\nINSERT INTO \"t\" (\"n\") VALUES (NULL);\n"
    )


def test_plans(piped) -> None:
    text = TABLE + ".eqp on\nSELECT a FROM t WHERE a = 1;\n.eqp off\nEXPLAIN QUERY PLAN SELECT * FROM t;\n"
    assert piped(text).out == (
        "QUERY PLAN\n`--SEARCH t USING INTEGER PRIMARY KEY (rowid=?)\na\n-\n1\nQUERY PLAN\n`--SCAN t\n"
    )


def test_bail_leaves_at_the_first_error(piped) -> None:
    status, out, err = piped(".bail on\nSELECT 1 AS a;\nSELECT nowhere;\nSELECT 2 AS b;\n")
    assert (status, out) == (1, "a\n-\n1\n")
    assert err.startswith("Error in line 3: no such column: nowhere\n")


def test_csv_files_are_imported(piped, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('id,"full ""name"""\n1,Ada\n2,"Lovelace, A."\n')
    text = f".import {path} person\nSELECT * FROM person;\n"
    assert piped(".mode csv\n" + text).out == 'id,"full ""name"""\r\n1,Ada\r\n2,"Lovelace, A."\r\n'
    path.write_text("3,Bo\n4,Cy\n")
    rest = TABLE + f".import {path} t\n.headers off\n.mode csv\nSELECT * FROM t WHERE a > 2;\n"
    assert piped(rest).out == "3,Bo\r\n4,Cy\r\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("3,Bo\n4\n", "{path}:2: expected 2 values for t, found 1; nothing was imported"),
        ("3,Bo\n1,twice\n", "UNIQUE constraint failed: t.a"),
    ],
)
def test_an_import_that_fails_leaves_nothing(piped, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    status, out, err = piped(TABLE + f".import {path} t\nSELECT count(*) AS n FROM t;\n")
    assert (status, out) == (1, "n\n-\n2\n")
    assert err.splitlines()[0] == "Error in line 3: " + message.format(path=path)


def test_an_empty_import_says_what_was_expected(piped, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")
    expected = f"Error in line 1: {path} is empty: expected a first row with the names of the columns of new\n"
    assert piped(f".import {path} new\n").err == expected


def test_sqlite_files_are_written_read_and_opened(tandem_command, monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "kept.db"

    def run(text: str) -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return tandem_command("shell")

    assert run(TABLE + f".backup {path}\nDELETE FROM t;\n.restore {path}\n.mode csv\nSELECT b FROM t;\n") == (
        0, "b\r\none\r\ntwo\r\n", "",
    )  # fmt: skip
    assert run(f".open {path}\nINSERT INTO t VALUES (3, 'three');\n.databases\n").out == f"main: {path}\n"
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT b FROM t").fetchall() == [("one",), ("two",), ("three",)]
    assert run(f".open {path}\n.open\n.tables\n.databases\n").out == "main: in memory\n"


def test_the_first_letters_of_a_command_are_enough(piped) -> None:
    assert piped(TABLE + ".ta\n.q\n.print no\n") == (0, "t\n", "")


def test_a_script_writes_as_the_shell_does(piped, tmp_path: Path) -> None:
    path, result = tmp_path / "s.sql", tmp_path / "s.out"
    path.write_text("SELECT NULL AS a;\n")
    text = f".mode insert t\n.headers off\n.read {path}\n.mode table\n.nullvalue -\n.output {result}\n.read {path}\n"
    assert piped(text) == (0, 'INSERT INTO "t" VALUES (NULL);\n', "")
    assert result.read_text() == "-\n"


def test_what_is_no_text_is_told_by_its_line(piped) -> None:
    status, out, err = piped("SELECT\n'\udcff';\nSELECT 2 AS a;\n")
    assert (status, out, err) == (1, "a\n-\n2\n", "Error in line 2: not UTF-8 text\n")


def test_a_file_or_another_database_is_opened(tandem_command, monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "kept.db"

    def run(text: str, *arguments: str) -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return tandem_command("shell", *arguments)

    assert run(TABLE, "--database", str(path)) == (0, "", "")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT b FROM t").fetchall() == [("one",), ("two",)]
    hint = f"{path}: an SQLite database, not a script\nHint: Open it: tandemdb shell --database {path}\n"
    assert run("", str(path)) == (1, "", hint.replace("\nH", "\n  H"))
    assert run("", "--database", str(tmp_path / "no" / "where.db")) == (
        1, "", "tandemdb: unable to open database file\n",
    )  # fmt: skip
    node = nodes.serve("cli_shell")
    try:
        text = f".restore {path}\n.headers off\n.mode csv\nSELECT b FROM t;\n.backup {tmp_path / 'other.db'}\n"
        status, out, err = run(text, "--database", str(node.address))
    finally:
        node.stop()
        tandemdb.drop("cli_shell")
    assert (status, out) == (1, "one\r\ntwo\r\n")
    assert err.startswith("Error in line 5: this needs the database in this process, not on a node\n  Hint: ")
    status, out, err = run("", "--database", "tandemdb://127.0.0.1:1/shop")
    assert (status, out) == (1, "")
    assert err.startswith("tandemdb: unable to connect to tandemdb://127.0.0.1:1/shop: ")


def test_a_failing_script_is_reported_with_its_line(piped, tmp_path: Path) -> None:
    path = tmp_path / "bad.sql"
    path.write_text("SELECT 1 AS one;\nSELECT nowhere;\n")
    status, out, err = piped(f".read {path}\n")
    assert (status, out) == (1, "one\n---\n  1\n")
    assert err.startswith(f"{path}:2: no such column: nowhere\n")


def test_at_a_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C drops the statement begun, an error doesn't set the exit status, and Ctrl-D leaves."""
    prompts = []
    answers: Iterator[str | type[BaseException]] = iter(
        ["SELECT 1,", KeyboardInterrupt, "SELECT nowhere;", "SELECT", "7 AS seven;", EOFError]
    )

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        answer = next(answers)
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(shell, "line_reader", lambda: ask)
    status, out, _ = command("shell")
    assert (status, out) == (0, shell.GREETING.format(shell.IN_MEMORY) + "\n\nseven\n-----\n    7\n\n")
    assert prompts == [shell.PROMPT, shell.CONTINUATION, shell.PROMPT, shell.PROMPT, shell.CONTINUATION, shell.PROMPT]


def test_ctrl_c_stops_the_statement_and_not_the_shell(
    tandem_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(connection: object, sql: str) -> object:
        if "t WHERE" in sql:
            raise KeyboardInterrupt
        return execute(connection, sql)

    execute = shell.engine.execute
    monkeypatch.setattr(shell.engine, "execute", interrupted)
    answers = iter(["BEGIN; CREATE TABLE t(a);", "SELECT * FROM t WHERE a;", "SELECT count(*) AS n FROM t;", ".quit"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(shell, "line_reader", lambda: lambda prompt: next(answers))
    status, out, err = tandem_command("shell")
    assert (status, out.splitlines()[1:], err) == (0, ["n", "-", "0"], "Error: interrupted\n")


def test_line_editing_without_prompt_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "find_spec", lambda name: None)
    assert shell.line_reader() is input
