"""CREATE and DROP, statement by statement beside sqlite3: outcome, error text, catalog.

Each line is a script whose statements are divided by "|".
"""

from __future__ import annotations

import pytest

from tandemdb.errors import Error, NotSupportedError
from tandemdb.planner.parser import parse
from tandemdb.planner.schema import analyze
from tandemdb.planner.syntax import ast
from tests.planner.ddl_driver import Driver, Oracle, compare, compare_statements, outcome

CREATE_TABLE = r"""
create table "a b"(x) | create table "a b"(y)
create view v as select 1 | create table v(a)
create table t(a) | create index i on t(a) | create table i(a)
create table t(a, A)
create table sqlite_x(a)
create table t(a integer primary key, b primary key)
create table t(a int primary key autoincrement)
create table t(a integer primary key desc autoincrement)
create table t(a, b, primary key(a), primary key(b))
create table t(a) without rowid
create table t(a integer primary key autoincrement) without rowid
create table t(a, unique(b))
create table t(a, unique(a+1))
create table t(a, unique('a'))
create table t(a, unique("b"))
create table t(a, primary key(b))
create table t(a, primary key("b"))
create table t(a, primary key(a+1))
create table t(a references p(x,y))
create table t(a, foreign key(b) references p)
create table t(a, foreign key(a) references p(x,y))
create table t(a, foreign key(a,a) references p(x))
create table t(a collate nope)
create table t(a default (b))
create table t(a default ("b"))
create table t(a default (1+random()))
create table t(a default (select 1))
create table t(a default ((select 1)))
create table t(a default (?))
create table t(a default (nofunc(1)))
create table t(a default b)
create table t(a default (max(a)))
create table t(a check (b>1))
create table t(a check ("b">1))
create table t(a check (t.a>1))
create table t(a check (x.a>1))
create table t(a check (main.t.a>1))
create table t(a check ((select 1)))
create table t(a check (a in (select 1)))
create table t(a check (exists (select 1)))
create table t(a check (random()))
create table t(a check (current_timestamp))
create table t(a check (date('now')))
create table t(a check (?))
create table t(a check (max(a)))
create table t(a check (row_number() over ()))
create table t(a check (nofunc(a)))
create table t(a check (lower(a,a,a)))
create table t(a check (a collate nope = 1))
create table t(a check (rowid > 1))
create table t(a, b as (c))
create table t(a, b as ("c"))
create table t(a, b as (rowid))
create table t(a, b as (random()))
create table t(a, b as ((select 1)))
create table t(a, b as (?))
create table t(a, b as (sum(a)))
create table t(b as (1))
create table t(a, b as (a) primary key)
create table t(a, b as (a), primary key(b))
create table t(a, b primary key as (a))
create table t(a, b as (a) default 1)
create table t(a, b as (a) foo)
create table t(a, b as (b))
create table t(a, b as (c), c as (b))
create table t(a foo) strict
create table t(a) strict
create table t(a int) strict,without rowid
create table t(a int) foo
create table t(a int) without foo
create table t(a, b, unique(a,b), unique(a,b) on conflict ignore)
create temp table main.t(a)
create temp table temp.t(a)
create table nope.t(a)
create table t(a) | create virtual table t using fts5(a)
create table t(a) | create table if not exists t(a, a)
create table t(a) | create table if not exists t(a collate nope)
create table t(a int primary key not null unique unique, b)
create table t(a constraint foo)
create table t(a generated always)
create table t(a constraint foo check(1) constraint bar)
create table t(a) | create table t_1 as select 1 | create table t_1 as select 1
create table t(a default -5, b default +5, c default -x'aa', d default - 5)
create table t(a default null, b default true)
create table t(a not null on conflict foo)
create table t(a, check(a>0) on conflict abort)
create table sqlite_stat1(a)
create table t(_rowid_, oid, rowid)
create table t(a, primary key(rowid))
create table t(a, unique(rowid))
create table t(a, b, primary key(a,a)) without rowid
create table t(a check(raise(abort,'x')))
create table t(a default (raise(abort,'x')))
create table t(a check(new.a))
create table t(a,foreign key(a) references p(x,y), foreign key(zz) references p)
create table t(a, constraint c unique(a), constraint c unique(b))
create table t(a, b, primary key(a autoincrement))
create table t(a integer, primary key(a autoincrement))
create table t(a integer, b, primary key(a,b autoincrement))
create table t(a integer, b, primary key(a collate nope))
create table t(a integer, b, primary key(b collate nope))
create table t(a integer, b, primary key(b nulls first))
create table t(a integer, b, unique(b nulls last))
create table t(a unique, b integer primary key autoincrement, unique(b,a), unique(a))
create table t(a unique, b, primary key(b,a)) without rowid
create table t(a, b, primary key(b,a), unique(b), unique(b,a)) without rowid
create table t(a, b, unique(b,a), primary key(b,a))
create table t(a, b, unique(b,a), primary key(b,a)) without rowid
create temp table if not exists  tt(a)
create table t as select 1 as a, 'x' as b, 2.5 c, x'00' d, cast(1 as text) e, null f
create table x(a int, b varchar(10), c double, d numeric, e) | create table main.[t 1] as select a, b, c, d, e, a+1
    from x
create table x(a int, b varchar(10), c double, d numeric, e) | create table t as select a, a, b as A from x
create table x(abcdefghijklmnopqrstuvwx int, b varchar(10), abcdefghijklmnopqrstuvwxyza double, d numeric,
    "select","a b") | create table t as select * from x
"""

CREATE_INDEX = r"""
create index i on nope(a)
create table t(a) | create index i on t(b)
create table t(a) | create index i on t("b")
create table t(a) | create index i on t('b')
create table t(a) | create index i on t('a')
create table t(a) | create index i on t(a collate nope)
create table t(a) | create index i on t(a nulls first)
create table t(a) | create index i on t(a desc nulls last)
create table t(a) | create index i on t(a asc nulls last)
create table t(a) | create index i on t(random())
create table t(a) | create index i on t((select 1))
create table t(a) | create index i on t(?)
create table t(a) | create index i on t(max(a))
create table t(a) | create index i on t(a) where (select 1)
create table t(a) | create index i on t(a) where b
create table t(a) | create index i on t(a) where random()
create table t(a) | create index i on t(a) where ?
create table t(a) | create index i on t(a) where t.a
create table t(a) | create index i on t(t.a)
create table t(a) | create index i on t(rowid)
create table t(a) | create index i on t(lower(rowid))
create table t(a) | create index t on t(a)
create table t(a) | create index i on t(a) | create index I on t(a)
create table t(a) | create index sqlite_i on t(a)
create index i on sqlite_master(name)
create view v as select 1 | create index i on v(a)
create table t(a unique) | create index i on sqlite_sequence(name)
create table t(a) | create temp index i on t(a)
create table t(a) | create index temp.i on t(a)
create table t(a) | create index nope.i on t(a)
create index if not exists i on nope(a)
create table t(a) | create index sqlite_autoindex_t_1 on t(a)
create table t(a) | create unique  index if not exists main. i on t(a) where a>1   ;
create temp table t(a int) | create index i on t(a)
create table t(a) | insert into t values(1),(1) | create unique index i on t(a)
create table t(a) | insert into t values(1),(1) | create unique index i on t(a+1)
create table t(a,b) | insert into t values(1,1),(1,1) | create unique index i on t(a,b)
create table t(a,b) | insert into t values(1,1),(1,1) | create unique index i on t(a,b+1)
create table t(a,b integer primary key) | create index i on t(a,b) | create index j on t(a,a)
"""

CREATE_VIEW_OR_TRIGGER = r"""
create table t(a) | create view T as select 1
create view v as select 1 | create view "v" as select 1
create view v as select ?
create view v(a,b) as select 1
create view v(a,a) as select 1,2
create view v as select * from nope
create view v as select * from temp.x
create table t(a) | create trigger r after insert on nope begin select 1; end
create table t(a) | create trigger r instead of insert on t begin select 1; end
create view v as select 1 | create trigger r after insert on v begin select 1; end
create view v as select 1 | create trigger r before insert on main.v begin select 1; end
create trigger r after insert on sqlite_master begin select 1; end
create table t(a) | create trigger sqlite_r after insert on t begin select 1; end
create table t(a) | create trigger r after insert on t begin select 1; end | create trigger "r" after insert on t
    begin select 1; end
create table t(a) | create trigger r after insert on t begin select ?; end
create table t(a) | create trigger r after insert on t when ? begin select 1; end
create table t(a) | create trigger r after insert on t begin insert into main.t values(1); end
create table t(a) | create trigger r after insert on t begin insert into nope values(1); end
create table t(a) | create trigger r after insert on t begin insert into t values(1) returning a; end
create table t(a) | create trigger r after insert on t begin select old.a; end
create table t(a) | create trigger r after insert on t begin select new.zz; end
create table t(a) | create trigger r after insert on t begin update t indexed by x set a=1; end
create table t(a) | create trigger r after insert on t begin delete from t not indexed; end
create table t(a) | create trigger r after update of zz on t begin select 1; end
create table t(a) | create trigger r after insert on t begin select * from temp.x; end
create table t(a) | create trigger r after insert on t begin select * from nope.x; end
create table t(a) | create temp trigger temp.r after insert on t begin select 1; end
create table t(a) | create temp trigger main.r after insert on t begin select 1; end
create table t(a) | create trigger temp.r after insert on t begin select 1; end
create table t(a) | create trigger main.r after insert on temp.t begin select 1; end
create table t(a) | create trigger r after insert on t when sum(1) begin select 1; end
create table t(a) | create trigger r after insert on t when new.zz begin select 1; end
create view main.v (x) as select 1;
create table t(a) | create temporary trigger if not exists r after insert on main.t begin select 1; end  ;
create table t(a) | create trigger if not exists main.r after insert on t begin select 1; end  ;
"""

DROP = r"""
drop table nope
drop table main.nope
drop table nope.x
drop view nope
drop view main.nope
drop index nope
drop index main.nope
drop index nope.nope
drop trigger nope
drop trigger main.nope
drop trigger nope.x
drop table sqlite_master
drop table sqlite_schema
drop table temp.sqlite_master
drop table if exists sqlite_master
drop table if exists nope.x
create table t(a integer primary key autoincrement) | drop table sqlite_sequence
create table t(a) | drop view t
create table t(a) | drop view if exists t
create view t as select 1 | drop table t
create view t as select 1 | drop table if exists t
create table t(a unique) | drop index sqlite_autoindex_t_1
create table t(a unique) | drop index if exists main.sqlite_autoindex_t_1
create table t(a primary key) without rowid | drop index sqlite_autoindex_t_1
create table t(a unique) | drop index t
create table t(a unique) | drop trigger t
create table t(a unique) | drop table sqlite_autoindex_t_1
"""

REINDEX_AND_ANALYZE = r"""
reindex nope
create table t(a) | reindex t
reindex main.nope
reindex nocase
reindex nope.x
analyze nope
analyze main.nope
analyze nope.x
"""


def scripts(text: str) -> list[str]:
    """One script a line; an indented line goes on with the one before."""
    return text.strip().replace("\n    ", " ").split("\n")


@pytest.mark.parametrize("script", scripts(CREATE_TABLE))
def test_create_table(script: str) -> None:
    compare(script)


@pytest.mark.parametrize("script", scripts(CREATE_INDEX))
def test_create_index(script: str) -> None:
    compare(script)


@pytest.mark.parametrize("script", scripts(CREATE_VIEW_OR_TRIGGER))
def test_create_view_or_trigger(script: str) -> None:
    compare(script)


@pytest.mark.parametrize("script", scripts(DROP))
def test_drop(script: str) -> None:
    compare(script)


@pytest.mark.parametrize("script", scripts(REINDEX_AND_ANALYZE))
def test_reindex_and_analyze_know_their_names(script: str) -> None:
    *setup, last = [part.strip() for part in script.split("|")]
    oracle, driver = Oracle(), Driver()
    for statement in setup:
        oracle.execute(statement)
        driver.execute(statement)
    assert analysis(driver, last) == outcome(oracle, last)


def analysis(driver: Driver, statement: str) -> object:
    """What REINDEX or ANALYZE gives, run by its own function."""
    node = parse(statement).node
    run = analyze.reindex if isinstance(node, ast.Reindex) else analyze.analyze
    try:
        driver.session.atomic(lambda: run(driver.session, node))  # type: ignore[arg-type]
    except Error as error:
        return type(error).__name__, str(error)
    return None, []


def test_analyze_counts_as_sqlite_does() -> None:
    setup = [
        "CREATE TABLE t(a, b TEXT COLLATE NOCASE, c)",
        "CREATE INDEX i ON t(a, b, c)",
        "CREATE INDEX j ON t(b)",
        "CREATE INDEX k ON t(c) WHERE c > 1",
        "CREATE TABLE w(x, y, PRIMARY KEY (y, x)) WITHOUT ROWID",
        "CREATE TABLE bare(a)",
        "CREATE TABLE empty(a UNIQUE)",
        "INSERT INTO t VALUES (1, 'x', 1), (1, 'X', 2), (1, 'y', 3), (2, NULL, 4), (NULL, NULL, 5)",
        "INSERT INTO w VALUES (1, 1), (2, 1), (3, 2)",
        "INSERT INTO bare VALUES (1), (1)",
    ]
    oracle, driver = Oracle(), Driver()
    for statement in setup:
        oracle.execute(statement)
        driver.execute(statement)
    for statement in ("ANALYZE", "ANALYZE t", "ANALYZE i", "ANALYZE main"):
        assert analysis(driver, statement) == outcome(oracle, statement)
        query = "SELECT tbl, idx, stat FROM sqlite_stat1"
        assert outcome(driver, query, in_order=False) == outcome(oracle, query, in_order=False)
    compare_statements(["CREATE TABLE t(a)", "DROP TABLE t"])


@pytest.mark.parametrize(
    "statements",
    [
        ["  /* x */ CREATE /*y*/ TABLE  if not exists /*z*/  main . t ( a , b ) ;  "],
        ["create temp view if not exists v (x) as select 1   -- foo\n"],
        ["create table t(a,\n b -- second\n, c\n)"],
    ],
)
def test_the_text_is_kept_as_written(statements: list[str]) -> None:
    compare_statements(statements)


def test_virtual_tables_are_refused() -> None:
    driver = Driver()
    with pytest.raises(NotSupportedError, match="fts5"):
        driver.execute("CREATE VIRTUAL TABLE v USING fts5(a)")
    compare("CREATE VIRTUAL TABLE v USING nope(a)")
    compare("CREATE TABLE t(a) | CREATE VIRTUAL TABLE t USING fts5(a)")


def test_drop_leaves_nothing_in_storage() -> None:
    driver = Driver()
    before = set(driver.session.databases[0].root().tables)
    driver.execute("CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b UNIQUE)")
    driver.execute("CREATE INDEX i ON t(b)")
    driver.execute("DROP TABLE t")
    names = {table.definition.name for table in driver.session.databases[0].root().tables.values()}
    assert names == {"sqlite_master", "layout", "sqlite_settings", "sqlite_sequence"}
    assert before <= set(driver.session.databases[0].root().tables)


def test_a_statement_that_fails_leaves_nothing() -> None:
    driver = Driver()
    driver.execute("CREATE TABLE t(a)")
    driver.execute("INSERT INTO t VALUES (1), (1)")
    root = driver.session.databases[0].root()
    with pytest.raises(Exception, match="UNIQUE constraint failed: t.a"):
        driver.execute("CREATE UNIQUE INDEX i ON t(a)")
    assert driver.session.databases[0].root() is root
