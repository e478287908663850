"""Machines: the nodes of the simulation of failovers, each a start of a process, with a clock of its own.

    Machine   the node that runs in production, but for its sockets and threads: what it asks others it asks directly,
              its keeper and its writers are tasks that take turns, and all of them stand still while it is stopped
    Tie       a connection between two of them: frames wait where a process stands still or the network is apart

A process that was ended goes on as nobody: cut off from everything, until its tasks have come to their ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tandemdb.replication import Epoch, Faults, PromotionReport, ReplicationError, linking
from tandemdb.replication.coordination.keeper import Keeper
from tandemdb.replication.coordination.record import Member
from tandemdb.replication.coordination.standing import Place
from tandemdb.replication.core.limits import Limits
from tandemdb.replication.core.messages import Hello
from tandemdb.replication.core.peer import Peer
from tandemdb.replication.errors import LinkLost
from tandemdb.replication.follower import Follower
from tandemdb.replication.link import Link
from tandemdb.replication.network.address import Address
from tandemdb.replication.node import Node
from tandemdb.replication.observers import OuterObserver
from tandemdb.replication.publisher import Publisher
from tandemdb.replication.system import system_of
from tandemdb.storage import CommitObserver, Database, LockTimeout, Root, Transaction
from tandemdb.testing.adverse_coordinator import AdverseCoordinator, Line
from tandemdb.testing.clock import VirtualClock
from tandemdb.testing.turns import Task, Turns

if TYPE_CHECKING:
    from random import Random

NAME = "shop"
WRITERS_WAIT_SECONDS = 5.0


class World(Protocol):
    """What a machine knows of the simulation that it is in."""

    random: Random
    clock: VirtualClock
    turns: Turns
    coordinator: AdverseCoordinator

    def pause(self, seconds: float) -> None: ...
    def find(self, name: str) -> Machine: ...
    def are_apart(self, one: Machine, other: Machine) -> bool: ...
    def new_faults(self) -> Faults | None: ...
    def committed(self, machine: Machine, root: Root) -> None: ...
    def note(self, event: str, text: str) -> None: ...


class TurnsLock:
    """A reentrant lock among tasks: whoever waits for it gives its turn away until its holder lets go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._holder: Task | None = None
        self._depth = 0
        self._waiting: list[Task] = []

    def __enter__(self) -> None:
        me = self._world.turns.current
        while self._depth and self._holder is not me:
            assert me is not None
            self._waiting.append(me)
            self._world.turns.pause(math.inf)
        self._holder = me
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            for task in self._waiting:
                task.due = self._world.clock.now
            self._waiting.clear()


class Machine(Node):
    """One start of a node's process. Its lease clock runs at `rate`."""

    def __init__(self, world: World, name: str, limits: Limits, lease_seconds: float, rate: float) -> None:
        database = Database(NAME)
        system_of(database, world.random.randbytes)
        super().__init__(database, name, 1, node=name, limits=limits)
        self.world = world
        self.name = name
        self.changing_role = TurnsLock(world)
        self.line = Line(world.coordinator, world.pause)
        self.lease_seconds = lease_seconds
        self.rate = rate
        # Until then the process stands still.
        self.stopped_until = 0.0
        self.ended = False
        # Whether its keeper does nothing more.
        self.is_closing = False
        self.tasks: list[Task] = []
        self.rounds: list[Task] = []
        self.writers: list[Task] = []
        self.connect_at = 0.0
        self.system.identity.node = name
        self.system.identity.address = str(self.address)
        self.keeper = Keeper(
            self,
            self.line,
            lease_seconds,
            clock=self.lease_clock,
            retry_clock=self.lease_clock,
            make_lock=lambda: TurnsLock(world),
        )
        self.keeper.prepare()
        self.system.wrappers.append(lambda inner: Witness(self, inner))
        self.is_running = True

    def lease_clock(self) -> float:
        return 1000.0 + self.world.clock.now * self.rate

    @property
    def runs(self) -> bool:
        return self.world.clock.now >= self.stopped_until

    @property
    def in_office(self) -> bool:
        return self.system.in_office

    @property
    def follower(self) -> Follower | None:
        """What follows a primary, if it is to."""
        link = self.system.link
        return link if isinstance(link, Follower) and link.wants_link and not self.ended else None

    def follows_machine(self, other: Machine) -> bool:
        """Whether it follows that start of a process, linked or trying to be, and has come into its cluster."""
        follower, cluster = self.follower, self.system.identity.cluster
        address = None if follower is None else follower.address
        return address is not None and address.host == other.name and cluster == other.system.identity.cluster

    def begin(self) -> None:
        """Start the tasks of the keeper."""
        self.is_closing = False
        self.rounds = [self.run_task(work) for work in (self._keep, self._renew)]

    def close(self) -> None:
        """Stop them, as a node does that ends in good order: the lease is given back."""
        self.is_closing = True
        end = self.world.clock.now + self.lease_seconds
        while any(not task.done for task in self.rounds) and self.world.clock.now < end:
            self.world.pause(0.05)
        assert self.keeper is not None
        self.keeper.resign()

    def run_task(self, work: Callable[[], None]) -> Task:
        task = self.world.turns.start(work)
        self.tasks.append(task)
        return task

    def end(self) -> None:
        """End the process: from here on it is nobody."""
        self.ended = self.is_closing = True
        self.is_running = False
        self.line.is_cut = True
        self.stopped_until = 0.0

    def forget(self) -> None:
        """Undo the references that keep a database for as long as its process runs, when all tasks have ended."""
        system = self.system
        system.arbiter = system.authority = system.publisher = system.link = system.secondary = None
        system.wrappers.clear()
        self.database.observer = None

    # What runs in threads of its own otherwise.

    def _keep(self) -> None:
        keeper, random = self.keeper, self.world.random
        assert keeper is not None
        while not self.is_closing:
            keeper.step()
            self.world.pause(0.1 if keeper.looks_often else random.uniform(0.1, self.lease_seconds / 2))

    def _renew(self) -> None:
        assert self.keeper is not None
        while not self.is_closing:
            self.world.pause(self.lease_seconds / 4)
            self.keeper.renew()

    # What goes over sockets otherwise.

    def reach(self, name: str) -> Machine:
        """Find another process that answers.

        Raises:
            LinkLost: none does.
        """
        world = self.world
        found = world.find(name)
        world.pause(0.002)
        if self.ended or found.ended or not found.runs or world.are_apart(self, found):
            world.pause(self.lease_seconds / 3)
            raise LinkLost(f"{name} does not answer")
        return found

    def ask_aside(self, member: Member, seconds: float) -> Place | None:
        try:
            found = self.reach(member.node)
            incarnation, epoch, transaction, lsn = found.stand_aside()
        except ReplicationError:
            return None
        if self.world.random.random() < self.world.coordinator.trouble:
            self.world.pause(seconds)
            return None  # It has let go, and its answer is lost.
        self.world.pause(0.002)
        return (epoch, transaction, lsn) if incarnation == member.incarnation else None

    def _find_epoch(self, address: Address) -> Epoch:
        """Ask for the epoch; and let this node's own commits fail first, which a change of its role waits for."""
        found = self.reach(address.host).system.identity
        ours = self.system
        epoch = found.epoch if found.cluster == ours.identity.cluster else Epoch(0)
        if ours.publisher is not None and epoch > ours.identity.epoch:
            ours.publisher.fence(epoch)
        end = self.world.clock.now + WRITERS_WAIT_SECONDS
        while any(not task.done for task in self.writers):
            if self.world.clock.now >= end:
                raise ReplicationError("database is locked")
            self.world.pause(0.01)
        return epoch

    def _start_following(self, follower: Follower) -> None:
        self.world.note("follows", f"{self.name} {follower.address.host if follower.address else ''}")
        self.connect_at = self.world.clock.now

    def connect(self, follower: Follower) -> Tie | None:
        """Connect to the node that is to be followed, as far as it lets that be."""
        world, identity = self.world, self.system.identity
        self.connect_at = world.clock.now + world.random.uniform(0.05, 1.0)
        assert follower.address is not None
        found = world.find(follower.address.host)
        if found.ended or not found.runs or world.are_apart(self, found):
            return None
        publisher = found.system.publisher
        if (publisher is None or self.name not in publisher.links) and not found.is_free:
            return None  # To register it waits for the writer's place.
        mode = follower.secondary.mode
        hello = Hello(
            0, identity.cluster, self.name, identity.incarnation, b"", NAME, "secondary", mode, identity.epoch
        )
        try:
            found._check(hello)
            tie = linking.take_in(
                found.database,
                self.name,
                mode,
                found.limits,
                lambda publisher: Tie(publisher, follower, found, self),
                world.clock,
                world.pause,
            )
        except ReplicationError as error:
            follower.reason = str(error)
            return None
        tie.connect()
        return tie

    @property
    def is_free(self) -> bool:
        """Whether nobody holds the writer's place: to wait for it would be to wait for a task."""
        transaction = self.take_place()
        if transaction is None:
            return False
        transaction.rollback()
        return True

    def take_place(self) -> Transaction | None:
        """Take the writer's place, when no commit is pending."""
        database = self.database
        if database.head is not database.root:
            return None
        try:
            return database.begin(0.0, applying=True)
        except LockTimeout:
            return None

    def promote_to(self, epoch: Epoch | None) -> PromotionReport:
        report = super().promote_to(epoch)
        self.world.note("promoted", f"{self.name} to epoch {report.epoch} at LSN {report.lsn}")
        return report

    def hand_to(self, successor: Machine) -> None:
        """Hand the place over to a secondary that is level, as `hand_over` does.

        Raises:
            ReplicationError: it is not, or the record could not be changed.
        """
        assert self.keeper is not None
        with self.changing_role:
            transaction = self.take_place()
            if transaction is None:
                raise ReplicationError("database is locked")
            try:
                found = self.reach(successor.name)
                if found.system.secondary is None or found.system.identity.cluster != self.system.identity.cluster:
                    raise ReplicationError(f"{found.name} is no secondary of this primary")
                if found.database.root.lsn != self.database.root.lsn or not self.in_office:
                    raise ReplicationError(f"{found.name} is not level")
                identity = found.system.identity
                self.keeper.hand_over(Member(found.name, identity.incarnation.hex(), identity.address), "sync")
            finally:
                transaction.rollback()


class Tie(Link):
    """A connection of a secondary's process to its primary's."""

    def __init__(self, publisher: Publisher, follower: Follower, here: Machine, there: Machine) -> None:
        world = here.world
        over_wire = world.random.random() < 0.2
        secondary = follower.secondary
        super().__init__(publisher, secondary, there.system.lock, world.clock, world.new_faults(), over_wire)
        self.peer: Peer | None = None
        self.follower = follower
        self.here = here
        self.there = there
        self.world = world
        # Since when nothing gets through.
        self.apart_since: float | None = None

    def cut(self) -> None:
        """End the connection; its primary is told, as a closed socket tells."""
        with self._lock:
            if self.is_cut:
                return
            self.is_cut = True
            self._sender.disconnected(self.name, self)

    def _tick(self, now: float) -> None:
        if self.here.runs:
            self._sender.tick()
        if self._is_followed:
            with self._secondary_lock:
                self.secondary.tick(now)

    def due_at(self) -> float | None:
        """Tell when the next frame arrives; nobody knows while one of the processes stands still, or they are apart."""
        held = self.apart_since is not None or not self.here.runs or not self._is_followed
        return None if held else super().due_at()

    @property
    def _is_followed(self) -> bool:
        return self.there.runs and not self.there.ended and self.follower.wants_link

    def _pump_once(self, now: float) -> bool:
        """As between processes: frames go out at once, and come in where a process runs and the network is whole."""
        down, up, outgoing = self._down, self._up, self.secondary.outgoing
        moved = False
        if self.here.runs and (frame := self._sender.next_frame(self.name)) is not None:
            moved = True
            down.put(frame, now)
        if self.apart_since is not None:
            return moved
        if self._is_followed:
            while (arrived := down.take(now)) is not None:
                moved = True
                self._deliver(arrived, now)
            while outgoing:
                moved = True
                up.put(outgoing.popleft(), now)
            if self.secondary.owes:
                moved = True
                with self._secondary_lock:
                    self.secondary.work(now)
        if self.here.runs and not self.here.ended:
            while (arrived := up.take(now)) is not None:
                moved = True
                self._answer(arrived)
        return moved


class Witness(OuterObserver):
    """Sees which commits a machine shows as a primary."""

    def __init__(self, machine: Machine, inner: CommitObserver | None) -> None:
        super().__init__(inner)
        self.machine = machine

    def installed(self, root: Root) -> None:
        super().installed(root)
        if self.machine.system.secondary is None:
            self.machine.world.committed(self.machine, root)
