"""The publisher: what storage calls at each commit of a mirrored database, and who moves the frames.

    storage, writer's thread              publisher                                background thread (async links only)
    changed(transaction, change)  ---->   Primary.changed, pump sync links
    committing(transaction, root) ---->   complete; a ticket: see `pipeline`
         raises: nothing happened         or SecondaryLost, PrimaryFenced, BaseAbandoned
    the writer's place is free
    wait()                        ---->   pump until released, install
         raises                           CommitInDoubt
    installed(root)               ---->   Primary.installed, pump sync links,      woken: pump async links
                                          wake ---------------------------------->
    aborted(transaction)          ---->   Primary.abandon

What a synchronous commit waits for before any of it is sent is told in `admission`; where asynchronous ones are until
the core hears of them, in `gathering`. The Primary has no lock, clock or thread; they are here. `pause(seconds)` is how
a waiting commit lets time pass: `Arrivals.wait` in production, an advance of the virtual clock in a simulation.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tandemdb.errors import undecodable_seen
from tandemdb.replication import lag
from tandemdb.replication.acknowledging import chosen_level
from tandemdb.replication.admission import Admission
from tandemdb.replication.arrivals import Arrivals
from tandemdb.replication.background import Background
from tandemdb.replication.core import blocks
from tandemdb.replication.core.messages import LSN, Change, Epoch, Frame, Position
from tandemdb.replication.core.peer import Mode, Peer
from tandemdb.replication.core.primary import Pending, Primary
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.gathering import Gathering
from tandemdb.replication.link import AnyLink
from tandemdb.replication.links import Links
from tandemdb.replication.loss import Arbiter, Losses
from tandemdb.replication.network import wire
from tandemdb.replication.observers import LooseObserver, StreamingObserver, fenced, refuse_undecodable
from tandemdb.replication.pipeline import Pipeline, Ticket, base_abandoned
from tandemdb.replication.places import let_go
from tandemdb.replication.secondary_status import SecondaryStatus, status_of
from tandemdb.replication.unmirrorable import refuse_table
from tandemdb.storage.changes import UPDATE

if TYPE_CHECKING:
    from tandemdb.storage import CommitObserver, Database, Root, TableDefinition, Transaction

log = logging.getLogger("tandemdb.replication")

READ_ONLY = "it is a secondary, and only its primary takes writes"
HOLD_SECONDS = 0.02


class Publisher:
    """The commit observer of a primary's database."""

    def __init__(
        self,
        database: Database,
        core: Primary,
        timeout_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._database: Callable[[], Database | None] = weakref.ref(database)
        self.writer = database.writer
        self.core = core
        self.timeout_seconds = timeout_seconds
        # Who can strike a lost secondary off, where there is a coordinator.
        self.arbiter: Arbiter | None = None
        # Whether commits may be acknowledged now, as far as that is not the secondaries' to say.
        self.may_acknowledge: Callable[[], bool] = always
        # To be called when a secondary says that what it was sent does not fit.
        self.contradicted: Callable[[], object] = nothing
        self.admission = Admission(self)
        self.losses = Losses(self)
        self.pipeline = Pipeline(self)
        # Whether a commit may leave the writer's place before it is acknowledged.
        self.goes_ahead = True
        self.clock = clock
        # The lock by itself where nobody is to be woken: a Condition's `with` costs three times as much.
        self.lock = threading.RLock()
        self.arrivals = Arrivals(self.lock)
        self._arrived = self.arrivals.condition
        # Whoever lets time pass moves the asynchronous links, too: nothing happens by itself.
        self.is_driven = pause is not None
        self.pause = pause if pause is not None else self.arrivals.wait
        self.gathering = Gathering(core, clock)
        self.links = Links(core, self.arrivals, self.gathering, clock)
        # Whether roots may change in place: what has a POSITION answered needs one that stays.
        self.is_loose = False
        # POSITIONs that wait for it.
        self._parked: list[tuple[str, Frame]] = []
        self._open: Sequence[Change] | None = None
        # Until then a transaction of which nothing was sent yet may stay so: see `Limits.gather_seconds`.
        self._gather_until = float("-inf")
        self._digest: int | None = None
        # How many changes the open transaction had made when they were hashed.
        self._hashed = 0
        # Whether the commit that is to be installed came as blocks.
        self._jumps = False
        # The ticket of the thread that holds the writer's place while it waits.
        self._alone: Ticket | None = None
        # Moves the asynchronous links, if time passes by itself.
        self._background = Background()
        self.wake = self._background.wake
        # Whether committing threads wait for acknowledgements.
        self.is_awaiting = False

    # Storage's observer.

    def refuse_table(self, definition: TableDefinition) -> None:
        """Refuse a table that no secondary could hold."""
        refuse_table(definition)

    def started(self, transaction: Transaction) -> None:
        """Nothing is sent for a transaction that may yet change nothing."""

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        """Send a commit; what is returned waits until the secondaries required have it. An exception undoes it."""
        changes = transaction.changes if transaction.changes is not None else ()
        if not changes and root.lsn == self.core.log.last_lsn:
            self._open = self._digest = None
            return None
        if self.core.fenced_by is not None:
            raise fenced(self.core)
        if transaction.changes is None:
            # Blocks from this system's own primary: there is nothing to send, those down the chain get blocks, too.
            self._jumps = True
            return None
        if undecodable_seen:
            refuse_undecodable(changes)
        self._open = changes
        lsn = root.lsn
        self._digest = blocks.root_digest(root) if self.core.digest_due(LSN(lsn)) else None
        if self.links.loose and self.core.limits.on_lag != "detach":
            lag.settle(self)
        if not self.links.tight:
            return None
        self.admission.before = transaction
        try:
            ticket = self._send(transaction, root, changes)
        finally:
            self.admission.before = None
        if ticket.goes_ahead:
            return partial(self.pipeline.await_settled, ticket)
        self._alone = ticket
        self.pipeline.await_settled(ticket)
        return None

    def unchanged(self, transaction: Transaction) -> Callable[[], None] | None:
        """Wait for the commit that a transaction has read, if that is pending.

        Raises:
            BaseAbandoned: it was rolled back.
        """
        with self.lock:
            if transaction.database.head is not transaction.base:
                raise base_abandoned()
            ticket = self.pipeline.find(transaction.base)
        return None if ticket is None else partial(self._await_base, ticket)

    def installed(self, root: Root) -> None:
        if self._jumps:
            self._jumps = False
            self.jump(root)
            return
        pending = self.core.pending[0] if self.core.pending else None
        if pending is not None and pending.lsn == root.lsn:
            self.take_over(root, pending.changes, pending.root, pending)
        else:
            self.take_over(root, self._open or (), self._digest)
        alone, self._alone = self._alone, None
        if pending is None or alone is not None:
            self._open = None
        if self.links.tight and not self.links.has_files:
            self.links.pump_tight()
        self.wake()
        if alone is not None and alone.pending.level == "visible":
            self.await_shown(LSN(root.lsn), "sync")

    def jump(self, root: Root) -> None:
        """Let those down the chain ask for what this system has got as blocks."""
        with self.lock:
            self.drain()
            self.core.jump(root)
        self.wake()

    def withdrawn(self, transaction: Transaction, root: Root | None) -> None:
        """Undo a commit that was interrupted before anybody waited for it, unless readers have it by now.

        `root` is None if it was sent: then others may be sending theirs by now.
        """
        self.pipeline.withdraw(transaction)
        if root is None:
            return
        with self.lock:
            tickets = self.pipeline.tickets
            last_lsn = tickets[-1].pending.lsn if tickets else self.core.log.last_lsn
            unawaited = next((pending for pending in self.core.pending if pending.lsn > last_lsn), None)
            if unawaited is not None:
                self.abandon(unawaited)
            self.is_awaiting = bool(tickets)
            if transaction.database.head is root and not transaction.committed:
                transaction.database.head = transaction.base

    def interrupted(self, transaction: Transaction | None, root: Root) -> None:
        """Let the core know of a commit that stands, unless it did before something interrupted it."""
        with self.lock:
            self.drain()
            if self.core.log.last_lsn < root.lsn:
                self.core.begin_anew(LSN(root.lsn), root.stamp, 1)
                self.core.root = root
        self.wake()

    def await_shown(self, lsn: LSN, mode: Mode) -> bool:
        """Wait until readers of as many secondaries as are required see a commit; it stands here, whatever comes.

        Returns whether they do; that they do not within the time a commit waits is an event.
        """
        links = self.links.tight if mode == "sync" else self.links.loose
        pump = self.links.pump_tight if mode == "sync" else self.links.pump_loose
        deadline = self.clock() + self.timeout_seconds
        while True:
            moved = pump()
            with self.lock:
                wanted = self.core.quorum.required() if mode == "sync" else min(1, len(links))
                if self.core.shown(lsn, mode) >= wanted:
                    return True
            remaining = deadline - self.clock()
            if remaining <= 0 or all(link.is_cut for link in links):
                emit("not_visible", node=self.core.identity.node, lsn=lsn)
                return False
            if not moved:
                self.pause(min(remaining, self.links.until_due()))

    def aborted(self, transaction: Transaction) -> None:
        if self._open is None:
            return
        alone, self._alone = self._alone, None
        with self.lock:
            self._open = None
            if alone is not None:
                self.core.abandon(alone.pending)
            else:
                self.core.abandon_open()
        self.links.pump_tight()

    def interrupt_wait(self, transaction: Transaction) -> None:
        """Let a commit fail that waits for secondaries: for enough of them, or for their acknowledgements."""
        with self.lock:
            self.admission.interrupt(transaction)
            self.pipeline.stop(transaction)

    def stream(self, transaction: Transaction, changes: Sequence[Change]) -> None:
        """Send what an open transaction has changed, or taken back, since the last call.

        Changes that come fast go in batches; one alone goes at once.
        """
        with self.lock:
            if transaction.database.head is not transaction.base:
                return  # What it builds on was abandoned: it cannot be committed.
            self._open = changes
            now = self.clock()
            if now < self._gather_until and len(changes) < self.core.limits.update_batch:
                return
            sent = self.core.changed(changes, now)
        if sent:
            self._gather_until = float("-inf")
            self.links.pump_tight(tick=False)
            self._hash_ahead(transaction, changes)

    # Secondaries.

    def observer(self) -> CommitObserver:
        """Return what storage is to call: with `changed` only if a secondary follows change by change."""
        self.is_loose = False
        if self.links.tight:
            return StreamingObserver(self)
        limits = self.core.limits
        if limits.digest_every or limits.on_lag != "detach":
            return self
        self.is_loose = self.arbiter is None
        return LooseObserver(self)

    def add(self, link: AnyLink, mode: Mode) -> Peer:
        with self.lock:
            self.drain()
            peer = self.core.add(link.name, mode, self.clock())
            self.links.put(link)
        if mode == "async" and not self.is_driven:
            self._background.start(self, self._database())
        return peer

    def replace(self, link: AnyLink) -> Peer:
        """Serve a known secondary over another link: it has come back."""
        with self.lock:
            before = self.links[link.name]
            self.core.disconnected(link.name)
            self.links.put(link)
            peer = self.core.peers[link.name]
            peer.session = -1
        if before is not link:
            before.cut()
        self.wake()
        return peer

    def remove(self, name: str) -> None:
        with self.lock:
            self.drain()
            self.core.remove(name)
            self.links.drop(name)
            if not self.links.loose:
                self._background.end()

    @property
    def database(self) -> Database | None:
        return self._database()

    @property
    def is_over(self) -> bool:
        """Whether nothing comes from here any more: the database is gone, or somebody else's to lead."""
        return self.core.fenced_by is not None or self._database() is None

    def relieve(self) -> None:
        """Take over commits in the writer's own thread, unless another one does.

        There what they changed is still in the processor's cache, and to hand each to another thread costs more.
        """
        try:
            if self.lock.acquire(blocking=False):
                try:
                    self.drain()
                finally:
                    self.lock.release()
        except BaseException:
            let_go(self.lock)
            raise

    def retire(self) -> None:
        """Stop serving: a secondary of this system was promoted and is the primary now."""
        with self.lock:
            self.drain()
            self._background.end()

    def step_down(self) -> None:
        """Know the database no more: others say what it may do, and a late message of this reign must not."""
        with self.lock:
            self._database = nothing

    def status(self) -> list[SecondaryStatus]:
        with self.lock:
            self.drain()
            now = self.clock()
            return [status_of(peer, self.core.log, now) for peer in self.core.peers.values()]

    # What links call.

    def receive(self, name: str, frame: Frame) -> None:
        held = None
        if self.is_loose and isinstance(frame.message, Position):
            held = self._hold_root()
            if held is None:
                self._parked.append((name, frame))
                return
        with self.lock:
            if held is not None:
                self.core.root = held
            elif self.gathering.commits:
                self.drain()
            core = self.core
            core.receive(name, frame, self.clock())
            if core.arrivals:
                self._note_arrivals()
            if core.complaints:
                self._note_complaints()
            if core.fenced_by is not None:
                self.fence(core.fenced_by)
            if self.is_awaiting and not self.links.has_files:
                self._arrived.notify_all()

    def fence(self, epoch: Epoch) -> None:
        """Take no more writes: this newer epoch has begun elsewhere."""
        with self.lock:
            self.drain()
            self.core.fence(epoch)
            database = self._database()
            if database is not None and database.read_only is None:
                database.read_only = f"epoch {epoch} has begun elsewhere, and its primary takes the writes"
                emit("fenced", node=self.core.identity.node, epoch=epoch)

    def next_frame(self, name: str) -> Frame | None:
        with self.lock:
            if self.gathering.commits:
                self.drain()
            return self.core.next_frame(name, self.clock())

    def disconnected(self, name: str, link: AnyLink | None = None) -> None:
        """Note that a link is gone, unless the secondary has another one by now."""
        with self.lock:
            if name in self.core.peers and (link is None or self.links.get(name) is link):
                self.core.disconnected(name, link.reason if link is not None else "")
                self.links.sort()
            self._arrived.notify_all()

    def _hold_root(self) -> Root | None:
        """Return the newest root, which stays as it is from now on; None while a transaction is open.

        Of a database that changes in place, that is: else any root that the core has stays as it is.
        """
        database = self._database()
        if database is None:
            return self.core.root
        try:
            transaction = database.begin(HOLD_SECONDS, applying=True)
        except blocks.LockTimeout:
            return None
        try:
            with self.lock:
                self.drain()
            return database.snapshot()
        finally:
            transaction.rollback()

    def tick(self) -> None:
        if self._parked:
            parked, self._parked = self._parked, []
            for name, frame in parked:
                self.receive(name, frame)
        with self.lock:
            now = self.clock()
            self.core.tick(now)
            changes = self._open
            if changes and self.links.has_files and self._alone is None:
                # What was gathered of a transaction that stays open after all.
                self.core.changed(changes, now)

    def drain(self) -> None:
        """Let the core hear of the commits that have happened; the lock is held."""
        if self.gathering.commits:
            self.gathering.drain()

    def take_over(
        self,
        root: Root,
        changes: Sequence[Change],
        digest: int | None,
        pending: Pending | None = None,
        stamp: int | None = None,
    ) -> None:
        """Let the core hear of one commit in the writer's own thread."""
        whole = pending.whole if pending is not None else None
        size_bytes = wire.message_bytes(whole) if whole is not None else wire.changes_bytes(changes)
        with self.lock:
            self.drain()
            try:
                self.core.installed(root, changes, digest, size_bytes, self.clock(), stamp)
            except BaseException:
                # Interrupted when some of it was done.
                self.core.begin_anew(LSN(root.lsn), root.stamp if stamp is None else stamp, 1)
                self.core.root = root
                raise

    # Helpers, in call order.

    def _send(self, transaction: Transaction, root: Root, changes: Sequence[Change]) -> Ticket:
        """Send a commit to the synchronous secondaries, when it may go; nothing was sent if this raises."""
        level = chosen_level() or self.core.limits.acknowledge
        if not self.core.quorum.is_steady():
            if level != "none" and self.core.quorum.missing():
                self.admission.check()
            if self.core.quorum.is_joining(self.core.log.last_lsn):
                self.admission.let_join()
        # One that was prepared before is of a secondary, which shows its commits one by one.
        goes_ahead = self.goes_ahead and not transaction.closed
        now = self.clock()
        with self.lock:
            self.admission.go_on()
            if goes_ahead and transaction.database.head is not transaction.base:
                raise base_abandoned()
            pending = self.core.complete(LSN(root.lsn), changes, self._digest, now, level)
            self._gather_until = now + self.core.limits.gather_seconds
            if goes_ahead:
                self._open = None
            ticket = None
            if self.pipeline.tickets or not self.links.has_files:
                ticket = self.pipeline.enter(pending, transaction, root, goes_ahead, now)
            self.is_awaiting = True
        if ticket is None:
            # Nobody waits, so nobody can undo it: what is yet to be done here is done while it is on its way.
            self.links.pump_tight(tick=False)
            with self.lock:
                ticket = self.pipeline.enter(pending, transaction, root, goes_ahead, now)
                if self.admission.before is None:
                    self.pipeline.stop(transaction)
        return ticket

    def _hash_ahead(self, transaction: Transaction, changes: Sequence[Change]) -> None:
        """Hash what was changed while the secondaries are at it, too: COMMIT waits for the less."""
        count = len(changes)
        if count < self._hashed:
            self._hashed = 0  # Another transaction, or one that was taken back in part.
        if count - self._hashed >= blocks.HASH_EVERY_UPDATES and changes[-1][0] == UPDATE:
            self._hashed = count
            if self.core.digest_due(LSN(transaction.base.lsn + 1)):
                blocks.hash_ahead(transaction.root)

    def _note_arrivals(self) -> None:
        """Log who has got into step; the lock is held."""
        core = self.core
        node, lsn = core.identity.node, core.log.last_lsn
        for name, was_dismissed in core.arrivals:
            emit("secondary_in_step", node=node, secondary=name, lsn=lsn)
            if was_dismissed and not core.quorum.is_exposed:
                emit("covered", node=node, secondary=name, lsn=lsn)
        core.arrivals.clear()
        if self.arbiter is not None:
            self.arbiter.wake()

    def _note_complaints(self) -> None:
        """Log whose blocks differ, or what could not be applied; the lock is held."""
        core = self.core
        for name, reason in core.complaints:
            emit("secondary_differs", node=core.identity.node, secondary=name, lsn=core.log.last_lsn, reason=reason)
        core.complaints.clear()
        self.contradicted()

    def _await_base(self, ticket: Ticket) -> None:
        try:
            self.pipeline.await_settled(ticket, is_own=False)
        except ReplicationError as error:
            raise base_abandoned() from error

    # What the pipeline needs.

    def mistrust_silent(self, pending: Pending) -> None:
        """Count those who have not acknowledged a pending commit as out of step until they have answered."""
        with self.lock:
            for peer in self.core.quorum.in_step():
                if peer.name not in pending.acknowledged:
                    self.core.mistrust(peer)

    def abandon(self, first: Pending) -> None:
        """Undo pending commits from one on, and what is open; the lock is held."""
        self.core.abandon(first)
        self._open = self._alone = None

    def follow_once(self) -> float | None:
        """Pump the asynchronous links. Returns when to try again, None when all of them are level."""
        self._background.sleeps()
        self.links.pump_loose()
        with self.lock:
            lags = self.links.lag_behind()
        return self.links.until_due() if lags else None


def always() -> bool:
    """Commits may be acknowledged: that is the secondaries' to say alone."""
    return True


def nothing() -> None:
    """There is no database; there is nobody to be told."""
