"""Declarative models and sessions: what a program's own code does, compared with `sqlite://`."""

from __future__ import annotations

import datetime
import decimal

import pytest
from sqlalchemy import (
    Engine,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload

from .models import Base, Customer, Line, Product, Purchase, Standing, Tag, stock_shop


def shop(engine: Engine) -> Session:
    Base.metadata.create_all(engine)
    session = Session(engine)
    stock_shop(session)
    return session


def test_rows_come_back_as_they_went_in(same):
    def scenario(engine):
        with shop(engine) as session:
            return [
                (c.id, c.name, c.email, c.town, c.standing, c.born, c.seen, c.notes, c.picture, c.active)
                for c in session.scalars(select(Customer).order_by(Customer.id))
            ]

    rows = same(scenario)
    assert rows[0][5] == datetime.date(1815, 12, 10) and rows[1][4] is Standing.POOR


def test_create_all_twice_and_drop_all(same):
    def scenario(engine):
        Base.metadata.create_all(engine)
        Base.metadata.create_all(engine)
        with engine.connect() as connection:
            made = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")).all()
        Base.metadata.drop_all(engine)
        with engine.connect() as connection:
            return made, connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar()

    same(scenario)


@pytest.mark.parametrize("loading", ["lazy", "joined", "selectin", "subquery"])
def test_relationships_load(same, loading):
    options = {
        "lazy": [],
        "joined": [joinedload(Customer.purchases).joinedload(Purchase.lines).joinedload(Line.product)],
        "selectin": [selectinload(Customer.purchases).selectinload(Purchase.lines).selectinload(Line.product)],
        "subquery": [subqueryload(Customer.purchases).subqueryload(Purchase.lines)],
    }[loading]

    def scenario(engine):
        with shop(engine) as session:
            customers = session.scalars(select(Customer).options(*options).order_by(Customer.name)).unique()
            return [
                (c.name, [(p.number, sorted((i.product.name, i.amount) for i in p.lines)) for p in c.purchases])
                for c in customers
            ]

    same(scenario)


def test_many_to_many(same):
    def scenario(engine):
        with shop(engine) as session:
            pear = session.scalars(select(Product).where(Product.name == "pear")).one()
            pear.tags.append(Tag(word="yellow"))
            pear.tags.pop(0)
            session.commit()
            return [(t.word, [p.name for p in t.products]) for t in session.scalars(select(Tag).order_by(Tag.word))]

    same(scenario)


def test_cascade_deletes_children(same):
    def scenario(engine):
        with shop(engine) as session:
            session.delete(session.get(Customer, 1))
            session.commit()
            counts = [session.scalar(select(func.count()).select_from(kind)) for kind in (Customer, Purchase, Line)]
            return counts

    same(scenario)


def test_identity_update_and_refresh(same):
    def scenario(engine):
        with shop(engine) as session:
            bob = session.get(Customer, 2)
            bob.town, bob.notes = "Bergen", None
            session.flush()
            session.execute(text("UPDATE customer SET town = 'Molde' WHERE id = 2"))
            session.refresh(bob)
            before = bob.town
            session.rollback()
            return before, bob.town, session.get(Customer, 99)

    assert same(scenario) == ("Molde", "Oslo", None)


def test_aggregates_and_joins(same):
    def scenario(engine):
        with shop(engine) as session:
            total = func.sum(Line.amount * Product.price)
            return session.execute(
                select(Customer.name, func.count(Line.product_id), total)
                .join(Customer.purchases)
                .outerjoin(Purchase.lines)
                .outerjoin(Line.product)
                .group_by(Customer.name)
                .having(func.count() > 0)
                .order_by(Customer.name)
            ).all()

    same(scenario)


def test_subqueries_and_set_operations(same):
    def scenario(engine):
        with shop(engine) as session:
            buys = exists().where(Purchase.customer_id == Customer.id)
            last = select(func.max(Purchase.id)).where(Purchase.customer_id == Customer.id).scalar_subquery()
            towns = union(select(Customer.town), select(literal("Paris"))).subquery()
            chain = select(literal(1).label("n")).cte("chain", recursive=True)
            chain = chain.union_all(select(chain.c.n + 1).where(chain.c.n < 5))
            other = aliased(Customer)
            return [
                session.execute(select(Customer.name, last).where(buys).order_by(Customer.name)).all(),
                session.execute(select(Customer.name).where(~buys)).all(),
                session.execute(select(Customer.name).where(Customer.id.in_([1, 3, 7])).order_by(Customer.id)).all(),
                session.execute(select(Customer.name).where(Customer.id.in_([]))).all(),
                session.execute(select(towns.c.town).order_by(towns.c.town)).all(),
                session.execute(select(func.sum(chain.c.n))).all(),
                session.execute(
                    select(Customer.name, other.name)
                    .join(other, and_(other.town == Customer.town, other.id > Customer.id))
                    .order_by(Customer.name)
                ).all(),
            ]

    same(scenario)


def test_expressions(same):
    def scenario(engine):
        with shop(engine) as session:
            return session.execute(
                select(
                    Customer.name.concat("!"),
                    func.length(Customer.name),
                    Customer.name.ilike("A%"),
                    Customer.email.is_(None),
                    case((Customer.town == "Oslo", "north"), else_="east"),
                    Customer.name.regexp_match("^[AE]"),
                    func.coalesce(Customer.email, "none"),
                    Customer.notes["likes"][0].as_string(),
                    Customer.id / 2,
                    Customer.id // 2,
                    Customer.id % 2,
                )
                .where(or_(Customer.active, Customer.name.startswith("B")))
                .order_by(Customer.name.desc())
                .limit(2)
                .offset(1)
            ).all()

    same(scenario)


def test_bulk_insert_update_delete(same):
    def scenario(engine):
        with shop(engine) as session:
            session.execute(insert(Product), [{"name": f"p{n}", "price": decimal.Decimal(n)} for n in range(50)])
            raised = session.execute(update(Product).where(Product.price > 40).values(price=Product.price * 2))
            session.execute(
                update(Product.__table__)
                .where(Product.__table__.c.name == bindparam("which"))
                .values(weight=bindparam("w")),
                [{"which": "p1", "w": 1.5}, {"which": "p2", "w": 2.5}],
            )
            gone = session.execute(delete(Product).where(Product.name.like("p1%")))
            session.commit()
            left = session.execute(select(Product.name, Product.price, Product.weight).order_by(Product.id)).all()
            return raised.rowcount, gone.rowcount, left

    same(scenario)


def test_bulk_insert_returns_in_order(same):
    def scenario(engine):
        with shop(engine) as session:
            statement = insert(Tag).returning(Tag.id, Tag.word, sort_by_parameter_order=True)
            return session.execute(statement, [{"word": f"w{n}"} for n in range(20)]).all()

    same(scenario)


def test_integrity_errors(same):
    def scenario(engine):
        found = []
        with shop(engine) as session:
            for row in (
                Customer(name="Dup", email="ada@example.org"),
                Customer(name=None, email="x"),
                Product(name="debt", price=decimal.Decimal(-1)),
                Tag(id=1, word="again"),
            ):
                session.add(row)
                try:
                    session.commit()
                except Exception as error:
                    session.rollback()
                    found.append((type(error).__name__, str(error.orig), error.orig.sqlite_errorname))
            return found, session.scalar(select(func.count()).select_from(Customer))

    found, _ = same(scenario)
    assert len(found) == 4


def test_nested_sessions(same):
    def scenario(engine):
        with shop(engine) as session:
            session.add(Tag(word="outer"))
            with session.begin_nested():
                session.add(Tag(word="kept"))
                inner = session.begin_nested()
                session.add(Tag(word="lost"))
                session.flush()
                inner.rollback()
            try:
                with session.begin_nested():
                    session.add(Tag(word="kept"))
            except Exception as error:
                failed = str(error.orig)
            session.commit()
            return failed, session.scalars(select(Tag.word).order_by(Tag.id)).all()

    assert same(scenario)[1][-2:] == ["outer", "kept"]


def test_outer_transaction_of_a_test_suite(same):
    """SQLAlchemy's recipe: a session joined into an outer transaction commits freely, the test rolls it back."""

    def scenario(engine):
        Base.metadata.create_all(engine)
        connection = engine.connect()
        outer = connection.begin()
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            stock_shop(session)
            session.add(Tag(word="x"))
            session.commit()
            session.add(Tag(word="y"))
            session.rollback()
            inside = session.scalar(select(func.count()).select_from(Tag))
        outer.rollback()
        left = connection.scalar(select(func.count()).select_from(Tag))
        connection.close()
        return inside, left

    assert same(scenario) == (4, 0)
