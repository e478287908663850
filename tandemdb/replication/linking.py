"""Primaries and secondaries in different processes: whoever connects, the roles are the same.

    secondary connects:   follow(database, address)        ----> accept_secondary(database, channel)
    primary connects:     replicate_to(database, address)  ----> accept_primary(database, channel)

A secondary that comes back under its name takes its old place: from its first time in step on, commits are refused
while too few are there.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar
from weakref import ref

from tandemdb.errors import NotSupportedError
from tandemdb.replication.core import blocks
from tandemdb.replication.core.limits import GATHER_SECONDS, Limits, read_limits
from tandemdb.replication.core.messages import Epoch
from tandemdb.replication.core.secondary import Secondary
from tandemdb.replication.errors import LinkLost, OtherVersion, ProtocolError, Refused, ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.follower import RETRY_SECONDS, RETRY_SECONDS_MAX, Follower
from tandemdb.replication.link import AnyLink
from tandemdb.replication.network import handshake, transport
from tandemdb.replication.primary_link import PrimaryLink
from tandemdb.replication.publisher import READ_ONLY, Publisher
from tandemdb.replication.roles import between_transactions, check_free, end_publishing, observe, publisher_of, serves
from tandemdb.replication.secondary_status import SecondaryStatus
from tandemdb.replication.system import System, system_of
from tandemdb.replication.unmirrorable import check_mirrorable

if TYPE_CHECKING:
    from tandemdb.replication.core.messages import Hello
    from tandemdb.replication.core.peer import Mode, Peer
    from tandemdb.replication.network.address import Address
    from tandemdb.replication.network.transport import Channel
    from tandemdb.storage import Database

COMMIT_SECONDS = 2.0


class Served(AnyLink, Protocol):
    """A primary's link that knows what the core knows of the secondary at its other end."""

    peer: Peer | None


AnyServed = TypeVar("AnyServed", bound=Served)

_names = itertools.count(1)


def follow(
    database: Database, address: Address, mode: Mode = "sync", *, name: str = "", overwrite: bool = False
) -> Follower:
    """Make this database a secondary of the one at `address`, connecting until it is promoted or told to stop.

    Returns at once; whether the primary takes it shows in its status.

    Raises:
        ReplicationError: the database is a primary in office, a secondary already, or holds data of its own.
    """
    follower = prepare_following(database, address, mode, name=name, overwrite=overwrite)
    follower.start()
    return follower


def prepare_following(
    database: Database, address: Address, mode: Mode, *, name: str = "", overwrite: bool = False
) -> Follower:
    """As `follow`, but that the caller starts what follows."""
    system = system_of(database)
    # What it holds stays this cluster's; whether the primary is of the same one shows at the login.
    mirrored = bool(system.identity.cluster and blocks.block_count(database.root)) and not overwrite
    check_free(system, database, system.identity.cluster if mirrored else b"", overwrite)
    return begin_following(database, name or system.identity.node, mode, address)


def check_secondary(database: Database, hello: Hello) -> None:
    """Refuse a primary whose secondary this database cannot be.

    Raises:
        Refused: it may not be overwritten, or has a primary of a newer epoch.
    """
    system = system_of(database)
    same = bool(hello.cluster) and hello.cluster == system.identity.cluster
    if same and hello.epoch < system.identity.epoch:
        raise Refused("epoch", f"epoch {system.identity.epoch} has begun", system.identity.epoch)
    if same and system.secondary is None and hello.epoch == system.identity.epoch:
        raise Refused("role", "this database is the primary of that epoch itself")
    if same and hello.epoch > system.identity.epoch and system.publisher is not None:
        system.publisher.fence(hello.epoch)
    if not takes_up_again(system, hello):
        try:
            check_free(system, database, hello.cluster, overwrite=False)
        except ReplicationError as error:
            raise Refused("role", str(error)) from error


def accept_primary(database: Database, hello: Hello) -> Follower:
    """Make this database a secondary of the primary that has connected; the caller then serves the channel.

    Raises:
        ReplicationError: a transaction has been open for too long.
    """
    system = system_of(database)
    link = system.link
    if isinstance(link, Follower) and takes_up_again(system, hello):
        return link
    return begin_following(database, system.identity.node, "sync" if hello.mode == "sync" else "async", None)


def takes_up_again(system: System, hello: Hello) -> bool:
    """Tell whether this is the primary that this database follows already, back after its link was lost."""
    link = system.link
    ours = system.identity.cluster
    return isinstance(link, Follower) and link.address is None and (not ours or hello.cluster == ours)


def begin_following(database: Database, name: str, mode: Mode, address: Address | None) -> Follower:
    """Turn a database that is free into a secondary."""
    with between_transactions(database):
        return become_secondary(database, name, mode, address)


def become_secondary(database: Database, name: str, mode: Mode, address: Address | None) -> Follower:
    """As `begin_following`, for a caller who holds the writer's place."""
    system = system_of(database)
    end_publishing(database, system)
    database.read_only = READ_ONLY
    system.secondary = Secondary(database, system.identity, name, mode, system.set_aside)
    follower = system.link = Follower(system, system.secondary, address)
    return follower


def redirect(database: Database, address: Address, mode: Mode) -> Follower | None:
    """Let a secondary follow the node at another address, all that it holds kept, what is pending too.

    Returns what follows, for the caller to start; None if this is no secondary that follows a node in this mode.
    """
    system = system_of(database)
    link, core = system.link, system.secondary
    if not isinstance(link, Follower) or core is None or core.mode != mode:
        return None
    link.stop()
    follower = system.link = Follower(system, core, address)
    return follower


def find_epoch(system: System, address: Address) -> Epoch:
    """Ask a node for its epoch, if it is of this cluster; 0 otherwise.

    Raises:
        LinkLost, ProtocolError, Refused: it does not answer, or does not let us in.
    """
    channel = transport.connect(address)
    try:
        challenge, _ = handshake.log_in(channel, system.identity, address.security.secret, address.name, "operator")
    finally:
        channel.close()
    return challenge.epoch if challenge.cluster == system.identity.cluster else Epoch(0)


def check_primary(database: Database, hello: Hello) -> None:
    """Refuse a secondary that this database cannot serve.

    Raises:
        Refused: it belongs to another cluster, or a newer epoch exists here or there; there is text that is no UTF-8.
    """
    system = system_of(database)
    publisher = system.publisher
    if hello.mode not in ("sync", "async"):
        raise Refused("mode", f"unknown mode of a secondary: {hello.mode!r}")
    if hello.cluster and hello.cluster != system.identity.cluster:
        raise Refused("cluster", "the secondary holds another cluster's data")
    if publisher is not None and publisher.core.fenced_by is not None:
        raise Refused("epoch", f"this primary's time is over: epoch {publisher.core.fenced_by} has begun")
    if hello.node == system.identity.node:
        raise Refused("name", f"the secondary has this node's own name, {hello.node!r}")
    try:
        check_mirrorable(database)
    except NotSupportedError as error:
        raise Refused("text", str(error)) from error


def accept_secondary(database: Database, channel: Channel, name: str, mode: Mode, limits: Limits) -> PrimaryLink:
    """Serve a secondary over this channel from now on; the caller's thread then runs the link.

    Raises:
        ReplicationError: a transaction has been open for too long; with a coordinator: this node leads no more.
    """

    def link_over_channel(publisher: Publisher) -> PrimaryLink:
        return PrimaryLink(publisher, name, channel, publisher.clock)

    return take_in(database, name, mode, limits, link_over_channel)


def take_in(
    database: Database,
    name: str,
    mode: Mode,
    limits: Limits,
    make_link: Callable[[Publisher], AnyServed],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] | None = None,
) -> AnyServed:
    """Let a link serve a secondary, in its old place if it has been here before."""
    publisher = system_of(database).publisher
    if publisher is not None and name in publisher.links and publisher.core.fenced_by is None:
        if publisher.core.peers[name].mode == mode:
            link = make_link(publisher)
            link.peer = publisher.replace(link)
            return link
        with between_transactions(database):
            publisher.links[name].cut()
            publisher.remove(name)
            observe(database, system_of(database))
    return register(database, name, mode, limits, make_link, clock, pause)


def register(
    database: Database,
    name: str,
    mode: Mode,
    limits: Limits,
    make_link: Callable[[Publisher], AnyServed],
    clock: Callable[[], float],
    pause: Callable[[float], None] | None,
) -> AnyServed:
    """Add a secondary that was not there before."""
    system = system_of(database)
    with between_transactions(database) as transaction:
        if system.arbiter is not None and system.secondary is not None:
            # It has lost its place since it was asked for the login. There are no chains with a coordinator: this one
            # would go over to the new primary, be lost here, and its loss would hold up all that comes from there.
            raise Refused("role", "this node does not lead")
        publisher = publisher_of(database, system, limits, COMMIT_SECONDS, clock, pause)
        link = make_link(publisher)
        link.peer = publisher.add(link, mode)
        observe(database, system)
        if database.root.epoch != system.identity.epoch and system.secondary is None:
            transaction.commit(database.root.lsn, system.identity.epoch)
    emit("secondary_registered", node=system.identity.node, secondary=name, mode=mode)
    return link


class RemoteReplica:
    """A secondary on a node, as its primary's side holds it: keeps connecting until detached."""

    def __init__(self, database: Database, address: Address, mode: Mode, limits: Limits) -> None:
        # Weakly: the thread that keeps connecting ends when the database is gone.
        self._primary = ref(database)
        self.address = address
        self.mode = mode
        self.limits = limits
        self.name = ""
        self.link: PrimaryLink | None = None
        self.reason = ""
        self._stopped = threading.Event()
        self._refusal: Refused | OtherVersion | None = None
        self._linked = threading.Event()

    @property
    def primary(self) -> Database:
        database = self._primary()
        if database is None:
            raise ReplicationError("the mirrored database is gone")
        return database

    @property
    def status(self) -> SecondaryStatus:
        """Tell how far the secondary has come."""
        publisher = system_of(self.primary).publisher
        for entry in publisher.status() if publisher is not None else []:
            if entry.name == self.name:
                return entry
        raise ReplicationError(f"secondary {self.name or self.address!s} is detached")

    def detach(self) -> None:
        """End the mirroring; the secondary keeps what it has, read-only until it is promoted or attached again."""
        self._stopped.set()
        remove_secondary(self.primary, self.name)

    def run(self) -> None:
        """Connect and serve, again and again, until detached or succeeded."""
        pause = RETRY_SECONDS
        while not self._stopped.is_set() and self._primary() is not None:
            try:
                link = self.connect()
            except (LinkLost, ProtocolError, ReplicationError, MemoryError) as error:
                self.reason = str(error) or "no memory left"
                if isinstance(error, Refused | OtherVersion):
                    self._refusal = error
                    self._linked.set()
                if isinstance(error, Refused):
                    self._note_epoch(error)
            else:
                pause = RETRY_SECONDS
                self._linked.set()
                link.run()
                self.reason = link.reason
            if self._stopped.wait(pause * (1 + random.random())):
                return
            pause = min(RETRY_SECONDS_MAX, pause * 2)

    def connect(self) -> PrimaryLink:
        """Connect, log in as a primary, and register the secondary."""
        system = system_of(self.primary)
        system.found_cluster()
        channel = transport.connect(self.address)
        try:
            secret = self.address.security.secret
            challenge, _ = handshake.log_in(channel, system.identity, secret, self.address.name, "primary", self.mode)
            handshake.open_up(channel, None)
            self.name = self.name or challenge.node or f"secondary {next(_names)}"
            self.link = accept_secondary(self.primary, channel, self.name, self.mode, self.limits)
        except BaseException:
            channel.close()
            raise
        return self.link

    def await_link(self, seconds: float) -> None:
        """Wait until the secondary is registered and, if synchronous, in step.

        Raises:
            ReplicationError: it refuses, or does not get there in that time.
        """
        deadline = time.monotonic() + seconds
        self._linked.wait(seconds)
        if self._refusal is not None:
            self._stopped.set()
            raise self._refusal
        while self.link is None or (self.mode == "sync" and self.status.state != "in step"):
            if time.monotonic() >= deadline:
                self._stopped.set()
                reason = self.reason
                if self.link is not None:
                    reason = self.status.reason or reason
                    self.detach()
                raise ReplicationError(
                    f"the secondary at {self.address} did not catch up in {seconds:g} s", detail=reason
                )
            time.sleep(0.002)

    def _note_epoch(self, refusal: Refused) -> None:
        system = system_of(self.primary)
        # An answer that has taken its time may be of an epoch that is over, or this system's own.
        if refusal.refusal == "epoch" and system.publisher is not None and refusal.epoch > system.identity.epoch:
            system.publisher.fence(Epoch(refusal.epoch))


def replicate_to(
    database: Database,
    address: Address,
    mode: Mode = "sync",
    *,
    timeout_seconds: float = 30.0,
    **limits: int | float | None,
) -> RemoteReplica:
    """Mirror this database to the node at `address` from now on; the link is mended whenever it breaks.

    Args:
        mode: "sync": returns when the secondary is level, and commits return when it has them. "async": at once.
        timeout_seconds: how long to wait for that.
        limits: fields of `Limits`, taken when the primary gets its first secondary.
    Raises:
        ReplicationError: the node refuses, cannot be reached, or does not catch up in time.
        NotSupportedError: the database holds what no message carries (`unmirrorable`).
    """
    system = system_of(database)
    if system.secondary is not None and not serves(system):
        raise ReplicationError("this database is a secondary itself", hint="Let the node follow it instead.")
    check_mirrorable(database)
    bounds = read_limits({"gather_seconds": GATHER_SECONDS, **limits})
    replica = RemoteReplica(database, address, mode, bounds)
    threading.Thread(target=replica.run, name=f"tandemdb primary of {address}", daemon=True).start()
    replica.await_link(timeout_seconds)
    return replica


def remove_secondary(database: Database, name: str) -> None:
    """Forget a secondary: commits wait for it no longer. One in step acknowledges before what is under way.

    Raises:
        ReplicationError: there is none of this name.
    """
    publisher: Publisher | None = system_of(database).publisher
    if publisher is None or name not in publisher.links:
        raise ReplicationError(f"this database has no secondary named {name!r}")
    if publisher.core.peers[name].state != "in step":
        publisher.links[name].cut()
    try:
        forget(database, publisher, name)
    except ReplicationError:
        if not publisher.pipeline.tickets:
            raise
        # Commits are under way, and may wait for it in vain.
        publisher.links[name].cut()
        forget(database, publisher, name)


def forget(database: Database, publisher: Publisher, name: str) -> None:
    """Take a secondary out between two transactions, and close its link."""
    with between_transactions(database):
        link = publisher.links[name]
        publisher.remove(name)
        observe(database, system_of(database))
    link.cut()
