"""Runs one module of the standard library's own sqlite3 tests with tandemdb installed as sqlite3; prints a JSON report.

    python run_stdlib_tests.py transactions   -->   {"run": 30, "failed": {"TransactionTests.test_locking": "..."}}
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import unittest

import tandemdb


def main(name: str) -> None:
    """Run the module and report."""
    # Imported while sqlite3 is still the original: its version decides which helpers exist.
    importlib.import_module("test.support")
    tandemdb.install()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        module = importlib.import_module(f"test.test_sqlite3.test_{name}")
        suite = unittest.defaultTestLoader.loadTestsFromModule(module)
        result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    failed = {}
    for case, traceback in result.failures + result.errors:
        failed[case.id().split(f"test_{name}.")[-1].split(" (")[0]] = traceback
    json.dump({"run": result.testsRun, "failed": failed}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
