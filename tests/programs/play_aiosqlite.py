"""aiosqlite: connections that live in threads of their own, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiosqlite


def play(directory: Path, driver: str) -> Iterator[Any]:
    yield from asyncio.run(work(str(directory / "async.db")))


async def work(path: str) -> list[Any]:
    results: list[Any] = []
    async with aiosqlite.connect(path) as db:
        db.row_factory = aiosqlite.Row
        await db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT UNIQUE)")
        await db.executemany("INSERT INTO t (word) VALUES (?)", [("a",), ("b",), ("c",)])
        results.append(db.total_changes)
        await db.commit()
        async with db.execute("SELECT * FROM t WHERE id > ?", (1,)) as cursor:
            results.append([dict(row) async for row in cursor])
            results.append(cursor.description)
        try:
            await db.execute("INSERT INTO t (word) VALUES ('a')")
        except aiosqlite.IntegrityError as error:
            results.append(str(error))
        await db.rollback()
        await db.create_function("twice", 1, lambda text: text * 2, deterministic=True)
        results.append(await db.execute_fetchall("SELECT twice(word) AS w FROM t"))
        results[-1] = [tuple(row) for row in results[-1]]
        results.append([line async for line in db.iterdump()])
        async with aiosqlite.connect(":memory:") as copy:
            await db.backup(copy)
            results.append(await (await copy.execute("SELECT count(*) FROM t")).fetchone())

        async def insert(word: str) -> None:
            async with aiosqlite.connect(path, isolation_level=None) as own:
                await own.execute("INSERT INTO t (word) VALUES (?)", (word,))

        await asyncio.gather(*(insert(f"w{number}") for number in range(8)))
        results.append(await (await db.execute("SELECT count(*) FROM t")).fetchone())
        results[-1] = tuple(results[-1])
    return results
