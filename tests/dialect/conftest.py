"""Fixtures of the dialect's tests: a scenario runs on SQLAlchemy's `sqlite://` and on tandemdb, and must give the same.

TANDEMDB_TEST_DRIVER=sqlite3 puts the standard library's driver under our dialect: so one tells the dialect's faults
from the engine's.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")

from sqlalchemy import Engine, create_engine, event  # noqa: E402
from sqlalchemy.dialects import registry  # noqa: E402

from tandemdb.dialect import ThreadPool  # noqa: E402

collect_ignore = ["compliance"]  # SQLAlchemy's own suite is a process of its own: test_compliance starts it
registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")
registry.register("tandemdb", "tandemdb.dialect", "TandemDialect")

Scenario = Callable[[Engine], Any]
_store_numbers = itertools.count(1)


def tandem_engine(url: str = "sqlite+tandemdb://", **options: Any) -> Engine:
    """Make the engine under test, of a store of its own unless the URL names one."""
    if os.environ.get("TANDEMDB_TEST_DRIVER") != "sqlite3":
        return create_engine(url, **options)
    _, _, name = url.partition(":///")
    if not name:
        name = f"private{next(_store_numbers)}"
        options.setdefault("poolclass", ThreadPool)
    uri = f"file:{name.strip(':')}?mode=memory&cache=shared"
    anchor = sqlite3.connect(uri, uri=True, check_same_thread=False)
    arguments = options.pop("connect_args", {})
    engine = create_engine(
        url,
        module=sqlite3,
        creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False, **arguments),
        **options,
    )
    event.listen(engine, "engine_disposed", lambda _: anchor.close())
    return engine


def reference_engine() -> Engine:
    """Make SQLAlchemy's own engine on sqlite3, with the two listeners that its documentation gives for SAVEPOINT."""
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "connect")
    def leave_transactions_to_sqlalchemy(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Our dialect's engine on a store of its own."""
    engine = tandem_engine()
    yield engine
    engine.dispose()


@pytest.fixture
def same() -> Callable[[Scenario], Any]:
    """Run a scenario on both engines; what it returns (or raises) must be equal, and is returned."""

    def run(scenario: Scenario) -> Any:
        expected = observe(reference_engine(), scenario)
        found = observe(tandem_engine(), scenario)
        assert found == expected
        return found

    return run


def observe(engine: Engine, scenario: Scenario) -> Any:
    """Run a scenario and return its answer, or the class and text of the driver's error."""
    try:
        return scenario(engine)
    except sqlalchemy.exc.DBAPIError as error:
        return type(error).__name__, type(error.orig).__name__, str(error.orig)
    finally:
        engine.dispose()
