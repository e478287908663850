"""The types that tandemdb ships, beside those that typeshed has for sqlite3 (the copy that mypy brings along).

stubtest         typeshed's stub of sqlite3, held against tandemdb as it runs: names, kinds and defaults of parameters
typed_program    a program that uses all of sqlite3, checked by mypy --strict with either module
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("typed_program.py")
STUBTEST = """
import sys
from mypy import stubtest  # before sqlite3 is swapped: mypy keeps its cache in it
import tandemdb
tandemdb.install()
sys.argv = ["stubtest", "sqlite3", "--concise", "--ignore-missing-stub"]
sys.exit(stubtest.main())
"""
# What stubtest says of tandemdb, and why it stays so.
KNOWN = {
    "sqlite3.Connection is marked with @disjoint_base": "a matter of classes written in C",
    "sqlite3.Cursor is marked as @disjoint_base": "the same",
    "sqlite3.Row is marked with @disjoint_base": "the same",
    "sqlite3.Connection.enable_load_extension is not present": "extensions are C; so in a Python built without them",
    "sqlite3.Connection.load_extension is not present": "the same",
    "sqlite3.Connection.iterdump is inconsistent, stub does not have parameter": "3.13's filter is there on 3.11 too",
    "sqlite3.Cursor.__init__ is inconsistent, stub parameter": "a name that callers cannot use",
    "sqlite3.Cursor.__new__ is inconsistent": "takes what the __init__ of a subclass takes",
    "sqlite3.Cursor.fetchmany is inconsistent, runtime parameter": "its default is a 1 that can be told from 1",
    "tandemdb": "modules that sqlite3 does not have",
}


def test_stubs_of_sqlite3_describe_tandemdb() -> None:
    run = subprocess.run([sys.executable, "-c", STUBTEST], capture_output=True, text=True, cwd=ROOT)
    lines = run.stdout.splitlines()
    assert any(line.startswith("sqlite3.Connection") for line in lines), run.stdout + run.stderr
    assert [line for line in lines if not line.startswith(tuple(KNOWN))] == []


@pytest.mark.timeout(600)  # seconds; without a cache mypy reads all of tandemdb
def test_a_typed_program_is_right_with_either_module(tmp_path: Path) -> None:
    program = PROGRAM.read_text()
    swapped = program.replace("\nimport sqlite3\n", "\nimport tandemdb as sqlite3\n")
    assert swapped != program
    (tmp_path / "with_sqlite3.py").write_text(program)
    (tmp_path / "with_tandemdb.py").write_text(swapped)
    options = ["--config-file", str(ROOT / "pyproject.toml")]
    files = [str(tmp_path / name) for name in ("with_sqlite3.py", "with_tandemdb.py")]
    run = subprocess.run([sys.executable, "-m", "mypy", *options, *files], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.splitlines() == ["Success: no issues found in 2 source files"], run.stdout + run.stderr
