"""How much work queries do, run for the first time and again, as `work.txt` says.

Time is measured in `benchmarks`; here is what a machine's load cannot change. `pytest --rewrite-golden` writes what is
counted now into the file: read that diff as you would read code.

    SELECT name FROM parent WHERE id = 7
        first: records 1, entries 0, blocks copied 0
        third: records 1, entries 0, blocks copied 0
        lines: 10
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.planner.functions.aggregates import SUM_IS_PLAIN
from tests.planner.work import Work, counted

FILE = Path(__file__).with_name("work.txt")
INDENT = "    "


def read_cases() -> list[tuple[str, list[str]]]:
    """(statement, lines of what it takes) of each paragraph."""
    found = []
    for paragraph in FILE.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = paragraph.splitlines()
        statement = [line for line in lines if not line.startswith(INDENT)]
        found.append(("\n".join(statement), [line.strip() for line in lines if line.startswith(INDENT)]))
    return found


CASES = read_cases()


def shop() -> tandemdb.Connection:
    """2,000 items of 200 groups and 100 parents, 800 members; what `benchmarks` runs on, but small."""
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.executescript("""
        CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT, parent INTEGER);
        CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, region INTEGER);
        CREATE TABLE region (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE member (left_id INTEGER, right_id INTEGER);
        CREATE INDEX item_grp ON item (grp);
        CREATE INDEX item_code ON item (code);
        CREATE INDEX member_left ON member (left_id);
    """)
    items = [
        (n, n % 200, f"c{n * 7919 % 2003:06d}", n * 37 % 1000 / 4, None if n % 5 == 0 else f"note {n % 90}", n % 100)
        for n in range(1, 2001)
    ]
    connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", items)
    connection.executemany("INSERT INTO parent VALUES (?, ?, ?)", [(n, f"p{n}", n % 10) for n in range(100)])
    connection.executemany("INSERT INTO region VALUES (?, ?)", [(n, f"r{n}") for n in range(10)])
    connection.executemany("INSERT INTO member VALUES (?, ?)", [(n * 13 % 400, n * 17 % 100) for n in range(800)])
    return connection


@pytest.fixture(scope="module")
def connection() -> Iterator[tandemdb.Connection]:
    connection = shop()
    yield connection
    connection.close()


def lines_of_work(connection: Any, sql: str) -> list[str]:
    """The work of the statement's first and third run, after its plan was made, and the lines of its plan."""
    connection.execute("UPDATE region SET name = name")
    for name in ("item", "parent", "member"):
        # A version of its own for each statement: nothing is kept of it yet.
        connection.execute(f"UPDATE {name} SET rowid = rowid WHERE rowid = 1")
    plan = [row[-1] for row in connection.execute(f"EXPLAIN {sql}")]
    runs: list[Work] = []
    for _ in range(3):
        connection.execute("BEGIN")
        with counted() as work:
            connection.execute(sql).fetchall()
        connection.execute("ROLLBACK")
        runs.append(work)
    return [f"first: {runs[0]}", f"third: {runs[2]}", f"lines: {len(plan)}"]


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[sql[:50] for sql, _ in CASES])
def test_work(connection: Any, sql: str, expected: list[str], request: pytest.FixtureRequest) -> None:
    found = lines_of_work(connection, sql)
    if request.config.getoption("--rewrite-golden"):
        old = FILE.read_text(encoding="utf-8").strip().split("\n\n")
        place = next(number for number, paragraph in enumerate(old) if paragraph.startswith(sql))
        old[place] = "\n".join([sql, *(INDENT + line for line in found)])
        FILE.write_text("\n\n".join(old) + "\n", encoding="utf-8")
    else:
        # Reals are summed by other code, of another length, where Python's own sum() compensates: the file has 3.11's.
        counts = slice(None) if SUM_IS_PLAIN or "sum(" not in sql else slice(2)
        assert found[counts] == expected[counts]


def test_a_limit_by_a_key_reads_no_more(connection: Any) -> None:
    with counted() as work:
        connection.execute("SELECT code, note FROM item ORDER BY code LIMIT 10").fetchall()
    assert (work.records, work.entries) == (10, 10)


def test_a_changed_table_is_read_again(connection: Any) -> None:
    query = "SELECT count(*) FROM parent p LEFT JOIN item i ON i.parent = p.id"
    for _ in range(3):
        connection.execute(query).fetchall()
    with counted() as work:
        connection.execute(query).fetchall()
    kept = work.records
    connection.execute("UPDATE item SET amount = amount + 1 WHERE id = 1")
    with counted() as work:
        connection.execute(query).fetchall()
    assert kept < 2000 <= work.records
