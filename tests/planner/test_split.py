"""Scripts are cut into statements where sqlite3_complete and sqlite3's own parser cut them."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemdb.planner.parser import parse
from tandemdb.planner.syntax.lexer import split_script
from tests.planner.statements import ACCEPTED

TRIGGER = "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT ';' ; SELECT CASE 1 WHEN 1 THEN 2 END; END;"


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        ("  ;; -- x\n /* ; */ ;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1;", " SELECT 2;"]),
        ("SELECT ';', \";\", [;], `;` /* ; */ -- ;\n;2", ["SELECT ';', \";\", [;], `;` /* ; */ -- ;\n;", "2"]),
        (TRIGGER + "SELECT 1;", [TRIGGER, "SELECT 1;"]),
        ("explain query plan " + TRIGGER + "SELECT 1;", ["explain query plan " + TRIGGER, "SELECT 1;"]),
        ("/* x */ " + TRIGGER.lower() + "\n", ["/* x */ " + TRIGGER.lower()]),
        ("CREATE TABLE trigger_ (a); SELECT 1", ["CREATE TABLE trigger_ (a);", " SELECT 1"]),
        ("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2", None),
        ("SELECT 'abc; SELECT 2", None),
    ],
)
def test_split(script: str, statements: list[str] | None) -> None:
    pieces = list(split_script(script))
    assert [script[offset : offset + len(text)] for text, offset in pieces] == [text for text, _ in pieces]
    assert [text for text, _ in pieces] == ([script] if statements is None else statements)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*ACCEPTED, TRIGGER, "SELECT ';'", "-- ;"])))
def test_parse_and_split_agree_on_ends(statements: list[str]) -> None:
    script = "".join(statement.rstrip(";") + "\n;\n" for statement in statements)
    ends = []
    position = 0
    while (parsed := parse(script, position)).node is not None:
        position = parsed.end
        ends.append(position)
    assert ends == [offset + len(text) for text, offset in split_script(script)]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "; ' \" [ ] ` -- /* */ \n a CREATE TEMP TEMPORARY TRIGGER EXPLAIN BEGIN END SELECT 1 ';' end".split(" ")
        )
    )
)
def test_a_last_statement_is_complete_where_sqlite_says_so(words: list[str]) -> None:
    """Text that sqlite3_complete accepts has no open quote, comment or trigger at its end."""
    script = " ".join(words)
    if sqlite3.complete_statement(script):
        pieces = list(split_script(script))
        assert not pieces or list(split_script(script + "\nSELECT 1"))[:-1] == pieces
