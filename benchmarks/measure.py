"""Times one workload on both engines in alternate rounds.

prepare sqlite3, prepare tandemdb      untimed; again before each round where the workload changes its data
round 1   sqlite3 │ tandemdb │ by hand
round 2   sqlite3 │ tandemdb │ by hand      median of each; the answers of round 1 must be the same
...
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Connection = Any
Tables = dict[str, list[tuple[Any, ...]]]


@dataclass
class Data:
    """A database that workloads share: `fill` makes it on one connection, and is told the driver's module."""

    name: str
    fill: Callable[[Connection], None]


@dataclass
class Workload:
    """One thing that programs do: `work` takes a connection (with `data` in it) and returns an answer to check."""

    name: str
    group: str
    work: Callable[[Connection], Any]
    data: Data
    changes: bool = False
    ordered: bool = True
    first: bool = False
    by_hand: Callable[[Tables], Any] | None = None
    hand_makes: Callable[[Tables], Any] | None = None
    opens: bool = False


@dataclass
class Measurement:
    """Median seconds of each side, whether the answers were equal, and what went wrong if something did."""

    workload: Workload
    sqlite3: float = math.nan
    tandemdb: float = math.nan
    by_hand: float = math.nan
    rows: int = 0
    equal: bool = False
    error: str = ""
    rounds: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return self.tandemdb / self.sqlite3 if self.sqlite3 else math.nan

    @property
    def limit(self) -> float:
        return self.by_hand / self.sqlite3 if self.sqlite3 else math.nan


class Stores:
    """The shared databases of one engine, made when first asked for."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self._connections: dict[str, Connection] = {}
        self._tables: dict[str, Tables] = {}

    def get(self, data: Data) -> Connection:
        """The shared connection that holds `data`; for workloads that change nothing."""
        if data.name not in self._connections:
            self._connections[data.name] = self.make(data)
        return self._connections[data.name]

    def make(self, data: Data) -> Connection:
        """A connection of its own that holds `data`."""
        connection = self.module.connect(":memory:")
        data.fill(connection)
        connection.commit()
        return connection

    def tables(self, data: Data) -> Tables:
        """All rows of `data` as lists of tuples, for the hand-written versions."""
        if data.name not in self._tables:
            connection = self.get(data)
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            self._tables[data.name] = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        return self._tables[data.name]


def measure(workload: Workload, reference: Stores, candidate: Stores, rounds: int) -> Measurement:
    """Run all rounds; an engine's exception becomes the measurement's error."""
    result = Measurement(workload)
    times: dict[str, list[float]] = {"sqlite3": [], "tandemdb": [], "by hand": []}
    answers: dict[str, Any] = {}
    try:
        for _ in range(rounds):
            for side, stores in (("sqlite3", reference), ("tandemdb", candidate)):
                seconds, answers[side] = one_round(workload, stores)
                times[side].append(seconds)
            if workload.by_hand:
                seconds, answers["by hand"] = by_hand_round(workload, candidate)
                times["by hand"].append(seconds)
    except Exception as error:
        result.error = f"{type(error).__name__}: {error}"[:200]
    for side, attribute in (("sqlite3", "sqlite3"), ("tandemdb", "tandemdb"), ("by hand", "by_hand")):
        if times[side]:
            setattr(result, attribute, statistics.median(times[side]))
    result.rounds = list(zip(times["sqlite3"], times["tandemdb"], strict=False))
    if not result.error:
        check_answers(result, answers)
    return result


def one_round(workload: Workload, stores: Stores) -> tuple[float, Any]:
    target = (
        stores.module
        if workload.opens
        else stores.make(workload.data)
        if workload.changes
        else stores.get(workload.data)
    )
    # What preparing leaves to Python's collector is prepared, too: its next run would walk all of it, in either's time.
    gc.collect()
    started = time.perf_counter()
    answer = workload.work(target)
    seconds = time.perf_counter() - started
    if workload.changes and not workload.opens:
        target.close()
    return seconds, answer


def by_hand_round(workload: Workload, candidate: Stores) -> tuple[float, Any]:
    """Run the hand-written version over tandemdb's own records: where those lie in memory is no merit of either."""
    assert workload.by_hand is not None
    tables = candidate.tables(workload.data)
    given = workload.hand_makes(tables) if workload.hand_makes else tables
    gc.collect()  # As before the others: it walks over all there is, and leaves none of the records in the caches.
    started = time.perf_counter()
    answer = workload.by_hand(given)
    return time.perf_counter() - started, answer


def check_answers(result: Measurement, answers: dict[str, Any]) -> None:
    expected = canonical(answers["sqlite3"], result.workload.ordered)
    result.rows = len(expected) if isinstance(expected, list) else 1
    result.equal = canonical(answers["tandemdb"], result.workload.ordered) == expected
    if not result.equal:
        result.error = "the answers differ"
    elif "by hand" in answers and canonical(answers["by hand"], result.workload.ordered) != expected:
        result.error = "the hand-written answer differs"


def canonical(answer: Any, ordered: bool = True) -> Any:
    """The answer in a form that compares: reals to 10 digits (a sum's order is free), rows sorted where unordered."""
    if isinstance(answer, float):
        return f"{answer:.10g}"
    if isinstance(answer, (list, tuple)):
        parts = [canonical(part) for part in answer]
        return parts if ordered else sorted(parts, key=repr)
    return answer


def geometric_mean(values: list[float]) -> float:
    """The geometric mean of what is positive and finite; not a number if nothing is."""
    kept = [math.log(value) for value in values if value > 0 and math.isfinite(value)]
    return math.exp(sum(kept) / len(kept)) if kept else math.nan
