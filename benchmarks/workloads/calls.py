"""Many small statements and large results: what the driver itself costs."""

from __future__ import annotations

import random
from operator import itemgetter
from typing import Any

from benchmarks.measure import Tables, Workload
from benchmarks.workloads.data import ITEMS, SHOP

_draw = random.Random(3)
KEYS = [_draw.randrange(1, ITEMS + 1) for _ in range(3_000)]
GROUPS = KEYS[:500]
LISTS = [tuple(_draw.randrange(1, ITEMS + 1) for _ in range(50)) for _ in range(60)]
PREFIXES = [f"c{number:03d}" for number in range(0, 1000, 25)]


def select_by_key(connection: Any) -> list[Any]:
    cursor = connection.cursor()
    return [cursor.execute("SELECT code, amount FROM item WHERE id = ?", (key,)).fetchone() for key in KEYS]


def select_by_key_by_hand(records: dict[int, tuple[Any, ...]]) -> list[Any]:
    return [(row[2], row[3]) for row in map(records.__getitem__, KEYS)]


def keyed_items(tables: Tables) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row for row in tables["item"]}


def select_by_key_on_connection(connection: Any) -> list[Any]:
    return [connection.execute("SELECT code, amount FROM item WHERE id = ?", (key,)).fetchone() for key in KEYS]


def secondary_key(connection: Any) -> list[Any]:
    cursor = connection.cursor()
    text = "SELECT id, amount FROM item WHERE grp = ?"
    return [sorted(cursor.execute(text, (key % (ITEMS // 10),)).fetchall()) for key in GROUPS]


def range_of_100(connection: Any) -> list[Any]:
    cursor = connection.cursor()
    text = "SELECT id, code, amount FROM item WHERE id BETWEEN ? AND ?"
    return [cursor.execute(text, (key, key + 99)).fetchall() for key in KEYS[:300]]


def fetchall(connection: Any) -> list[Any]:
    return connection.execute("SELECT * FROM item").fetchall()


def iterate(connection: Any) -> int:
    count = 0
    for _row in connection.execute("SELECT * FROM item"):
        count += 1
    return count


def fetchmany(connection: Any) -> int:
    cursor, count = connection.execute("SELECT * FROM item"), 0
    while rows := cursor.fetchmany(1000):
        count += len(rows)
    return count


def like_prefix(connection: Any) -> list[Any]:
    text = "SELECT count(*), max(code) FROM item WHERE code LIKE ?"
    return [connection.execute(text, (prefix + "%",)).fetchone() for prefix in PREFIXES[:5]]


def in_list(connection: Any) -> list[Any]:
    text = f"SELECT id, amount FROM item WHERE id IN ({', '.join('?' * 50)}) ORDER BY id"
    return [connection.execute(text, values).fetchall() for values in LISTS]


def count_and_max(connection: Any) -> list[Any]:
    return [connection.execute("SELECT count(*), (SELECT max(id) FROM item) FROM item").fetchone() for _ in range(20)]


def order_by_key_limit(connection: Any) -> list[Any]:
    return [connection.execute("SELECT code, id FROM item ORDER BY code, id LIMIT 10").fetchall() for _ in range(20)]


def order_by_text_limit(connection: Any) -> list[Any]:
    return connection.execute("SELECT note, id FROM item WHERE note IS NOT NULL ORDER BY note, id LIMIT 10").fetchall()


def order_by_text_limit_by_hand(tables: Tables) -> list[Any]:
    rows = [(row[4], row[0]) for row in tables["item"] if row[4] is not None]
    best = sorted(rows[:100])[:10]
    bound = best[-1]
    for row in rows[100:]:
        if row < bound:
            best.append(row)
            best.sort()
            bound = best.pop()
            bound = best[-1]
    return best[:10]


def filtered(connection: Any) -> list[Any]:
    return connection.execute(
        "SELECT count(*), sum(amount), min(code) FROM item WHERE amount > 5000 AND parent < 500"
    ).fetchall()


def filtered_by_hand(tables: Tables) -> list[Any]:
    rows = [row for row in tables["item"] if row[3] > 5000 and row[5] < 500]
    return [(len(rows), sum(map(itemgetter(3), rows)), min(map(itemgetter(2), rows)))]


def _call(name: str, work: Any, **more: Any) -> Workload:
    return Workload(name, "calls", work, SHOP, **more)


WORKLOADS = [
    _call("select by key (cursor)", select_by_key, first=True, by_hand=select_by_key_by_hand, hand_makes=keyed_items),
    _call("select by key (connection)", select_by_key_on_connection),
    _call("secondary key, 10 rows", secondary_key),
    _call("range of 100 keys", range_of_100, first=True),
    _call("select * of 100k, fetchall", fetchall, first=True),
    _call("select * of 100k, iteration", iterate),
    _call("select * of 100k, fetchmany", fetchmany),
    _call("LIKE prefix", like_prefix),
    _call("IN list of 50", in_list),
    _call("count(*) and max(key)", count_and_max),
    _call("order by key limit 10", order_by_key_limit),
    _call("order by text limit 10", order_by_text_limit, by_hand=order_by_text_limit_by_hand),
    _call("scan, filter, aggregate 100k", filtered, first=True, by_hand=filtered_by_hand),
]
