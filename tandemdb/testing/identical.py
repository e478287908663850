"""Identical: whether two systems hold the same commits in the same blocks, and where they do not.

LSN, then digests --differ--> tables --> blocks --> rows:     city, block 4, key 61
                                                               - (61, 'Oslo')
                                                               + (61, 'Turku')
"""

from __future__ import annotations

from typing import Protocol

from tandemdb.storage import Database, Difference, Root, describe_difference

ROWS_MAX = 20


class HoldsRoot(Protocol):
    """A connection's snapshot."""

    @property
    def root(self) -> Root: ...


class HasSnapshot(Protocol):
    """A connection."""

    def snapshot(self) -> HoldsRoot: ...


def assert_identical(first: HasSnapshot | Database, second: HasSnapshot | Database) -> None:
    """Check that two databases of this process are at one LSN and hold the same blocks.

    Raises:
        AssertionError: they are not; the message lists up to 20 rows or blocks that differ, `-` the first one's.
    Cost: O(tables) where digests are kept up, as they are on both sides of a synchronous link.
    """
    ours, theirs = root_of(first), root_of(second)
    lines = []
    if ours.lsn != theirs.lsn:
        lines.append(f"LSN {ours.lsn} and LSN {theirs.lsn}")
    differences = describe_difference(ours, theirs, ROWS_MAX + 1)
    lines += [line for difference in differences[:ROWS_MAX] for line in describe(difference, ours, theirs)]
    if len(differences) > ROWS_MAX:
        lines.append("and more")
    if lines:
        raise AssertionError("the databases differ:\n  " + "\n  ".join(lines))


def root_of(system: HasSnapshot | Database) -> Root:
    return system.root if isinstance(system, Database) else system.snapshot().root


def describe(difference: Difference, ours: Root, theirs: Root) -> list[str]:
    """Say in lines what differs, with the rows on both sides."""
    table_id, block, key, kind = difference
    names = [root.tables[table_id].definition.name for root in (ours, theirs) if table_id in root.tables]
    place = f"{names[0]}, block {block}" if block >= 0 else names[0]
    if key is None:
        return [f"{place}: {kind}"]
    lines = [f"{place}, key {key!r}: {kind}"]
    for sign, root in (("-", ours), ("+", theirs)):
        record = root.tables[table_id].find(key)
        if record is not None:
            lines.append(f"  {sign} {record!r}")
    return lines
