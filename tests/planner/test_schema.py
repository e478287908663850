"""Schemas: what is shared, what is parsed, what a loaded schema holds."""

from __future__ import annotations

import pytest

from tandemdb.planner.parser import parse
from tandemdb.planner.schema import schema
from tandemdb.planner.schema.build import build_table
from tandemdb.planner.schema.schema import affinity_of, load_schema
from tandemdb.planner.schema.text import numbered_names, quote_if_needed
from tandemdb.planner.syntax import ddl
from tandemdb.planner.syntax.parsed import Parsed
from tests.planner.ddl_driver import Driver

TABLES = [
    f"CREATE TABLE schema_test_{number} (id INTEGER PRIMARY KEY, name TEXT UNIQUE, "
    f"parent INT REFERENCES schema_test_{max(0, number - 1)}(id))"
    for number in range(30)
]


def current(driver: Driver) -> schema.Schema:
    return load_schema(driver.session.databases[0].root())


def test_equal_catalogs_share_one_schema() -> None:
    first, second = Driver(), Driver()
    for driver in (first, second):
        for statement in TABLES[:5]:
            driver.execute(statement)
    assert current(first) is current(second)
    assert current(first).plans is current(second).plans
    second.execute("CREATE INDEX extra ON schema_test_1 (parent)")
    assert current(first) is not current(second)
    assert current(first).fingerprint != current(second).fingerprint
    assert current(first).tables["schema_test_2"] is current(second).tables["schema_test_2"]
    second.execute("DROP INDEX extra")
    assert current(first) is current(second)


def test_one_more_table_costs_at_most_one_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    import tandemdb.planner.parser as parser

    driver = Driver()
    for statement in TABLES[:10]:
        driver.execute(statement)
    current(driver)
    parsed: list[str] = []

    def counting(sql: str, start: int = 0) -> Parsed:
        parsed.append(sql)
        return parse(sql, start)

    monkeypatch.setattr(parser, "parse", counting)
    driver.execute("CREATE TABLE schema_test_new (a, b)")
    current(driver)
    assert len(parsed) <= 1


def test_rollback_brings_the_schema_back() -> None:
    driver = Driver()
    driver.execute("CREATE TABLE t (a)")
    before = current(driver)
    driver.execute("BEGIN")
    driver.execute("CREATE TABLE u (a)")
    assert "u" in current(driver).tables
    driver.execute("ROLLBACK")
    assert current(driver) is before


def test_a_table_holds_what_was_declared() -> None:
    driver = Driver()
    driver.execute("CREATE TABLE parent (k TEXT PRIMARY KEY)")
    driver.execute(
        "CREATE TABLE T (Id INTEGER PRIMARY KEY AUTOINCREMENT, p varchar(9) NOT NULL DEFAULT 'x' COLLATE nocase "
        "REFERENCES parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, n AS (p || 1) STORED, "
        "CONSTRAINT positive CHECK (id > 0), UNIQUE (p, n) ON CONFLICT REPLACE)"
    )
    driver.execute("CREATE INDEX partial ON t (n DESC) WHERE id > 5")
    table = current(driver).tables["t"]
    assert (table.name, table.rowid_position, table.autoincrement, table.primary_key) == ("T", 0, True, (0,))
    identity, p, n = table.columns
    assert (identity.type_name, identity.affinity, identity.primary_key) == ("INTEGER", "INTEGER", 1)
    assert (p.affinity, p.collation, p.not_null, p.default_text) == ("TEXT", "nocase", True, "'x'")
    assert (n.hidden, n.affinity) == (3, "BLOB")
    assert [check.name for check in table.checks] == ["positive"]
    (reference,) = table.foreign_keys
    assert (reference.parent, reference.columns, reference.on_delete, reference.deferred) == (
        "parent", (1,), "CASCADE", True,
    )  # fmt: skip
    assert [(index.name, index.origin, index.conflict, index.computed) for index in table.indexes] == [
        ("partial", "c", None, True),
        ("sqlite_autoindex_T_1", "u", "REPLACE", False),
    ]
    assert current(driver).children_of("PARENT") == [(table, reference)]


def test_a_new_root_page_makes_a_new_schema() -> None:
    first, second = Driver(), Driver()
    second.execute("CREATE TABLE before (a)")
    second.execute("DROP TABLE before")
    for driver in (first, second):
        driver.execute("CREATE TABLE t (a UNIQUE)")
    assert current(first).fingerprint != current(second).fingerprint
    table = current(second).tables["t"]
    stored = second.session.databases[0].root().tables[table.id]
    assert list(stored.keys) == [table.indexes[0].id]


@pytest.mark.parametrize(
    ("type_name", "affinity"),
    [
        ("INT", "INTEGER"), ("UNSIGNED BIG INT", "INTEGER"), ("CHARINT", "INTEGER"), ("FLOATING POINT", "INTEGER"),
        ("VARCHAR(10)", "TEXT"), ("CLOB", "TEXT"), ("BLOBTEXT", "TEXT"), ("BLOB", "BLOB"), ("", "BLOB"),
        ("REALBLOB", "BLOB"), ("DOUBLE", "REAL"), ("FLOAT", "REAL"), ("DECIMAL(10,5)", "NUMERIC"), ("DATE", "NUMERIC"),
        ("STRING", "NUMERIC"),
    ],
)  # fmt: skip
def test_affinity_of(type_name: str, affinity: str) -> None:
    assert affinity_of(type_name) == affinity


def test_strict_any_keeps_values_as_they_are() -> None:
    node = parse("CREATE TABLE t (a ANY, b INT PRIMARY KEY) STRICT").node
    assert isinstance(node, ddl.CreateTable)
    table = build_table(node)
    assert table.columns[0].affinity == "BLOB"
    assert table.columns[1].not_null


def test_names_are_quoted_and_numbered() -> None:
    assert [quote_if_needed(name) for name in ("t", "t 1", "select", "1t", 'a"b', "Ä")] == [
        "t", '"t 1"', '"select"', '"1t"', '"a""b"', '"Ä"',
    ]  # fmt: skip
    assert numbered_names(["a", "a", "b", "A", ""]) == ["a", "a:1", "b", "A:2", "column5"]
