"""sqlitedict: dictionaries in tables, written by a thread of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlitedict import SqliteDict


def play(directory: Path, driver: str) -> Iterator[Any]:
    path = str(directory / "dict.sqlite")
    with SqliteDict(path, tablename="first", encode=json.dumps, decode=json.loads) as names:
        names["a"] = {"x": [1, 2]}
        names.update({f"k{number}": number for number in range(20)})
        del names["k3"]
        yield [len(names), names["a"], "k3" in names, names.get("k3"), sorted(names.keys())[:4]]
        names.commit()
        names["uncommitted"] = True
    with SqliteDict(path, tablename="second", autocommit=True) as other:
        other["set"] = {1, 2}
        other["text"] = b"value"
        yield [dict(other), bool(other)]
    with SqliteDict(path, tablename="first", encode=json.dumps, decode=json.loads, flag="r") as names:
        yield [len(names), "uncommitted" in names, SqliteDict.get_tablenames(path)]
