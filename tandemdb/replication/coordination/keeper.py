"""The keeper: the thread of a node that keeps its part as the coordinator's record has it.

    watch --> decide --> found    take the lease, write the first record, lead
      ^                  lead     hold the lease; keep the sync_set; take office if the place was handed over
      |                  follow   the record's primary
      |                  stand    lease, hear the others, recompute the digest, change the record, promote
      '---- 0.1 s <----- wait

    a second thread renews the lease, whatever the first is busy with; what it renews, `Authority` counts on

Each change of the record is a compare-and-swap that also checks the lease, so a keeper that was stopped for a while
changes nothing when it wakes. When it is unsure whether one was done, it reads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tandemdb.replication.coordination.authority import Authority, AuthorityObserver
from tandemdb.replication.coordination.coordinator import (
    LEASE_SECONDS,
    Coordinator,
    CoordinatorLost,
    Lease,
    State,
    boot_clock,
)
from tandemdb.replication.coordination.decision import Decision, decide
from tandemdb.replication.coordination.membership import Membership, enlist, members_after_loss, members_now, unlist
from tandemdb.replication.coordination.record import Member, Record
from tandemdb.replication.coordination.standing import ask_member, count
from tandemdb.replication.core import blocks
from tandemdb.replication.core.messages import LSN, Epoch, Term
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.network.address import read_address
from tandemdb.replication.roles import between_transactions, observe

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Mode, Peer
    from tandemdb.replication.node import Node
    from tandemdb.replication.publisher import Publisher
    from tandemdb.replication.replica import PromotionReport
    from tandemdb.storage import CommitObserver

log = logging.getLogger("tandemdb.replication")

STEP_SECONDS = 0.1
WAITING = "this node waits until it is known who leads"


class Keeper:
    """Keeps one node's part; `prepare` before the node listens, `start` after, `stop` at the end."""

    def __init__(
        self,
        node: Node,
        coordinator: Coordinator,
        lease_seconds: float = LEASE_SECONDS,
        *,
        mode: Mode = "sync",
        bootstrap: bool = False,
        overwrite: bool = False,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self.node = node
        self.coordinator = coordinator
        self.lease_seconds = lease_seconds
        self.mode = mode
        self.bootstrap = bootstrap
        self.overwrite = overwrite
        self.authority = Authority(clock)
        self.state = State(None, 0, "", 0)
        self.decision = Decision("wait", "not begun")
        self.reason = ""
        self._lease: Lease | None = None
        self._asked_at = 0.0
        self._not_before = 0.0
        self._changing = threading.RLock()
        # Held only to tell whether the lease is still the one that was renewed.
        self._renewing = threading.Lock()
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def in_office(self) -> bool:
        """Whether the record names this node as the primary, and it has taken the place."""
        return self.node.system.in_office

    @property
    def me(self) -> Member:
        identity = self.node.system.identity
        return Member(identity.node, identity.incarnation.hex(), identity.address)

    def prepare(self) -> None:
        """Let the database take no writes until it is known who leads."""
        system, database = self.node.system, self.node.database
        database.read_only = WAITING
        system.arbiter = self
        system.authority = self.authority
        system.wrappers.append(self._watch_over)
        with between_transactions(database):
            observe(database, system)

    def start(self) -> None:
        """Take the first step here, and go on in threads."""
        self.step()
        for target, what in ((self._run, "keeper"), (self._renew_on, "lease")):
            thread = threading.Thread(target=target, name=f"tandemdb {what} of {self.node.address}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Keep nothing any more; a lease is given back, so that another may lead at once."""
        self._stopped.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(self.lease_seconds)
        self.authority.end()
        lease, self._lease = self._lease, None
        if lease is not None:
            self._give_back(lease)
        self.coordinator.close()

    def wake(self) -> None:
        """Take the next step now."""
        self._woken.set()

    def step(self) -> None:
        """Read, decide, do; what goes wrong is told and tried again."""
        try:
            self.state = self.coordinator.read()
            self.decision = decide(self.state, self.me, self.bootstrap)
            with self.node.changing_role:
                self._go(self.decision)
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
        except (ReplicationError, blocks.StorageError) as error:
            self._tell("keeper_failed", str(error))

    def strike_off(self, publisher: Publisher, lost: list[Peer]) -> bool:
        """Take secondaries off the record, if those who stay hold every commit that is acknowledged."""
        names = [peer.name for peer in lost]
        try:
            with self._changing:
                self.state = self.coordinator.read()
                record = self.state.record
                if record is None or not record.primary.is_same(self.me):
                    return False
                with publisher.lock:
                    members = members_after_loss(record, Membership.of(publisher), names)
                    if members is None:
                        return False
                    unlist(publisher, members)
                if members == record.sync_set:
                    return self.authority.holds
                return self._change(record._replace(sync_set=members))
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
            return False

    def describe(self) -> dict[str, Any]:
        """Say, for the status, what the record is and how this node stands to it."""
        record = self.state.record
        return {
            "course": self.decision.course,
            "reason": self.reason or self.decision.reason,
            "holds_lease": self._lease is not None,
            "may_acknowledge": self.in_office and self.authority.holds,
            "lease_seconds": self.lease_seconds,
            "leader": self.state.leader.partition(" ")[0],
            "epoch": record.epoch if record is not None else 0,
            "primary": record.primary.address if record is not None else "",
            "sync_set": [member.node for member in record.sync_set] if record is not None else [],
            "may_be_promoted": record is not None and record.names(self.me),
        }

    def promote(self) -> PromotionReport:
        """Lead because an operator says so, whatever the record says of this node; its primary must have lapsed.

        Raises:
            ReplicationError: somebody holds the lease, or the record could not be changed.
        """
        with self.node.changing_role:
            if self.node.system.secondary is None:
                raise ReplicationError("this database is not a secondary")
            lease = self._take_lease()
            if lease is None:
                raise ReplicationError(
                    "the lease is held: a primary is in office, or another node stands",
                    hint="Use switchover to hand a living primary's place over.",
                )
            self.state = self.coordinator.read()
            report = self._succeed(self.state.record) if self.state.record is not None else None
            if report is None:
                self._give_back(lease)
                raise ReplicationError("the coordinator's record could not be changed")
            return report

    def hand_over(self, successor: Member) -> Epoch:
        """Change the record in favour of a secondary that is level, and give the lease back; writes are held up.

        Raises:
            ReplicationError: the record could not be changed.
        """
        with self._changing:
            record = self.state.record
            if record is None or not self.in_office:
                raise ReplicationError("this node does not lead")
            epoch = Epoch(record.epoch + 1)
            if not self._change(record._replace(epoch=epoch, primary=successor, sync_set=())):
                raise ReplicationError("the coordinator's record could not be changed")
            self._leave_office()
            return epoch

    # The steps, in call order.

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self.in_office or self.decision.course == "lead":
                self._woken.wait(STEP_SECONDS)
            else:
                self._await_change()
            self._woken.clear()
            if not self._stopped.is_set():
                try:
                    self.step()
                except Exception:
                    # Not one that is foreseen. Whoever leads must not stop looking after it for that.
                    log.exception("%s is unable to do its part; it is tried again", self.me.node)
                    self._stopped.wait(STEP_SECONDS)

    def _await_change(self) -> None:
        """Wait until the coordinator keeps something else."""
        try:
            self.coordinator.watch(self.state, self.lease_seconds / 2)
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
            self._woken.wait(STEP_SECONDS)

    def _renew_on(self) -> None:
        while not self._stopped.wait(self.lease_seconds / 4):
            lease = self._lease
            if lease is None:
                continue
            asked_at = self.authority.clock()
            try:
                renewed = self.coordinator.renew(lease)
            except CoordinatorLost as error:
                self._tell("coordinator_lost", str(error))
                continue
            with self._renewing:
                if self._lease is not lease:
                    continue  # Given back meanwhile: what it allowed is over.
                if renewed and self.in_office:
                    self.authority.extend(asked_at, lease)
                elif not renewed:
                    self._lease = None
                    self.authority.end()
            if not renewed:
                self._tell("lease_lost", "the lease has lapsed")
                self.wake()

    def _go(self, decision: Decision) -> None:
        """Do what was decided; the node's role does not change otherwise meanwhile."""
        record = self.state.record
        if decision.course == "lead" and record is not None:
            self._lead(record)
        elif decision.course == "found":
            self._found()
        elif self.in_office:
            self._leave_office()
        if decision.course == "follow" and record is not None:
            self._follow(record)
        elif decision.course == "stand" and record is not None:
            self._stand(record)
        elif decision.course == "wait":
            self._tell("waiting", decision.reason)

    def _found(self) -> None:
        """Begin a cluster, if nobody else is faster."""
        lease = self._take_lease()
        if lease is None:
            return
        self.state = self.coordinator.read()
        system = self.node.system
        before = self.state.record
        if before is not None and not self.bootstrap:
            self._give_back(lease)
            return
        if before is not None:
            system.leave_cluster()
        system.found_cluster()
        if before is not None:
            system.identity.history = [Term(Epoch(before.epoch + 1), LSN(0), 0)]
        record = Record(system.identity.cluster.hex(), system.identity.epoch, self.me, (), self.node.limits.required)
        if not self._change(record):
            self._give_back(lease)
            return
        self.bootstrap = False
        self._take_office()

    def _lead(self, record: Record) -> None:
        """Go on leading: with the lease, and with a record that names those who hold all there is."""
        if self._lease is None:
            self.authority.end()
            lease = self._take_lease()
            if lease is None:
                return
            # Since it is held, nobody else can change the record; before, somebody may have.
            self.state = self.coordinator.read()
            if self.state.record is None or not self.state.record.primary.is_same(self.me):
                self._give_back(self._lease)
                return
            record = self.state.record
            if self.in_office:
                self.authority.extend(self._asked_at, lease)
        if not self.in_office:
            if self.node.system.secondary is not None:
                self.node.promote_to(Epoch(record.epoch))
            self._take_office()
        self._tell("", "")
        self._keep_members(record)

    def _keep_members(self, record: Record) -> None:
        """Let the record name those who hold all there is."""
        publisher = self.node.system.publisher
        if publisher is None:
            return
        with self._changing:
            if self.state.record != record:
                return  # Somebody was struck off meanwhile.
            with publisher.lock:
                members = members_now(record, Membership.of(publisher))
                if members == record.sync_set:
                    return
                unlist(publisher, members)
                publisher.core.dismiss([peer for peer in publisher.core.lost() if not peer.listed])
            if not self._change(record._replace(sync_set=members)) and self.state.record is not None:
                enlist(publisher, self.state.record.sync_set)

    def _follow(self, record: Record) -> None:
        """Follow the record's primary, unless this node does already."""
        self._tell("", "")
        address = read_address(record.primary.address, self.node.address.security)
        if self.node.follows(address):
            return
        same = record.cluster == self.node.system.identity.cluster.hex()
        self.node.follow_now(address, self.mode, overwrite=self.overwrite and not same)

    def _stand(self, record: Record) -> None:
        """Stand for promotion."""
        if time.monotonic() < self._not_before:
            return
        lease = self._take_lease()
        if lease is None:
            return
        self.state = self.coordinator.read()
        if self.state.record != record:
            self._give_back(lease)
            return
        node = self.node
        identity, security = node.system.identity, node.address.security
        seconds = self.lease_seconds / 3
        _, *place = node.stand_aside()
        found = count(record, self.me, tuple(place), lambda member: ask_member(member, identity, security, seconds))
        reason = found.reason
        root = node.database.root
        if not reason and blocks.recomputed_digest(root) != blocks.root_digest(root):
            reason = "its blocks are not what they were: their digest differs from the one kept up"
        if reason or self._succeed(record) is None:
            self._give_back(lease)
            self._not_before = time.monotonic() + self.lease_seconds
            self._tell("promotion_failed", reason or "the record was changed meanwhile")

    def _succeed(self, record: Record) -> PromotionReport | None:
        """Become the record's primary, in the next epoch; None if the record is not as it was read."""
        system = self.node.system
        epoch = Epoch(max(record.epoch, system.identity.epoch) + 1)
        cluster = system.identity.cluster.hex()
        if not self._change(Record(cluster, epoch, self.me, (), self.node.limits.required)):
            return None
        report = self.node.promote_to(epoch)
        self._take_office()
        return report

    # Lease, record and office.

    def _take_lease(self) -> Lease | None:
        """Take the lease, or go on with it."""
        if self._lease is not None:
            return self._lease
        self._asked_at = self.authority.clock()
        self._lease = self.coordinator.lease(self.me.holder, self.lease_seconds)
        return self._lease

    def _give_back(self, lease: Lease | None) -> None:
        with self._renewing:
            self._lease = None
            self.authority.end()
        if lease is None:
            return
        try:
            self.coordinator.release(lease)
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))  # It lapses by itself.

    def _change(self, record: Record) -> bool:
        """Swap the record for this one, if it is as it was read."""
        lease = self._lease
        if lease is None:
            return False
        with self._changing:
            try:
                revision = self.coordinator.cas(self.state.revision, record, lease)
            except CoordinatorLost:
                self.state = self.coordinator.read()
                return self.state.record == record
            if revision is None:
                self.state = self.coordinator.read()
                return self.state.record == record
            self.state = self.state._replace(record=record, revision=revision)
            publisher = self.node.system.publisher
            if publisher is not None:
                enlist(publisher, record.sync_set)
            emit(
                "record_changed",
                node=self.me.node,
                epoch=record.epoch,
                primary=record.primary.node,
                sync_set=[member.node for member in record.sync_set],
            )
            return True

    def _take_office(self) -> None:
        lease = self._lease
        if lease is None:
            return
        self.authority.extend(self._asked_at, lease)
        self.node.system.in_office = True
        self.node.database.read_only = None
        self._tell("", "")
        emit("leads", node=self.me.node, epoch=self.node.system.identity.epoch, lsn=self.node.database.root.lsn)

    def _leave_office(self) -> None:
        """Lead no more: the record names another."""
        self.node.system.in_office = False
        self.authority.end()
        self.node.database.read_only = WAITING
        self._give_back(self._lease)

    def _watch_over(self, inner: CommitObserver | None) -> AuthorityObserver:
        return AuthorityObserver(self.authority, self.node.system, inner)

    def _tell(self, event: str, reason: str) -> None:
        """Remember why things do not go on, and log it when it is news."""
        if reason and reason != self.reason:
            emit(event, node=self.me.node, reason=reason)
        self.reason = reason
