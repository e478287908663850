"""The mapped classes that the dialect's tests share: a small shop.

customer 1 ── n purchase 1 ── n line n ── 1 product n ── n tag
"""

from __future__ import annotations

import datetime
import decimal
import enum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The declarative base of the shop."""


class Standing(enum.Enum):
    """How a customer pays."""

    GOOD = "good"
    POOR = "poor"


class Customer(Base):
    """Someone who buys."""

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("email", name="uq_customer_email"),
        Index("ix_customer_town_name", "town", "name"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    email: Mapped[str | None]
    town: Mapped[str] = mapped_column(default="Turku", index=True)
    standing: Mapped[Standing] = mapped_column(Enum(Standing), default=Standing.GOOD)
    born: Mapped[datetime.date | None]
    seen: Mapped[datetime.datetime | None]
    notes: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    picture: Mapped[bytes | None] = mapped_column(LargeBinary)
    active: Mapped[bool] = mapped_column(default=True)
    purchases: Mapped[list[Purchase]] = relationship(
        back_populates="customer", cascade="all, delete-orphan", order_by="Purchase.id"
    )


class Purchase(Base):
    """One visit to the till."""

    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    number: Mapped[str] = mapped_column(server_default="new")
    customer: Mapped[Customer] = relationship(back_populates="purchases")
    lines: Mapped[list[Line]] = relationship(back_populates="purchase", cascade="all, delete-orphan")


product_tag = Table(
    "product_tag",
    Base.metadata,
    Column("product_id", ForeignKey("product.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Product(Base):
    """Something to buy."""

    __tablename__ = "product"
    __table_args__ = (CheckConstraint("price >= 0", name="ck_product_price"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    price: Mapped[decimal.Decimal] = mapped_column(Numeric(10, 2))
    weight: Mapped[float | None]
    tags: Mapped[list[Tag]] = relationship(secondary=product_tag, back_populates="products", order_by="Tag.id")


class Tag(Base):
    """A word on a product."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(unique=True)
    products: Mapped[list[Product]] = relationship(secondary=product_tag, back_populates="tags", order_by="Product.id")


class Line(Base):
    """So many of one product in one purchase: a primary key of two columns."""

    __tablename__ = "line"
    purchase_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), primary_key=True)
    amount: Mapped[int] = mapped_column(default=1)
    purchase: Mapped[Purchase] = relationship(back_populates="lines")
    product: Mapped[Product] = relationship()


def stock_shop(session: Any) -> None:
    """Put a few customers, products, tags and purchases in, and commit."""
    tags = [Tag(word=word) for word in ("fruit", "green", "sweet")]
    products = [
        Product(name="apple", price=decimal.Decimal("0.50"), weight=0.2, tags=[tags[0], tags[1]]),
        Product(name="pear", price=decimal.Decimal("0.75"), weight=0.25, tags=[tags[0], tags[2]]),
        Product(name="nail", price=decimal.Decimal("0.05")),
    ]
    ada = Customer(name="Ada", email="ada@example.org", born=datetime.date(1815, 12, 10), notes={"likes": ["tea", 1.5]})
    bob = Customer(name="Bob", town="Oslo", standing=Standing.POOR, picture=b"\x00\xff", active=False)
    eve = Customer(name="Eve", email="eve@example.org", seen=datetime.datetime(2024, 2, 29, 12, 30, 1, 5))
    ada.purchases = [
        Purchase(lines=[Line(product=products[0], amount=3), Line(product=products[2])]),
        Purchase(number="A-2"),
    ]
    eve.purchases = [Purchase(lines=[Line(product=products[1], amount=2)])]
    session.add_all([*tags, *products, ada, bob, eve])
    session.commit()


def customer_count() -> Any:
    """The SELECT of the number of customers."""
    return func.count(Customer.id)
