"""The store: a process that holds a database's blocks and does what the processing node attached to it says.

    processing node                                       store
    attach      --> one at a time, others are refused
                <-- LSN, epoch, note, layout, digest
    blocks      <-- all blocks, some at a time            so an application that was killed goes on with its data
    prepare     --> a commit's changes, block by block    applied to a private transaction
    images, prepare_blocks                                or blocks in place of those that differ
    complete    --> published                             link lost before: the transaction is undone
    note        --> kept with the blocks, not looked into

It decides nothing: no SQL, no replication, no link but from this machine. Blocks are applied where the change log says,
and what does not fit is refused before anything is changed (`storage.apply`).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from typing import Any

from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.messages import BlockImage, Hello
from tandemdb.replication.errors import ProtocolError, Refused, ReplicationError
from tandemdb.replication.network import handshake, transport, wire
from tandemdb.replication.network.accepting import accept_connections
from tandemdb.replication.network.calls import CALLS, Row, serve_calls
from tandemdb.replication.store.address import StoreAddress, listen
from tandemdb.storage import BlockImage as Image
from tandemdb.storage import (
    Database,
    Epoch,
    Transaction,
    apply,
    describe_layout,
    dump_blocks,
    load_blocks,
    root_digest,
)

log = logging.getLogger("tandemdb.replication")

LEAVING_SECONDS = 2.0
CONNECTIONS_MAX = 16


class Store:
    """Holds one database for whoever is attached; `start`, then `stop`."""

    def __init__(self, name: str, address: StoreAddress, secret: bytes = b"") -> None:
        self.database = Database(name)
        self.address = address
        self.secret = secret
        # What the processing node wants back with the blocks.
        self.note: Any = None
        self.attached = ""
        self.is_running = False
        self._place = threading.Condition()
        self._channels: set[transport.Channel] = set()
        self._listener: socket.socket | None = None
        self._identity = Identity(b"", name, os.urandom(16))

    def start(self) -> StoreAddress:
        """Listen; returns the address, with the port that the system chose if it was to.

        Raises:
            LinkLost: the address cannot be listened on.
        """
        self._listener, self.address = listen(self.address)
        self.is_running = True
        calls_in = (self._listener, lambda: self.is_running, self._has_room, self._serve, "tandemdb store")
        threading.Thread(target=accept_connections, args=calls_in, name="tandemdb store", daemon=True).start()
        return self.address

    def stop(self) -> None:
        """Listen no more and close all links; the blocks go with this object."""
        self.is_running = False
        if self._listener is not None:
            # An accept under way ends only if it is woken.
            try:
                self._listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # Not every system knows this for a socket that listens.
            self._listener.close()
            if self.address.path and os.path.exists(self.address.path):
                os.unlink(self.address.path)
        with self._place:
            channels = list(self._channels)
        for channel in channels:
            channel.close()

    def take_place(self, who: str) -> None:
        """Become the one who is attached; one whose link has just ended is waited for.

        Raises:
            Refused: somebody is attached.
        """
        with self._place:
            if not self._place.wait_for(lambda: not self.attached, LEAVING_SECONDS):
                raise Refused("attached", f"another processing node is attached to this store: {self.attached}")
            self.attached = who

    def leave_place(self) -> None:
        with self._place:
            self.attached = ""
            self._place.notify_all()

    def _has_room(self) -> bool:
        return len(self._channels) < CONNECTIONS_MAX

    def _serve(self, connected: socket.socket, origin: Any) -> None:
        """Serve one link until it ends."""
        channel = transport.Channel(connected)
        with self._place:
            self._channels.add(channel)
        operations: Operations | None = None
        try:
            hello = handshake.admit(channel, self._identity, self.secret, self._check, 1, b"")
            handshake.open_up(channel, CALLS)
            operations = Operations(self, hello.node)
            serve_calls(channel, operations, lambda: self.is_running)
        except ReplicationError as error:
            log.info("a link to the store ended: %s", error)
        finally:
            channel.close()
            if operations is not None:
                operations.close()
            with self._place:
                self._channels.discard(channel)

    def _check(self, hello: Hello) -> None:
        if hello.database and hello.database != self.database.name:
            raise Refused("database", f"this store holds {self.database.name}, not {hello.database}")


class Operations:
    """What may be asked over one link: `status` always, all else by who is attached."""

    def __init__(self, store: Store, who: str) -> None:
        self.store = store
        self.who = who
        self.is_attached = False
        self._images: list[Image] = []
        self._blocks: list[Image] = []
        self._prepared: tuple[Transaction, int, int, Any] | None = None

    def call(self, method: str, arguments: Row) -> tuple[Any, tuple[Row, ...]]:
        if method not in METHODS:
            raise ProtocolError(f"a store has no operation {method!r}")
        if method not in ("status", "attach") and not self.is_attached:
            raise ProtocolError(f"{method} is for who is attached")
        answer = METHODS[method](self, *arguments)
        return answer if isinstance(answer, tuple) else (answer, ())

    def state(self) -> Any:
        return None

    def interrupt(self) -> None:
        """Nothing here takes long enough."""

    def close(self) -> None:
        """The link has ended: what was not completed is undone, and another may attach."""
        self.cancel()
        if self.is_attached:
            self.is_attached = False
            self.store.leave_place()

    def status(self) -> dict[str, Any]:
        root = self.store.database.root
        modules = sorted(name for name in list(sys.modules) if name.startswith("tandemdb"))
        return {
            "lsn": root.lsn,
            "epoch": root.epoch,
            "digest": root_digest(root),
            "attached": self.store.attached,
            "modules": modules,
        }

    def attach(self) -> dict[str, Any]:
        """Take the only place, and say what is here."""
        if not self.is_attached:
            self.store.take_place(self.who)
            self.is_attached = True
        root = self.store.database.root
        next_object, tables = describe_layout(root)
        self._blocks = list(dump_blocks(root))
        return {
            "lsn": root.lsn,
            "epoch": root.epoch,
            "note": self.store.note,
            "next_object": next_object,
            "tables": tables,
            "digest": root_digest(root),
        }

    def blocks(self, start: int, count: int) -> tuple[None, tuple[Row, ...]]:
        """Give some of the blocks that were here at `attach`; after the last one, none."""
        found = tuple(self._blocks[start : start + count])
        if not found:
            self._blocks = []
        return None, found

    def keep_note(self, note: Any) -> None:
        self.store.note = note

    def prepare(self, base_lsn: int, lsn: int, epoch: int, changes: list[Any], note: Any) -> None:
        """Apply a commit's changes; nobody sees them before `complete`."""
        self._begin(lsn, epoch, note)
        if self.store.database.root.lsn != base_lsn:
            self.cancel()
            raise ProtocolError(f"changes that follow LSN {base_lsn} came at LSN {self.store.database.root.lsn}")
        self.go_on(changes)

    def go_on(self, changes: list[Any]) -> None:
        """Apply further changes of the commit that is being prepared."""
        if self._prepared is None:
            raise ProtocolError("nothing is being prepared")
        try:
            for change in wire.check_changes(changes):
                apply(self._prepared[0], change)
        except BaseException:
            self.cancel()
            raise

    def images(self, images: list[Any]) -> None:
        """Gather blocks for `prepare_blocks`."""
        for table, number, keys, records in images:
            self._images.append(wire.check_image(BlockImage(table, number, keys, records)))

    def prepare_blocks(self, lsn: int, epoch: int, next_object: int, tables: list[Any], note: Any) -> None:
        """Put the blocks gathered in the place of those that bear their numbers, and drop those not in `tables`."""
        images, self._images = self._images, []
        transaction = self._begin(lsn, epoch, note)
        try:
            layout = [(table, next_number, list(numbers)) for table, next_number, numbers in tables]
            load_blocks(transaction, (next_object, layout), images)
        except BaseException:
            self.cancel()
            raise

    def complete(self) -> int:
        """Publish what was prepared, with its note."""
        if self._prepared is None:
            raise ProtocolError("nothing was prepared")
        transaction, lsn, epoch, note = self._prepared
        root = transaction.commit(lsn, Epoch(epoch))
        self._prepared = None
        self.store.note = note
        return root.lsn

    def cancel(self) -> None:
        """Undo what was prepared."""
        prepared, self._prepared = self._prepared, None
        self._images = []
        if prepared is not None:
            prepared[0].rollback()

    def _begin(self, lsn: int, epoch: int, note: Any) -> Transaction:
        if self._prepared is not None:
            raise ProtocolError("a transaction is prepared already")
        transaction = self.store.database.begin(applying=True)
        self._prepared = (transaction, lsn, epoch, note)
        return transaction


METHODS: dict[str, Any] = {
    "status": Operations.status,
    "attach": Operations.attach,
    "blocks": Operations.blocks,
    "note": Operations.keep_note,
    "prepare": Operations.prepare,
    "go_on": Operations.go_on,
    "images": Operations.images,
    "prepare_blocks": Operations.prepare_blocks,
    "complete": Operations.complete,
    "cancel": Operations.cancel,
}
