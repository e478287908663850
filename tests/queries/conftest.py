"""The Chinook database, once in sqlite3 and once in tandemdb (TANDEMDB_QUERIES_ENGINE=sqlite3 tests the tests)."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest


def chinook_script() -> str:
    """The script's text; tests are skipped where the shared data are absent."""
    shared = os.environ.get("TANDEMDB_SHARED") or Path(__file__).resolve().parents[3] / "shared"
    path = Path(shared) / "data" / "chinook.sql"
    if not path.exists():
        pytest.skip(f"no Chinook database at {path}: set TANDEMDB_SHARED to the folder that holds data/chinook.sql")
    return path.read_text(encoding="utf-8-sig")


@pytest.fixture(scope="session")
def reference() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.executescript(chinook_script())
    return connection


@pytest.fixture(scope="session")
def chinook() -> Any:
    """Chinook in the engine under test."""
    if os.environ.get("TANDEMDB_QUERIES_ENGINE") == "sqlite3":
        connection: Any = sqlite3.connect(":memory:")
    else:
        import tandemdb

        connection = tandemdb.connect(":memory:")
    connection.executescript(chinook_script())
    return connection
