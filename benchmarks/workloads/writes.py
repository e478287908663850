"""Writing: bulk, single rows, updates, deletes, upserts, scripts, rollbacks."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.measure import Data, Tables, Workload
from benchmarks.workloads.data import EMPTY, SMALL

_draw = random.Random(9)
ROWS = [(n, n % 500, f"c{_draw.randrange(10**6):06d}", n / 4) for n in range(1, 50_001)]
MORE_ROWS = [(n, n % 500, f"c{n:06d}", n / 4) for n in range(1, 100_001)]
NAMED = [(f"name {n:06d}", n / 4) for n in _draw.sample(range(10**6), 50_000)]
KEYS = _draw.sample(range(1, 20_001), 5_000)
SCRIPT = "\n".join(f"INSERT INTO plain VALUES ({n}, {n % 500}, 'code {n}', {n / 4});" for n in range(1, 5_001))


def counted(connection: Any, table: str) -> Any:
    return connection.execute(f"SELECT count(*), sum(amount) FROM {table}").fetchone()


def many_plain(connection: Any) -> Any:
    connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?)", ROWS)
    connection.commit()
    return counted(connection, "plain")


def many_plain_100k(connection: Any) -> Any:
    connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?)", MORE_ROWS)
    connection.commit()
    return counted(connection, "plain")


def many_keyed(connection: Any) -> Any:
    connection.executemany("INSERT INTO keyed VALUES (?, ?, ?, ?)", ROWS)
    connection.commit()
    return counted(connection, "keyed")


def many_named(connection: Any) -> Any:
    connection.executemany("INSERT INTO named VALUES (?, ?)", NAMED)
    connection.commit()
    return counted(connection, "named")


def single_commits(connection: Any) -> Any:
    cursor = connection.cursor()
    for row in ROWS[:2_000]:
        cursor.execute("INSERT INTO plain VALUES (?, ?, ?, ?)", row)
        connection.commit()
    return counted(connection, "plain")


def update_by_key(connection: Any) -> Any:
    for key in KEYS:
        connection.execute("UPDATE item SET amount = amount + 1 WHERE id = ?", (key,))
    connection.commit()
    return counted(connection, "item")


def update_indexed(connection: Any) -> Any:
    for key in KEYS[:3_000]:
        connection.execute("UPDATE item SET grp = ? WHERE id = ?", (key % 97, key))
    connection.commit()
    return connection.execute("SELECT count(*), sum(id) FROM item WHERE grp < 97").fetchone()


def update_all(connection: Any) -> Any:
    connection.execute("UPDATE item SET amount = amount * 2 WHERE parent < 500")
    connection.commit()
    return counted(connection, "item")


def update_all_by_hand(tables: Tables) -> Any:
    rows = [
        (row[0], row[1], row[2], row[3] * 2, row[4], row[5]) if row[5] < 500 else row for row in tables["item"]
    ]
    return len(rows), sum([row[3] for row in rows])


def delete_by_key(connection: Any) -> Any:
    for key in KEYS[:3_000]:
        connection.execute("DELETE FROM item WHERE id = ?", (key,))
    connection.commit()
    return counted(connection, "item")


def upsert(connection: Any) -> Any:
    text = "INSERT INTO named VALUES (?, ?) ON CONFLICT (code) DO UPDATE SET amount = named.amount + excluded.amount"
    for name, amount in NAMED[:2_000] + NAMED[:2_000]:
        connection.execute(text, (name, amount))
    connection.commit()
    return counted(connection, "named")


def insert_returning(connection: Any) -> Any:
    text = "INSERT INTO plain (grp, code, amount) VALUES (?, ?, ?) RETURNING id"
    keys = [connection.execute(text, row[1:]).fetchone()[0] for row in ROWS[:3_000]]
    connection.commit()
    return sum(keys)


def insert_select(connection: Any) -> Any:
    connection.execute("CREATE TABLE copied (id INTEGER PRIMARY KEY, grp INTEGER, code TEXT, amount REAL)")
    connection.execute("INSERT INTO copied SELECT id, grp, upper(code), amount FROM item WHERE amount > 100")
    connection.commit()
    return counted(connection, "copied")


def script(connection: Any) -> Any:
    connection.executescript(f"BEGIN;\n{SCRIPT}\nCOMMIT;")
    return counted(connection, "plain")


def rollback(connection: Any) -> Any:
    connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?)", ROWS[:10_000])
    connection.rollback()
    return counted(connection, "plain")


def savepoints(connection: Any) -> Any:
    connection.execute("BEGIN")
    for number, row in enumerate(ROWS[:1_500]):
        connection.execute("SAVEPOINT s")
        connection.execute("INSERT INTO plain VALUES (?, ?, ?, ?)", row)
        if number % 2:
            connection.execute("ROLLBACK TO s")
        connection.execute("RELEASE s")
    connection.commit()
    return counted(connection, "plain")


def _write(name: str, work: Any, data: Data = EMPTY, **more: Any) -> Workload:
    return Workload(name, "writes", work, data, changes=True, **more)


WORKLOADS = [
    _write("executemany of 100k rows", many_plain_100k, first=True),
    _write("executemany of 50k, no key", many_plain),
    _write("executemany of 50k, two keys", many_keyed),
    _write("executemany of 50k, text key", many_named),
    _write("single-row commits", single_commits, first=True),
    _write("update by key", update_by_key, SMALL),
    _write("update of an indexed column", update_indexed, SMALL),
    _write("update of half a table", update_all, SMALL, by_hand=update_all_by_hand),
    _write("delete by key", delete_by_key, SMALL),
    _write("upsert", upsert),
    _write("insert returning", insert_returning),
    _write("insert select", insert_select, SMALL),
    _write("executescript of 5,000 INSERTs", script),
    _write("rollback of 10k rows", rollback),
    _write("savepoint loop", savepoints),
]
