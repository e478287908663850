"""The oracle: what SQLite 3.40 makes of the same call.

outcome(oracle, "SELECT abs(?)", [-1])     ("integer", 1)     type and value, a real with all its digits
                                           ("error", "...")   class and text of what it raises
"""

from __future__ import annotations

import datetime
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from tandemdb.planner.functions.registry import plain

KINDS = {type(None): "null", int: "integer", float: "real", str: "text", bytes: "blob"}

INTEGERS = [0, 1, -1, 2, 3, -3, 7, 63, 64, -64, 65, 255, 2**31, 2**32 + 1, 10**15, 2**53 + 1, 2**63 - 1, -(2**63)]
REALS = [0.0, -0.0, 0.1, 0.5, 1.5, -1.5, 2.5, 1234.5678, 1e-5, 1e15, 1e20, -1e20, 1e300, 5e-324, 2.0**63]
INFINITIES = [float("inf"), -float("inf")]
NUMERIC_TEXTS = [
    "1",
    "-1",
    " 12 ",
    "12x",
    "1.5",
    "1e2",
    "1e",
    "1.5e",
    ".5",
    "5.",
    ".",
    "-0",
    "1e400",
    "0x10",
    "+5",
    "- 5",
]
BIG_TEXTS = ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "99999999999999999999x"]
TEXTS = ["", "abc", "ABC", "aXbXc", "  x  ", "b", "étÉ", "☃", "\U0001f600x", "a\0b", "1\0", "a\nb", "ſK\u212a", "bcabc"]
BLOBS = [b"", b"abc", b"12", b"1.5e2", b"\xc3\xa9", b"\0a", b" 7 "]
VALUES: list[Any] = [None, *INTEGERS, *REALS, *INFINITIES, *NUMERIC_TEXTS, *BIG_TEXTS, *TEXTS, *BLOBS]


class Context:
    """An execution context whose clock stands still."""

    changes = 3
    total_changes = 14
    last_insert_rowid = 15

    def __init__(self) -> None:
        self.source = random.Random(9)

    def now(self) -> datetime.datetime:
        return datetime.datetime(2023, 5, 6, 12, 34, 56, 789000)

    def random(self) -> int:
        return self.source.randrange(-(2**63), 2**63)


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def oracle() -> Iterator[sqlite3.Connection]:
    if sqlite3.sqlite_version_info[:2] != (3, 40):
        pytest.skip(f"the functions are those of SQLite 3.40, this is {sqlite3.sqlite_version}")
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


Outcome = tuple[str, str]


def describe(value: Any) -> Outcome:
    """Tell a value by its type and all its digits; of a row, of a list of rows, by each."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, repr([describe(item) for item in value])
    value = plain(value)
    if isinstance(value, bool):
        value = int(value)
    return KINDS[type(value)], repr(value)


def attempt(call: Callable[..., Any], arguments: Iterable[Any] = ()) -> Outcome:
    """Call a function and tell what comes of it."""
    try:
        return describe(call(*arguments))
    except sqlite3.Error as error:
        return "error", f"{error}"


def ask(connection: sqlite3.Connection, sql: str, arguments: Sequence[Any] = ()) -> Outcome | None:
    """Ask the oracle for one value; None where it answers with bytes that are no UTF-8."""
    return attempt_or_undecodable(lambda: connection.execute(sql, arguments).fetchone()[0])


def ask_rows(connection: sqlite3.Connection, sql: str, arguments: Sequence[Any] = ()) -> Outcome | None:
    """Ask the oracle for all rows."""
    return attempt_or_undecodable(lambda: connection.execute(sql, arguments).fetchall())


def attempt_or_undecodable(call: Callable[[], Any]) -> Outcome | None:
    outcome = attempt(call)
    return None if outcome[0] == "error" and outcome[1].startswith("Could not decode") else outcome


class Comparison:
    """Collects differences, so that one run shows them all."""

    def __init__(self) -> None:
        self.differences: list[str] = []
        self.compared = 0

    def add(self, what: str, arguments: Any, expected: Outcome | None, found: Outcome) -> None:
        self.compared += 1
        if expected is not None and expected != found:
            self.differences.append(f"{what}{arguments!r}: expected {expected}, found {found}"[:500])

    def check(self) -> None:
        shown = "\n".join(self.differences[:20])
        assert not self.differences, f"{len(self.differences)} of {self.compared} differ:\n{shown}"
        assert self.compared


@pytest.fixture
def comparison() -> Iterator[Comparison]:
    found = Comparison()
    yield found
    found.check()


@pytest.fixture
def tools() -> Any:
    """The helpers above, for tests cannot import their neighbours."""

    class Tools:
        pass

    for helper in (ask, ask_rows, attempt, describe):
        setattr(Tools, helper.__name__, staticmethod(helper))
    Tools.values = VALUES  # type: ignore[attr-defined]
    return Tools
