"""The record of a cluster: one small value that the coordinator keeps, and that is only ever compared and swapped.

    {"cluster": "5f…", "epoch": 3, "required": 1,
     "primary":  ["a:7432", "91…", "tandemdb://a:7432/shop"],          node, incarnation, address
     "sync_set": [["b:7432", "c4…", "tandemdb://b:7432/shop"]]}         who holds every acknowledged commit

A member is a node *since a start of its process*: one that was restarted is empty and another member. Whoever leads,
`required` of the sync_set, or all of it if it is smaller, have acknowledged each commit.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tandemdb.replication.errors import ProtocolError


class Member(NamedTuple):
    """A node since a start of its process, and where it listens."""

    node: str
    incarnation: str
    address: str

    @property
    def holder(self) -> str:
        """What names it as the holder of the lease."""
        return f"{self.node} {self.incarnation}"

    def is_same(self, other: Member) -> bool:
        return self.node == other.node and self.incarnation == other.incarnation


class Record(NamedTuple):
    """Who leads in which epoch, and who may after it."""

    cluster: str
    epoch: int
    primary: Member
    sync_set: tuple[Member, ...]
    required: int

    def names(self, member: Member) -> bool:
        """Tell whether this very incarnation may be promoted."""
        return any(member.is_same(each) for each in self.sync_set)

    @property
    def copies(self) -> int:
        """How many of the sync_set have acknowledged each commit."""
        return min(self.required, len(self.sync_set))

    @property
    def must_be_heard(self) -> int:
        """How many of the sync_set hold, between them, every acknowledged commit: one more than can lack it."""
        return len(self.sync_set) - self.copies + 1


def encode(record: Record) -> dict[str, Any]:
    """Return the record as JSON has it."""
    return {**record._asdict(), "primary": list(record.primary), "sync_set": [list(each) for each in record.sync_set]}


def decode(value: Any) -> Record:
    """Read a record.

    Raises:
        ProtocolError: it is none: another program's, or another version's.
    """
    try:
        read = json.loads(value) if isinstance(value, str | bytes) else value
        record = Record(
            str(read["cluster"]),
            int(read["epoch"]),
            Member(*map(str, read["primary"])),
            tuple(Member(*map(str, each)) for each in read["sync_set"]),
            int(read["required"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"the coordinator's record is none of tandemdb's: {error!r}") from None
    return record
