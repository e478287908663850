"""What errors say beyond sqlite3's message, as notes: the place of a syntax error, names that may have been meant."""

from __future__ import annotations

import sqlite3

import pytest

import tandemdb


@pytest.fixture
def connection() -> tandemdb.Connection:
    connection = tandemdb.connect(":memory:")
    connection.executescript("""
        CREATE TABLE customer (id INTEGER PRIMARY KEY, "Full name" TEXT, city TEXT);
        CREATE VIEW customers_of_oslo AS SELECT * FROM customer WHERE city = 'Oslo';
    """)
    return connection


def notes_of(connection: tandemdb.Connection, sql: str) -> list[str]:
    """Return the notes of the error that the statement ends in; its message must be sqlite3's."""
    real = sqlite3.connect(":memory:")
    real.executescript("".join(connection.iterdump()))
    with pytest.raises(sqlite3.Error) as expected:
        real.execute(sql)
    with pytest.raises(tandemdb.OperationalError) as found:
        connection.execute(sql)
    assert str(found.value) == str(expected.value)
    return getattr(found.value, "__notes__", [])


@pytest.mark.parametrize(
    ("sql", "place", "offset"),
    [
        ("SELEC 1", "line 1, column 1", 0),
        ("SELECT id FRM customer", "line 1, column 15", 14),
        ("SELECT id\nFROM customer\n  WHERE ORDER BY id", "line 3, column 9", 32),
        ("-- of Åland\n/* a\nb */ SELECT 'ü', FROM customer", "line 3, column 18", 34),
        ("SELECT 1 = #", "line 1, column 12", 11),
        ("CREATE TRIGGER t AFTER INSERT ON customer BEGIN\n DELETE customer; END", "line 2, column 9", 56),
    ],
)
def test_a_syntax_error_tells_its_place(connection: tandemdb.Connection, sql: str, place: str, offset: int) -> None:
    assert notes_of(connection, sql) == [f"Detail: It is at {place}."]
    with pytest.raises(tandemdb.OperationalError) as caught:
        connection.execute(sql)
    assert caught.value.sql_offset == offset


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT citi FROM customer", "Did you mean city?"),
        ("SELECT c.fullname FROM customer c", "Did you mean Full name?"),
        ("SELECT 1 FROM customer c WHERE EXISTS (SELECT 1 FROM customer d WHERE c.cty = d.city)", "Did you mean city?"),
        ("SELECT xyz FROM customer", None),
        ("SELECT city FROM costumer", "Did you mean customer?"),
        ("SELECT city FROM customers_in_oslo", "Did you mean customers_of_oslo?"),
        ("DELETE FROM custmer", "Did you mean customer?"),
        ("SELECT 1 FROM nothing_like_it", None),
    ],
)
def test_an_unknown_name_offers_a_known_one(connection: tandemdb.Connection, sql: str, hint: str | None) -> None:
    assert notes_of(connection, sql) == ([] if hint is None else [f"Hint: {hint}"])


def test_an_empty_database_may_be_the_wrong_one() -> None:
    (note,) = notes_of(tandemdb.connect(":memory:"), "SELECT * FROM customer")
    assert "The database is empty." in note and ":memory:NAME" in note
