"""`tandemdb shell`, fed through standard input as a pipe and, for prompts, as a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandemdb.cli import shell
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
    assert err.startswith("Error: no such column: nowhere\n")


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
    assert (status, out, err) == (0, shell.HELP + "\n", "")
    assert {line.split()[0] for line in out.splitlines()} >= set(shell.COMMANDS) - {".exit"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".nonsense", 'unknown command ".nonsense"; ".help" lists those there are'),
        (".mode pie", "usage: .mode table|csv|json|line"),
        (".headers maybe", "usage: .headers on|off"),
        (".read", "usage: .read FILE"),
        (".tables a b", "usage: .tables"),
    ],
)
def test_wrong_commands(piped, line: str, message: str) -> None:
    assert piped(line + "\n") == (1, "", f"Error: {message}\n")


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
    assert (status, out) == (0, shell.GREETING + "\n\nseven\n-----\n    7\n\n")
    assert prompts == [shell.PROMPT, shell.CONTINUATION, shell.PROMPT, shell.PROMPT, shell.CONTINUATION, shell.PROMPT]


def test_line_editing_without_prompt_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "find_spec", lambda name: None)
    assert shell.line_reader() is input
