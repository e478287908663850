"""The keeper: keeps a node's part as the coordinator's record has it. No thread, socket or clock of its own.

    step    read --> decide --> found    take the lease, write the first record, or the one that was wiped anew; lead
                                lead     hold the lease; keep the sync_set; take office, once enough heirs are in step
                                follow   the record's primary
                                stand    lease, hear the others, recompute the digest, change the record, promote
                                wait
    renew   hold the lease for as long again: `Authority` counts on it

Whoever drives it (`rounds`: two threads; `testing.failover`: a simulation) calls both again and again, the one whatever
the other is busy with. What it asks of its node is a `Host`; coordinator, clocks and locks are passed in.

Whoever is named as the next primary finds on the record its heirs: those who hold what it holds, as long as it has
committed nothing. So it may die before it is in office, and is in office only once enough of them would hold its
commits, too, or are struck off, for they do not come.

Each change of the record is a compare-and-swap that also checks the lease, so a keeper that was stopped for a while
changes nothing when it wakes. What it knows of both, and what it cannot know, is its `claim`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from tandemdb.replication.coordination.authority import Authority, AuthorityObserver
from tandemdb.replication.coordination.claim import Claim
from tandemdb.replication.coordination.coordinator import (
    LEASE_SECONDS,
    Coordinator,
    CoordinatorLost,
    Lease,
    State,
    boot_clock,
)
from tandemdb.replication.coordination.decision import Decision, Part, decide
from tandemdb.replication.coordination.membership import (
    Membership,
    dismiss_unlisted,
    enlist,
    heirs_in_step,
    heirs_of,
    is_enough_meanwhile,
    is_enough_without,
    members_after_loss,
    members_now,
    unlist,
)
from tandemdb.replication.coordination.record import Member, Record
from tandemdb.replication.coordination.standing import Place, count, level_with
from tandemdb.replication.core import blocks
from tandemdb.replication.core.messages import LSN, Epoch, Term
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.replica import PromotionReport
from tandemdb.replication.roles import between_transactions, observe

if TYPE_CHECKING:
    from tandemdb.replication.core.limits import Limits
    from tandemdb.replication.core.peer import Mode, Peer
    from tandemdb.replication.publisher import Publisher
    from tandemdb.replication.system import System
    from tandemdb.storage import CommitObserver, Database

WAITING = "this node waits until it is known who leads"


class Host(Protocol):
    """What a keeper needs of the node whose part it keeps, and of those that the node can reach."""

    database: Database
    system: System
    limits: Limits

    @property
    def changing_role(self) -> AbstractContextManager[object]:
        """Held by whoever changes the node's role."""

    def follow_member(self, member: Member, mode: Mode, overwrite: bool, anew: bool) -> None:
        """Follow a primary, unless this node does already or is to do so anew; the caller holds `changing_role`."""

    def leave_place(self, successor: Member, mode: Mode) -> None:
        """Be a secondary that is not linked yet, after it has led; the caller holds `changing_role`."""

    def stand_aside(self) -> tuple[str, int, int, int]:
        """Let go of the primary; returns incarnation, epoch, transaction and LSN received."""

    def ask_aside(self, member: Member, seconds: float) -> Place | None:
        """Make a member let go of the former primary and tell its place; None: it is gone, restarted, or silent."""

    def promote_to(self, epoch: Epoch | None) -> PromotionReport:
        """Promote, for a caller who holds `changing_role`."""


class Keeper:
    """Keeps one node's part: `prepare` before the node listens, `step` and `renew` from then on, `resign` at the end.

    `clock` is the one that leases are counted on, `retry_clock` tells when to stand again after that has failed.
    """

    def __init__(
        self,
        node: Host,
        coordinator: Coordinator,
        lease_seconds: float = LEASE_SECONDS,
        *,
        mode: Mode = "sync",
        bootstrap: bool = False,
        overwrite: bool = False,
        clock: Callable[[], float] = boot_clock,
        retry_clock: Callable[[], float] = time.monotonic,
        make_lock: Callable[[], AbstractContextManager[object]] = threading.RLock,
    ) -> None:
        self.node = node
        self.mode = mode
        self.bootstrap = bootstrap
        self.overwrite = overwrite
        self.authority = Authority(clock)
        self.claim = Claim(coordinator, self.authority, lease_seconds, make_lock)
        self.decision = Decision("wait", "not begun")
        self.reason = ""
        # Whoever drives this keeper: to be called when the next step should not be waited for.
        self.woken: Callable[[], object] = nothing
        # Whether the record may name a successor, though nobody has said so yet.
        self._may_be_succeeded = False
        # The epoch of the primary that this node was told to follow, None if it was not, or has led since.
        self._followed_epoch: int | None = None
        # Whether this node has led or followed: then a coordinator without a record has lost it.
        self._has_part = False
        self._not_before = float("-inf")
        # The epoch of the record that was read last, and until when its primary's heirs are waited for.
        self._epoch_read = 0
        self._heirs_until: float | None = None
        self._retry_clock = retry_clock

    @property
    def lease_seconds(self) -> float:
        return self.claim.lease_seconds

    @property
    def in_office(self) -> bool:
        """Whether the record names this node as the primary, and it has taken the place."""
        return self.node.system.in_office

    @property
    def takes_secondaries(self) -> bool:
        """Whether this node is in office, or promoted and to be in office once it has its heirs in step."""
        return self.in_office or (self._is_named and self.node.system.secondary is None)

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

    def wake(self) -> None:
        """Take the next step now."""
        self.woken()

    def step(self) -> None:
        """Read, decide, do; what goes wrong is told and tried again."""
        try:
            state = self.claim.read()
            self._let_successor_begin(state)
            self.decision = decide(state, self.me, self.bootstrap, self._part)
            with self.node.changing_role:
                self._go(self.decision)
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
        except (ReplicationError, blocks.StorageError) as error:
            self._tell("keeper_failed", str(error))

    def renew(self) -> None:
        """Hold the lease, if there is one, for as long again."""
        try:
            renewed = self.claim.renew(lambda: self.in_office and not self._may_be_succeeded)
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
            return
        if not renewed:
            self._tell("lease_lost", "the lease has lapsed")
            self.wake()

    def resign(self) -> None:
        """Keep nothing any more; a lease is given back, so that another may lead at once."""
        self._give_back()

    @property
    def looks_often(self) -> bool:
        """Whether there is more to look after than what the coordinator keeps."""
        return self.in_office or self._is_named

    def await_change(self) -> bool:
        """Wait until the coordinator keeps something else, half a lease at most. False: it cannot be reached."""
        try:
            self.claim.await_change(self.lease_seconds / 2)
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
            return False
        return True

    def strike_off(self, publisher: Publisher, lost: list[Peer]) -> bool:
        """Take secondaries off the record, if those who stay hold every commit that is acknowledged."""
        names = [peer.name for peer in lost]
        try:
            with self.claim.changing:
                record = self.claim.read().record
                if record is None or not record.primary.is_same(self.me):
                    return False
                with publisher.lock:
                    members = members_after_loss(record, Membership.of(publisher), names)
                    if members is None:
                        return False
                    unlist(publisher, members)
                if members == record.sync_set and self.claim.is_sure:
                    return self.authority.holds
                return self._change(record._replace(sync_set=members))
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))
            return False

    def describe(self) -> dict[str, Any]:
        """Say, for the status, what the record is and how this node stands to it."""
        record = self.claim.state.record
        return {
            "course": self.decision.course,
            "reason": self.reason or self.decision.reason,
            "holds_lease": self.claim.lease is not None,
            "may_acknowledge": self.in_office and self.authority.holds,
            "lease_seconds": self.lease_seconds,
            "leader": self.claim.state.leader.partition(" ")[0],
            "epoch": record.epoch if record is not None else 0,
            "primary": record.primary.address if record is not None else "",
            "sync_set": [member.node for member in record.sync_set] if record is not None else [],
            "may_be_promoted": record is not None and record.names(self.me),
        }

    def promote(self) -> PromotionReport:
        """Lead because an operator says so, whatever the record says of this node; its primary must have lapsed.

        A primary whose record was wiped may be told to go on, too.

        Raises:
            ReplicationError: somebody holds the lease, or may yet count on one; the record could not be changed.
        """
        with self.node.changing_role:
            if self.node.system.secondary is None and (self.claim.state.record is not None or not self.in_office):
                raise ReplicationError("this database is not a secondary")
            lease = self._take_lease()
            if lease is None:
                raise ReplicationError(
                    "the lease is held: a primary is in office, or another node stands",
                    hint="Use switchover to hand a living primary's place over.",
                )
            record = self.claim.read().record
            if record is None and not self.claim.has_been_missing():
                self._give_back()
                raise ReplicationError(
                    "the coordinator has lost its record: the primary may count on its lease yet",
                    hint=f"Try again in {self.lease_seconds:g} s.",
                )
            report = self._succeed(record, ())
            if report is None:
                self._give_back()
                raise ReplicationError("the coordinator's record could not be changed")
            return report

    def hand_over(self, successor: Member, mode: Mode) -> Epoch:
        """Change the record in favour of a secondary that is level, and give the lease back; writes are held up.

        `mode` is how this node will follow.

        Raises:
            ReplicationError: the record could not be changed.
        """
        with self.claim.changing:
            record = self.claim.state.record
            if record is None or not self.in_office:
                raise ReplicationError("this node does not lead")
            epoch = Epoch(record.epoch + 1)
            until = self.authority.until
            self._may_be_succeeded = True
            self.authority.end()
            heirs = heirs_of(record, Membership.of(self.node.system.publisher), successor)
            if mode == "sync":  # An asynchronous one would never be waited for.
                heirs = (self.me, *heirs)
            if not self._change(record._replace(epoch=epoch, primary=successor, sync_set=heirs)):
                if self.claim.is_sure:
                    self._may_be_succeeded = False
                    self.authority.until = until
                raise ReplicationError("the coordinator's record could not be changed")
            self._leave_office()
            return epoch

    # The steps, in call order.

    def _let_successor_begin(self, state: State) -> None:
        """Do not stand at once against whoever was named meanwhile, and has not got round to taking the lease."""
        record = state.record
        if record is None or record.epoch == self._epoch_read:
            return
        self._epoch_read = record.epoch
        if state.leader != record.primary.holder:
            self._not_before = self._retry_clock() + self.lease_seconds

    def _go(self, decision: Decision) -> None:
        """Do what was decided; the node's role does not change otherwise meanwhile."""
        record = self.claim.state.record
        if decision.course == "lead" and record is not None:
            self._lead(record)
        elif decision.course == "found":
            self._found()
        elif self.in_office and record is not None:
            self._leave_office()
        elif self.claim.lease is not None and decision.course != "stand":
            self._give_back()  # What it was taken for was broken off.
        if record is not None and decision.course in ("stand", "wait") and self._has_led:
            self.node.leave_place(record.primary, self.mode)
        if decision.course == "follow" and record is not None:
            self._follow(record)
        elif decision.course == "stand" and record is not None:
            self._stand(record)
        elif decision.course == "wait":
            self._tell("waiting", decision.reason)

    def _found(self) -> None:
        """Begin a cluster, if nobody else is faster; or write the record of this one anew, of which it was wiped."""
        if self.in_office and not self._has_heirs():
            self._give_back()  # The coordinator knows nothing of it.
            self._tell("waiting", "the coordinator has lost the record, and too few of those it named are in step")
            return
        lease = self._take_lease()
        if lease is None:
            return
        system = self.node.system
        before = self.claim.read().record
        if before is not None and not self.bootstrap:
            self._give_back()
            return
        if before is not None:
            system.leave_cluster()
        system.found_cluster()
        if before is not None:
            system.identity.history = [Term(Epoch(before.epoch + 1), LSN(0), 0)]
        record = Record(system.identity.cluster.hex(), system.identity.epoch, self.me, (), self.node.limits.required)
        if not self._change(record):
            self._give_back()
            return
        self.bootstrap = False
        self._take_office()

    def _has_heirs(self) -> bool:
        """Tell whether so many of the secondaries named are in step that nobody can have been promoted without them."""
        publisher = self.node.system.publisher
        if publisher is None:
            return True
        with publisher.lock:
            named = [peer for peer in publisher.core.quorum.synchronous() if peer.listed]
            in_step = sum(peer.state == "in step" for peer in named)
        return in_step >= min(self.node.limits.required, len(named))

    def _lead(self, record: Record) -> None:
        """Go on leading: with the lease, and with a record that names those who hold all there is."""
        if self.claim.lease is None:
            self.authority.end()
            lease = self._take_lease()
            if lease is None:
                return
            # Since it is held, nobody else can change the record; before, somebody may have.
            found = self.claim.read().record
            if found is None or not found.primary.is_same(self.me):
                self._give_back()
                return
            record = found
            if self.in_office and not self._may_be_succeeded:
                self.claim.count_on(lease)
        if not self._make_sure():
            return
        self._may_be_succeeded = False
        if not self.in_office:
            if self.node.system.secondary is not None:
                self.node.promote_to(Epoch(record.epoch))
            self._enter_office(record)
        if self.in_office:
            self._tell("", "")
            self._keep_members(record)

    @property
    def _is_named(self) -> bool:
        """Whether the record that was read last names this node as the primary."""
        record = self.claim.state.record
        return record is not None and record.primary.is_same(self.me)

    @property
    def _has_led(self) -> bool:
        """Whether this node has data of the cluster, and has not followed anybody since it led."""
        system = self.node.system
        return system.secondary is None and bool(system.identity.cluster)

    def _enter_office(self, record: Record) -> None:
        """Take office, once enough of those whom the record names are in step; those who do not come are struck off."""
        publisher = self.node.system.publisher
        with self.claim.changing:
            if self.claim.state.record != record:
                return
            found = Membership.of(publisher)
            there = heirs_in_step(record, found)
            if len(there) < record.copies:
                now = self._retry_clock()
                self.node.database.read_only = WAITING
                if self._heirs_until is None:
                    self._heirs_until = now + self.node.limits.loss_grace_seconds
                if now < self._heirs_until:
                    missing = ", ".join(member.node for member in record.sync_set if member not in there)
                    self._tell("waiting", f"it is in office once it has its heirs in step: {missing}")
                    return
                if not self._change(record._replace(sync_set=there)):
                    return
            elif publisher is not None:
                enlist(publisher, record.sync_set)
            self._take_office()

    def _keep_members(self, record: Record) -> None:
        """Let the record name those who hold all there is."""
        publisher = self.node.system.publisher
        if publisher is None:
            return
        with self.claim.changing:
            if self.claim.state.record != record:
                return  # Somebody was struck off meanwhile.
            with publisher.lock:
                found = Membership.of(publisher)
                members = members_now(record, found)
                if members == record.sync_set and self.claim.is_sure:
                    enlist(publisher, members)
                    if is_enough_without(record, found):
                        dismiss_unlisted(publisher)
                    return
                unlist(publisher, members)
                if self.claim.is_sure and is_enough_meanwhile(record, members, found):
                    dismiss_unlisted(publisher)
            if self._change(record._replace(sync_set=members)):
                with publisher.lock:
                    dismiss_unlisted(publisher)

    def _follow(self, record: Record) -> None:
        """Follow the record's primary, unless this node does already."""
        self._has_part = True
        self._heirs_until = None
        self._tell("", "")
        same = record.cluster == self.node.system.identity.cluster.hex()
        # A link from before it led this epoch is one to what it was: it may stand for ever, and nothing come over it.
        anew = self._followed_epoch is not None and self._followed_epoch != record.epoch
        self.node.follow_member(record.primary, self.mode, overwrite=self.overwrite and not same, anew=anew)
        self._followed_epoch = record.epoch

    def _stand(self, record: Record) -> None:
        """Stand for promotion."""
        if self._retry_clock() < self._not_before:
            return
        lease = self._take_lease()
        if lease is None:
            return
        if self.claim.read().record != record:
            self._give_back()
            return
        node, seconds = self.node, self.lease_seconds / 3
        _, *place = node.stand_aside()
        found = count(record, self.me, tuple(place), lambda member: node.ask_aside(member, seconds))
        reason = found.reason
        if not reason and blocks.is_damaged(node.database.root):
            reason = "its blocks are not what they were: their digest differs from the one kept up"
        if reason or self._succeed(record, level_with(record, self.me, found)) is None:
            self._give_back()
            self._not_before = self._retry_clock() + self.lease_seconds
            self._tell("promotion_failed", reason or "the record was changed meanwhile")

    def _succeed(self, record: Record | None, heirs: tuple[Member, ...]) -> PromotionReport | None:
        """Become the record's primary, in the next epoch; None if the record is not as it was read.

        A primary whose record was wiped goes on in its own epoch.
        """
        system, root = self.node.system, self.node.database.root
        epoch = Epoch(max(record.epoch if record is not None else 0, system.identity.epoch) + 1)
        if system.secondary is None:
            epoch = system.identity.epoch
        named = Record(system.identity.cluster.hex(), epoch, self.me, heirs, self.node.limits.required)
        if not self._change(named):
            return None
        self._heirs_until = None
        if system.secondary is None:
            report = PromotionReport(epoch, LSN(root.lsn), blocks.root_digest(root), None, 0, "primary")
        else:
            report = self.node.promote_to(epoch)
        self._enter_office(named)
        return report

    # Lease, record and office.

    @property
    def _part(self) -> Part:
        if self.in_office:
            return "in office"
        return "other" if self._has_part else "none"

    def _take_lease(self) -> Lease | None:
        """Take the lease, or go on with it."""
        return self.claim.take(self.me.holder)

    def _give_back(self) -> None:
        try:
            self.claim.give_back()
        except CoordinatorLost as error:
            self._tell("coordinator_lost", str(error))  # It lapses by itself.

    def _change(self, record: Record) -> bool:
        """Swap the record for this one, if it is as it was read. False: it was not done, and may yet be.

        Raises:
            CoordinatorLost: it is not known.
        """
        with self.claim.changing:
            if not self.claim.change(record):
                return False
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

    def _make_sure(self) -> bool:
        """See to it that an unanswered change cannot be done any more: let the record be replaced as it is."""
        with self.claim.changing:
            record = self.claim.state.record
            return self.claim.is_sure or (record is not None and self._is_named and self._change(record))

    def _take_office(self) -> None:
        lease = self.claim.lease
        if lease is None:
            return
        self.claim.count_on(lease)
        self._followed_epoch = self._heirs_until = None
        self._has_part = True
        self.node.system.in_office = True
        self.node.database.read_only = None
        self._tell("", "")
        emit("leads", node=self.me.node, epoch=self.node.system.identity.epoch, lsn=self.node.database.root.lsn)

    def _leave_office(self) -> None:
        """Lead no more: the record names another."""
        self.node.system.in_office = False
        self.authority.end()
        self.node.database.read_only = WAITING
        self._give_back()

    def _watch_over(self, inner: CommitObserver | None) -> AuthorityObserver:
        return AuthorityObserver(self.authority, self.node.system, inner)

    def _tell(self, event: str, reason: str) -> None:
        """Remember why things do not go on, and log it when it is news."""
        if reason and reason != self.reason:
            emit(event, node=self.me.node, reason=reason)
        self.reason = reason


def nothing() -> None:
    """Nobody is to be woken."""
