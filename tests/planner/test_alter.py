"""ALTER TABLE, statement by statement beside sqlite3: outcome, error text, the texts in the catalog.

Each line is a script whose statements are divided by "|".
"""

from __future__ import annotations

import pytest

from tests.planner.ddl_driver import Driver, compare, compare_statements

RENAME = r"""
create table t(a) | alter table t rename to u
create table t(a) | alter table t rename to 'x y'
create table t(a) | alter table t rename to sqlite_y
create table t(a) | alter table t rename to T
create table t(a) | create table u(a) | alter table t rename to U
create table t(a) | create index u on t(a) | alter table t rename to U
create table t(a) | create view u as select * from t | alter table u rename to U2
alter table nope rename to u
alter table sqlite_master rename to u
alter table main.nope rename to u
create table t(a unique, b check(t.b>0)) | create table p(x references t(a), foreign key(x) references T) | create
    index i on t(a) where t.a>0 | create view v as select t.a, x.b from main.t, t as x where t.a in (select a from t)
    | create trigger r after insert on t begin insert into t select new.a, t.b from t; update t set a=1; delete from
    t where t.a=1;end | create trigger r2 after insert on p begin select * from t; end | alter table t rename to "u"
create table t(a) | create view v as select * from nope | alter table t rename to u
create table t(a) | create view v as select nope from t | alter table t rename to u
create table t(a) | create trigger r after insert on t begin select nope from t; end | alter table t rename to u
create table t(a) | create trigger r after insert on t begin insert into nope values(1); end | alter table t rename to u
create table t(a) | create trigger r after insert on t begin insert into t(b) values(1); end | alter table t rename to u
create table t(a integer primary key autoincrement) | insert into t values(5) | alter table t rename to u
create table t(a, b) | alter table t rename c to d
create table t(a, b) | alter table t rename a to b
create table t(a, b) | alter table t rename a to A
create table t(a, b) | alter table t rename a to "q w"
create table t(a, b) | alter table t rename a to q
create table t("a", b check (a>b), check([a]>1 and "a">1 and a >2), unique(a)) | alter table t rename a to q
create table t(a, b) | create view v as select a from t | alter table v rename a to q
alter table sqlite_master rename name to q
alter table nope rename name to q
create table t(a primary key, b references t(a), c as (a+1), foreign key(b) references t(a)) | create table z(a
    references t(a), foreign key(a) references T(a)) | create index i on t(a,lower(a)) where a>1 | create view v as
    select a, t.a, x.a as a, b as zz from t join t as x using(a) where x.a>1 group by t.a order by a | create view
    w(a) as select a from v | create trigger r after update of a on t when new.a>old.a begin insert into t(a) select
    a from t where a=new.a; update t set a=a+1, b=(select a from z) where a=1; delete from z where a in (select a
    from t); end | alter table t rename a to q
create table t(a) | create view v as select nope from t | alter table t rename a to q
create table t(a) | create view v as with c(a) as (select a from t) select a from c | alter table t rename a to q
create table t(a) | create view v as with c as (select a from t) select a from c | alter table t rename a to q
create table t(a) | create view v as select x.a from (select a from t) x | alter table t rename a to q
create table t(a) | create view v as select x.a from (select * from t) x | alter table t rename a to q
create table t(a) | create view v as select * from t | create view w as select a from v | alter table t rename a to q
create table t(a) | create trigger r after insert on t begin insert into t(a) values(1) on conflict(a) do update set
    a=excluded.a where a=1; end | alter table t rename a to q
create table t(a unique) | create trigger r after insert on t begin insert into t(a) values(1) on conflict(a) do
    update set a=excluded.a where a=1; end | alter table t rename a to q
create table t(a) | create trigger r after insert on t begin select nope; end | alter table t rename a to q
create table t(a, b text default 'a', c a, d) | alter table t rename a to key
create table t(a, key text primary key) | alter table t rename key to order
create table t(a, key text primary key) | alter table t rename key to "order"
create table t(a, b, primary key(a collate nocase desc, b)) without rowid | alter table t rename a to "order"
"""

COLUMNS = r"""
create table t(a , b /*x*/ ) | alter table t add column c int default 5
create table t(a, b, unique(a)) | alter table t add c
create table t(a, b,primary key(a) , check(b>0) ) without rowid | alter table t add c text  collate nocase   ;
create table t(a) | alter table t add A
create table t(a) | alter table t add b primary key
create table t(a) | alter table t add b unique
create table t(a) | alter table t add b not null
create table t(a) | insert into t values(1) | alter table t add b not null
create table t(a) | insert into t values(1) | alter table t add b not null default 5
create table t(a) | insert into t values(1) | alter table t add b not null default null
create table t(a) | insert into t values(1) | alter table t add b default current_timestamp
create table t(a) | alter table t add b default current_timestamp
create table t(a) | insert into t values(1) | alter table t add b default (1+1)
create table t(a) | insert into t values(1) | alter table t add b default (-1)
create table t(a) | insert into t values(1) | alter table t add b default (cast('5' as int))
create table t(a) | insert into t values(1) | alter table t add b default true
create table t(a) | insert into t values(1) | alter table t add b default (abs(1))
create table t(a) | insert into t values(1) | alter table t add b default (b)
create table t(a) | insert into t values(1) | alter table t add b as (a+1) stored
create table t(a) | alter table t add b as (a+1) stored
create table t(a) | insert into t values(1) | alter table t add b as (a+1)
create table t(a) | insert into t values(1) | alter table t add b not null as (null)
create table t(a) | insert into t values(1) | alter table t add b check(b>0)
create table t(a) | insert into t values(1) | alter table t add b default 0 check(b>0)
create table t(a) | insert into t values(1) | alter table t add b check(a>5)
create table t(a) | insert into t values(1) | alter table t add b check(zz>5)
create table t(a) | insert into t values(1) | alter table t add b references p default 5
create table t(a) | alter table t add b collate nope
create table t(a int) strict | alter table t add b
create table t(a int) strict | alter table t add b foo
create table t(a int) strict | insert into t values(1) | alter table t add b int default 'x'
create view v as select 1 | alter table v add b
alter table sqlite_master add b
alter table nope add b
create table t(a) | create view v as select nope from t | alter table t add b
create table t(a, b) | alter table t drop c
create table t(a, b) | alter table t drop column b
create table t(a, b) | alter table t drop column a
create table t(a) | alter table t drop column a
create table t(a primary key, b unique, c) | alter table t drop a
create table t(a primary key, b unique, c) | alter table t drop b
create table t(a, b, c, unique(b)) | alter table t drop b
create table t(a, b, c, unique(b,c)) | alter table t drop b
create table t(a, b, c, primary key(b,c)) | alter table t drop b
create table t(a, b, c) | create index i on t(b) | alter table t drop b
create table t(a, b, c) | create index i on t(a) where b>1 | alter table t drop b
create table t(a, b, c) | create index i on t(a,c) | alter table t drop b
create table t(a, b check(b>0), c) | alter table t drop b
create table t(a, b, c check(b>0)) | alter table t drop b
create table t(a, b, c, check(b>0)) | alter table t drop b
create table t(a, b references p, c) | alter table t drop b
create table t(a, b, c, foreign key(b) references p) | alter table t drop b
create table t(a, b, c as (b)) | alter table t drop b
create table t(a, b, c as (b)) | alter table t drop c
create table t(a, b, c) | create view v as select b from t | alter table t drop b
create table t(a, b, c) | create view v as select * from t | alter table t drop b
create table t(a, b, c) | create trigger r after insert on t begin select new.b; end | alter table t drop b
create table t(a, b, c) | create trigger r after update of b on t begin select 1; end | alter table t drop b
create table t(a, b, c) | create trigger r after insert on t begin insert into t(b) values(1); end | alter table t
    drop b
create table t(a, b, c) | create trigger r after insert on t begin update t set b=1; end | alter table t drop b
create table t(a, b, c) | create view v as select nope from t | alter table t drop b
create view v as select 1 as a | alter table v drop a
alter table sqlite_master drop name
alter table nope drop x
create table p(a,b) | create table t(a, b references p(b), c) | alter table p drop b
create table t(a integer primary key, b) | alter table t drop a
create table t(a, b) | alter table t add column "c d" int
create table t(a, b) | alter table t add column c int -- foo
create table t(a, b) | create view v as select c from t | alter table t add column c int
"""


def scripts(text: str) -> list[str]:
    """One script a line; an indented line goes on with the one before."""
    return text.strip().replace("\n    ", " ").split("\n")


@pytest.mark.parametrize("script", scripts(RENAME))
def test_rename(script: str) -> None:
    compare(script)


@pytest.mark.parametrize("script", scripts(COLUMNS))
def test_add_and_drop_column(script: str) -> None:
    compare(script)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE t(a, d)", 'CREATE UNIQUE INDEX i ON t("d", a)'],
        ["CREATE TABLE t(a, d)", "CREATE INDEX i ON t(D)"],
        ["CREATE TABLE t(a, d)", 'CREATE INDEX i ON t(a, length("d"))'],
        ["CREATE TABLE t(a, d)", 'CREATE INDEX i ON t(a) WHERE "d" IS NULL'],
        ['CREATE TABLE t(a, d, e AS (quote("d")))'],
        ['CREATE TABLE t(a, d, e AS (quote(a || "d")) STORED)'],
        ['CREATE TABLE t(a CHECK ("d" <> 1), d)'],
        ['CREATE TABLE t(a, d CHECK ("d" <> 1))'],
        ['CREATE TABLE t(a, d, e DEFAULT "d")', "CREATE INDEX i ON t(a, e)"],
    ],
)
def test_a_dropped_column_is_not_taken_for_a_text(statements: list[str]) -> None:
    """Two rows that differ in it only would be one to a UNIQUE index."""
    rows = ["INSERT INTO t (a, d) VALUES (1, 2), (1, 3)", "ALTER TABLE t DROP COLUMN d", "SELECT * FROM t"]
    compare_statements([*statements, *rows, "PRAGMA integrity_check"])


@pytest.mark.parametrize(
    "statements",
    [
        ["create table t(a,\n  b text, -- foo\n  c int -- bar\n)", "alter table t drop c"],
        ["create table t(a, b text -- foo , x\n, c int -- bar\n)", "alter table t drop b"],
        ["create table t(a\n-- last\n)", "alter table t add b int", "alter table t rename b to c"],
    ],
)
def test_comments_stay(statements: list[str]) -> None:
    compare_statements(statements)


def test_records_and_keys_follow_the_columns() -> None:
    compare_statements(
        [
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INT, d REAL)",
            "CREATE INDEX by_d ON t(d, c)",
            "INSERT INTO t VALUES (1, 'x', 10, 1.5), (2, 'y', 20, 0.5), (3, NULL, NULL, NULL)",
            "ALTER TABLE t ADD COLUMN e TEXT DEFAULT 7",
            "ALTER TABLE t ADD COLUMN f INT DEFAULT '8'",
            "ALTER TABLE t ADD COLUMN g AS (c + f)",
            "SELECT * FROM t",
            "ALTER TABLE t DROP COLUMN b",
            "SELECT * FROM t",
            "SELECT a FROM t WHERE d = 0.5",
            "SELECT a FROM t WHERE d > 0.5 ORDER BY d",
            "ALTER TABLE t RENAME COLUMN d TO weight",
            "SELECT weight FROM t ORDER BY weight",
            "ALTER TABLE t RENAME TO u",
            "SELECT a, weight FROM u WHERE weight IS NULL",
            "INSERT INTO u (c, weight) VALUES (5, 2)",
            "SELECT * FROM u",
        ]
    )


def test_without_rowid_table_keeps_its_keys() -> None:
    compare_statements(
        [
            "CREATE TABLE t(x, a TEXT COLLATE NOCASE, b INT, c UNIQUE, PRIMARY KEY (b DESC, a)) WITHOUT ROWID",
            "INSERT INTO t VALUES (1, 'A', 2, 3), (2, 'b', 1, 4), (3, 'c', 2, 5)",
            "ALTER TABLE t DROP COLUMN x",
            "ALTER TABLE t ADD COLUMN d DEFAULT 'new'",
            "SELECT a, b, c, d FROM t ORDER BY c",
            "SELECT c FROM t WHERE b = 2 AND a = 'a'",
            "SELECT a FROM t WHERE c = 4",
            "INSERT INTO t VALUES ('a', 2, 9, 9)",
        ]
    )


def test_legacy_rename_leaves_the_statements_of_triggers_alone() -> None:
    compare_statements(
        [
            "PRAGMA legacy_alter_table = ON",
            "CREATE TABLE t(a)",
            "CREATE TRIGGER r AFTER UPDATE ON t BEGIN INSERT INTO t VALUES (new.a); DELETE FROM t WHERE t.a = 1; END",
            "ALTER TABLE t RENAME TO u",
            "UPDATE u SET a = 1",
        ]
    )


def test_legacy_rename_leaves_views_alone() -> None:
    compare_statements(
        [
            "PRAGMA legacy_alter_table = ON",
            "CREATE TABLE t(a)",
            "CREATE VIEW v AS SELECT nope FROM t",
            "ALTER TABLE t RENAME TO u",
        ]
    )


BROKEN = [
    "CREATE VIEW v AS SELECT a, zz FROM t",
    "CREATE VIEW v AS SELECT * FROM nosuch",
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.zz); END",
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO nolog VALUES (new.a); DELETE FROM t; END",
    "CREATE TEMP TRIGGER r AFTER INSERT ON log BEGIN DELETE FROM t WHERE zz = 5; END",
    "CREATE TEMP VIEW v AS SELECT zz FROM t",
    "CREATE VIEW v AS SELECT a, b, c FROM t",
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("legacy", ["ON", "OFF"])
def test_definitions_that_did_not_hold_before(broken: str, legacy: str) -> None:
    alterations = ["DROP COLUMN c", "RENAME COLUMN c TO d", "ADD COLUMN e", "RENAME TO u"]
    for alteration in alterations:
        compare_statements(
            [
                "CREATE TABLE t (a INTEGER PRIMARY KEY, b, c REFERENCES x)",
                "CREATE TABLE log (x)",
                broken,
                f"PRAGMA legacy_alter_table = {legacy}",
                f"ALTER TABLE t {alteration}",
                f"ALTER TABLE t {alteration}",
            ]
        )


@pytest.mark.parametrize("kind", ["", " WITHOUT ROWID"])
@pytest.mark.parametrize("event", ["AFTER INSERT", "BEFORE UPDATE OF a", "AFTER UPDATE"])
def test_temporary_triggers_follow_a_column(kind: str, event: str) -> None:
    for body in ("INSERT INTO log VALUES (new.a)", "SELECT a FROM t WHERE b = new.a", "UPDATE t SET a = new.a, b = 1"):
        compare_statements(
            [
                f"CREATE TABLE t (a INTEGER PRIMARY KEY, b){kind}",
                "CREATE TABLE log (x)",
                f"CREATE TEMP TRIGGER r {event} ON main.t BEGIN {body}; END",
                "ALTER TABLE t RENAME COLUMN a TO \"x y\"",
                "INSERT INTO t VALUES (1, 2)",
                "SELECT * FROM log",
                "ALTER TABLE t RENAME TO u",
            ]
        )


def test_checks_of_a_new_column_may_be_ignored() -> None:
    compare_statements(
        [
            "CREATE TABLE t (a)",
            "INSERT INTO t VALUES (0)",
            "ALTER TABLE t ADD COLUMN b CHECK (a > 0)",
            "PRAGMA ignore_check_constraints = ON",
            "ALTER TABLE t ADD COLUMN b CHECK (a > 0)",
            "ALTER TABLE t ADD COLUMN c NOT NULL",
        ]
    )


def test_a_hundred_columns() -> None:
    driver = Driver()
    driver.execute("CREATE TABLE t(" + ", ".join(f"c{number}" for number in range(100)) + ")")
    driver.execute("CREATE VIEW v AS SELECT " + ", ".join(f"c{number}" for number in range(100)) + " FROM t")
    driver.execute("ALTER TABLE t RENAME COLUMN c57 TO renamed")
    table = {row[1]: row[3] for row in driver.catalog()}
    assert "c56, renamed, c58" in table["t"] and "c56, renamed, c58" in table["v"]
