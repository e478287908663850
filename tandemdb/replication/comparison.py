"""Comparing two nodes: from one number each down to the records that differ.

    pin      one root on each side, at the same LSN if the two get there in time
    digest   recomputed from the records, as what was kept up says nothing of damage; equal: done
    tables   those whose digests differ  -->  blocks  -->  records

Neither side waits for the other: a pinned root does not change, whatever is committed meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tandemdb.replication.network.calls import Caller

DIFFERENCES_MAX = 100
RETRY_SECONDS = 0.02
ANSWER_SECONDS = 60.0


class Difference(NamedTuple):
    """One difference. `block` and `key` are None for a whole table or block; `first`, `second` are the records."""

    table: int
    name: str
    block: int | None
    key: Any
    kind: str
    first: tuple[Any, ...] | None
    second: tuple[Any, ...] | None


@dataclass
class Comparison:
    """What came of it; `differences` are the first DIFFERENCES_MAX of them."""

    lsns: tuple[int, int]
    epochs: tuple[int, int]
    digests: tuple[int, int]
    differences: list[Difference] = field(default_factory=list)
    has_more: bool = False

    @property
    def are_equal(self) -> bool:
        return self.lsns[0] == self.lsns[1] and self.digests[0] == self.digests[1]


def compare(first: Caller, second: Caller, wait_seconds: float = 5.0) -> Comparison:
    """Compare two nodes, waiting so long for them to be at one LSN."""
    deadline = time.monotonic() + wait_seconds
    while True:
        pins = [side.call("pin", seconds=ANSWER_SECONDS).value for side in (first, second)]
        if pins[0][0] == pins[1][0] or time.monotonic() >= deadline:
            break
        time.sleep(RETRY_SECONDS)
    (lsn_1, epoch_1, _), (lsn_2, epoch_2, _) = pins
    digest_1, digest_2 = (side.call("recompute", seconds=ANSWER_SECONDS).value for side in (first, second))
    comparison = Comparison((lsn_1, lsn_2), (epoch_1, epoch_2), (digest_1, digest_2))
    if digest_1 != digest_2:
        compare_tables(first, second, comparison)
    return comparison


def compare_tables(first: Caller, second: Caller, comparison: Comparison) -> None:
    """List the tables that differ, and what differs in them."""
    ours, theirs = ({row[0]: row for row in ask(side, "table_digests")} for side in (first, second))
    for table in sorted(ours.keys() | theirs.keys()):
        name = str((ours.get(table) or theirs[table])[1]) or f"table {table}"
        if table not in ours or table not in theirs:
            add(comparison, Difference(table, name, None, None, only(table in ours), None, None))
        elif ours[table][2] != theirs[table][2]:
            compare_blocks(first, second, table, name, comparison)
        if comparison.has_more:
            return


def compare_blocks(first: Caller, second: Caller, table: int, name: str, comparison: Comparison) -> None:
    """List the blocks of one table that differ, and what differs in them."""
    ours, theirs = (dict(ask(side, "block_digests", table)) for side in (first, second))
    found = False
    for number in sorted(ours.keys() | theirs.keys()):
        if ours.get(number) == theirs.get(number):
            continue
        found = True
        compare_records(first, second, table, name, number, comparison)
        if comparison.has_more:
            return
    if not found:
        add(comparison, Difference(table, name, None, None, "the same blocks in another order", None, None))


def compare_records(
    first: Caller, second: Caller, table: int, name: str, number: int, comparison: Comparison
) -> None:
    """List the records of one block that differ."""
    ours, theirs = (
        {as_key(key): tuple(record) for key, record in ask(side, "block", table, number)} for side in (first, second)
    )
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in ours or key not in theirs:
            kind = only(key in ours)
        elif repr(ours[key]) != repr(theirs[key]):
            kind = "differs"
        else:
            continue
        add(comparison, Difference(table, name, number, key, kind, ours.get(key), theirs.get(key)))
        if comparison.has_more:
            return


def ask(side: Caller, method: str, *arguments: int) -> tuple[tuple[Any, ...], ...]:
    return side.call(method, *arguments, seconds=ANSWER_SECONDS).rows


def add(comparison: Comparison, difference: Difference) -> None:
    if len(comparison.differences) >= DIFFERENCES_MAX:
        comparison.has_more = True
    else:
        comparison.differences.append(difference)


def only(in_first: bool) -> str:
    return "only in first" if in_first else "only in second"


def as_key(key: Any) -> Any:
    return tuple(key) if type(key) is list else key
