"""A change that runs often, stopped before each line of its code: it has been made, or nothing of it has."""

from __future__ import annotations

from typing import Any

import pytest

import tandemdb
from tandemdb.dbapi import ready
from tandemdb.storage import check_root
from tests.stopping import stopped_at

CHANGES: dict[str, tuple[str, Any]] = {
    "insert": ("INSERT INTO t (code, grp, amount) VALUES (?1, ?2, 1.5)", lambda n: (f"new {n}", n)),
    "upsert": (
        "INSERT INTO t (code, grp) VALUES (?1, ?2) ON CONFLICT (code) DO UPDATE SET amount = amount + excluded.grp",
        lambda n: (f"code {n}", n),
    ),
    "update": ("UPDATE t SET amount = amount + ?1 WHERE id = ?2", lambda n: (1.0, n)),
    "update of a key": ("UPDATE t SET grp = ?1 WHERE id = ?2", lambda n: (n + 7, n)),
    "delete": ("DELETE FROM t WHERE id = ?1 AND amount > ?2", lambda n: (n * 2, 0.0)),
}


def is_written_out(file: str) -> bool:
    return file.endswith("(often)>")


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_stopped_before_each_line(name: str, waiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so does a transaction of it alone: it is over."""
    monkeypatch.setattr(ready, "RUNS_OFTEN", 1)
    text, values_of = CHANGES[name]
    connection = prepared(text, values_of, waiting)
    connection.execute(text, values_of(40))
    made = content(connection, waiting)
    line, stopped = 0, True
    while stopped:
        connection = prepared(text, values_of, waiting)
        before = content(connection, waiting)
        stopped = stopped_at(line, is_written_out, lambda: connection.execute(text, values_of(40)))  # noqa: B023
        assert not connection.in_transaction
        found = content(connection, waiting)
        assert found == made or (stopped and found == before)
        check_root(connection._database.root)
        if found == before:
            connection.execute(text, values_of(40))
        assert content(connection, waiting) == made
        connection.close()
        line += 1
    assert line > 20


def prepared(text: str, values_of: Any, waiting: bool) -> Any:
    """A connection that has run the change often; the entries of its keys wait, or are made at once."""
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, grp INTEGER, amount REAL)")
    connection.execute("CREATE INDEX t_grp ON t (grp)")
    rows = [(n, f"code {n}", n % 7, n / 4) for n in range(1, 400)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    connection.execute("BEGIN")
    for number in range(1, 30 if waiting else 5):
        connection.execute(text, values_of(number))
    connection.execute("COMMIT")
    return connection


def content(connection: Any, waiting: bool) -> Any:
    """All rows; read by the index, too, where its changes need not go on waiting."""
    rows = connection.execute("SELECT * FROM t").fetchall()
    if not waiting:
        assert sorted(connection.execute("SELECT id, grp FROM t INDEXED BY t_grp WHERE grp >= 0")) == sorted(
            [(row[0], row[2]) for row in rows]
        )
    return rows
