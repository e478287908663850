"""Backup targets of other kinds: an SQLite file and PostgreSQL, fed, lost, taken over, and started from."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.replication.core.messages import Term
from tandemdb.replication.targets import Superseded, TargetLost, TargetRefused
from tandemdb.replication.targets.target import Position, lies_on

from .postgres_server import PostgresServer
from .processes import NodeProcess, until
from .target_place import Place

sa = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")

SCHEMA = """
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size REAL, flag BLOB);
CREATE TABLE visit (day DATE, city INTEGER REFERENCES city (id), price NUMERIC(10, 2), paid BOOLEAN, note VARCHAR(20));
CREATE TABLE pair (a TEXT, b INTEGER, c TEXT COLLATE NOCASE, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, n INT, twice INT GENERATED ALWAYS AS (n * 2) STORED);
CREATE INDEX visit_city ON visit (city, day);
CREATE INDEX visit_part ON visit (note) WHERE paid;
CREATE VIEW large AS SELECT name FROM city WHERE size > 100;
CREATE TRIGGER counting AFTER INSERT ON visit BEGIN INSERT INTO counted (n) VALUES (new.city); END;
PRAGMA user_version = 7;
"""


@pytest.fixture
def database() -> Iterator[tandemdb.Connection]:
    connection = tandemdb.connect(":memory:", check_same_thread=False)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def write(connection: Any, random: Random, number: int) -> None:
    """One transaction of several kinds of change."""
    run = connection.execute
    for _ in range(random.randrange(1, 6)):
        draw = random.random()
        key = random.randrange(60)
        if draw < 0.4:
            size = random.choice([None, 0.1, 1e300, -2.5, float(number)])
            flag = random.choice([None, b"", b"\x00\xff", b"x" * number])
            values = (key, f"city {key} of {number} \N{SNOWMAN}", size, flag)
            run("INSERT OR REPLACE INTO city VALUES (?, ?, ?, ?)", values)
        elif draw < 0.6:
            price = random.choice([None, 10, 9.99, 1 << 60, 0.1 + 0.2, 3.0])
            values = ("2026-11-26", key, price, random.choice([0, 1, None]), f"note {number}")
            run("INSERT INTO visit VALUES (?, ?, ?, ?, ?)", values)
        elif draw < 0.7:
            run("UPDATE city SET size = coalesce(size, 1.0) + 1 WHERE id < ?", (key,))
        elif draw < 0.8:
            run("INSERT OR REPLACE INTO pair VALUES (?, ?, ?)", (f"a{key % 7}", key, f"c{number}"))
        elif draw < 0.9:
            run("DELETE FROM visit WHERE city > ?", (key,))
        else:
            run("UPDATE city SET id = id + 1000 WHERE id = ?", (key,))
            run("UPDATE city SET id = id - 1000 WHERE id >= 1000 AND id - 1000 NOT IN (SELECT id FROM city)")


def dump(connection: Any) -> list[str]:
    """All there is, as SQL: rows with their classes, schema, counters."""
    lines = list(connection.iterdump())
    lines.append(str(connection.execute("PRAGMA user_version").fetchone()))
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        info = connection.execute(f"PRAGMA table_list('{table}')").fetchall()
        if info and not info[0][4]:
            lines += map(repr, connection.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid"))
    return lines


def check_same(place: Place, connection: tandemdb.Connection) -> None:
    """The target holds what the database holds: a database started from it says so, and the rows there do."""
    restored = tandemdb.restore_from(place.url)
    assert dump(restored) == dump(connection)
    assert restored.lsn == connection.lsn == place.lsn
    restored.close()
    for table, columns in (("city", "id, name, size"), ("pair", "a, b, c"), ("counted", "id, n, twice")):
        sql = f"SELECT {columns} FROM {table} ORDER BY 1, 2"
        assert place.rows(sql) == connection.execute(sql).fetchall()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_every_commit_arrives(place: Place, database: tandemdb.Connection, mode: str) -> None:
    random = Random(5)
    for number in range(10):
        write(database, random, number)
    database.commit()
    feed = database.replicate_to(place.url, mode)
    check_same(place, database)
    for number in range(10, 40):
        write(database, random, number)
        database.commit()
        if mode == "sync":
            assert place.lsn == database.lsn
    feed.wait()
    check_same(place, database)
    [status] = database.replication_status()
    assert (status.state, status.mode, status.lag_commits) == ("in step", mode, 0)
    feed.detach()
    write(database, random, 40)
    database.commit()
    assert database.replication_status() == [] and place.lsn < database.lsn


def test_schema_changes_arrive(place: Place, database: tandemdb.Connection) -> None:
    random = Random(6)
    for number in range(5):
        write(database, random, number)
    database.commit()
    database.replicate_to(place.url)
    for statement in (
        "ALTER TABLE city ADD COLUMN country TEXT DEFAULT 'Norway'",
        "CREATE TABLE fresh (a INTEGER PRIMARY KEY, b)",
        "INSERT INTO fresh VALUES (1, 'text'), (2, NULL)",
        "ALTER TABLE city RENAME COLUMN size TO area",
        "ALTER TABLE fresh RENAME TO renamed",
        "CREATE UNIQUE INDEX city_area ON city (area, id)",
        "DROP VIEW large",
        "DROP INDEX visit_part",
        "DROP TABLE pair",
        "CREATE TABLE pair (a TEXT, b INTEGER, c TEXT)",
        "INSERT INTO pair VALUES ('x', 1, NULL)",
        "PRAGMA user_version = 9",
        "DROP TRIGGER counting",
    ):
        database.execute(statement)
        database.commit()
        assert place.lsn == database.lsn, statement
    restored = tandemdb.restore_from(place.url)
    assert sorted(dump(restored)) == sorted(dump(database)), "but for the order of creation"
    assert place.rows("SELECT a, b FROM renamed ORDER BY a") == [(1, "text"), (2, None)]
    assert place.rows("SELECT DISTINCT country FROM city") == [("Norway",)]
    database.execute("BEGIN")
    database.execute("DROP TABLE renamed")
    database.execute("ROLLBACK")
    assert place.rows("SELECT count(*) FROM renamed") == [(2,)]


def test_what_fails_here_is_not_there(place: Place, database: tandemdb.Connection) -> None:
    database.replicate_to(place.url)
    database.execute("INSERT INTO city VALUES (1, 'Oslo', 1.0, NULL)")
    database.commit()
    lsn = place.lsn
    database.execute("INSERT INTO city VALUES (2, 'Turku', 1.0, NULL)")
    database.rollback()
    with pytest.raises(tandemdb.IntegrityError):
        database.execute("INSERT INTO city VALUES (3, 'Oslo', 1.0, NULL)")
    database.rollback()
    assert place.lsn == lsn and place.rows("SELECT id FROM city") == [(1,)]


def test_a_database_goes_on_from_its_target(place: Place, database: tandemdb.Connection) -> None:
    """The process dies; another starts from the target and goes on with it, exactly where it was."""
    random = Random(7)
    database.replicate_to(place.url)
    for number in range(10):
        write(database, random, number)
        database.commit()
    before = dump(database)
    restored = tandemdb.restore_from(place.url)
    feed = restored.replicate_to(place.url)
    assert feed.loads == 0, "nothing was copied"
    assert dump(restored) == before
    for number in range(10, 20):
        write(restored, random, number)
        restored.commit()
    check_same(place, restored)
    assert place.rows("SELECT epoch FROM tandemdb_position") == [(2,)]
    # The former primary is not dead after all: its commits no longer reach the target, and say so.
    with pytest.raises(Superseded):
        database.execute("INSERT INTO city VALUES (500, 'lost', 1.0, NULL)").connection.commit()
    database.rollback()
    with pytest.raises(Superseded, match="holds epoch 2"):
        database.replicate_to(place.url)
    check_same(place, restored)


def test_a_restarted_feed_goes_on_without_copying(place: Place, database: tandemdb.Connection) -> None:
    random = Random(8)
    write(database, random, 1)
    database.commit()
    database.replicate_to(place.url).detach()
    assert database.replicate_to(place.url).loads == 0
    database.keep_history(100)
    [feed] = replication.system.system_of(database._database).targets
    feed.detach()
    for number in range(5):
        write(database, random, number)
        database.commit()
    assert database.replicate_to(place.url).loads == 0, "from a root that was kept"
    check_same(place, database)
    [feed] = replication.system.system_of(database._database).targets
    feed.detach()
    database.keep_history(0)
    write(database, random, 6)
    database.commit()
    assert database.replicate_to(place.url).loads == 1, "no root of that LSN is there"
    check_same(place, database)


def test_data_of_another_origin_is_kept_unless_told_otherwise(
    place: Place, database: tandemdb.Connection, tmp_path: Path
) -> None:
    place.run("CREATE TABLE city (mine INTEGER)")
    place.run("INSERT INTO city VALUES (42)")
    with pytest.raises(Superseded, match="of another origin"):
        database.replicate_to(place.url)
    assert place.rows("SELECT mine FROM city") == [(42,)]
    database.replicate_to(place.url, overwrite=True)
    check_same(place, database)
    other = tandemdb.connect(":memory:")
    other.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(Superseded, match="another cluster"):
        other.replicate_to(place.url)
    check_same(place, database)
    (tmp_path / "none.db").touch()
    with pytest.raises(TargetLost, match="holds no database"):
        tandemdb.restore_from(f"sqlite:///{tmp_path / 'none.db'}")


def test_two_feeds_and_the_last_one_wins(place: Place, database: tandemdb.Connection) -> None:
    database.replicate_to(place.url)
    database.execute("INSERT INTO city VALUES (1, 'Oslo', 1.0, NULL)")
    database.commit()
    place.run("UPDATE tandemdb_position SET writer = 'somebody else', sequence = 0")
    with pytest.raises(Superseded, match="written by another feed"):
        database.execute("INSERT INTO city VALUES (2, 'Turku', 1.0, NULL)").connection.commit()
    database.rollback()
    assert place.rows("SELECT id FROM city") == [(1,)]
    assert database.replication_status()[0].state == "superseded"


def test_a_lost_answer_to_commit_applies_nothing_twice(place: Place, database: tandemdb.Connection) -> None:
    feed = database.replicate_to(place.url)
    target, commit = feed.target, feed.target.commit
    for is_done in (True, False):
        key = 10 + is_done

        def lose(is_done: bool = is_done) -> None:
            target.commit = commit
            if is_done:
                commit()
            target.close()
            raise TargetLost("the connection broke")

        target.commit = lose
        with pytest.raises(replication.CommitInDoubt):
            database.execute("INSERT INTO city VALUES (?, ?, 1.0, NULL)", (key, f"{key}")).connection.commit()
        database.rollback()
        assert (key,) not in database.execute("SELECT id FROM city").fetchall()
        database.execute("INSERT INTO city VALUES (?, ?, 2.0, NULL)", (key, f"again {key}"))
        database.commit()
        check_same(place, database)


def test_random_failures_leave_the_same_rows(place: Place, database: tandemdb.Connection) -> None:
    """Writes and commits fail at random, before or after they were done; the end is the same on both sides."""
    random = Random(9)
    feed = database.replicate_to(place.url)
    target = feed.target
    write_there, commit = target.write, target.commit
    failures = 0

    def maybe(what: Any) -> Any:
        def call(*arguments: Any) -> None:
            nonlocal failures
            draw = random.random()
            if draw < 0.8:
                what(*arguments)
                return
            failures += 1
            if draw < 0.9:
                what(*arguments)
            target.close()
            raise TargetLost("it failed, at random")

        return call

    target.write, target.commit = maybe(write_there), maybe(commit)
    committed = 0
    for number in range(60):
        write(database, random, number)
        try:
            database.commit()
            committed += 1
        except replication.ReplicationError:
            database.rollback()
    target.write, target.commit = write_there, commit
    write(database, random, 99)
    database.commit()
    assert failures > 10 and committed > 20
    check_same(place, database)


def test_postgresql_gone_and_back(database: tandemdb.Connection) -> None:
    server = PostgresServer()
    try:
        place = Place(server.url())
        later = Place(server.url())
        database.replicate_to(place.url, "sync")
        follower = database.replicate_to(later.url, "async")
        database.execute("INSERT INTO city VALUES (1, 'Oslo', 1.0, NULL)")
        database.commit()
        follower.wait()
        server.stop()
        with pytest.raises(replication.ReplicationError):
            database.execute("INSERT INTO city VALUES (2, 'Turku', 1.0, NULL)").connection.commit()
        database.rollback()
        assert database.execute("SELECT count(*) FROM city").fetchone() == (1,), "reading goes on"
        until(lambda: database.replication_status()[0].state == "lost", "it is told")
        server.start()
        database.execute("INSERT INTO city VALUES (3, 'Bergen', 1.0, NULL)")
        database.commit()
        check_same(place, database)
        follower.wait()
        check_same(later, database)
    finally:
        server.close()


def test_an_asynchronous_target_falls_behind_and_gets_there(place: Place, database: tandemdb.Connection) -> None:
    feed = database.replicate_to(place.url, "async")
    held = threading.Lock()
    write_there = feed.target.write

    def stall(*arguments: Any) -> None:
        with held:
            write_there(*arguments)

    feed.target.write = stall
    random = Random(10)
    with held:
        for number in range(50):
            write(database, random, number)
            database.commit()
        [status] = database.replication_status()
        assert status.lag_commits > 0 and status.state != "lost"
    before = feed.transactions
    feed.wait()
    assert feed.transactions - before <= 3, "commits that wait go together"
    check_same(place, database)


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ("('text', 'x', 1.0, NULL)", "id"),
        ("(1, x'00', 1.0, NULL)", "name"),
        ("(1, 'nul' || char(0), 1.0, NULL)", "name"),
        ("(1, 'x', 'no number', NULL)", "size"),
        ("(1, 'x', 1.0, 'text')", "flag"),
    ],
)
def test_values_that_a_type_cannot_hold_are_refused(
    postgres: PostgresServer, database: tandemdb.Connection, values: str, column: str
) -> None:
    if column == "id":
        database.executescript("DROP TABLE city; CREATE TABLE city (id INT, name TEXT, size REAL, flag BLOB)")
    place = Place(postgres.url())
    database.replicate_to(place.url)
    with pytest.raises(TargetRefused, match=f"column {column} of table city"):
        database.execute(f"INSERT INTO city VALUES {values}").connection.commit()
    database.rollback()
    database.execute("INSERT INTO city VALUES (5, 'fits', 1.0, x'00')")
    database.commit()
    assert place.rows("SELECT id, name FROM city") == [(5, "fits")]
    later = tandemdb.connect(":memory:", check_same_thread=False)
    later.executescript("CREATE TABLE city (id INT, name TEXT, size REAL, flag BLOB)")
    feed = later.replicate_to(postgres.url(), "async")
    later.execute(f"INSERT INTO city VALUES {values}")
    later.commit()
    with pytest.raises(TargetRefused, match="takes no more commits"):
        feed.wait()
    assert later.replication_status()[0].state == "refused"


def test_tables_that_have_no_types_are_refused(postgres: PostgresServer) -> None:
    database = tandemdb.connect(":memory:")
    database.executescript("CREATE TABLE mixed (a, b); INSERT INTO mixed VALUES (1, 1), ('x', 2.5)")
    place = Place(postgres.url())
    with pytest.raises(TargetRefused, match="column a of table mixed cannot be mapped"):
        database.replicate_to(place.url)
    database.executescript("DELETE FROM mixed WHERE a = 'x'; INSERT INTO mixed VALUES (2, 2.5)")
    database.replicate_to(place.url)
    types = "SELECT data_type FROM information_schema.columns WHERE table_name = 'mixed' ORDER BY ordinal_position"
    assert place.rows(types) == [("bigint",), ("bigint",), ("numeric",)]
    with pytest.raises(TargetRefused, match="tandemdb_schema"):
        database.execute("CREATE TABLE tandemdb_schema (a INTEGER)").connection.commit()


def test_types_in_postgresql(postgres: PostgresServer, database: tandemdb.Connection) -> None:
    place = Place(postgres.url())
    database.replicate_to(place.url)
    types = place.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_name IN ('city', 'visit') ORDER BY table_name, ordinal_position"
    )
    assert types == [
        ("city", "id", "bigint"),
        ("city", "name", "text"),
        ("city", "size", "double precision"),
        ("city", "flag", "bytea"),
        ("visit", "tandemdb_rowid", "bigint"),
        ("visit", "day", "text"),
        ("visit", "city", "bigint"),
        ("visit", "price", "numeric"),
        ("visit", "paid", "boolean"),
        ("visit", "note", "text"),
    ]
    indexes = place.rows("SELECT indexname FROM pg_indexes WHERE tablename IN ('city', 'visit') ORDER BY 1")
    assert {"visit_city", "sqlite_autoindex_city_1"} <= {name for (name,) in indexes}
    assert "visit_part" not in {name for (name,) in indexes}


def test_what_is_no_target(database: tandemdb.Connection, tmp_path: Path) -> None:
    for target in ("sqlite://", "sqlite:///", "nosuch://x/y", 42):
        with pytest.raises((tandemdb.ProgrammingError, tandemdb.NotSupportedError)):
            database.replicate_to(target)
        with pytest.raises((tandemdb.ProgrammingError, tandemdb.NotSupportedError)):
            tandemdb.restore_from(target)
    with pytest.raises(tandemdb.ProgrammingError, match="unknown mode"):
        database.replicate_to("sqlite:///x", "half")
    with pytest.raises(TargetLost):
        database.replicate_to(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"this is no database" * 100)
    with pytest.raises((TargetRefused, TargetLost)):
        database.replicate_to(f"sqlite:///{garbage}")
    database.replicate_to(f"sqlite:///{tmp_path / 'good.db'}")
    with pytest.raises(tandemdb.ProgrammingError, match="only a new database"):
        tandemdb.restore_from(f"sqlite:///{tmp_path / 'good.db'}", ":memory:used").close()
        tandemdb.connect(":memory:used").execute("CREATE TABLE t (a)")
        kept = tandemdb.connect(":memory:used2")
        kept.execute("CREATE TABLE t (a)")
        tandemdb.restore_from(f"sqlite:///{tmp_path / 'good.db'}", ":memory:used2")


def test_a_server_that_is_not_there(database: tandemdb.Connection) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(TargetLost):
        database.replicate_to("postgresql+psycopg://tester@127.0.0.1:1/x")


def test_an_engine_as_the_target(tmp_path: Path, database: tandemdb.Connection) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    feed = database.replicate_to(engine)
    assert feed.name == f"sqlite:///{tmp_path / 'x.db'}"
    assert tandemdb.restore_from(engine).lsn == database.lsn


def test_a_feed_ends_with_its_database(tmp_path: Path) -> None:
    connection = tandemdb.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    connection.replicate_to(f"sqlite:///{tmp_path / 'x.db'}", "async")
    name = f"tandemdb feed of sqlite:///{tmp_path / 'x.db'}"
    assert name in {thread.name for thread in threading.enumerate()}
    connection.close()
    del connection
    gc.collect()
    until(lambda: name not in {thread.name for thread in threading.enumerate()}, "its thread has ended")


def test_with_secondaries_too(place: Place, database: tandemdb.Connection) -> None:
    """A commit that the secondary does not acknowledge does not reach the target either; who is promoted feeds it."""
    standby = tandemdb.connect(":memory:", check_same_thread=False)
    replica = database.replicate_to(standby)
    database.replicate_to(place.url)
    standby_feed = standby.replicate_to(place.url, "async")
    assert standby.replication_status()[0].state == "waiting"
    database.execute("INSERT INTO city VALUES (1, 'Oslo', 1.0, NULL)")
    database.commit()
    lsn = place.lsn
    replica.cut()
    with pytest.raises(replication.SecondaryLost):
        database.execute("INSERT INTO city VALUES (2, 'Turku', 1.0, NULL)").connection.commit()
    database.rollback()
    assert place.lsn == lsn and place.rows("SELECT id FROM city") == [(1,)]
    standby.promote()
    standby.execute("INSERT INTO city VALUES (3, 'Bergen', 1.0, NULL)")
    standby.commit()
    standby_feed.wait()
    check_same(place, standby)
    assert place.rows("SELECT epoch FROM tandemdb_position") == [(2,)]


def test_who_is_promoted_writes_what_the_target_lacks(place: Place, database: tandemdb.Connection) -> None:
    """The primary died with commits on their way: they are there, and nothing was copied for it."""
    standby = tandemdb.connect(":memory:", check_same_thread=False)
    database.replicate_to(standby)
    feed = database.replicate_to(place.url)
    standby_feed = standby.replicate_to(place.url, "sync")
    random = Random(11)
    for number in range(20):
        write(database, random, number)
        database.commit()
        if number == 15:
            feed.detach()
    assert place.lsn < standby.lsn == database.lsn
    standby.promote()
    write(standby, random, 21)
    standby.commit()
    assert standby_feed.loads == 0
    check_same(place, standby)


def test_positions_on_a_history() -> None:
    term = Term
    history = [term(1, 0, 0), term(2, 40, 0), term(4, 90, 0)]  # type: ignore[arg-type]
    for epoch, lsn, expected in (
        (1, 0, True), (1, 40, True), (1, 41, False), (2, 40, True), (2, 90, True), (2, 91, False), (3, 50, False),
        (4, 90, True), (4, 100, True), (4, 101, False),
    ):  # fmt: skip
        assert lies_on(Position("", epoch, lsn, "", 0), history, 100) == expected, (epoch, lsn)


def write_until_it_dies(node: NodeProcess, acknowledged: list[int]) -> None:
    connection = node.connect(isolation_level=None, check_same_thread=False)
    number = 0
    try:
        while True:
            number += 1
            connection.execute("INSERT INTO city VALUES (?, ?, 1.0, NULL)", (number, str(number)))
            acknowledged.append(number)
    except tandemdb.Error:
        connection.close()


def test_nodes_with_a_target(place: Place, tmp_path: Path) -> None:
    """`serve --backup-to` feeds it, `serve --restore-from` starts from it."""
    script = tmp_path / "script.sql"
    script.write_text(SCHEMA)
    node = NodeProcess("--load", str(script), "--backup-to", place.url, "--backup-mode", "sync")
    try:
        assert node.status()["secondaries"][-1]["state"] == "in step"
        acknowledged: list[int] = []
        writer = threading.Thread(target=write_until_it_dies, args=(node, acknowledged))
        writer.start()
        until(lambda: len(acknowledged) > 5, "commits go on")
        node.kill()
        writer.join(60)
        there = [number for (number,) in place.rows("SELECT id FROM city ORDER BY id")]
        assert there[: len(acknowledged)] == acknowledged and len(there) - len(acknowledged) in (0, 1)
    finally:
        node.stop()
    node = NodeProcess("--restore-from", place.url, "--backup-to", place.url, "--backup-mode", "sync")
    try:
        with node.connect() as connection:
            assert [number for (number,) in connection.execute("SELECT id FROM city ORDER BY id")] == there
            connection.execute("INSERT INTO city VALUES (0, 'Turku', 1.0, NULL)")
        assert [number for (number,) in place.rows("SELECT id FROM city ORDER BY id")] == [0, *there]
        assert node.status()["epoch"] == 2
    finally:
        node.stop()
