"""The processing node's side of a store apart: no commit is visible before the store has it.

    Transaction.commit
      prepare   changes, or blocks that differ --> store      applied there, unseen; fails: the commit did not happen
      observers inside: secondaries, targets                  fail: cancel --> store
      complete                                 --> store      published there; no answer: in doubt
    database.root = root                                      visible here

The node reads and writes its own roots; `held` is the one whose blocks the store has. What a change log does not
describe, a copy of another system's blocks or a return to an earlier commit, goes as the blocks that the two roots do
not share. With the blocks the store keeps a note, for whoever attaches next: cluster and history of epochs.

A store that is lost, or out of step, is so for good: commits are refused, readers go on. Who attaches to it in a new
process finds out what it has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from weakref import finalize, ref

from tandemdb.replication.core import blocks
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.messages import LSN, Epoch, Term
from tandemdb.replication.errors import CommitInDoubt, LinkLost, ReplicationError, StoreLost
from tandemdb.replication.events import emit
from tandemdb.replication.network import handshake
from tandemdb.replication.network.calls import ANSWERS, Caller
from tandemdb.replication.observers import OuterObserver
from tandemdb.replication.roles import between_transactions, observe
from tandemdb.replication.store.address import StoreAddress, connect
from tandemdb.replication.system import System, system_of
from tandemdb.replication.unmirrorable import check_mirrorable
from tandemdb.storage import Database, Root, describe_layout, load_blocks, root_digest

if TYPE_CHECKING:
    from tandemdb.replication.core.messages import Change
    from tandemdb.storage import BlockImage, CommitObserver, Transaction

ANSWER_SECONDS = 60.0
CHANGES_AT_ONCE = 4096
BLOCKS_AT_ONCE = 64


def attach(database: Database, address: StoreAddress, secret: bytes = b"", *, leads: bool = True) -> Attachment:
    """Keep a database's blocks in a store from now on.

    An empty store gets all that the database holds; an empty database gets all that the store holds, and, if it
    `leads`, begins an epoch of its own: what the former process had not finished is over.

    Raises:
        LinkLost: no store answers there. Refused: another processing node is attached, or the secret is wrong.
        ReplicationError: both hold data, or the database has a store already.
        NotSupportedError: the database holds what no message carries (`unmirrorable`).
    """
    system = system_of(database)
    if system.store is not None:
        raise ReplicationError("this database has a store already", detail=f"It is at {system.store.address}.")
    check_mirrorable(database)
    attachment = Attachment(database, system, address, log_in(system.identity, address, secret))
    try:
        found = attachment.call("attach")
        holds_data = bool(found["lsn"] or found["note"] is not None)
        if holds_data and (system.secondary is not None or system.publisher is not None):
            raise ReplicationError(
                "the store holds data, and this database is mirrored already",
                hint="Attach the store first, then follow or replicate.",
            )
        if holds_data and not blocks.block_count(database.root):
            take_back(database, system, attachment, found)
        elif holds_data:
            raise ReplicationError(
                "the store and this database both hold data",
                detail=f"The store at {address} is at LSN {found['lsn']}, the database at LSN {database.root.lsn}.",
                hint="Attach an empty database to go on with what the store holds.",
            )
        with between_transactions(database):
            root = database.snapshot()
            if root is not attachment.held:
                attachment.prepare_blocks(root)
                attachment.complete(root)
            system.store = attachment
            system.identity.adopted = attachment.keep_note
            observe(database, system)
        if leads and system.identity.cluster and found["note"] is not None:
            begin_epoch(database, system)
        finalize(database, attachment.close)
    except BaseException:
        attachment.close()
        if system.store is attachment:
            attachment.detach()
        raise
    return attachment


class Attachment:
    """One database's link to its store; one thread at a time talks over it."""

    def __init__(self, database: Database, system: System, address: StoreAddress, caller: Caller) -> None:
        self._database = ref(database)
        self.address = address
        self.identity = system.identity
        self.lost = ""
        self.held: Root = Database().root
        self._caller = caller
        self._lock = threading.RLock()
        self._noted: Any = None

    def wrap(self, inner: CommitObserver | None) -> StoreObserver:
        """Return the observer of commits."""
        return StoreObserver(self, inner)

    def prepare(self, base: Root, root: Root, changes: Sequence[Change] | None) -> None:
        """Let the store apply a commit, unseen.

        Raises:
            StoreLost: it has not, and will not.
        """
        if not changes or base is not self.held or root.lsn != base.lsn + 1:
            self.prepare_blocks(root)
            return
        with self._lock:
            self.call("prepare", base.lsn, root.lsn, root.epoch, changes[:CHANGES_AT_ONCE], note_of(self.identity))
            for start in range(CHANGES_AT_ONCE, len(changes), CHANGES_AT_ONCE):
                self.call("go_on", changes[start : start + CHANGES_AT_ONCE])

    def prepare_blocks(self, root: Root) -> None:
        """Let the store make of what it holds what this root holds, unseen."""
        with self._lock:
            images = differing_blocks(self.held, root)
            while some := list(islice(images, BLOCKS_AT_ONCE)):
                self.call("images", some)
            next_object, tables = describe_layout(root)
            self.call("prepare_blocks", root.lsn, root.epoch, next_object, tables, note_of(self.identity))

    def complete(self, root: Root) -> None:
        """Let the store publish what it has prepared.

        Raises:
            CommitInDoubt: it may have, or not.
        """
        with self._lock:
            try:
                self.call("complete")
            except StoreLost as error:
                raise CommitInDoubt(
                    "commit in doubt: the store did not answer",
                    0,
                    detail=f"It is rolled back here; the store at {self.address} may hold LSN {root.lsn}. {error}",
                    hint="Attach a new process to the store, if it is still there, and look.",
                ) from error
            except BaseException:
                self._lose("interrupted while a commit was completed")
                raise
            self.held = root

    def cancel(self) -> None:
        """Let the store undo what it has prepared; one that is lost does so by itself."""
        with self._lock:
            if not self.lost:
                try:
                    self.call("cancel")
                except StoreLost:
                    pass  # Said in the log; the caller raises what made it cancel.

    def keep_note(self) -> None:
        """Let the store keep cluster and history as they are now."""
        note = note_of(self.identity)
        with self._lock:
            if note != self._noted:
                self.call("note", note)
                self._noted = note

    def call(self, method: str, *arguments: Any) -> Any:
        """Ask the store for something.

        Raises:
            StoreLost: it does not answer, or cannot do it: its blocks are not what they should be.
        """
        return self.ask(method, *arguments).value

    def ask(self, method: str, *arguments: Any) -> Any:
        """As `call`; returns the whole reply."""
        with self._lock:
            if self.lost:
                raise lost(self)
            try:
                return self._caller.call(method, *arguments, seconds=ANSWER_SECONDS)
            except Exception as error:
                if method == "attach":
                    raise
                self._lose(str(error))
                raise lost(self) from error

    def detach(self) -> None:
        """Go on without the store, which keeps what it has for the next one.

        Raises:
            ReplicationError: a transaction is open.
        """
        database = self._database()
        if database is not None:
            system = system_of(database)
            with between_transactions(database):
                system.identity.adopted = system.store = None
                observe(database, system)
        self.close()

    def close(self) -> None:
        """End the link; commits are refused from now on."""
        self.lost = self.lost or "this process has closed the link"
        self._caller.close()

    def _lose(self, reason: str) -> None:
        self.lost = reason
        self._caller.close()
        emit("store_lost", node=self.identity.node, store=str(self.address), reason=reason)


class StoreObserver(OuterObserver):
    """Stands around all others: the store has each commit before anybody, and publishes it when all have agreed."""

    def __init__(self, attachment: Attachment, inner: CommitObserver | None) -> None:
        super().__init__(inner)
        self.attachment = attachment

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        attachment = self.attachment
        try:
            attachment.prepare(transaction.base, root, transaction.changes)
            self.commit_inside(transaction, root)
        except BaseException:
            attachment.cancel()
            raise
        attachment.complete(root)
        return None

    def installed(self, root: Root) -> None:
        super().installed(root)
        if root is not self.attachment.held:  # An earlier root, or another database's: no transaction brought it.
            self.attachment.prepare_blocks(root)
            self.attachment.complete(root)


# Helpers, in call order.


def log_in(identity: Identity, address: StoreAddress, secret: bytes) -> Caller:
    channel = connect(address)
    try:
        handshake.log_in(channel, Identity(b"", identity.node, b""), secret, "", "processing")
    except BaseException:
        channel.close()
        raise
    handshake.open_up(channel, ANSWERS)
    return Caller(channel)


def take_back(database: Database, system: System, attachment: Attachment, found: dict[str, Any]) -> None:
    """Fill an empty database with what the store holds, at its LSN, and be who its note says."""
    tables = [(table, next_number, list(numbers)) for table, next_number, numbers in found["tables"]]
    with between_transactions(database) as transaction:
        load_blocks(transaction, (found["next_object"], tables), read_blocks(attachment))
        digest = root_digest(transaction.root)
        if digest != found["digest"]:
            raise LinkLost(f"what came from the store has digest {digest:016x}, not {found['digest']:016x}")
        attachment.held = transaction.commit(found["lsn"], found["epoch"])
    if found["note"] is not None:
        cluster, terms = found["note"]
        system.identity.cluster = cluster
        system.identity.history = [Term(Epoch(epoch), LSN(lsn), root, start) for epoch, lsn, root, start in terms]
        system.identity.outcomes.replace((), has_gaps=True)


def read_blocks(attachment: Attachment) -> Iterator[BlockImage]:
    start = 0
    while rows := attachment.ask("blocks", start, BLOCKS_AT_ONCE).rows:
        yield from rows
        start += len(rows)


def begin_epoch(database: Database, system: System) -> None:
    """Lead from here: what a secondary holds beyond this, of the process before, is no part of the history."""
    root = database.root
    identity = system.identity
    epoch = Epoch(identity.epoch + 1)
    identity.history.append(Term(epoch, LSN(root.lsn), root_digest(root), identity.incarnation))
    blocks.set_epoch(database, epoch)


def note_of(identity: Identity) -> Any:
    """Return what whoever attaches next must know of a system, None of one that never took part in replication."""
    return [identity.cluster, [list(term) for term in identity.history]] if identity.cluster else None


def differing_blocks(before: Root, after: Root) -> Iterator[BlockImage]:
    """Walk over the blocks of one root that another does not share."""
    for table_id, table in sorted(after.tables.items()):
        former = before.tables.get(table_id)
        shared = set() if former is None else {id(block) for block in former.location.blocks()}
        for block in table.location.blocks():
            if id(block) not in shared:
                yield (table_id, block.number, block.keys, block.records)


def lost(attachment: Attachment) -> StoreLost:
    """Make the error of a commit that the store does not take."""
    return StoreLost(
        "the store is lost and commits are refused",
        detail=f"The store at {attachment.address}: {attachment.lost}",
        hint="What is committed can still be read here; attach a new process to a store.",
    )
