"""Queries on the Chinook database give exactly sqlite3's answers: rows, their classes and the columns' names.

Queries are in chinook.sql, one after each `-- name` line. A name that ends in `!` has a total ORDER BY (or gives one
row): its rows must come in sqlite3's order; the others compare as multisets.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parent / "chinook.sql").read_text(encoding="utf-8")


def read_queries(text: str) -> list[tuple[str, str]]:
    """Split the file into (name, query)."""
    found = []
    for piece in text.split("\n-- ")[1:]:
        name, _, query = piece.partition("\n")
        found.append((name.strip(), query.strip().rstrip(";")))
    return found


QUERIES = read_queries(TEXT)


def typed(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with their values' classes; reals to 12 digits, for a sum may add in another order."""
    return [tuple((type(v).__name__, f"{v:.12g}" if isinstance(v, float) else v) for v in row) for row in rows]


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name.rstrip("!") for name, _ in QUERIES])
def test_query(reference: Any, chinook: Any, name: str, query: str) -> None:
    expected = reference.execute(query)
    found = chinook.execute(query)
    assert [entry[0] for entry in found.description] == [entry[0] for entry in expected.description]
    left, right = typed(expected.fetchall()), typed(found.fetchall())
    if name.endswith("!"):
        assert right == left
    else:
        assert Counter(right) == Counter(left)


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_parameters(reference: Any, chinook: Any, limit: int) -> None:
    query = "SELECT TrackId, Name FROM Track WHERE AlbumId = :album AND Milliseconds > ?2 ORDER BY TrackId LIMIT ?3"
    query = query.replace(":album", "?1")
    assert (
        chinook.execute(query, (1, 200_000, limit)).fetchall()
        == reference.execute(query, (1, 200_000, limit)).fetchall()
    )


def test_every_table_is_loaded_alike(reference: Any, chinook: Any) -> None:
    names = [row[0] for row in reference.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    assert len(names) == 11
    counts = 0
    for name in names:
        query = f'SELECT rowid, * FROM "{name}" ORDER BY rowid'
        rows = chinook.execute(query).fetchall()
        assert rows == reference.execute(query).fetchall()
        counts += len(rows)
    assert counts == 15_607
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert chinook.execute(schema).fetchall() == reference.execute(schema).fetchall()


def test_there_are_enough_queries() -> None:
    assert len(QUERIES) >= 60
