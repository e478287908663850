"""The databases that workloads run on, made from fixed seeds.

    item    100,000 rows  (id INTEGER PRIMARY KEY, grp, code TEXT, amount REAL, note TEXT, parent)
                          keys on grp (10 rows each) and code
parent    1,000 rows  (id INTEGER PRIMARY KEY, name TEXT, region)
region       10 rows  (id INTEGER PRIMARY KEY, name TEXT)
member   40,000 rows  (left_id, right_id): many to many between 4,000 and 1,000
"""

from __future__ import annotations

import random
from typing import Any

from benchmarks.measure import Data

ITEMS, PARENTS, REGIONS, MEMBERS = 100_000, 1_000, 10, 40_000

ITEM_TABLE = (
    """CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL, note TEXT, parent INTEGER)"""
)


def item_rows(count: int = ITEMS) -> list[tuple[Any, ...]]:
    """Rows of `item`: amounts are multiples of a quarter, one note in five is NULL."""
    draw = random.Random(7)
    return [
        (
            number,
            number % (count // 10),
            f"c{draw.randrange(10**6):06d}",
            draw.randrange(40_000) / 4,
            None if number % 5 == 0 else f"note {draw.randrange(1000)} of the item",
            draw.randrange(1, PARENTS + 1),
        )
        for number in range(1, count + 1)
    ]


def fill_shop(connection: Any) -> None:
    """All four tables with their keys."""
    draw = random.Random(11)
    connection.execute(ITEM_TABLE)
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, region INTEGER)")
    connection.execute("CREATE TABLE region (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("CREATE TABLE member (left_id INTEGER, right_id INTEGER)")
    connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", item_rows())
    parents = [(number, f"parent {number}", number % REGIONS + 1) for number in range(1, PARENTS + 1)]
    connection.executemany("INSERT INTO parent VALUES (?, ?, ?)", parents)
    connection.executemany("INSERT INTO region VALUES (?, ?)", [(n, f"region {n}") for n in range(1, REGIONS + 1)])
    members = [(draw.randrange(4_000), draw.randrange(1_000)) for _ in range(MEMBERS)]
    connection.executemany("INSERT INTO member VALUES (?, ?)", members)
    connection.execute("CREATE INDEX item_grp ON item (grp)")
    connection.execute("CREATE INDEX item_code ON item (code)")
    connection.execute("CREATE INDEX member_left ON member (left_id)")
    connection.commit()


def fill_small(connection: Any) -> None:
    """20,000 rows of `item` with its two keys, for workloads that change them."""
    connection.execute(ITEM_TABLE)
    connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)", item_rows(20_000))
    connection.execute("CREATE INDEX item_grp ON item (grp)")
    connection.execute("CREATE INDEX item_code ON item (code)")
    connection.commit()


def fill_empty(connection: Any) -> None:
    """Empty tables to write to: without, with two and with a text key."""
    connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL)")
    connection.execute("CREATE TABLE keyed (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL)")
    connection.execute("CREATE INDEX keyed_grp ON keyed (grp)")
    connection.execute("CREATE INDEX keyed_code ON keyed (code)")
    connection.execute("CREATE TABLE named (code TEXT PRIMARY KEY, amount REAL)")
    connection.commit()


def fill_documents(connection: Any) -> None:
    """10,000 JSON documents."""
    draw = random.Random(5)
    connection.execute("CREATE TABLE document (id INTEGER PRIMARY KEY, body TEXT)")
    rows = [
        (
            n,
            f'{{"name": "n{n}", "size": {draw.randrange(100)}, "tags": ["b{n % 7}"], "at": {{"x": {n}, "y": {-n}}}}}',
        )
        for n in range(10_000)
    ]
    connection.executemany("INSERT INTO document VALUES (?, ?)", rows)
    connection.commit()


SHOP = Data("shop", fill_shop)
SMALL = Data("small", fill_small)
EMPTY = Data("empty", fill_empty)
DOCUMENTS = Data("documents", fill_documents)
