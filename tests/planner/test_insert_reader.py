"""Reading INSERT statements in bulk gives what sqlite3 stores, or leaves the statement to the parser."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tandemdb
from tandemdb.planner.insert_reader import read_insert_values
from tandemdb.planner.syntax.lexer import split_script
from tests.shared_data import MISSING, shared_files


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("INSERT INTO t VALUES (1)", [(1,)]),
        ("insert or ignore into main.t (a, [b c]) values\n(1, 'x') , ( -2 ,\t'it''s');", [(1, "x"), (-2, "it's")]),
        ('REPLACE INTO "t" VALUES (NULL, Null, 1.5, -.5, +3)', [(None, None, 1.5, -0.5, 3)]),
        ("INSERT INTO t VALUES (x'0aFF', '')", [(b"\x0a\xff", "")]),
        ("INSERT INTO t VALUES (1), ('a'), (2.5), (NULL), (x'')", [(1,), ("a",), (2.5,), (None,), (b"",)]),
        ("INSERT INTO t VALUES (9223372036854775807), (9223372036854775808)", [(2**63 - 1,), (2.0**63,)]),
        ("INSERT INTO t VALUES (-9223372036854775808), (-9223372036854775809)", [(-(2**63),), (-(2.0**63),)]),
        ("INSERT INTO t VALUES (0x10, -0x10, 1e3, 5., 1_000)", [(16, -16, 1000.0, 5.0, 1000)]),
        ("INSERT INTO t VALUES ('a), (b'), (';'), ('--')", [("a), (b",), (";",), ("--",)]),
    ],
)
def test_reads(sql: str, rows: list[tuple[object, ...]]) -> None:
    values = read_insert_values(sql)
    assert values is not None
    assert values.rows == rows
    assert [list(map(type, row)) for row in values.rows] == [list(map(type, row)) for row in rows]
    assert values.end == len(sql)
    assert values.prefix.upper().endswith("VALUES")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t AS x VALUES (1)",
        "INSERT INTO t VALUES (a)",
        "INSERT INTO t VALUES (?)",
        "INSERT INTO t VALUES (1 + 1)",
        "INSERT INTO t VALUES (1+1)",
        "INSERT INTO t VALUES (1-1)",
        "INSERT INTO t VALUES (--1\n1)",
        "INSERT INTO t VALUES (f(1))",
        "INSERT INTO t VALUES (inf), (nan)",
        "INSERT INTO t VALUES (1), (inf)",
        "INSERT INTO t VALUES (1__0)",
        "INSERT INTO t VALUES (12a)",
        "INSERT INTO t VALUES (0x)",
        "INSERT INTO t VALUES (x'1')",
        "INSERT INTO t VALUES (-'a')",
        "INSERT INTO t VALUES (-NULL)",
        'INSERT INTO t VALUES ("a")',
        "INSERT INTO t VALUES (1), (1, 2)",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (1) RETURNING a",
        "INSERT INTO t VALUES (1) UNION SELECT 2",
        "INSERT INTO t VALUES (1),",
        "INSERT INTO t VALUES ()",
        "INSERT INTO t VALUES ('a",
        "INSERT INTO t VALUES (/* x */ 1)",
        "WITH a AS (SELECT 1) INSERT INTO t VALUES (1)",
    ],
)
def test_leaves_to_the_parser(sql: str) -> None:
    assert read_insert_values(sql) is None


def test_reads_from_an_offset_to_the_semicolon() -> None:
    sql = "SELECT 1; INSERT INTO t VALUES (1, 2); SELECT 2"
    values = read_insert_values(sql, 9)
    assert values is not None
    assert (values.prefix, values.rows, sql[values.end :]) == (" INSERT INTO t VALUES", [(1, 2)], " SELECT 2")


texts = st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.binary(max_size=5),
)


def written(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return "NULL" if value is None else repr(value)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[values] * width), min_size=1, max_size=6)))
def test_round_trip(rows: list[tuple[object, ...]]) -> None:
    sql = "INSERT INTO t VALUES " + ", ".join(f"({', '.join(map(written, row))})" for row in rows)
    read = read_insert_values(sql)
    assert read is not None
    assert repr(read.rows) == repr(rows)


def test_a_dump_is_read_as_sqlite_loads_it() -> None:
    paths = shared_files("data/chinook.sql")
    if not paths:
        pytest.skip(f"chinook.sql {MISSING}")
    script = paths[0].read_text(encoding="utf-8-sig")
    connection = sqlite3.connect(":memory:")
    connection.executescript(script)
    tables: dict[str, list[str]] = {}
    for text, offset in split_script(script):
        read = read_insert_values(script, offset)
        if read is None:
            assert "INSERT" not in text
            continue
        assert read.end == offset + len(text)
        name = re.search(r"INTO\s+(\S+)", read.prefix)
        assert name is not None
        tables.setdefault(name[1], []).extend(map(repr, read.rows))
    assert len(tables) == 11
    for name_, rows in tables.items():
        assert sorted(map(repr, connection.execute(f"SELECT * FROM {name_}"))) == sorted(rows)


RUN_SCRIPTS = [
    "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b''c');\nINSERT INTO t VALUES (3, NULL);"
    " INSERT INTO t VALUES (4, x'00'); INSERT INTO t VALUES (5, 1.5), (6, 2);"
    " INSERT INTO t VALUES (7, 'INSERT INTO t VALUES (8)');",
    "".join(f"INSERT INTO t VALUES ({n % 7}, 'n{n}');" for n in range(9)),
    "BEGIN;" + "".join(f"INSERT INTO t VALUES ({n % 7}, 'n{n}');" for n in range(9)) + "COMMIT",
    "".join(f"INSERT OR IGNORE INTO t VALUES ({n % 7}, 'n{n}');" for n in range(8))
    + "INSERT INTO t VALUES (50, changes());",
    "".join(f"INSERT OR REPLACE INTO t VALUES ({n % 7}, 'n{n}');" for n in range(9)) + "UPDATE t SET b = changes();",
    "".join(f"INSERT INTO t VALUES ({n});" for n in range(9)),
    "".join(f"INSERT INTO t VALUES ({n}, {n}{', 1' if n == 6 else ''});" for n in range(9)),
    "".join(f"INSERT INTO t VALUES ({n}, 0x1{'zz' if n == 6 else ''});" for n in range(9)),
    "".join(f"INSERT INTO t VALUES ({n}, 'open{'' if n == 6 else chr(39)});" for n in range(9)),
]


@pytest.mark.parametrize("text", RUN_SCRIPTS)
def test_runs_of_inserts_in_scripts_are_as_in_sqlite3(text: str) -> None:
    found = []
    for module in (sqlite3, tandemdb):
        connection = module.connect(":memory:")
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        error = None
        try:
            connection.executescript(text)
        except Exception as raised:
            error = (type(raised).__name__, str(raised))
        found.append((error, connection.in_transaction, connection.total_changes,
                      connection.execute("SELECT *, changes(), last_insert_rowid() FROM t").fetchall()))  # fmt: skip
    assert found[0] == found[1]
