"""Tokens and literals: their values are sqlite3's, and lifting finds the same ones as the parser."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemdb.errors import OperationalError, ProgrammingError
from tandemdb.planner.parser import parse
from tandemdb.planner.syntax.ast import Value
from tandemdb.planner.syntax.lexer import lift_literals, scan
from tests.planner.statements import ACCEPTED

LITERALS = [
    *"0 1 007 12345678901234567 9223372036854775807 9223372036854775809 18446744073709551616".split(),
    *"00009223372036854775807 00009223372036854775809".split(),
    *"0.5 .5 5. 1e5 1E+5 1e-5 1.e5 .5e2 1e400 123456789012345678901234567890 0.1 1e-400 1.7976931348623157e308".split(),
    *"0x0 0X1f 0xffffffffffffffff 0x7fffffffffffffff 0x8000000000000000 0x00000000000000000001".split(),
    *["''", "'a'", "'it''s'", "''''", "'é\n☃'", "'--'", "'/*'", "'\"'", "x''", "X'00ff'", "x'ABcd'"],
]


@pytest.mark.parametrize("text", LITERALS)
def test_values_of_literals_are_those_of_sqlite(text: str) -> None:
    expected = sqlite3.connect(":memory:").execute(f"SELECT {text}").fetchone()[0]
    template, literals = lift_literals(f"SELECT {text}")
    assert literals == [expected] and type(literals[0]) is type(expected)
    assert list(parse(f"SELECT {text}").literals) == literals
    assert template[:-1] == "SELECT \0"


def test_template() -> None:
    sql = "SELECT a1, 'it''s', 2, 1.5, x'01', \"x 1\", [y 2], `z'3` /* 4 */ FROM t5 WHERE a=?6 AND b=:c7 -- '8'"
    assert lift_literals(sql) == (
        "SELECT a1, \0t, \0i, \0r, \0b, \"x 1\", [y 2], `z'3` /* 4 */ FROM t5 WHERE a=?6 AND b=:c7 -- '8'",
        ["it's", 2, 1.5, b"\x01"],
    )


def test_what_is_no_literal_stays_in_the_template() -> None:
    for sql in ("SELECT 12a", "SELECT 1__0", "SELECT 'a", "SELECT 9223372036854775808", "SELECT 0x11112222333344445"):
        assert lift_literals(sql) == (sql, [])


def test_a_null_character_is_refused() -> None:
    with pytest.raises(ProgrammingError, match="the query contains a null character"):
        lift_literals("SELECT '\0'")


FRAGMENTS = st.sampled_from(
    [*"SELECT a , 1 1.5 .5 5. 'x' 'it''s' x'ab' \"q1\" [r 2] `s3` ?4 :v5 @w6 $y7(8) a9 x10 0x1F 0x2g FROM t".split(" ")]
    + ["/* 1 */", "-- 2\n", "9223372036854775808", "-", "+", "(", ")", "é1", "_1", "a$1", " ", "\n", "ax'1'", "."]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(FRAGMENTS, st.sampled_from(["", " "]))), st.sampled_from(["", ";", " ; "]))
def test_lifting_and_scanning_find_the_same_literals(pieces: list[tuple[str, str]], tail: str) -> None:
    sql = "SELECT " + "".join(fragment + space for fragment, space in pieces) + tail
    tokens = scan(sql)
    if "illegal" in tokens.kinds or re.search(r"(\?|0x)[0-9A-Fa-f_]+[x$]", sql):
        return  # Neither x'..' nor $y right behind ?4 or 0x1F is in any valid statement; lifting reads on.
    scanned = [
        text
        for kind, text in zip(tokens.kinds, tokens.texts, strict=True)
        if kind in ("number", "string", "blob") and text != "9223372036854775808"
    ]
    values: list[Value] = [value for text in scanned for value in lift_literals(text)[1]]
    assert lift_literals(sql)[1] == values


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=list("ab1x '\"[]`()-/*:?$@e.\n,=é0_"), max_size=30), st.text(max_size=3))
def test_one_template_means_one_statement(text: str, filling: str) -> None:
    """Filling a template with other literals of the same classes gives the same statement but for their values."""
    sql = "SELECT " + text.replace("\0", "")
    template, literals = lift_literals(sql)
    other = template
    for marker, literal in (("\0i", "7"), ("\0r", "7.5"), ("\0t", "'q'"), ("\0b", "x'77'")):
        other = other.replace(marker, literal)
    if lift_literals(other)[0] != template:
        return  # "1" put where "0x1" stood, before a letter.
    assert scan(other).kinds == scan(sql).kinds or "illegal" in scan(sql).kinds
    assert len(lift_literals(other)[1]) == len(literals)


@pytest.mark.parametrize("sql", ACCEPTED)
def test_tokens_cover_the_text(sql: str) -> None:
    tokens = scan(sql)
    for offset, text in zip(tokens.offsets(0), tokens.texts, strict=True):
        assert sql[offset : offset + len(text)] == text


def test_window_words_are_keywords_by_their_neighbours() -> None:
    assert scan("f() OVER (").kinds == ["id", "(", ")", "OVER", "(", "end"]
    assert scan("f() OVER x").kinds == ["id", "(", ")", "OVER", "id", "end"]
    assert scan("f() OVER, filter").kinds == ["id", "(", ")", "id", ",", "id", "end"]
    assert scan("f() FILTER (").kinds == ["id", "(", ")", "FILTER", "(", "end"]
    assert scan("t WINDOW w AS").kinds == ["id", "WINDOW", "id", "AS", "end"]
    assert scan("t WINDOW w").kinds == ["id", "id", "id", "end"]


def test_a_hexadecimal_literal_of_more_than_64_bits() -> None:
    with pytest.raises(OperationalError, match="hex literal too big: 0x10000000000000000"):
        parse("SELECT 0x10000000000000000")
