"""The engine under test: tandemdb, or what TANDEMDB_DIFFERENTIAL_ENGINE names (sqlite3 tests the tests)."""

import os

import pytest


@pytest.fixture
def engine_name() -> str:
    return os.environ.get("TANDEMDB_DIFFERENTIAL_ENGINE", "tandemdb")
