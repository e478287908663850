"""SQLAlchemy's ORM on both drivers: 5,000 objects inserted in bulk, queried, changed and flushed.

The time is mostly SQLAlchemy's own; what is left is what a test suite would notice.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, ForeignKey, create_engine, select
from sqlalchemy.dialects import registry
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

from benchmarks.measure import Data, Workload
from benchmarks.workloads.data import EMPTY

OBJECTS = 5_000
registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")


class Base(DeclarativeBase):
    """The declarative base of the benchmark's two classes."""


class Author(Base):
    """Ten books each."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    """One of 5,000."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(index=True)
    price: Mapped[float]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)
    author: Mapped[Author] = relationship(back_populates="books")


def fresh_engine(module: Any) -> Engine:
    """An engine on a store of its own with empty tables."""
    engine = create_engine("sqlite://" if module.__name__ == "sqlite3" else "sqlite+tandemdb://")
    Base.metadata.create_all(engine)
    return engine


def bulk_insert(module: Any) -> Any:
    engine = fresh_engine(module)
    with Session(engine) as session:
        insert_objects(session)
        return session.query(Book).count()


def insert_objects(session: Session) -> None:
    authors = [Author(name=f"author {n}") for n in range(OBJECTS // 10)]
    session.add_all(authors)
    session.add_all(Book(title=f"book {n}", price=n / 4, author=authors[n % len(authors)]) for n in range(OBJECTS))
    session.commit()


_engines: dict[str, Engine] = {}


def filled_engine(module: Any) -> Engine:
    if module.__name__ not in _engines:
        engine = _engines[module.__name__] = fresh_engine(module)
        with Session(engine) as session:
            insert_objects(session)
    return _engines[module.__name__]


def query_objects(module: Any) -> Any:
    with Session(filled_engine(module)) as session:
        books = session.scalars(select(Book).order_by(Book.id)).all()
        return len(books), sum(book.price for book in books)


def load_related(module: Any) -> Any:
    with Session(filled_engine(module)) as session:
        authors = session.scalars(select(Author).options(selectinload(Author.books)).order_by(Author.id)).all()
        return [len(author.books) for author in authors]


def get_by_key(module: Any) -> Any:
    titles = []
    for number in range(1, 500):
        with Session(filled_engine(module)) as session:
            book = session.get(Book, number)
            titles.append(book.title if book else None)
    return titles


def flush_changes(module: Any) -> Any:
    with Session(filled_engine(module)) as session:
        for book in session.scalars(select(Book).order_by(Book.id)):
            book.price += 1
        session.flush()
        total = sum(session.scalars(select(Book.price)))
        session.rollback()
        return total


def _orm(name: str, work: Any, data: Data = EMPTY) -> Workload:
    return Workload(name, "orm", work, data, opens=True)


WORKLOADS = [
    _orm("ORM bulk insert of 5k", bulk_insert),
    _orm("ORM query of 5k", query_objects),
    _orm("ORM selectinload", load_related),
    _orm("ORM get by key, new sessions", get_by_key),
    _orm("ORM flush of 5k changes", flush_changes),
]
