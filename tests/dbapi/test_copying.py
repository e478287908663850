"""Blobs, dumps, backups and serialized databases, beside sqlite3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dbapi.compare import Script, check, own_engine_only

CASES: list[Script] = []
case = CASES.append


@case
def blobs(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.execute("create table b(a)")
    con.execute("insert into b values(x'00112233')")
    blob = con.blobopen("b", "a", 1)
    do(lambda: (len(blob), blob.read(2), blob.tell(), blob.read(0), blob.read(100), blob.read()))
    for arguments in ((-1,), (9,), (0,), (1, 1), (-1, 2), (1, 5), (2**31 - 1, 1)):
        do(lambda arguments=arguments: (blob.seek(*arguments), blob.tell()))
    blob.seek(0)
    do(blob.write, b"123456")
    do(blob.write, b"ab")
    do(blob.write, bytearray(b"c"))
    do(blob.write, 5)
    do(lambda: (blob.tell(), blob[0], blob[-1], blob[0:4:2], blob[:]))
    for key in (9, -9, "x", 1.5, slice(0, 1, 0), 2**70):
        do(lambda key=key: blob[key])
    for key, value in (
        (0, 300), (0, b"x"), (9, 1), (slice(0, 2), b"x"), (slice(0, 2), b"xy"), (slice(0, 4, 2), b"zz"), (1, 65),
        (slice(2, 2), b""), ("x", 1), (slice(0, 2), "xy"), (slice(0, 2), memoryview(b"abcd")[::2]),
    ):  # fmt: skip
        do(lambda key=key, value=value: blob.__setitem__(key, value))
        do(lambda: blob[:])
    do(lambda: con.execute("select a from b").fetchone())
    do(lambda: blob.__delitem__(0))
    do(lambda: blob.__delitem__(slice(0, 1)))
    do(lambda: bool(blob))
    do(blob.close)
    for method in (blob.read, blob.tell, blob.close, blob.__len__, blob.__enter__):
        do(method)
    with con.blobopen("b", "a", 1) as blob:
        do(blob.read, 1)
    do(blob.read)
    do(con.blobopen, "nosuch", "a", 1)
    do(con.blobopen, "b", "nosuch", 1)
    do(con.blobopen, "b", "a", 99)
    do(con.blobopen, "b", "a", 1, name="nosuch")
    do(con.blobopen, "b", "a", "x")
    con.execute("insert into b values(5), (null), (1.5), ('text é')")
    for row in (2, 3, 4):
        do(con.blobopen, "b", "a", row)
    text = con.blobopen("b", "a", 5)
    do(lambda: (len(text), text.read()))
    reading = con.blobopen("b", "a", 1, readonly=True)
    do(reading.write, b"x")
    do(reading.__setitem__, 0, 5)
    con.execute("update b set a = x'01' where rowid = 1")
    do(reading.read)
    con.execute("delete from b where rowid = 5")
    do(text.read, 1)
    blob = con.blobopen("b", "a", 1)
    con.close()
    do(blob.read)
    do(blob.close)


SCHEMA = """
    create table "index"("index" integer primary key, "a b" blob);
    insert into "index" values(1, 'x''y'), (5, x'00ff'), (7, null), (8, 1.5);
    create table t2(x text default 'd', y references "index");
    insert into t2 values('Ä', 1), ('', 5);
    create table counter(id integer primary key autoincrement, n);
    insert into counter(n) values(1), (2);
    delete from counter where id = 2;
    create index i on t2(x);
    create unique index j on t2(y) where y is not null;
    create view v as select x from t2;
    create trigger g after insert on t2 begin update counter set n = n + 1; end;
    create table w(a text, b int, primary key(a, b)) without rowid;
    insert into w values('k', 1);
    pragma user_version = 7;
"""


@case
@own_engine_only
def dumping(db: Any, do: Any) -> None:
    con = db.connect(":memory:")
    con.executescript(SCHEMA)
    do(lambda: list(con.iterdump()))
    again = db.connect(":memory:")
    do(lambda: again.executescript("".join(con.iterdump())))
    do(lambda: list(again.iterdump()) == list(con.iterdump()))


@case
@own_engine_only
def backing_up(db: Any, do: Any) -> None:
    con, target = db.connect(":memory:"), db.connect(":memory:")
    con.executescript(SCHEMA)
    seen: list[Any] = []
    do(con.backup, con)
    do(con.backup, 5)
    do(con.backup, None)
    do(con.backup, target, name="nosuch")
    do(con.backup, target, pages="x")
    do(con.backup, target, progress=5)
    target.execute("create table other(a)")
    do(con.backup, target, progress=lambda *state: seen.append(state[:2]))
    do(lambda: seen[-1])
    do(lambda: list(target.iterdump()) == list(con.iterdump()))
    target.execute("insert into t2 values('mine', 7)")
    do(lambda: con.execute("select count(*) from t2").fetchone())
    do(lambda: target.execute("select * from counter").fetchall())
    target.commit()
    target.execute("insert into t2 values('open', 8)")
    do(con.backup, target)
    target.close()
    do(con.backup, target)
    do(lambda: con.execute("pragma user_version").fetchone())


@case
@own_engine_only
def serializing(db: Any, do: Any) -> None:
    con, target = db.connect(":memory:"), db.connect(":memory:")
    con.executescript(SCHEMA)
    do(con.serialize, name="nosuch")
    data = con.serialize()
    do(lambda: data[:16])
    do(target.deserialize, 5)
    do(target.deserialize, data)
    do(lambda: list(target.iterdump()) == list(con.iterdump()))
    do(lambda: target.execute("pragma user_version").fetchone())
    target.execute("insert into counter(n) values(1)")
    do(lambda: target.execute("select max(id) from counter").fetchone())


@case
@own_engine_only
def attached(db: Any, do: Any) -> None:
    con = db.connect(":memory:", isolation_level=None)
    con.executescript("""
        ATTACH ':memory:' AS aux;
        CREATE TABLE aux.t (a); INSERT INTO aux.t VALUES (x'0102');
        CREATE TABLE m (a); INSERT INTO m VALUES ('main');
        CREATE TEMP TABLE tt (a); INSERT INTO tt VALUES (x'0909');
    """)

    def read(*arguments: Any, **named: Any) -> Any:
        with con.blobopen(*arguments, **named) as blob:
            return blob.read()

    for table, name in (("t", "aux"), ("t", "AUX"), ("tt", "temp"), ("t", "main"), ("tt", "main"), ("t", "nosuch")):
        do(read, table, "a", 1, name=name)

    def tables(name: str) -> Any:
        other = db.connect(":memory:")
        other.deserialize(con.serialize(name=name))
        return other.execute("SELECT name FROM sqlite_master").fetchall()

    for name in ("aux", "AUX", "main", "temp", "nosuch"):
        do(tables, name)
    do(con.serialize, name=5)
    do(con.deserialize, b"", name=5)
    do(con.deserialize, con.serialize(), name="aux")
    do(lambda: con.execute("SELECT * FROM aux.m").fetchall())
    do(lambda: con.execute("SELECT name FROM aux.sqlite_master").fetchall())
    do(lambda: con.execute("SELECT name FROM main.sqlite_master").fetchall())
    target = db.connect(":memory:")
    for name in ("aux", "temp"):
        do(con.backup, target, name=name)
        do(lambda: target.execute("SELECT name FROM sqlite_master").fetchall())


@pytest.mark.parametrize("script", CASES, ids=lambda script: script.__name__)
def test_as_sqlite3(script: Script, engine: str) -> None:
    check(script, engine)

