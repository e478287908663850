"""PRAGMA beside sqlite3: columns, rows and errors of every one that programs read or set."""

from __future__ import annotations

import pytest

from tandemdb.planner.pragma.pragma import PRAGMAS, pragma_columns, pragma_table_rows
from tests.planner.ddl_driver import Driver, Oracle, compare_statements, outcome

SETTINGS = """
journal_mode=wal journal_mode=off journal_mode=nonsense synchronous=off synchronous=extra synchronous=5 synchronous=-1
synchronous=nonsense cache_size=100 cache_size=-100 cache_size=abc page_size=8192 page_size=77 auto_vacuum=1
auto_vacuum=full busy_timeout=77 busy_timeout=-3 busy_timeout=abc case_sensitive_like=1 recursive_triggers=on
foreign_keys=on foreign_keys=yes foreign_keys=true foreign_keys=2 foreign_keys=full foreign_keys=-1 foreign_keys='on'
foreign_keys(1) foreign_keys=1.5 foreign_keys=nope locking_mode=exclusive locking_mode=nonsense max_page_count=100
max_page_count=0 mmap_size=1000 secure_delete=0 secure_delete=fast secure_delete=on temp_store=memory temp_store=2
temp_store=file temp_store=7 threads=4 threads=100 trusted_schema=0 writable_schema=1 writable_schema=reset
legacy_alter_table=1 automatic_index=0 analysis_limit=100 analysis_limit=-1 cache_spill=0 cache_spill=100
journal_size_limit=100 wal_autocheckpoint=5 wal_autocheckpoint=-5 wal_checkpoint=full encoding='UTF8' encoding='x'
user_version=5 user_version=-5 user_version=5000000000 user_version=abc user_version=1.9 application_id=7
schema_version=7 data_version=7 freelist_count=1 page_count=1 defer_foreign_keys=1 ignore_check_constraints=1
read_uncommitted=1 default_cache_size=50 full_column_names=1 count_changes=1 temp_store_directory='/tmp'
legacy_file_format=1 shrink_memory=1 incremental_vacuum=1 optimize=1 integrity_check=1 database_list=1
collation_list=1 nope=1 main.user_version=3 nope.user_version=3 query_only=1 fullfsync=1 short_column_names=0
""".split()


@pytest.mark.parametrize("setting", SETTINGS)
def test_set_and_show(setting: str) -> None:
    name = setting.split("=")[0].split("(")[0]
    compare_statements([f"PRAGMA {setting}", f"PRAGMA {name}"])


SCHEMAS = {
    "types": [
        "create table t(a integer, b 'my type', c \"foo\" bar , d varchar ( 10 , 2 ), e generated always, "
        "f foo generated always as (1), g default (1+2), h default +5, i default - 5, j default b, k default 'x''y', "
        "l default \"q\", m default x'00', n default CURRENT_TIMESTAMP, o any, p Blob default (  3  ), "
        "q text not null default null, r INT primary key, s decimal(5 ), u unsigned big int)"
    ],
    "generated": [
        "create table t(a integer, b as (a+1) , c int as (a) stored, d text generated always as (a) virtual not null, "
        "primary key(a desc))"
    ],
    "without_rowid": [
        "create table t(a integer unique, b int, c unique on conflict replace, d, primary key(b,a,b)) without rowid",
        "create index i on t(d collate nocase desc, a, c)",
        "create unique index j on t(d)",
    ],
    "rowid": [
        "create table t(a integer unique, b int, c unique on conflict replace, d, primary key(b,a,b))",
        "create index i on t(d collate nocase desc, a, c)",
        "create unique index j on t(d)",
    ],
    "computed": ["create table t(a integer, b)", "create index i on t(a + 1, b) where b > 1"],
    "references": [
        "create table t(a references p, b references p(x) on delete cascade on update set null match full deferrable "
        "initially deferred, c, foreign key(a,c) references [q w](m,n) on delete restrict)"
    ],
    "view": ["create table u(a integer, b int default 4 not null)",
             "create view t as select a, b, a+1, cast(a as real) as q, b as bb from u"],
    "broken view": ["create view t as select * from nope"],
    "strict": ["create table t(a int primary key, b any) strict"],
}  # fmt: skip
QUESTIONS = """
table_info(t) table_xinfo(t) index_list(t) index_info(i) index_xinfo(i) index_xinfo(sqlite_autoindex_t_1)
index_info(sqlite_autoindex_t_3) index_info(t) index_xinfo(t) foreign_key_list(t) table_info(nope) table_info
table_info('T') table_info(sqlite_master) table_info(sqlite_temp_master) index_list(sqlite_master)
index_info(nope) temp.table_info(t) main.table_info(t) nope.table_info(t) table_list(t) table_list(nope)
main.table_list foreign_key_list(nope) collation_list foreign_key_check(nope) integrity_check(t) quick_check
integrity_check(nope)
""".split()


@pytest.mark.parametrize("name", SCHEMAS)
def test_descriptions(name: str) -> None:
    driver, oracle = Driver(), Oracle()
    for statement in SCHEMAS[name]:
        driver.execute(statement)
        oracle.execute(statement)
    for question in QUESTIONS:
        if name == "broken view" and "table_list" in question:
            continue  # sqlite3 lists what it found before the error
        expected = outcome(oracle, f"PRAGMA {question}")
        assert outcome(driver, f"PRAGMA {question}") == expected, question


FOREIGN_KEYS = [
    ["create table p(a primary key, b collate nocase unique)",
     "create table t(x references p, y references p(b), z references nope, w int references p)",
     "insert into p values(1,'A'),('2','B')", "insert into t values(1,'a',1,2),(5,'b',null,null)",
     "insert into t values('1','c',null,'2')"],
    ["create table p(a, b)", "create table t(x references p(a))", "insert into t values(1)"],
    ["create table p(a int, b, primary key(a,b))", "create table t(x, y, foreign key(x,y) references p)",
     "insert into p values(1,2)", "insert into t values('1',2),(null,5),(4,4)"],
    ["create table p(a integer primary key)", "create table t(x primary key references p) without rowid",
     "insert into p values(1)", "insert into t values('1'),('x'),(3)"],
    ["create table t(a integer primary key, x references t)", "insert into t values(1,1),(2,3)"],
]  # fmt: skip


@pytest.mark.parametrize("statements", FOREIGN_KEYS)
def test_foreign_key_check(statements: list[str]) -> None:
    compare_statements([*statements, "PRAGMA foreign_key_check", "PRAGMA foreign_key_check(t)"], in_order=False)


def test_foreign_keys_cannot_change_inside_a_transaction() -> None:
    compare_statements(["BEGIN", "PRAGMA foreign_keys = ON", "COMMIT", "PRAGMA foreign_keys"])


def test_user_version_belongs_to_the_transaction() -> None:
    compare_statements([
        "PRAGMA user_version = 4", "BEGIN", "PRAGMA user_version = 5", "PRAGMA application_id = 6", "ROLLBACK",
        "PRAGMA user_version", "PRAGMA application_id",
    ])  # fmt: skip


def test_schema_version_grows() -> None:
    driver = Driver()
    versions = []
    for statement in ("CREATE TABLE t (a)", "CREATE INDEX i ON t (a)", "DROP TABLE t"):
        driver.execute(statement)
        versions += driver.execute("PRAGMA schema_version")
    assert versions == sorted(set(versions))


def test_table_list_names_all() -> None:
    setup = ["create table t(a) ", "create view v as select 1", "create temp table u(a,b primary key) without rowid"]
    compare_statements([*setup, "PRAGMA table_list", "PRAGMA temp.table_list", "PRAGMA database_list"], in_order=False)


def test_integrity_check_finds_faults() -> None:
    driver = Driver()
    driver.execute("CREATE TABLE t (a UNIQUE, b NOT NULL)")
    session = driver.session
    session.atomic(lambda: session.write().table(load_id(driver)).insert(1, (1, None)))
    session.atomic(lambda: session.write().table(load_id(driver)).insert(2, (1, 2)))
    assert driver.execute("PRAGMA integrity_check") == [
        ("NULL value in t.b",), ("non-unique entry in index sqlite_autoindex_t_1",),
    ]  # fmt: skip
    assert driver.execute("PRAGMA integrity_check(1)") == [("NULL value in t.b",)]


def load_id(driver: Driver) -> int:
    from tandemdb.planner.schema.schema import load_schema

    return load_schema(driver.session.databases[0].root()).tables["t"].id


def test_lists_name_what_there_is() -> None:
    driver = Driver()
    names = {row[0] for row in driver.execute("PRAGMA pragma_list")}
    assert set(PRAGMAS) == names
    functions = {row[0] for row in driver.execute("PRAGMA function_list")}
    assert {"abs", "sum", "json_extract", "strftime"} <= functions
    assert ("ENABLE_MATH_FUNCTIONS",) in driver.execute("PRAGMA compile_options")


def test_table_valued_functions() -> None:
    driver = Driver()
    driver.execute("CREATE TABLE t (a INT, b UNIQUE)")
    assert pragma_columns("pragma_table_info") == (
        ("cid", "name", "type", "notnull", "dflt_value", "pk"), ("arg", "schema"),
    )  # fmt: skip
    assert pragma_columns("pragma_wal_checkpoint") is None and pragma_columns("pragma_nope") is None
    session = driver.session
    assert pragma_table_rows(session, "pragma_table_info", ["t"]) == driver.execute("PRAGMA table_info(t)")
    assert pragma_table_rows(session, "pragma_index_list", ["t", "main"]) == driver.execute("PRAGMA index_list(t)")
    assert pragma_table_rows(session, "pragma_user_version", []) == [(0,)]


BROKEN = [
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b CHECK (b > 0), c CHECK (c IS NULL OR c <> b), CHECK (length(b) < a + 3))",
    "CREATE TABLE u (x TEXT CHECK (x LIKE 'a%'), y AS (x || 'z') CHECK (y <> 'az'), PRIMARY KEY (x)) WITHOUT ROWID",
    "CREATE TABLE v (x CHECK (rowid < 3 AND x))",
    "PRAGMA ignore_check_constraints = ON",
    "INSERT INTO t VALUES (1, 0, 0), (2, 5, 5), (3, NULL, 1), (4, -1, -1), (5, 12345678, 1), (6, 1, 2)",
    "INSERT INTO u VALUES ('b'), ('a'), ('ab'), ('A')",
    "INSERT INTO v VALUES (1), (NULL), (0), (1)",
]


@pytest.mark.parametrize("pragma", ["integrity_check", "quick_check"])
@pytest.mark.parametrize("argument", ["", "(t)", "(u)", "(V)", "(2)", "(nope)"])
def test_integrity_check_tells_of_rows_that_break_a_check(pragma: str, argument: str) -> None:
    ask = f"PRAGMA {pragma}{argument}"
    compare_statements([*BROKEN, ask, "PRAGMA ignore_check_constraints = OFF", ask, "DELETE FROM t", ask])
