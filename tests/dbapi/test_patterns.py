"""What a pattern reads out of a text is what the lexer finds there."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tandemdb
from tandemdb.dbapi import patterns
from tandemdb.dbapi.patterns import note_pattern, read_by_pattern
from tandemdb.planner.syntax.lexer import lift_literals, literal_texts

START = "SELECT a, b FROM t "
FIXED = st.sampled_from(
    ["WHERE a = ", " AND b=", ", ", "(", ")", "-", "- -", "->", "*", "/", "/*", "*/", "--", "\n", "'", '"', "[", "]"]
    + ["x", "?", ":v", "$v(", "#", "1", ".", "e", "+", "_", "0x", " ", "é", "q ", " 1 ", " 'y' ", "a.", "::"]
)
LITERALS = st.sampled_from(
    ["0", "7", "007", "123456789012345678", "1234567890123456789", "9223372036854775808", "0x1F", "1_0"]
    + ["1.5", "2.", ".5", "1e5", "1.5e3", "''", "'x'", "'it''s'", "'a, 1'", "' AND b='", "'('", "x'01'"]
)


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.tuples(FIXED, LITERALS), min_size=1, max_size=4),
    st.lists(LITERALS, min_size=4, max_size=4),
    FIXED | st.just(""),
    st.sets(st.integers(0, 3)),
)
def test_a_pattern_reads_what_the_lexer_lifts(
    parts: list[tuple[str, str]], others: list[str], tail: str, slots: set[int]
) -> None:
    known = START + "".join(fixed + literal for fixed, literal in parts) + tail
    other = START + "".join(fixed + literal for (fixed, _), literal in zip(parts, others, strict=False)) + tail
    template, literals = lift_literals(known)
    patterns._patterns.clear()
    pinned = {slot: text for slot, text in enumerate(literal_texts(known)) if slot in slots}
    key = note_pattern(template, pinned)
    assert key == (template, *pinned.values())
    for text in (known, other):
        found = read_by_pattern(text) if text.isascii() else None
        if found is not None:
            lifted, values = lift_literals(text)
            read = [value for slot, value in enumerate(values) if slot not in pinned]
            assert lifted == template
            assert [literal_texts(text)[slot] for slot in pinned] == [*pinned.values()]
            assert found == (key, read)
            assert [*map(type, found[1])] == [*map(type, read)]


@pytest.mark.parametrize(
    ("known", "other", "values"),
    [
        ("SELECT a, b FROM t WHERE a = 1", "SELECT a, b FROM t WHERE a = 22", [22]),
        ("SELECT a, b FROM t WHERE (a=1.5)", "SELECT a, b FROM t WHERE (a=2.)", [2.0]),
        ("INSERT INTO t VALUES (1, 'x', 1.5)", "INSERT INTO t VALUES (20, 'y; --', 0.25)", [20, "y; --", 0.25]),
        ("UPDATE t SET a = 'x' WHERE b = 'y'", "UPDATE t SET a = '' WHERE b = ' WHERE b = '", ["", " WHERE b = "]),
    ],
)  # fmt: skip
def test_plain_literals_are_read(known: str, other: str, values: list[object]) -> None:
    patterns._patterns.clear()
    template, _ = lift_literals(known)
    note_pattern(template, {})
    assert read_by_pattern(other) == ((template,), values)


@pytest.mark.parametrize(
    "other",
    ["a = 'x'", "a = 1 ", "a = 1;", "a = 1234567890123456789", "a = 1.0", "a = ", "a = -1", "a = 1 OR 1", "b = 1", ""],
)
def test_another_template_is_not_read(other: str) -> None:
    patterns._patterns.clear()
    note_pattern(lift_literals("SELECT a, b FROM t WHERE a = 1")[0], {})
    assert read_by_pattern(f"SELECT a, b FROM t WHERE {other}") is None


def test_a_null_character_in_a_literal_is_refused() -> None:
    connection = tandemdb.connect(":memory:")
    connection.execute("CREATE TABLE t (a, b)")
    for value in "xyz":
        connection.execute(f"SELECT a, b FROM t WHERE a = '{value}'")
    with pytest.raises(tandemdb.ProgrammingError, match="the query contains a null character"):
        connection.execute("SELECT a, b FROM t WHERE a = '\0'")


def test_patterns_are_bounded() -> None:
    patterns._patterns.clear()
    for number in range(patterns.HEADS_MAX + 10):
        note_pattern(f"SELECT * FROM t{number} WHERE a = \0i", {})
    assert len(patterns._patterns) <= patterns.HEADS_MAX
    for number in range(100):
        note_pattern(f"SELECT a, b FROM t WHERE a{number} = \0i", {})
    assert {len(kept) for kept in patterns._patterns.values()} <= {1, patterns.PATTERNS_MAX}


def test_other_literals_give_the_rows_that_sqlite_gives() -> None:
    """Each kind of statement, first seen, then of its template, then of its template under a new plan."""
    ours, theirs = tandemdb.connect(":memory:"), sqlite3.connect(":memory:")
    for connection in (ours, theirs):
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")
    for step in range(30):
        for text in (
            f"INSERT INTO t VALUES ({1000 - step}, 'text {step % 3}', {step}.5)",
            f"INSERT INTO t (a, b) VALUES ({step}, {'NULL' if step == 20 else step})",
            f"UPDATE t SET a = 'new {step}', b = {step} WHERE id = {1000 - step + step % 2}",
            f"DELETE FROM t WHERE id = {1000 - step + 100 * (step % 5 > 0)}",
            f"SELECT id, a, b FROM t WHERE a = 'new {step - 1}' OR b > {step}.25 ORDER BY id LIMIT {step % 7}",
            f"SELECT id, b + {step} FROM t WHERE id > {step}",
            f"SELECT a, b + {step % 2}, b + 1 FROM t WHERE id > {step} ORDER BY {step % 3 + 1}, id LIMIT {step % 5}",
        ):
            mine, other = ours.execute(text), theirs.execute(text)
            assert mine.fetchall() == other.fetchall()
            assert mine.description == other.description
            assert (mine.rowcount, mine.lastrowid) == (other.rowcount, other.lastrowid)
    assert ours.execute("SELECT * FROM t").fetchall() == theirs.execute("SELECT * FROM t").fetchall()


TEXTS = [
    "INSERT INTO t VALUES ({n}, {n}5, 'x {n}')",
    "UPDATE t SET b = {n}7, c = 'y' WHERE a = {n}",
    "DELETE FROM t WHERE a = {n} AND c <> 'z'",
    "SELECT b, c FROM t WHERE a = {n}",
    "SELECT a + {n}, c FROM t WHERE b > 20 ORDER BY 1 LIMIT 3",
    "SELECT a, 'n' || c AS d FROM t WHERE a BETWEEN {n} AND 90 ORDER BY a DESC, 2 LIMIT {n}",
]


@pytest.mark.parametrize("form", TEXTS)
def test_texts_that_another_database_has_run_go_the_short_way(form: str) -> None:
    """As in a test suite, whose every test runs the same statements on a database of its own."""
    for repetition in range(3):
        oracle, connection = sqlite3.connect(":memory:"), tandemdb.connect(":memory:")
        for engine in (oracle, connection):
            engine.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c TEXT)")
            engine.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, n * 2, f"x{n}") for n in range(100, 140)])
            engine.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, n, f"x{n}") for n in range(10, 20)])
        for n in [*range(20, 30), *range(20, 30), 30, 31]:
            text = form.format(n=n)
            answers = []
            for engine in (oracle, connection):
                if form.startswith("INSERT"):
                    engine.execute("DELETE FROM t WHERE a = ?", (n,))
                cursor = engine.execute(text)
                answers.append((cursor.fetchall(), cursor.rowcount, cursor.lastrowid, cursor.description))
            assert answers[0] == answers[1], (repetition, text)
        rows = "SELECT * FROM t ORDER BY a"
        assert connection.execute(rows).fetchall() == oracle.execute(rows).fetchall()


def test_a_known_text_is_run_by_its_template_first_and_then_by_itself() -> None:
    known = "SELECT b FROM short WHERE a = 5"
    for repetition in range(2):
        connection = tandemdb.connect(":memory:")
        connection.execute("CREATE TABLE short (a INTEGER PRIMARY KEY, b TEXT)")
        connection.execute("INSERT INTO short VALUES (5, 'five')")
        assert connection.execute("SELECT b FROM short WHERE a = 4").fetchall() == []
        ready = connection._session.ready
        [template] = [key for key in ready if isinstance(key, tuple) and "SELECT" in key[0]]
        assert connection.execute(known).fetchall() == [("five",)]
        assert known not in ready and template in ready, repetition
        assert connection.execute(known).fetchall() == [("five",)]
        assert known in ready
        assert connection.execute(known).fetchall() == [("five",)]
