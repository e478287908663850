"""dataset: tables that grow columns as rows come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dataset


def play(directory: Path, driver: str) -> Iterator[Any]:
    db = dataset.connect(f"{driver}:///{directory}/people.db")
    people = db["people"]
    yield [people.insert({"name": "Ann", "age": 40}), people.insert({"name": "Bob", "height": 1.8, "active": True})]
    people.insert_many([{"name": f"p{n}", "age": n, "note": "n" * n} for n in range(20)], chunk_size=6)
    yield [people.columns, len(people), dict(people.find_one(name="Bob"))]
    yield [people.update({"name": "Ann", "age": 41}, ["name"]), people.upsert({"name": "Cid", "age": 5}, ["name"])]
    yield [people.insert_ignore({"name": "Ann"}, ["name"]), people.count(age={">": 10}), people.count(age=[3, 4, 41])]
    yield [row["name"] for row in people.find(age={"between": [3, 6]}, order_by=["-age"], _limit=3)]
    yield [row["name"] for row in people.find(name={"like": "p1%"}, order_by="name")]
    yield [dict(row) for row in people.distinct("active")]
    people.create_index(["name", "age"])
    yield [people.has_index(["name", "age"]), people.has_column("note")]
    people.create_column("rank", db.types.integer)
    people.update_many([{"id": 1, "rank": 1}, {"id": 2, "rank": 2}], ["id"])
    yield [dict(row) for row in people.find(id=[1, 2], order_by="id")]
    with db as transaction:
        transaction["log"].insert({"what": "kept"})
    try:
        with db as transaction:
            transaction["log"].insert({"what": "lost"})
            raise ValueError
    except ValueError:
        yield [row["what"] for row in db["log"]]
    yield [
        list(row.values()) for row in db.query("SELECT active, count(*) AS n FROM people GROUP BY active ORDER BY n")
    ]
    yield [people.delete(age={"<": 10}), len(people), people.delete(), len(people)]
    people.drop()
    yield sorted(db.tables)
    db.close()
