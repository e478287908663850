"""What an operator's link may call on a node.

    status()  promote()  suspend()  resume()  follow(url, mode, overwrite)  hand_over(url, mode)
    stand_aside()  detach(name)  continue_alone()  orphans()  outcome(transaction)
    pin(lsn)  recompute()  table_digests()  block_digests(table)  block(table, number)    one root, held to be compared
    repair(url)
    interrupt(link, ticket)

`pin` holds the newest root so that a comparison sees one commit however long it takes; the primary goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.errors import ProgrammingError
from tandemdb.replication import linking, repairing, replica
from tandemdb.replication.core import blocks
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.network.address import Security, read_address

if TYPE_CHECKING:
    from tandemdb.replication.node import Node
    from tandemdb.storage import Root

Row = tuple[Any, ...]
Answer = tuple[Any, tuple[Row, ...]]


class Operator:
    """The handler of one operator's link."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._root: Root | None = None
        # Of that root.
        self._digests: blocks.Recomputed | None = None
        self._methods: dict[str, Callable[..., Answer]] = {
            "status": self.status,
            "promote": self.promote,
            "follow": self.follow,
            "suspend": self.suspend,
            "resume": self.resume,
            "hand_over": self.hand_over,
            "stand_aside": self.stand_aside,
            "outcome": self.outcome,
            "detach": self.detach,
            "continue_alone": self.continue_alone,
            "orphans": self.orphans,
            "pin": self.pin,
            "recompute": self.recompute,
            "repair": self.repair,
            "table_digests": self.table_digests,
            "block_digests": self.block_digests,
            "block": self.block,
            "interrupt": self.interrupt_link,
        }

    def call(self, method: str, arguments: Row) -> Answer:
        """Look a method up and call it.

        Raises:
            ProgrammingError: there is no such method, or it takes other arguments.
        """
        function = self._methods.get(method)
        if function is None:
            raise ProgrammingError(f"an operator's link has no method {method!r}")
        return function(*arguments)

    def state(self) -> Any:
        return None

    def interrupt(self) -> None:
        """Nothing here runs for long."""

    def close(self) -> None:
        self._root = None

    def status(self) -> Answer:
        return self.node.status(), ()

    def promote(self) -> Answer:
        return self.node.promote()._asdict(), ()

    def follow(self, url: str, mode: str, overwrite: bool, secret_file: str = "") -> Answer:
        """Follow another node, with this node's own security unless told otherwise."""
        if mode not in ("sync", "async"):
            raise ProgrammingError(f"unknown mode of a secondary: {mode!r}")
        security = self.node.address.security
        if secret_file:
            security = Security(secret_file, security.tls_ca, security.tls_cert, security.tls_key)
        address = read_address(url, security)
        if str(address) in (str(self.node.address), self.node.system.identity.address):
            raise ReplicationError("a node cannot follow itself")
        self.node.follow(address, "sync" if mode == "sync" else "async", bool(overwrite))
        return None, ()

    def suspend(self) -> Answer:
        """Stay at the present commit; answer with its LSN."""
        return self.node.suspend(), ()

    def resume(self) -> Answer:
        """Follow the primary again."""
        self.node.resume()
        return None, ()

    def hand_over(self, url: str, mode: str) -> Answer:
        """Hand leadership over to a secondary, and become its secondary."""
        if mode not in ("sync", "async"):
            raise ProgrammingError(f"unknown mode of a secondary: {mode!r}")
        address = read_address(url, self.node.address.security)
        return self.node.hand_over(address, "sync" if mode == "sync" else "async"), ()

    def stand_aside(self) -> Answer:
        """Let go of the primary; answer with incarnation, epoch, transaction and LSN."""
        return list(self.node.stand_aside()), ()

    def outcome(self, transaction: int) -> Answer:
        """Tell what became of a commit in doubt."""
        return list(replica.outcome(self.node.database, transaction)), ()

    def detach(self, name: str) -> Answer:
        linking.remove_secondary(self.node.database, name)
        return None, ()

    def continue_alone(self) -> Answer:
        replica.continue_alone(self.node.database)
        return None, ()

    def orphans(self) -> Answer:
        """Return the orphans: LSN, transaction, and how many changes each made."""
        return None, tuple(
            (orphan.lsn, orphan.transaction, len(orphan.changes)) for orphan in replica.orphans(self.node.database)
        )

    def pin(self, lsn: int | None = None) -> Answer:
        """Hold the root of an LSN, or the newest; answer with its LSN, epoch and digest."""
        database = self.node.database
        root = self._root = database.root if lsn is None else database.root_at(lsn)
        self._digests = None
        return [root.lsn, root.epoch, blocks.root_digest(root)], ()

    def recompute(self) -> Answer:
        """Compute the digests of the root that is held from its records, not by what was kept up; answer with its own.

        Cost: O(records), about 1.5 µs each.
        """
        return self._recomputed().total, ()

    def table_digests(self) -> Answer:
        """Return the digest of each table, recomputed: object id, name, digest."""
        root = self._pinned()
        names = {table_id: table.definition.name for table_id, table in root.tables.items()}
        return None, tuple((table, names[table], digest) for table, digest in self._recomputed().tables.items())

    def block_digests(self, table: int) -> Answer:
        return None, tuple(self._recomputed().blocks.get(table, ()))

    def repair(self, url: str) -> Answer:
        """Mend this node's damaged blocks from another one: answer with both, by table and number."""
        address = read_address(url, self.node.address.security)
        found = repairing.repair_from(self.node.database, address, self.node.system.identity)
        return [list(map(list, found.damaged)), list(map(list, found.mended))], ()

    def block(self, table: int, number: int) -> Answer:
        """Return one block: unique keys and records side by side; none if there is no such block."""
        root = self._pinned()
        if table in root.tables:
            for block in blocks.blocks_of(root, table):
                if block.number == number:
                    return None, tuple(zip(block.keys, block.records, strict=True))
        return None, ()

    def interrupt_link(self, link: int, ticket: bytes) -> Answer:
        self.node.interrupt(link, ticket)
        return None, ()

    def _recomputed(self) -> blocks.Recomputed:
        if self._digests is None:
            self._digests = blocks.recompute(self._pinned())
        return self._digests

    def _pinned(self) -> Root:
        if self._root is None:
            raise ReplicationError("pin a root first")
        return self._root
