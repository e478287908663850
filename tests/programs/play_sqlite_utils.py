"""sqlite-utils: tables made from dicts, transformed, extracted, converted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlite_utils


def play(directory: Path, driver: str) -> Iterator[Any]:
    db = sqlite_utils.Database(directory / "dogs.db")
    dogs = db["dogs"]
    dogs.insert_all(
        (
            {"id": n, "name": f"dog {n}", "age": n % 7, "weight": n / 3, "breed": ["beagle", "corgi"][n % 2]}
            for n in range(1, 251)
        ),
        pk="id",
        batch_size=40,
    )
    dogs.insert({"id": 999, "name": "late", "tags": ["a", {"b": 1}], "chip": None}, alter=True)
    dogs.upsert({"id": 999, "name": "later"}, pk="id")
    dogs.insert({"id": 999, "name": "ignored"}, ignore=True)
    dogs.insert({"id": 1, "name": "replaced"}, replace=True)
    yield dogs.schema
    yield [dogs.count, dogs.columns_dict, dogs.get(999)]
    yield list(dogs.rows_where("age > ?", [5], order_by="weight desc", limit=3))
    dogs.create_index(["age", "weight"], if_not_exists=True)
    dogs.create_index(["name"], unique=True)
    yield dogs.indexes
    yield attempt(lambda: dogs.insert({"id": 2000, "name": "later"}))
    dogs.extract("breed", table="breeds", fk_column="breed_id", rename={"breed": "title"})
    yield [dogs.schema, list(db["breeds"].rows), dogs.foreign_keys]
    dogs.transform(types={"age": str}, drop={"chip"}, not_null={"name"}, defaults={"age": "0"})
    yield [dogs.schema, next(iter(dogs.rows))]
    dogs.convert("name", lambda value: value.upper())
    dogs.convert("name", lambda value: {"first": value.split()[0], "length": len(value)}, multi=True)
    yield list(dogs.rows_where("id < 5"))
    dogs.update(2, {"name": "two"})
    dogs.delete(3)
    dogs.delete_where("id > ?", [900])
    yield [dogs.count, attempt(lambda: dogs.get(3))]
    db["owners"].insert_all([{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}], pk="id")
    dogs.add_column("owner_id", int, fk="owners")
    dogs.update(4, {"owner_id": 1})
    dogs.update(4, {}).m2m("shows", {"id": 1, "title": "Crufts"}, pk="id")
    db["species"].lookup({"name": "dog"}, {"latin": "canis"})
    yield [db["species"].lookup({"name": "dog"}), list(db["dogs_shows"].rows), db["dogs_shows"].schema]
    db.create_view("old", "select breed_id, count(*) as n from dogs where age > 3 group by breed_id")
    yield [sorted(db.table_names()), db.view_names(), list(db["old"].rows)]
    yield list(
        db.query("select b.title, avg(d.weight) as weight from dogs d join breeds b on b.id = d.breed_id group by 1")
    )
    yield [column._asdict() for column in (db["dogs"].analyze_column("breed_id", common_limit=2),)]
    db.enable_counts()
    dogs.insert({"id": 3000, "name": "counted"}, alter=True)
    yield [db.cached_counts(["dogs"]), db.triggers_dict if hasattr(db, "triggers_dict") else None]

    @db.register_function(deterministic=True)
    def backwards(text: str) -> str:
        return text[::-1]

    # Sorted, for SQLite's VACUUM, which add_column() ran, sorts sqlite_master, and tandemdb's has nothing to do.
    yield [list(db.query("select backwards('abc') as b")), sorted(db.schema.split(";"))]
    db.add_foreign_keys([("dogs", "owner_id", "owners", "id")]) if not dogs.foreign_keys else None
    db.index_foreign_keys()
    yield [index.columns for index in dogs.indexes]
    dogs.duplicate("copies")
    yield db["copies"].count
    yield [(pk, row["name"]) for pk, row in db["copies"].pks_and_rows_where("id < 5")]
    db["owners"].drop()
    db.conn.close()
    again = sqlite_utils.Database(directory / "dogs.db")
    yield [sorted(again.table_names()), again["dogs"].count, again["dogs"].schema]
    again.conn.close()


def attempt(work: Any) -> str:
    try:
        return repr(work())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
