"""SQLAlchemy Core: DDL, reflection, upserts, RETURNING, types and results, compared with `sqlite://`."""

from __future__ import annotations

import datetime
import decimal
import uuid

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects.sqlite import insert

from .models import Base


def item_table(metadata: MetaData) -> Table:
    return Table(
        "item",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("code", String(10), unique=True),
        Column("amount", Integer, nullable=False, server_default=text("0")),
        Column("data", JSON),
    )


def test_reflection(same):
    def scenario(engine):
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE VIEW active AS SELECT id, name FROM customer WHERE active")
        view = inspect(engine)
        answers = {
            "tables": view.get_table_names(),
            "views": view.get_view_names(),
            "text": view.get_view_definition("active"),
        }
        for name in sorted(view.get_table_names()):
            answers[name] = [
                [
                    (c["name"], str(c["type"]), c["nullable"], c["default"], c["primary_key"])
                    for c in view.get_columns(name)
                ],
                view.get_pk_constraint(name),
                view.get_foreign_keys(name),
                view.get_indexes(name),
                view.get_unique_constraints(name),
                view.get_check_constraints(name),
            ]
        return answers, view.has_table("customer"), view.has_table("nobody"), view.get_schema_names()

    same(scenario)


def test_reflection_of_odd_tables(same):
    def scenario(engine):
        metadata = MetaData()
        Table(
            "parent",
            metadata,
            Column("a", Integer),
            Column("b", Text),
            PrimaryKeyConstraint("a", "b", name="pk_parent"),
        )
        Table(
            "child table",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("a col", Integer),
            Column("b", Text),
            Column("twice", Integer, Computed('"a col" * 2')),
            ForeignKeyConstraint(["a col", "b"], ["parent.a", "parent.b"], name="fk_child", ondelete="SET NULL"),
            UniqueConstraint("b", "a col", name="uq_child"),
            CheckConstraint('"a col" > 0', name="ck_child"),
            sqlite_autoincrement=True,
        )
        Index("ix_part", metadata.tables["child table"].c.b, sqlite_where=text("b IS NOT NULL"))
        metadata.create_all(engine)
        found = MetaData()
        found.reflect(engine)
        view = inspect(engine)
        child = found.tables["child table"]
        return (
            [(c.name, str(c.type), c.nullable, c.computed is not None) for c in child.columns],
            view.get_foreign_keys("child table"),
            [
                (i["name"], i["column_names"], str(i["dialect_options"]["sqlite_where"]))
                for i in view.get_indexes("child table")
            ],
            view.get_unique_constraints("child table"),
            view.get_check_constraints("child table"),
            view.get_pk_constraint("parent"),
            view.get_table_options("child table"),
        )

    same(scenario)


def test_missing_table(same):
    def scenario(engine):
        try:
            inspect(engine).get_columns("nobody")
        except Exception as error:
            return type(error).__name__, str(error)

    same(scenario)


def test_upserts(same):
    def scenario(engine):
        metadata = MetaData()
        item = item_table(metadata)
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(item), [{"code": "a", "amount": 1}, {"code": "b", "amount": 2}])
            add = insert(item).values(code="a", amount=10)
            connection.execute(add.on_conflict_do_nothing(index_elements=["code"]))
            row = connection.execute(
                add.on_conflict_do_update(
                    index_elements=["code"],
                    set_={"amount": item.c.amount + add.excluded.amount},
                    where=item.c.amount < 5,
                ).returning(item.c.id, item.c.amount)
            ).all()
            many = insert(item).values([{"code": c, "amount": 7} for c in "abc"])
            connection.execute(
                many.on_conflict_do_update(index_elements=[item.c.code], set_={"amount": many.excluded.amount})
            )
            connection.execute(insert(item).prefix_with("OR IGNORE").values(code="c", amount=99))
            connection.execute(insert(item).prefix_with("OR REPLACE").values(code="b", amount=50))
            return row, connection.execute(select(item).order_by(item.c.id)).all()

    same(scenario)


def test_returning(same):
    def scenario(engine):
        metadata = MetaData()
        item = item_table(metadata)
        metadata.create_all(engine)
        with engine.begin() as connection:
            made = connection.execute(
                item.insert().returning(item.c.id, item.c.amount), [{"code": "a"}, {"code": "b"}]
            ).all()
            changed = connection.execute(
                item.update().where(item.c.code == "b").values(amount=5).returning(item.c.code, item.c.amount * 2)
            ).all()
            gone = connection.execute(item.delete().where(item.c.code == "a").returning(item)).all()
            key = connection.execute(item.insert().values(code="z")).inserted_primary_key
            return made, changed, gone, key

    same(scenario)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Integer, [0, -1, 2**63 - 1, None]),
        (Float, [0.0, 1.5, -1e300, None]),
        (Numeric(12, 4), [decimal.Decimal("1.2500"), decimal.Decimal("-0.0001"), None]),
        (Boolean, [True, False, None]),
        (String, ["", "plain", "ünïcödé ☂ 𝄞", None]),
        (LargeBinary, [b"", b"\x00\x01\xff", None]),
        (Date, [datetime.date(2024, 2, 29), None]),
        (Time, [datetime.time(23, 59, 59, 1), None]),
        (DateTime, [datetime.datetime(2024, 2, 29, 1, 2, 3, 4), None]),
        (Interval, [datetime.timedelta(days=2, seconds=5), None]),
        (Uuid, [uuid.UUID(int=5), None]),
        (JSON, [{"a": [1, 2.5, None, {"b": "ü"}]}, [], "text", 5, True]),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_types(same, kind, values):
    def scenario(engine):
        metadata = MetaData()
        table = Table("typed", metadata, Column("id", Integer, primary_key=True), Column("value", kind))
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"value": value} for value in values])
            return (
                connection.execute(select(table.c.value).order_by(table.c.id)).scalars().all(),
                connection.execute(text("SELECT value, typeof(value) FROM typed ORDER BY id")).all(),
            )

    same(scenario)


def test_json_paths(same):
    def scenario(engine):
        metadata = MetaData()
        item = item_table(metadata)
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(item.insert(), [{"data": {"a": {"b": n}, "list": [n, str(n)]}} for n in range(3)])
            return connection.execute(
                select(
                    item.c.data["a"]["b"].as_integer(),
                    item.c.data[("list", 1)].as_string(),
                    item.c.data["a"],
                    func.json_array_length(item.c.data["list"]),
                ).where(item.c.data["a"]["b"].as_integer() > 0)
            ).all()

    same(scenario)


def test_results(same):
    def scenario(engine):
        metadata = MetaData()
        item = item_table(metadata)
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(item.insert(), [{"code": f"c{n}", "amount": n} for n in range(25)])
            result = connection.execute(select(item.c.code, item.c.amount.label("how many")).order_by(item.c.id))
            parts = [result.keys()._keys, result.fetchone(), result.fetchmany(3), len(result.fetchall())]
            streamed = connection.execution_options(yield_per=10).execute(select(item.c.code).order_by(item.c.id))
            blocks = [len(block) for block in streamed.partitions()]
            rows = connection.execute(select(item).order_by(item.c.id).limit(2)).mappings().all()
            return parts, blocks, [dict(row) for row in rows], connection.scalar(select(func.count()).select_from(item))

    same(scenario)


def test_errors(same):
    def scenario(engine):
        found = []
        for statement in (
            "SELECT * FROM nobody",
            "SELEC 1",
            "SELECT nothing",
            "INSERT INTO nobody VALUES (1)",
            "SELECT 1 +",
        ):
            with engine.connect() as connection:
                try:
                    connection.exec_driver_sql(statement)
                except Exception as error:
                    found.append((type(error).__name__, type(error.orig).__name__, str(error.orig)))
        return found

    assert len(same(scenario)) == 5


def test_foreign_keys_when_switched_on(same):
    def scenario(engine):
        metadata = MetaData()
        parent = Table("parent", metadata, Column("id", Integer, primary_key=True))
        child = Table(
            "child",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("up", ForeignKey("parent.id", ondelete="CASCADE")),
        )
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
        with engine.connect() as connection:
            metadata.create_all(connection)
            connection.execute(parent.insert(), [{"id": 1}, {"id": 2}])
            connection.execute(child.insert(), [{"up": 1}, {"up": 2}, {"up": None}])
            connection.execute(parent.delete().where(parent.c.id == 1))
            left = connection.execute(select(child.c.up).order_by(child.c.id)).scalars().all()
            try:
                connection.execute(child.insert().values(up=77))
            except Exception as error:
                return left, type(error).__name__, str(error.orig)

    assert same(scenario)[0] == [2, None]
