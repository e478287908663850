"""Asynchronous engines: sessions, streams, writers that wait for each other, and no thread for any of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("greenlet", reason="SQLAlchemy's asynchronous engines need greenlet")

from sqlalchemy import ForeignKey, event, func, insert, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

import tandemdb
from tests.dialect.conftest import tandem_engine

registry.register("sqlite.aiotandemdb", "tandemdb.dialect", "AsyncTandemDialect")

URL = "sqlite+aiotandemdb://"


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list[Book]] = relationship(back_populates="shelf", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelf.id"))
    shelf: Mapped[Shelf] = relationship(back_populates="books")


def run(story: Callable[[AsyncEngine], Awaitable[Any]], url: str = URL, **options: Any) -> Any:
    """Run a story on an engine with the tables; no thread may be there that was not before."""

    async def main() -> Any:
        engine = create_async_engine(url, **options)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        try:
            return await story(engine)
        finally:
            assert threading.active_count() == threads
            await engine.dispose()

    threads = threading.active_count()
    return asyncio.run(main())


@pytest.fixture(params=[URL, f"{URL}/:memory:library", f"{URL}/{{path}}/library.db"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield request.param.format(path=tmp_path)


def test_sessions(url: str) -> None:
    async def story(engine: AsyncEngine) -> list[Any]:
        seen: list[Any] = []
        async with AsyncSession(engine, expire_on_commit=False) as session:
            session.add(Shelf(name="low", books=[Book(title="A"), Book(title="B")]))
            await session.commit()
            shelf = (await session.scalars(select(Shelf).options(selectinload(Shelf.books)))).one()
            seen.append([book.title for book in shelf.books])
            session.add(Shelf(name="low"))
            try:
                await session.commit()
            except IntegrityError as error:
                await session.rollback()
                seen.append(str(error.orig))
            async with session.begin_nested() as savepoint:
                session.add(Shelf(name="undone"))
                await session.flush()
                await savepoint.rollback()
            book = await session.get_one(Book, 2)
            seen.append((await book.awaitable_attrs.shelf).name)
            await session.delete(shelf)
            await session.commit()
            seen.append(await session.scalar(select(func.count()).select_from(Book)))
        return seen

    assert run(story, url) == [["A", "B"], "UNIQUE constraint failed: shelf.name", "low", 0]


def test_streams_and_results() -> None:
    async def story(engine: AsyncEngine) -> list[Any]:
        async with engine.connect() as connection:
            await connection.execute(insert(Shelf), [{"name": f"s{number}"} for number in range(1000)])
            await connection.commit()
            kept = await connection.execute(select(Shelf.id).order_by(Shelf.id).limit(3))
            seen: list[Any] = []
            async with connection.stream(select(Shelf.name).order_by(Shelf.id)) as result:
                async for row in result:
                    seen.append(row.name)
            partitions = (await connection.stream(select(Shelf.id))).partitions(400)
            sizes = [len(rows) async for rows in partitions]
            await connection.execute(text("DELETE FROM shelf"))
            await connection.commit()
            return [len(seen), seen[-1], sizes, kept.scalars().all()]

    assert run(story) == [1000, "s999", [400, 400, 200], [1, 2, 3]]


def test_tasks_have_transactions_of_their_own() -> None:
    async def story(engine: AsyncEngine) -> list[Any]:
        async with engine.connect() as first, engine.connect() as second:
            await first.execute(insert(Shelf).values(name="mine"))
            count = select(func.count()).select_from(Shelf)
            before = await second.scalar(count)
            await second.rollback()
            await first.commit()
            return [before, await second.scalar(count)]

    assert run(story) == [0, 1]


@pytest.mark.parametrize("tasks", [2, 20])
def test_writers_wait_for_each_other(url: str, tasks: int) -> None:
    async def story(engine: AsyncEngine) -> Any:
        async def write(number: int) -> None:
            for step in range(5):
                async with AsyncSession(engine) as session, session.begin():
                    session.add(Shelf(name=f"{number}.{step}"))
                    await session.flush()
                    await asyncio.sleep(0)  # the others run into the lock now

        await asyncio.gather(*(write(number) for number in range(tasks)))
        async with engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(Shelf))

    assert run(story, url, pool_size=20) == tasks * 5


def test_waiting_ends() -> None:
    async def story(engine: AsyncEngine) -> Any:
        async with engine.connect() as first, engine.connect() as second:
            await first.execute(insert(Shelf).values(name="one"))
            with pytest.raises(OperationalError, match="database is locked"):
                await second.execute(insert(Shelf).values(name="two"))
            await first.rollback()
            await second.rollback()
            await second.execute(insert(Shelf).values(name="two"))
            await second.commit()
            return await first.scalar(select(Shelf.name))

    assert run(story, f"{URL}/:memory:impatient?timeout=0.05") == "two"
    assert run(story, connect_args={"timeout": 0.05}) == "two"


def test_a_cancelled_task_leaves_the_store() -> None:
    async def story(engine: AsyncEngine) -> Any:
        async with engine.begin() as connection:
            await connection.execute(insert(Shelf).values(name="kept"))

        async def hang() -> None:
            async with engine.begin() as connection:
                await connection.execute(insert(Shelf).values(name="lost"))
                await asyncio.sleep(100)

        task = asyncio.create_task(hang())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with engine.begin() as connection:
            return (await connection.scalars(select(Shelf.name))).all()

    assert run(story, pool_size=1, max_overflow=0) == ["kept"]


def test_disposing_of_an_engine_empties_its_own_store() -> None:
    async def story(engine: AsyncEngine) -> Any:
        await engine.dispose()
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM sqlite_master"))

    assert run(story) == 0


def test_autocommit_and_functions() -> None:
    async def story(engine: AsyncEngine) -> list[Any]:
        @event.listens_for(engine.sync_engine, "connect")
        def register(connection: Any, _record: Any) -> None:
            connection.create_function("twice", 1, lambda value: value * 2)

        await engine.dispose()
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("CREATE TABLE t (a)"))
            await connection.execute(text("INSERT INTO t VALUES (:a)"), [{"a": 1}, {"a": 2}])
            raw = await connection.get_raw_connection()
            seen = [raw.driver_connection.in_transaction, type(raw.driver_connection) is tandemdb.Connection]
            matching = text("SELECT twice(a) FROM t WHERE CAST(a AS TEXT) REGEXP '1|2'")
            seen.append((await connection.scalars(matching)).all())
        return seen

    assert run(story) == [False, True, [2, 4]]


def test_synchronous_and_asynchronous_engines_share_a_named_store() -> None:
    async def story(engine: AsyncEngine) -> Any:
        async with engine.begin() as connection:
            await connection.execute(insert(Shelf).values(name="both"))
        other = tandem_engine("sqlite+tandemdb:///:memory:common")
        with other.connect() as synchronous:
            found = synchronous.scalar(select(Shelf.name))
        other.dispose()
        return found

    assert run(story, f"{URL}/:memory:common") == "both"
