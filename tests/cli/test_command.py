"""The command as a whole: once as a program of its own, and what the demonstration shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tandemdb.cli import main
from tests.cli.conftest import Command

ROOT = Path(__file__).resolve().parents[2]


def test_as_a_program(tmp_path: Path) -> None:
    script = "CREATE TABLE t(a);\nINSERT INTO t VALUES (1);\nSELECT a FROM t;\nSELECT nowhere;\n"
    (tmp_path / "s.sql").write_text(script)
    result = subprocess.run(
        [sys.executable, "-m", "tandemdb.cli", "run", "s.sql", "--mirror", "--format", "csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == "s.sql:4: no such column: nowhere\n    SELECT nowhere;\n"
    assert result.stdout.splitlines()[:2] == ["a", "1"]
    assert result.stdout.splitlines()[-1] == "equal"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert re.fullmatch(r"tandemdb \S.* \(SQLite 3\.\d+\.\d+, Python 3\.\d+\.\d+\)\n", capsys.readouterr().out)


def test_no_arguments_get_help(tandem_command: Command) -> None:
    status, out, err = tandem_command()
    assert (status, out) == (2, "")
    assert err.startswith("usage: tandemdb") and "run SQL scripts" in err


@pytest.mark.parametrize("arguments", [["fly"], ["run"], ["run", "s.sql", "--format", "pie"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tandemdb")


def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    script.write_text(f"{numbers} SELECT i FROM n;\n")
    program = f'"{sys.executable}" -m tandemdb.cli run "{script}" --format csv | head -n 2'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(program, shell=True, env=environment, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("i\n1\n", "")


def test_so_it_does_in_the_midst_of_a_dot_command(tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    script.write_text("CREATE TABLE t(a);\n" + "INSERT INTO t VALUES ('much too long for a pipe to hold');\n" * 5000)
    program = f'echo .dump | "{sys.executable}" -m tandemdb.cli shell "{script}" | head -n 1'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(program, shell=True, env=environment, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("BEGIN TRANSACTION;\n", "")


@pytest.mark.parametrize("variable", ["", "ascii"])
def test_results_are_utf8_where_the_platform_has_another_encoding(variable: str) -> None:
    """As on Windows; PYTHONIOENCODING is an order, though."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    environment.pop("PYTHONIOENCODING", None)
    if variable:
        environment["PYTHONIOENCODING"] = variable
    result = subprocess.run(
        [sys.executable, "-m", "tandemdb.cli", "shell"],
        env=environment,
        input=".headers off\nSELECT 'Malmö 東京';\n".encode(),
        capture_output=True,
    )
    shown = b"Malm\\xf6 \\u6771\\u4eac\n" if variable else "Malmö 東京\n".encode()
    assert (result.returncode, result.stdout, result.stderr) == (0, shown, b"")


def test_the_demonstration_loses_nothing(tandem_command: Command) -> None:
    try:
        from sqlalchemy.dialects import registry
    except ImportError:
        expected = "SQLAlchemy is not installed"
    else:
        registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")
        expected = "Jupiter   16 moons: Adrastea, Amalthea, Ananke, Callisto, Carme, ..."
    status, out, err = tandem_command("demo")
    assert (status, err) == (0, "")
    assert "world.sql: " in out and "6,920 rows in 12 tables" in out
    assert expected in out
    assert "LOST" not in out
    assert out.endswith("\nNothing was lost.\n")
    digests = re.findall(r"digest ([0-9a-f]{16}), the primary's last was ([0-9a-f]{16})", out)
    assert len(digests) == 1 and digests[0][0] == digests[0][1]


def test_the_demonstration_notices_a_loss(tandem_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A standby that was never attached has nothing, and the demonstration must say so."""
    import tandemdb

    empty = "CREATE TABLE heartbeat (number INTEGER PRIMARY KEY, square INTEGER)"
    monkeypatch.setattr(tandemdb.Connection, "replicate_to", lambda *_, **__: None)
    monkeypatch.setattr(tandemdb.Connection, "promote", lambda self: self.execute(empty))
    status, out, _ = tandem_command("demo")
    assert status == 1
    assert out.endswith("SOMETHING WAS LOST.\n")
