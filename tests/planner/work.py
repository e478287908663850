"""Counting what a statement does: records and entries of keys read, blocks copied, lines of its plan.

with counted() as work:
    connection.execute(...)
work.records, work.entries, work.blocks

Storage's reading methods are watched while the block runs. A list of blocks counts as it is walked, so that what LIMIT
leaves unread is not counted but for the rest of its block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tandemdb.storage.block import Block
from tandemdb.storage.reading import TableReading
from tandemdb.storage.secondary import SecondaryKey

SINGLE, LISTED, WALKED, IN_LISTS = "single", "listed", "walked", "in lists"
"""What a method brings: one thing or None, a list, an iterator, a list of lists."""
READING = {
    "find": SINGLE, "seek": SINGLE, "find_many": LISTED, "find_items": LISTED, "record_lists": IN_LISTS,
    "records_at": IN_LISTS, "items": WALKED, "range_record_lists": IN_LISTS,
    "reversed_records": WALKED, "reversed_items": WALKED, "range_items": WALKED,
    "range_reversed_items": WALKED,
}  # fmt: skip
KEY_READING = {
    "first": SINGLE, "probe": SINGLE, "equal": LISTED, "range_keys": LISTED, "range_entries": LISTED,
    "prefix_keys": LISTED, "value_lists": IN_LISTS, "scan_keys": WALKED, "scan_pairs": WALKED, "scan_entries": WALKED,
}  # fmt: skip


@dataclass
class Work:
    """What was done so far."""

    records: int = 0
    entries: int = 0
    blocks: int = 0

    def __str__(self) -> str:
        return f"records {self.records}, entries {self.entries}, blocks copied {self.blocks}"


class CountedLists(list[Any]):
    """Lists of records; each counts when it is reached."""

    def __init__(self, lists: list[Any], add: Callable[[int], None]) -> None:
        super().__init__(lists)
        self.add = add

    def __iter__(self) -> Iterator[Any]:
        for records in super().__iter__():
            self.add(len(records))
            yield records


@contextmanager
def counted() -> Iterator[Work]:
    """Count the work of what runs inside."""
    work = Work()

    def add_records(count: int) -> None:
        work.records += count

    def add_entries(count: int) -> None:
        work.entries += count

    with pytest.MonkeyPatch.context() as patch:
        for kind, methods, add in ((TableReading, READING, add_records), (SecondaryKey, KEY_READING, add_entries)):
            for name, form in methods.items():
                patch.setattr(kind, name, watched(getattr(kind, name), form, add))
        copy = Block.copy

        def counted_copy(block: Block, stamp: Any) -> Block:
            work.blocks += 1
            return copy(block, stamp)

        patch.setattr(Block, "copy", counted_copy)
        yield work


def watched(method: Callable[..., Any], form: str, add: Callable[[int], None]) -> Callable[..., Any]:
    """The method, what it brings counted."""

    def walked(found: Any) -> Iterator[Any]:
        for item in found:
            add(1)
            yield item

    def watching(*arguments: Any, **named: Any) -> Any:
        found = method(*arguments, **named)
        if form == WALKED:
            return walked(found)
        if form == IN_LISTS:
            return CountedLists(found, add)
        add((found is not None) if form == SINGLE else len(found))
        return found

    return watching
