"""Changes of a secondary key that wait until it is read: many at once cost a third of so many one by one.

    key.segments = [NULL, number, text, blob]        up to date

    key.segments = Outstanding                       reading any segment makes the changes first
                     segments  [NULL, number, text, blob]    as they were
                     changes   [7, old record, None,  9, None, new record,  4, old record, new record]

Only where changes are made in place: nobody else reads these roots, and before anybody may, `Writer.catch_up` has all
changes made. They are made to copies of the blocks, which then take the place of the others in one assignment, so that
an error in between leaves all as it was. A key that is read between most changes is not worth the detour: it has its
next `CHANGES_AT_ONCE` changes made as they come. The list is flat, for Python's collector would walk a tuple for each
change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from tandemdb.storage.values import Key, Record

if TYPE_CHECKING:
    from tandemdb.storage.location import LocationTable
    from tandemdb.storage.secondary import SecondaryKey

CHANGES_FEW = 8
"""Fewer changes than this are not worth waiting for."""
CHANGES_AT_ONCE = 32
"""So many changes are made as they come, after few have waited."""
CHANGES_MAX = 4096
"""So many changes wait at most: whoever reads must not wait long for them."""

Changes: TypeAlias = "list[Any]"
"""Of each change the unique key, the record that was under it, and the one that is now; None for none."""
CHANGE_WIDTH = 3


class Outstanding(list["LocationTable"]):
    """Stands in a key for its segments while there are changes to make first."""

    __slots__ = ("changes", "key", "segments")

    def __init__(self, key: SecondaryKey) -> None:
        super().__init__()
        self.changes: Changes = []
        self.segments = key.segments
        self.key = key

    def made(self) -> list[LocationTable]:
        """Have the changes made; the segments that are up to date."""
        self.key.catch_up()
        return self.key.segments

    def __getitem__(self, rank: Any) -> Any:
        return self.made()[rank]

    def __setitem__(self, rank: Any, segment: Any) -> None:
        self.made()[rank] = segment

    def __iter__(self) -> Iterator[LocationTable]:
        return iter(self.made())

    def __reversed__(self) -> Iterator[LocationTable]:
        return reversed(self.made())

    def __len__(self) -> int:
        return len(self.segments)

    def copy(self) -> list[LocationTable]:
        return self.made().copy()


def net_changes(changes: Changes) -> tuple[list[Key], list[Record | None], list[Record | None]]:
    """What many changes come to, one of each record, by unique key: keys, old and new records."""
    keys, olds, news = changes[::CHANGE_WIDTH], changes[1::CHANGE_WIDTH], changes[2::CHANGE_WIDTH]
    if len(set(keys)) < len(keys):
        first = dict(zip(reversed(keys), reversed(olds), strict=True))
        last = dict(zip(keys, news, strict=True))
        keys = sorted(first)
        return keys, list(map(first.__getitem__, keys)), list(map(last.__getitem__, keys))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return tuple([list(map(part.__getitem__, order)) for part in (keys, olds, news)])  # type: ignore[return-value]


def without_none(keys: list[Key], records: list[Record | None]) -> tuple[list[Key], list[Record]]:
    """The keys that have a record, and these."""
    if all(records):
        return keys, records  # type: ignore[return-value]
    kept = [(key, record) for key, record in zip(keys, records, strict=True) if record is not None]
    return [key for key, _ in kept], [record for _, record in kept]
