"""`tandemdb run`: what is printed where, errors with file and line, exit status, the mirror."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Command

TABLE = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);\nINSERT INTO t VALUES (1, 'one'), (2, NULL);\n"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path to write a script to; the working directory is its folder, so messages say `s.sql`."""
    monkeypatch.chdir(tmp_path)
    return Path("s.sql")


def test_prints_each_result_as_a_table(command: Command, script: Path) -> None:
    script.write_text(TABLE + "SELECT a, b AS \"long name\" FROM t ORDER BY a;\nSELECT 'x' AS c, 1.5 AS d;")
    status, out, err = command("run", script)
    assert (status, err) == (0, "")
    assert out == "a | long name\n--+----------\n1 | one\n2 | NULL\nc |   d\n--+----\nx | 1.5\n"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", "a,b\r\n1,one\r\n2,\r\n"),
        ("json", '[\n{"a": 1, "b": "one"},\n{"a": 2, "b": null}\n]\n'),
        ("line", "a = 1\nb = one\n\na = 2\nb = NULL\n"),
    ],
)
def test_other_formats(command: Command, script: Path, form: str, expected: str) -> None:
    script.write_text(TABLE + "SELECT * FROM t ORDER BY a;")
    assert command("run", script, "--format", form) == (0, expected, "")


def test_an_error_names_file_line_and_statement_and_stops(command: Command, script: Path) -> None:
    comments = "\n-- a comment\n/* and\nanother */ "
    script.write_text(TABLE + comments + "INSERT INTO t\nVALUES (1, 'again');\nSELECT 'never';\n")
    status, out, err = command("run", script)
    assert (status, out) == (1, "")
    assert err.splitlines()[0] == "s.sql:6: UNIQUE constraint failed: t.a"
    assert err.splitlines()[-2:] == ["    INSERT INTO t", "    VALUES (1, 'again');"]


def test_a_syntax_error_is_marked_in_its_line(tandem_command: Command, script: Path) -> None:
    script.write_text("-- a comment\n\nSELECT a,\n\tb\nFRO t\nWHERE b;\n")
    status, out, err = tandem_command("run", script)
    assert (status, out) == (1, "")
    assert err == 's.sql:5:5: near "t": syntax error\n    FRO t\n        ^\n'


def test_no_bail_goes_on_and_fails_at_the_end(command: Command, script: Path) -> None:
    script.write_text("SELEC 1;\nSELECT 7 AS seven;\nSELECT nowhere;")
    status, out, err = command("run", "--no-bail", script)
    assert (status, out) == (1, "seven\n-----\n    7\n")
    places = [line.replace("s.sql:1:1:", "s.sql:1:") for line in err.splitlines() if line.startswith("s.sql")]
    assert places == [  # only tandemdb tells the column
        's.sql:1: near "SELEC": syntax error',
        "s.sql:3: no such column: nowhere",
    ]


def test_bail_stops_before_the_next_script(command: Command, script: Path) -> None:
    script.write_text("SELECT nowhere;")
    Path("next.sql").write_text("SELECT 1;")
    assert command("run", script, "next.sql").out == ""
    assert command("run", "--no-bail", script, "next.sql").out != ""


def test_scripts_share_one_database(command: Command, script: Path) -> None:
    script.write_text(TABLE)
    Path("next.sql").write_text("SELECT count(*) AS n FROM t")
    assert command("run", script, "next.sql") == (0, "n\n-\n2\n", "")


def test_a_trigger_is_one_statement(command: Command, script: Path) -> None:
    script.write_text(
        TABLE + "CREATE TRIGGER more AFTER INSERT ON t WHEN new.a < 9 BEGIN\n"
        "  INSERT INTO t VALUES (new.a + 10, 'x;y');\n  SELECT 1;\nEND;\n"
        "INSERT INTO t VALUES (3, 'c');\nSELECT a FROM t;"
    )
    assert command("run", script) == (0, " a\n--\n 1\n 2\n 3\n13\n", "")


def test_reads_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS one;\nSELECT nowhere"))
    status, out, err = command("run", "-")
    assert (status, out) == (1, "one\n---\n  1\n")
    assert err.startswith("<stdin>:2: no such column: nowhere\n")


def test_a_missing_file_and_one_that_is_not_text(command: Command, script: Path) -> None:
    script.write_bytes(b"SELECT '\xff';")
    assert command("run", "absent.sql") == (1, "", "absent.sql: No such file or directory\n")
    assert command("run", script).err == "s.sql: not UTF-8 text: byte 0xff in line 1\n"


def test_a_syntax_error_tells_the_column_in_the_file(tandem_command: Command, script: Path) -> None:
    script.write_text("SELECT 1; -- one\n  SELECT 2; SELEC\n 3; SELECT\n  4 x y;")
    err = tandem_command("run", "--no-bail", "--format", "csv", script).err
    assert [line for line in err.splitlines() if line.startswith("s.sql")] == [
        's.sql:2:13: near "SELEC": syntax error',
        's.sql:4:7: near "y": syntax error',
    ]


def test_a_dot_command_in_a_script_is_explained(command: Command, script: Path) -> None:
    script.write_text(".mode csv\nSELECT 1;")
    err = command("run", script).err
    assert err.endswith("  Hint: Commands that begin with a dot are the shell's: tandemdb shell < SCRIPT\n")


def test_a_byte_order_mark_and_windows_line_ends(command: Command, script: Path) -> None:
    script.write_bytes(b"\xef\xbb\xbfSELECT 1 AS one;\r\nSELECT nowhere;\r\n")
    status, out, err = command("run", script)
    assert (status, out) == (1, "one\n---\n  1\n")
    assert err.startswith("s.sql:2: no such column")


def test_timing_goes_to_standard_error(command: Command, script: Path) -> None:
    script.write_text(TABLE + "SELECT 1 AS one;")
    status, out, err = command("run", "--timing", script)
    assert (status, out) == (0, "one\n---\n  1\n")
    timed, total = err.splitlines()
    assert timed.startswith("s.sql:3: ") and timed.endswith(" ms")
    assert total.startswith("3 statements, 2 rows changed, ")


def test_a_transaction_left_open_is_rolled_back_and_reported(command: Command, script: Path) -> None:
    script.write_text(TABLE + "BEGIN; DELETE FROM t;")
    assert command("run", script).err == "s.sql: the script ended inside a transaction, which was rolled back\n"


def test_a_transaction_left_open_does_not_lock_a_named_database(tandem_command: Command, script: Path) -> None:
    import tandemdb

    with contextlib.closing(tandemdb.connect(":memory:cli_left_open", timeout=0)) as other:
        script.write_text(TABLE + "BEGIN; DELETE FROM t;")
        assert tandem_command("run", "--database", "cli_left_open", script).status == 0
        other.execute("DELETE FROM t WHERE a = 1")
        assert other.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_long_statement_is_shortened(command: Command, script: Path) -> None:
    rows = ",\n".join(f"({n}, '{'x' * 300}')" for n in range(50))
    script.write_text(f"INSERT INTO absent VALUES\n{rows};")
    err = command("run", script).err.splitlines()
    assert err[0] == "s.sql:1: no such table: absent"
    assert err[-1] == "    ... (46 more lines)"
    assert max(map(len, err)) < 200


def test_long_inserts_keep_to_the_scripts_transaction(tandem_command: Command, script: Path) -> None:
    """They take the driver's road for scripts, which must not commit, and must not drop what RETURNING returns."""
    rows = ", ".join(f"({n}, '{n:08}')" for n in range(10, 200))
    script.write_text(f"{TABLE}BEGIN;\nINSERT INTO t VALUES {rows};\nROLLBACK;\nSELECT count(*) AS n FROM t;\n")
    assert tandem_command("run", script) == (0, "n\n-\n2\n", "")
    script.write_text(f"{TABLE}INSERT INTO t VALUES {rows} RETURNING a AS returned;\nSELECT count(*) AS n FROM t;\n")
    status, out, _ = tandem_command("run", "--format", "csv", script)
    assert (status, out.splitlines()[:3], out.splitlines()[-1]) == (0, ["returned", "10", "11"], "192")


def test_a_long_insert_that_fails_leaves_nothing(tandem_command: Command, script: Path) -> None:
    rows = ", ".join(f"({n}, '{n:08}')" for n in [*range(10, 200), 10])
    script.write_text(f"{TABLE}INSERT INTO t VALUES {rows};\nSELECT count(*) AS n FROM t;\n")
    status, out, err = tandem_command("run", "--no-bail", script)
    assert (status, out, err.splitlines()[0]) == (1, "n\n-\n2\n", "s.sql:3: UNIQUE constraint failed: t.a")


def test_mirror_prints_equal_digests(tandem_command: Command, script: Path) -> None:
    script.write_text(TABLE + "CREATE INDEX i ON t(b); UPDATE t SET b = 'two' WHERE a = 2; SELECT b FROM t;")
    status, out, err = tandem_command("run", "--mirror", script)
    assert (status, err) == (0, "")
    *_, primary, standby, verdict = out.splitlines()
    assert primary.startswith("primary digest ") and verdict == "equal"
    assert primary.split()[-1] == standby.split()[-1]
    assert len(primary.split()[-1]) == 16


def test_mirror_compares_after_an_error_too(tandem_command: Command, script: Path) -> None:
    script.write_text(TABLE + "BEGIN; DELETE FROM t; SELECT nowhere;")
    status, out, err = tandem_command("run", "--mirror", script)
    assert status == 1
    assert out.splitlines()[-1] == "equal"


def test_a_difference_is_reported(
    tandem_command: Command, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tandemdb

    monkeypatch.setattr("tandemdb.cli.run.mirror", lambda connection: tandemdb.connect(":memory:"))
    script.write_text(TABLE)
    status, out, _ = tandem_command("run", "--mirror", script)
    assert (status, out.splitlines()[-1]) == (1, "DIFFERENT: the standby does not hold what the primary holds")


def test_named_databases(tandem_command: Command, script: Path) -> None:
    import tandemdb

    with tandemdb.connect(":memory:cli_named") as connection:
        connection.execute("CREATE TABLE here(a)")
        script.write_text("SELECT count(*) AS n FROM here;")
        assert tandem_command("run", "--database", "cli_named", script).status == 0
        assert tandem_command("run", "--database", "file:cli_named?mode=memory&cache=shared", script).status == 0
        assert tandem_command("run", script).status == 1
    connection.close()
