"""Remote connections: the same DB-API over a link, checked against the standard library's sqlite3 where it can be."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import tandemdb
from tandemdb.dbapi.serving import open_handler
from tandemdb.replication import CommitInDoubt
from tandemdb.replication.errors import LinkLost, ReplicationError
from tandemdb.replication.node import Node
from tandemdb.storage import Database


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node(Database("shop"), sessions=open_handler)
    node.start()
    yield node
    node.stop()


@pytest.fixture
def connection(node: Node) -> Iterator[tandemdb.Connection]:
    connection = tandemdb.connect(str(node.address))
    yield connection
    connection.close()


STATEMENTS: list[tuple[str, Any]] = [
    ("CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size REAL, flag BLOB)", ()),
    ("INSERT INTO city VALUES (1, 'Oslo', 1.5, x'00ff')", ()),
    ("INSERT INTO city (name, size) VALUES (?, ?)", ("Århus", None)),
    ("INSERT INTO city (name, size) VALUES (:name, :size)", {"name": "Turku", "size": 3}),
    ("INSERT INTO city VALUES (1, 'again', 1, 1)", ()),
    ("INSERT INTO city (name) VALUES ('Oslo')", ()),
    ("SELECT * FROM city ORDER BY id", ()),
    ("SELECT name AS n, count(*) FROM city GROUP BY name ORDER BY 1", ()),
    ("UPDATE city SET size = size * 2 WHERE id > ?", (1,)),
    ("DELETE FROM city WHERE name = 'Turku' RETURNING id, name", ()),
    ("SELECT nothing FROM city", ()),
    ("SELEC 1", ()),
    ("SELECT ?, ?, ?, ?, ?", (None, 1 << 62, -1.5, "täxt \N{SNOWMAN}", b"\x00\xff")),
    ("SELECT 1; SELECT 2", ()),
    ("SELECT ?", ()),
    ("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n", ()),
    ("PRAGMA table_info(city)", ()),
    ("EXPLAIN QUERY PLAN SELECT * FROM city WHERE id = 1", ()),
    ("ALTER TABLE city ADD COLUMN extra DEFAULT 7", ()),
    ("SELECT extra FROM city", ()),
    ("SAVEPOINT s", ()),
    ("DELETE FROM city", ()),
    ("ROLLBACK TO s", ()),
    ("RELEASE s", ()),
    ("SELECT count(*) FROM city", ()),
    ("DROP TABLE city", ()),
]


def play(connection: Any, isolation_level: str | None) -> list[Any]:
    connection.isolation_level = isolation_level
    seen: list[Any] = []
    for sql, parameters in STATEMENTS:
        try:
            cursor = connection.execute(sql, parameters)
            names = [entry[0] for entry in cursor.description or ()]
            rows = [row[:1] + row[2:] for row in cursor] if sql.startswith("EXPLAIN") else cursor.fetchall()
            if sql.startswith("EXPLAIN"):
                rows = [len(rows)]
            entry = (names, rows, cursor.rowcount, cursor.lastrowid, connection.in_transaction)
            seen.append((sql, *entry, connection.total_changes))
        except sqlite3.Error as error:
            kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == "sqlite3")
            code = getattr(error, "sqlite_errorname", None)
            seen.append((sql, kind, str(error), code, connection.in_transaction))
    return seen


@pytest.mark.parametrize("isolation_level", ["", None, "IMMEDIATE"])
def test_what_sqlite3_does(connection: tandemdb.Connection, isolation_level: str | None) -> None:
    assert play(connection, isolation_level) == play(sqlite3.connect(":memory:"), isolation_level)


def test_rows_come_in_batches_as_they_are_fetched(node: Node, connection: tandemdb.Connection) -> None:
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((number, "x" * 50) for number in range(30_000)))
    connection.commit()
    cursor = connection.execute("SELECT * FROM t")
    assert cursor.fetchone() == (0, "x" * 50)
    handler = next(iter(node.guests.values())).handler
    assert len(handler._cursors) == 1  # type: ignore[union-attr]
    other = connection.execute("SELECT a FROM t WHERE a = 29999")
    assert other.fetchall() == [(29999,)]
    connection.execute("DELETE FROM t WHERE a > 20000")
    assert sum(1 for _ in cursor) in (29_999, 20_000)
    assert len(handler._cursors) == 0  # type: ignore[union-attr]
    connection.execute("SELECT a FROM t").fetchone()
    connection.execute("SELECT 1")
    assert len(handler._cursors) == 0  # type: ignore[union-attr]
    wide = connection.execute("WITH n (i) AS (SELECT a FROM t LIMIT 300) SELECT i, zeroblob(100000) FROM n").fetchall()
    assert len(wide) == 300 and all(len(row[1]) == 100_000 for row in wide)


def test_transactions_are_the_connections_own(node: Node, connection: tandemdb.Connection) -> None:
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (1)")
    assert connection.in_transaction
    other = tandemdb.connect(str(node.address), timeout=0.05)
    assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(tandemdb.OperationalError, match="database is locked") as caught:
        other.execute("INSERT INTO t VALUES (2)")
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_BUSY
    assert any("Hint" in note for note in caught.value.__notes__)
    other.rollback()
    connection.commit()
    assert other.execute("SELECT count(*) FROM t").fetchone() == (1,)
    connection.execute("INSERT INTO t VALUES (3)")
    connection.close()
    deadline = time.monotonic() + 60
    while True:  # The node rolls back what a closed link left open.
        try:
            other.execute("INSERT INTO t VALUES (4)")
            break
        except tandemdb.OperationalError:
            assert time.monotonic() < deadline
    other.commit()
    assert other.execute("SELECT a FROM t").fetchall() == [(1,), (4,)]
    other.close()


def test_many_clients_at_once(node: Node) -> None:
    with tandemdb.connect(str(node.address)) as setup:
        setup.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER)")
        setup.executemany("INSERT INTO account VALUES (?, 100)", [(number,) for number in range(10)])
    failures: list[BaseException] = []

    def transfer(seed: int) -> None:
        try:
            connection = tandemdb.connect(str(node.address), isolation_level="IMMEDIATE", timeout=120)
            for step in range(20):
                with connection:
                    connection.execute("UPDATE account SET money = money - 1 WHERE id = ?", ((seed + step) % 10,))
                    connection.execute("UPDATE account SET money = money + 1 WHERE id = ?", ((seed * step) % 10,))
                assert connection.execute("SELECT sum(money) FROM account").fetchone() == (1000,)
            connection.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=transfer, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures


def test_what_goes_from_database_to_database_is_refused(connection: tandemdb.Connection) -> None:
    """Rows of a real connection can be copied there; blocks are this process's or the node's."""
    local = tandemdb.connect(":memory:")
    local.execute("CREATE TABLE copied (a)")
    for copy in (
        lambda: local.backup(connection),
        lambda: connection.backup(local),
        lambda: connection.backup(sqlite3.connect(":memory:")),
        lambda: connection.restore(local.snapshot()),
        lambda: connection.replicate_to(local),
        lambda: local.replicate_to(connection),
    ):
        with pytest.raises(tandemdb.NotSupportedError, match="on a node"):
            copy()
    real = sqlite3.connect(":memory:")
    real.executescript("CREATE TABLE copied (a); INSERT INTO copied VALUES (1)")
    connection.backup_from(real)
    assert connection.execute("SELECT a FROM copied").fetchall() == [(1,)]


def test_what_runs_here_is_refused(connection: tandemdb.Connection) -> None:
    for register in (
        lambda: connection.create_function("f", 1, abs),
        lambda: connection.create_aggregate("f", 1, object),  # type: ignore[arg-type]
        lambda: connection.create_collation("c", lambda a, b: 0),
        lambda: connection.set_authorizer(lambda *_: 0),
        lambda: connection.set_progress_handler(lambda: 0, 10),
    ):
        with pytest.raises(tandemdb.NotSupportedError, match="remote connection"):
            register()
    with pytest.raises(tandemdb.NotSupportedError, match="in this process"):
        connection.fork()
    traced: list[str] = []
    connection.set_trace_callback(traced.append)
    connection.execute("SELECT 1")
    assert traced == ["SELECT 1"]


def test_script_dump_lsn_and_digest(node: Node, connection: tandemdb.Connection) -> None:
    connection.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x;y'), (2, NULL);")
    assert connection.lsn == node.database.root.lsn
    assert connection.digest() == node.database.digest()
    copy = tandemdb.connect(":memory:")
    copy.executescript("\n".join(connection.iterdump()))
    assert copy.execute("SELECT * FROM t").fetchall() == [(1, "x;y"), (2, None)]


def test_a_lost_link_says_what_is_known(node: Node, connection: tandemdb.Connection) -> None:
    connection.execute("CREATE TABLE t (a)")
    other = tandemdb.connect(str(node.address), isolation_level=None)
    node.stop()
    with pytest.raises(LinkLost):
        connection.execute("SELECT * FROM t")
    with pytest.raises((CommitInDoubt, LinkLost)):
        other.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(tandemdb.OperationalError):
        tandemdb.connect(str(node.address))


def test_an_embedded_primary_and_a_node(node: Node) -> None:
    primary = tandemdb.connect(":memory:")
    primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    primary.executemany("INSERT INTO t (b) VALUES (?)", [("one",), ("two",)])
    primary.commit()
    replica = primary.replicate_to(str(node.address), mode="sync")
    primary.execute("UPDATE t SET b = 'zwei' WHERE a = 2")
    primary.commit()
    reader = tandemdb.connect(str(node.address))
    deadline = time.monotonic() + 60
    while reader.lsn != primary.lsn and time.monotonic() < deadline:
        time.sleep(0.002)
    assert reader.execute("SELECT b FROM t").fetchall() == [("one",), ("zwei",)]
    assert reader.digest() == primary.digest()
    with pytest.raises(tandemdb.OperationalError, match="readonly"):
        reader.execute("DELETE FROM t")
    reader.rollback()
    with pytest.raises(ReplicationError):
        tandemdb.connect(":memory:").replicate_to(str(node.address))
    assert replica.status.state == "in step"
    primary.close()
    assert reader.promote()["epoch"] == 2
    reader.execute("INSERT INTO t (b) VALUES ('three')")
    reader.commit()
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (3,)
    reader.close()


def test_sqlalchemy(node: Node) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    sqlalchemy.dialects.registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")
    engine = sqlalchemy.create_engine(f"sqlite+tandemdb://{node.address.host}:{node.address.port}/shop")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"))
        connection.execute(sqlalchemy.text("INSERT INTO t (b) VALUES (:b)"), [{"b": "x"}, {"b": "y"}])
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT * FROM t")).all() == [(1, "x"), (2, "y")]
    assert [column["name"] for column in sqlalchemy.inspect(engine).get_columns("t")] == ["a", "b"]
    engine.dispose()
