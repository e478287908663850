"""A node with secondaries checks itself: where one of them finds another digest, either may hold the damaged block.

    the node's records --hash--> the digests kept up for them    all is well: it is the secondary that is sent blocks
                                 other digests                   told, and mended from its primary, if it has one
                                                                 itself, or from a secondary, one after the other

It is asked to when it is promoted, and when a secondary says that what it was sent does not fit.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING
from weakref import ref

from tandemdb.replication import repairing
from tandemdb.replication.core import blocks
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.follower import Follower
from tandemdb.replication.network.address import read_address

if TYPE_CHECKING:
    from tandemdb.replication.node import Node

log = logging.getLogger("tandemdb.replication")

AGAIN_SECONDS = 10.0
"""A node that has found nothing does not look again for so long, whatever secondaries say: it reads all its records."""
CONNECT_SECONDS = 2.0


class SelfCheck:
    """Checks one node's blocks, in a thread of its own; the node is held weakly."""

    def __init__(self, node: Node) -> None:
        self._node = ref(node)
        self._lock = threading.Lock()
        self._is_running = False
        self._not_before = float("-inf")

    def begin(self) -> None:
        """Check the node's blocks, unless that is being done, or was just now."""
        with self._lock:
            if self._is_running or time.monotonic() < self._not_before:
                return
            self._is_running = True
        threading.Thread(target=self._run, name="tandemdb self-check", daemon=True).start()

    def _run(self) -> None:
        is_well = False
        try:
            node = self._node()
            if node is not None:
                damaged = blocks.damaged_blocks(node.database.snapshot())
                is_well = not damaged or mend(node, damaged)
        except (ReplicationError, blocks.StorageError, MemoryError) as error:
            log.warning("a node's check of its own blocks was broken off: %s", error)
        finally:
            with self._lock:
                self._is_running = False
                self._not_before = time.monotonic() + AGAIN_SECONDS if is_well else float("-inf")


def mend(node: Node, damaged: list[tuple[int, int]]) -> bool:
    """Mend a node's damaged blocks from those it is linked with. False: some are left."""
    identity, root = node.system.identity, node.database.root
    listed = [f"{table}/{number}" for table, number in damaged]
    emit("damaged", node=identity.node, lsn=root.lsn, blocks=listed)
    for address in sources(node):
        try:
            source = read_address(address, node.address.security)
            found = repairing.repair_from(node.database, source, identity, CONNECT_SECONDS)
        except ReplicationError as error:
            log.info("no block can be had from %s: %s", address, error)
            continue
        if len(found.mended) == len(found.damaged):
            return True
    return False


def sources(node: Node) -> list[str]:
    """List the addresses of a node's primary and secondaries, those first that most likely hold the same commit."""
    link, publisher = node.system.link, node.system.publisher
    found = [str(link.address)] if isinstance(link, Follower) and link.address is not None else []
    peers = list(publisher.core.peers.values()) if publisher is not None else []
    found += [peer.address for peer in sorted(peers, key=lambda peer: peer.mode != "sync")]
    return [address for address in found if address]
