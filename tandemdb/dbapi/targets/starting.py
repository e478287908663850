"""Starting a database from a backup target: its rows, its LSN, its cluster, in an epoch that begins there.

    target at (epoch 3, LSN 870)   --read-->   database at LSN 870, history: epoch 3 up to 870, epoch 4 from there

So a feed of this database to the same target goes on without copying anything, and supersedes the one that wrote it
before: if that primary still lives, its commits from now on are another history's, and the target takes none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tandemdb.dbapi.targets.opening import open_target
from tandemdb.errors import ProgrammingError
from tandemdb.replication.core.messages import LSN, Epoch, Term
from tandemdb.replication.system import system_of
from tandemdb.replication.targets import TargetLost, claims_of

if TYPE_CHECKING:
    from tandemdb.replication.targets import Position
    from tandemdb.storage import Database


def start_from(database: Database, target: Any) -> Position:
    """Fill an empty database with what a target holds.

    Raises:
        ProgrammingError: the database is not empty, or this names no target.
        TargetLost: it cannot be reached, or holds nothing of tandemdb's.
    """
    system = system_of(database)
    if database.root.lsn or system.publisher is not None or system.secondary is not None:
        raise ProgrammingError("only a new database can be started from a backup target")
    source = open_target(target)
    try:
        position = source.open(only_read=True)
        if position is None:
            raise TargetLost(f"{source.name} holds no database of tandemdb's")
        root = source.read()
    finally:
        source.close()
    root.lsn, root.epoch = position.lsn, position.epoch + 1
    database.rewind(root)
    claims_of(system).started = position
    system.identity.cluster = bytes.fromhex(position.cluster)
    system.identity.history = [
        Term(Epoch(position.epoch), LSN(0), 0),
        Term(Epoch(position.epoch + 1), LSN(position.lsn), 0, system.identity.incarnation),
    ]
    return position
