"""Tests of a program that knows only sqlite3, run on tandemdb.

    pytest examples/swap_in_tests.py

`Ledger` stands for the program under test: it is handed a connection, or opens one by itself with `import sqlite3`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb


class Ledger:
    """Accounts and transfers; written for sqlite3, without a word of tandemdb."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def create(self) -> None:
        self.connection.executescript(
            "CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));"
            "INSERT INTO account VALUES ('ann', 100), ('bob', 20);"
        )

    def transfer(self, source: str, target: str, amount: int) -> bool:
        try:
            with self.connection:
                change = "UPDATE account SET balance = balance + ? WHERE name = ?"
                self.connection.execute(change, (amount, target))
                self.connection.execute(change, (-amount, source))
        except sqlite3.IntegrityError:
            return False
        return True

    def balances(self) -> dict[str, int]:
        return dict(self.connection.execute("SELECT name, balance FROM account"))


def open_ledger() -> Ledger:
    """The program's own way to its database: it imports sqlite3 when it is called."""
    import sqlite3

    ledger = Ledger(sqlite3.connect(":memory:"))
    ledger.create()
    return ledger


@pytest.fixture(scope="module")
def template() -> Iterator[Any]:
    """Set up once: here a table, in a real suite all migrations and seed data."""
    with contextlib.closing(tandemdb.connect(":memory:", check_same_thread=False)) as connection:
        Ledger(connection).create()
        yield connection


@pytest.fixture
def ledger(template: Any) -> Iterator[Ledger]:
    """A database for each test, at a cost that doesn't depend on its size."""
    with contextlib.closing(template.fork()) as connection:
        yield Ledger(connection)


def test_a_transfer_is_committed(ledger: Ledger) -> None:
    assert ledger.transfer("ann", "bob", 30)
    assert ledger.balances() == {"ann": 70, "bob": 50}


def test_a_transfer_that_fails_leaves_nothing(ledger: Ledger) -> None:
    assert not ledger.transfer("bob", "ann", 30)
    assert ledger.balances() == {"ann": 100, "bob": 20}


def test_each_test_has_its_own_database(ledger: Ledger, template: Any) -> None:
    ledger.connection.execute("DELETE FROM account")
    ledger.connection.commit()
    assert ledger.balances() == {}
    assert Ledger(template).balances() == {"ann": 100, "bob": 20}


def test_threads_may_share_a_named_database() -> None:
    name = ":memory:swap_in_tests"
    with contextlib.closing(tandemdb.connect(name)) as connection:
        Ledger(connection).create()

        def pay() -> None:
            with contextlib.closing(tandemdb.connect(name)) as mine:
                for _ in range(10):
                    assert Ledger(mine).transfer("ann", "bob", 1)

        threads = [threading.Thread(target=pay) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Ledger(connection).balances() == {"ann": 60, "bob": 60}


def test_a_program_that_imports_sqlite3_itself() -> None:
    with tandemdb.install():
        ledger = open_ledger()
    assert isinstance(ledger.connection, tandemdb.Connection)
    assert ledger.transfer("ann", "bob", 30)


if __name__ == "__main__":
    # Of no configuration: this repository's asks for plug-ins that need not be installed.
    raise SystemExit(pytest.main(["-q", "-c", os.devnull, "--rootdir", os.path.dirname(__file__), __file__]))
