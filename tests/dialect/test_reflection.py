"""Reflection of everything that `create_all` can make, and what is made from the reflection, compared with `sqlite://`."""

from __future__ import annotations

import re
import warnings
from typing import Any

from sqlalchemy import (
    CHAR,
    JSON,
    REAL,
    TIMESTAMP,
    VARCHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    ForeignKey,
    Index,
    Inspector,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Unicode,
    UnicodeText,
    UniqueConstraint,
    Uuid,
    create_engine,
    func,
    inspect,
    text,
)
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
METHODS = ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints")


def everything(metadata: MetaData) -> None:
    """Describe a table of each kind, with each kind of constraint, index and option that the DDL compiler knows."""
    kinds = (
        Integer, BigInteger, SmallInteger, Boolean, String(20), Text, Unicode(5), UnicodeText, Float, Double, REAL,
        Numeric(10, 2), Date, Time, DateTime, TIMESTAMP, LargeBinary, JSON, Uuid, Interval, CHAR(3), VARCHAR(7),
        Enum("a", "b"),
    )  # fmt: skip
    Table("kinds", metadata, *(Column(f"c{number}", kind) for number, kind in enumerate(kinds)))
    Table(
        "constrained",
        metadata,
        Column("id", Integer, primary_key=True, sqlite_on_conflict_primary_key="REPLACE"),
        Column("code", String(10), unique=True, sqlite_on_conflict_unique="IGNORE"),
        Column("need", Integer, nullable=False, sqlite_on_conflict_not_null="FAIL"),
        Column("flag", Boolean(create_constraint=True, name="ck_flag")),
        Column("size", Enum("small", "large", name="ck_size", create_constraint=True)),
        Column("name", String(20, collation="NOCASE"), server_default="it's"),
        Column("made", DateTime, server_default=func.current_timestamp()),
        Column("number", Integer, server_default=text("(1 + 2)")),
        Column("stored", Integer, Computed("need * 2", persisted=True)),
        Column("virtual", Integer, Computed("need + id", persisted=False)),
        CheckConstraint("need > 0"),
        CheckConstraint("need < 100 AND name <> ')'", name="ck_need"),
        UniqueConstraint("name", "need"),
        UniqueConstraint("need", "code", name="uq_need", sqlite_on_conflict="ROLLBACK"),
        sqlite_autoincrement=False,
    )
    Table(
        "referring",
        metadata,
        Column("a", Integer, ForeignKey("constrained.id", ondelete="CASCADE", onupdate="RESTRICT"), index=True),
        Column("b", Integer, ForeignKey("referring.key", name="fk_self", deferrable=True, initially="DEFERRED")),
        Column("key", Integer, primary_key=True),
        Column("c", String, ForeignKey("kinds.c4", onupdate="SET DEFAULT", ondelete="NO ACTION")),
        sqlite_autoincrement=True,
    )
    rowless = Table(
        "rowless",
        metadata,
        Column("b", Integer, primary_key=True, autoincrement=False),
        Column("a", String, primary_key=True),
        Column("note", Text),
        PrimaryKeyConstraint("b", "a", name="pk_rowless"),
        sqlite_with_rowid=False,
    )
    Table("strict", metadata, Column("a", Integer), Column("b", Text), sqlite_strict=True)
    Table("odd 'name\"", metadata, Column('a "b" c', Integer, index=True), Column("select", Text))
    Index("ix_lower", func.lower(rowless.c.note))
    Index("ix_partial", rowless.c.note.desc(), rowless.c.b, unique=True, sqlite_where=rowless.c.note.is_not(None))


def test_reflection_of_all_that_create_all_can_make(same):
    def describe(view: Inspector) -> Any:
        answers = {}
        for method in METHODS:
            found = getattr(view, f"get_multi_{method}")(kind=ObjectKind.ANY, scope=ObjectScope.ANY)
            answers[method] = sorted((str(key), ADDRESS.sub("", str(value))) for key, value in found.items())
        return answers

    def scenario(engine):
        metadata = MetaData()
        everything(metadata)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an index on an expression, which reflection leaves out
            metadata.create_all(engine)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE VIEW seen AS SELECT id, name FROM constrained")
                connection.exec_driver_sql("CREATE TEMP TABLE brief (a INTEGER PRIMARY KEY, b UNIQUE)")
                described = describe(inspect(connection))
                sql = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            reflected = MetaData()
            reflected.reflect(engine)
            again = create_engine(engine.url)  # another store, made from what was reflected
            reflected.create_all(again)
            described_again = describe(inspect(again))
            again.dispose()
            reflected.drop_all(engine)
            left = inspect(engine).get_table_names()
        return described, [tuple(row) for row in sql], described_again, left

    described, sql, _, left = same(scenario)
    assert len(described["columns"]) == 8
    assert len(sql) == 15
    assert left == []
