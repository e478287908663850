"""Repairing single blocks: from any other node that holds them, a primary's from its secondary, too.

    records --hash--> not the digest that was kept up for them     damaged
    the other's records of that block --hash--> that digest        these it held before: they take its place

Nothing is decided by who leads, or who is newer: what makes the digest that a block had before it was damaged, is that
block. No commit is made, for nothing has changed but what should not have.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from tandemdb.replication.comparison import as_key, ask
from tandemdb.replication.core import blocks
from tandemdb.replication.events import emit
from tandemdb.replication.network.operating import log_in_to
from tandemdb.replication.network.transport import CONNECT_SECONDS
from tandemdb.replication.roles import between_transactions

if TYPE_CHECKING:
    from tandemdb.replication.core.identity import Identity
    from tandemdb.replication.network.address import Address
    from tandemdb.replication.network.calls import Caller
    from tandemdb.storage import Database

WAIT_SECONDS = 1.0
RETRY_SECONDS = 0.02


class Repair(NamedTuple):
    """The blocks, by table and number, that were damaged, and those of them that are not any more."""

    damaged: tuple[tuple[int, int], ...]
    mended: tuple[tuple[int, int], ...]


def repair_from(database: Database, address: Address, identity: Identity, seconds: float = CONNECT_SECONDS) -> Repair:
    """Mend the damaged blocks of a database from the node at an address.

    Raises:
        ReplicationError: as `repair`; it cannot be connected to, or does not let us in.
    """
    other = log_in_to(address, identity, seconds)
    try:
        return repair(database, other, identity.node)
    finally:
        other.close()


def repair(database: Database, other: Caller, node: str) -> Repair:
    """Mend the damaged blocks of a database from another node; commits wait while one is fetched.

    Raises:
        ReplicationError: a transaction has been open for too long; the other node does not answer.
    """
    damaged = blocks.damaged_blocks(database.snapshot())
    mended = [place for place in damaged if mend(database, other, *place)]
    if mended:
        emit("repaired", node=node, lsn=database.root.lsn, blocks=[f"{table}/{number}" for table, number in mended])
    return Repair(tuple(damaged), tuple(mended))


def mend(database: Database, other: Caller, table: int, number: int) -> bool:
    """Mend one block, waiting a moment for the other node to be at the same commit. False: it has it not."""
    deadline = time.monotonic() + WAIT_SECONDS
    with between_transactions(database):
        stored = database.root.tables.get(table)
        while stored is not None:
            other.call("pin", seconds=WAIT_SECONDS)
            pairs = ask(other, "block", table, number)
            keys, records = [as_key(key) for key, _ in pairs], [tuple(record) for _, record in pairs]
            if blocks.mend_block(stored, number, keys, records):
                return True
            if time.monotonic() >= deadline:
                break
            time.sleep(RETRY_SECONDS)
    return False
