"""Every oracle test runs twice: with tandemdb's own session below the driver, and with SQLite's engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dbapi.sqlite_session import SqliteSession


@pytest.fixture(params=["tandemdb", "sqlite"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Choose what is below the driver."""
    if request.param == "sqlite":
        monkeypatch.setattr(
            "tandemdb.dbapi.connection.open_session",
            lambda store, timeout: SqliteSession(store, timeout=timeout),
        )
    yield request.param
