"""The standard library's own tests of sqlite3, run on tandemdb; what fails is listed here with its reason."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("run_stdlib_tests.py")
ROOT = RUNNER.parents[2]
MODULES = ("backup", "dbapi", "dump", "factory", "hooks", "regression", "transactions", "types", "userfunctions")

KNOWN = {
    "DumpTests.test_dump_virtual_tables": "full-text search is not supported",
    "ConnectionTests.test_connection_signature": "the signature shows annotations",
}


@pytest.mark.parametrize("name", MODULES)
def test_as_the_standard_library_tests_it(name: str) -> None:
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_sqlite3") is None:
        pytest.skip("this Python comes without its own tests (the package test.test_sqlite3)")
    run = subprocess.run(
        [sys.executable, str(RUNNER), name], capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["run"] > 0
    unexpected = {
        case: traceback.strip().splitlines()[-1]
        for case, traceback in report["failed"].items()
        if case not in KNOWN
    }
    assert unexpected == {}
