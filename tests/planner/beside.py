"""Statements run through both drivers, sqlite3 and tandemdb, whose outcomes must be the same.

    check([lambda con: con.create_function("f", 1, str), "SELECT f(1)", ("SELECT ?", (5,))])
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import tandemdb

Step = str | tuple[str, Any] | Callable[[Any], Any]


def check(steps: Sequence[Step], **options: Any) -> None:
    """Run the steps on a fresh connection of each and compare step by step."""
    options.setdefault("isolation_level", None)
    real, ours = sqlite3.connect(":memory:", **options), tandemdb.connect(":memory:", **options)
    for step in steps:
        expected = outcome(real, step)
        assert outcome(ours, step) == expected, step


def outcome(connection: Any, step: Step) -> Any:
    """Rows, or the error's class, text and code; and whether a transaction is open then."""
    try:
        if callable(step):
            step(connection)
            result: Any = None
        else:
            sql, values = (step, ()) if isinstance(step, str) else step
            result = connection.execute(sql, values).fetchall()
    except Exception as error:
        result = type(error).__name__, str(error), getattr(error, "sqlite_errorname", None)
    return result, connection.in_transaction


def lines(text: str) -> list[Step]:
    """Each line of a text as a statement."""
    return [line.strip() for line in text.strip().splitlines() if line.strip()]
