"""What an import loads, counted in modules: seconds differ between machines, names do not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("sqlalchemy", "rich", "prompt_toolkit", "msgspec", "sqlglot", "tandemdb.planner", "asyncio", "ssl", "socket")


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has after running some code, beyond those it starts with."""
    report = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    program = f"import sys; before = set(sys.modules)\n{code}\n{report}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def heavy(modules: set[str]) -> list[str]:
    return sorted(module for module in modules if module.startswith(HEAVY))


def test_import_tandemdb_is_light() -> None:
    modules = loaded_by("import tandemdb")
    assert heavy(modules) == []
    assert len([module for module in modules if module.startswith("tandemdb")]) < 40


def test_the_command_line_is_light_until_a_command_is_called() -> None:
    assert heavy(loaded_by("import tandemdb.cli")) == []


def test_storage_knows_neither_sql_nor_sockets() -> None:
    modules = loaded_by("import tandemdb.storage")
    assert heavy(modules) == []
    assert not [module for module in modules if module.startswith(("tandemdb.dbapi.session", "tandemdb.replication"))]


def test_running_a_statement_loads_no_extra() -> None:
    modules = loaded_by("import tandemdb; tandemdb.connect(':memory:').execute('SELECT 1').fetchall()")
    assert [module for module in heavy(modules) if not module.startswith("tandemdb.planner")] == []


@pytest.mark.parametrize("module", ["tandemdb.replication", "tandemdb.dialect", "tandemdb.cli.run"])
def test_every_door_opens(module: str) -> None:
    if module == "tandemdb.dialect":
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    assert module in loaded_by(f"import {module}")
