"""A node: one named database, as primary or secondary, behind one port.

    accept --> login --> purpose:  client      calls, answered by a session that the factory passed in makes
                                   operator    calls: status, promote, follow, digests ... (operator.py)
                                   secondary   becomes a link of this primary
                                   primary     makes this database its secondary

A thread a connection. Without a session factory the node is storage only: it mirrors, tells its status and can be
promoted, and has no SQL loaded. It listens on loopback, or elsewhere if those who connect must prove who they are.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.errors import ProgrammingError
from tandemdb.replication import linking
from tandemdb.replication.coordination.asking import ask_member
from tandemdb.replication.coordination.coordinator import LEASE_SECONDS, Coordinator
from tandemdb.replication.coordination.keeper import Keeper
from tandemdb.replication.coordination.record import Member
from tandemdb.replication.coordination.rounds import Rounds
from tandemdb.replication.coordination.standing import Place
from tandemdb.replication.core.limits import GATHER_SECONDS, Limits
from tandemdb.replication.core.messages import Epoch
from tandemdb.replication.errors import LinkLost, ProtocolError, Refused, ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.follower import Follower
from tandemdb.replication.network import calls, handshake, transport
from tandemdb.replication.network.accepting import accept_connections, descriptors_free_for_connections
from tandemdb.replication.network.address import Address, Security, read_address
from tandemdb.replication.network.calls import Caller, Handler
from tandemdb.replication.network.operating import log_in_to
from tandemdb.replication.operator import Operator
from tandemdb.replication.overview import describe
from tandemdb.replication.replica import PromotionReport, promote
from tandemdb.replication.roles import between_transactions
from tandemdb.replication.self_check import SelfCheck
from tandemdb.replication.system import system_of

if TYPE_CHECKING:
    from tandemdb.replication.core.messages import Hello
    from tandemdb.replication.core.peer import Mode
    from tandemdb.storage import Database

log = logging.getLogger("tandemdb.replication")

CONNECTIONS_MAX = 1024
# Of the connections that there may be, so many are kept for others than clients: operators, secondaries, candidates.
PEERS_RESERVED = 16
HAND_OVER_SECONDS = 5.0
# A secondary is near enough to take the place if it needs no longer to get what had been committed when it was asked.
NEAR_SECONDS = 0.25
# Writers are held up for what it lacks yet so long at most: they have timeouts, too, of 5 s if not told otherwise.
LEVEL_SECONDS = 2.0

SessionFactory = Callable[["Database"], Handler]


class Guest(NamedTuple):
    """A link that is being served."""

    purpose: str
    node: str
    ticket: bytes
    handler: Handler | None


class Node:
    """Serves one database; `start`, then `stop`."""

    def __init__(
        self,
        database: Database,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        node: str = "",
        security: Security | None = None,
        sessions: SessionFactory | None = None,
        limits: Limits | None = None,
        advertise: str = "",
    ) -> None:
        self.database = database
        self.system = system_of(database)
        self.system.check_itself = SelfCheck(self).begin
        self.address = Address(host, port, database.name, security or Security())
        self.sessions = sessions
        self.limits = limits if limits is not None else Limits(gather_seconds=GATHER_SECONDS)
        self.started_at = time.monotonic()
        self.guests: dict[int, Guest] = {}
        self.keeper: Keeper | None = None
        self._rounds: Rounds | None = None
        self._node_name = node
        self._advertise = advertise
        self._channels: dict[int, transport.Channel] = {}
        self._links = 0
        self._connections = 0
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self.is_running = False
        self.changing_role: AbstractContextManager[object] = threading.Lock()

    def coordinate(self, coordinator: Coordinator, lease_seconds: float = LEASE_SECONDS, **options: Any) -> None:
        """Before `start`: let a coordinator say who leads; see `Keeper` for the options."""
        self.keeper = Keeper(self, coordinator, lease_seconds, **options)
        self._rounds = Rounds(self.keeper)

    def start(self) -> Address:
        """Listen; returns the address, with the port that the system chose if it was to.

        Raises:
            ProgrammingError: the address is open to others and nobody would have to prove who he is.
            LinkLost: the address cannot be listened on.
        """
        security = self.address.security
        if not self.address.is_loopback and not security.knows_the_other_side:
            raise ProgrammingError(
                f"refusing to listen on {self.address.host} without a secret or TLS",
                detail="Whoever can reach this address could read and change the database.",
                hint="Give a secret file, or a certificate with the authority that clients' certificates come from.",
            )
        if self.keeper is not None:
            self.keeper.prepare()
        self._secret = security.secret
        self._context = security.server_context()
        self._listener = transport.listen(self.address.host, self.address.port)
        self.address = self.address.with_port(self._listener.getsockname()[1])
        self.system.identity.node = self._node_name or f"{self.address.host}:{self.address.port}"
        self.system.identity.address = self._advertise or str(self.address)
        if self.system.secondary is None and self.keeper is None:
            self.system.found_cluster()
        self.is_running = True
        name = f"tandemdb node {self.address}"
        calls_in = (self._listener, lambda: self.is_running, self._has_room, self._serve, name)
        threading.Thread(target=accept_connections, args=calls_in, name=name, daemon=True).start()
        emit("listening", node=self.system.identity.node, address=str(self.address))
        if self._rounds is not None:
            self._rounds.start()
        return self.address

    def stop(self) -> None:
        """Close the port and all links."""
        self.is_running = False
        if self._rounds is not None:
            self._rounds.stop()
        listener, self._listener = self._listener, None
        if listener is not None:
            try:
                listener.shutdown(socket.SHUT_RDWR)  # accept() in the other thread returns
            except OSError:
                pass  # Some systems do not shut a listener down; closing it is enough there.
            listener.close()
        link = self.system.link
        if isinstance(link, Follower):
            link.stop()
        with self._lock:
            channels = list(self._channels.values())
        for channel in channels:
            channel.close()

    # What operators ask for.

    def follow(self, address: Address, mode: Mode = "sync", overwrite: bool = False) -> None:
        """Make this node's database a secondary of the one at `address`.

        Raises:
            ReplicationError: it has secondaries of its own, or holds data of another origin; the other one cannot be
                reached, or is no successor of this primary.
        """
        self._check_uncoordinated("follow")
        with self.changing_role:
            if not overwrite:
                self._check_nothing_would_be_lost()
            self.follow_now(address, mode, overwrite)

    def follow_now(self, address: Address, mode: Mode, overwrite: bool = False) -> None:
        """Follow, for a caller who holds `changing_role`."""
        successor = self._find_epoch(address)
        if self.system.publisher is not None and successor > self.system.identity.epoch:
            self.system.publisher.fence(successor)
        if not overwrite and (follower := linking.redirect(self.database, address, mode)) is not None:
            self._start_following(follower)
            return
        link, core = self.system.link, self.system.secondary
        if isinstance(link, Follower):
            link.stop()
            if core is not None:
                with self.system.lock:
                    core.close()
            self.system.link = self.system.secondary = None
        self._start_following(linking.prepare_following(self.database, address, mode, overwrite=overwrite))

    def follow_member(self, member: Member, mode: Mode, overwrite: bool, anew: bool) -> None:
        """Follow a primary, unless this node does already or is to do so anew; the caller holds `changing_role`."""
        address = read_address(member.address, self.address.security)
        if anew or not self.follows(address):
            self.follow_now(address, mode, overwrite)

    def leave_place(self, successor: Member, mode: Mode) -> None:
        """Be a secondary that is not linked yet, after it has led; the caller holds `changing_role`."""
        address = read_address(successor.address, self.address.security)
        linking.begin_following(self.database, self.system.identity.node, mode, address).stop()

    def suspend(self) -> int:
        """Stay at the commit that readers see now, for reading at leisure; returns its LSN.

        The primary is told first, and counts on this secondary no longer. `resume` follows it again.

        Raises:
            ReplicationError: this node follows nobody, or its primary cannot be told.
        """
        self._check_uncoordinated("suspend")
        with self.changing_role:
            link, core = self.system.link, self.system.secondary
            if not isinstance(link, Follower) or core is None or link.address is None or link.is_cut:
                raise ReplicationError("this node follows no other", hint="Detach it at its primary.")
            address = link.address
            operator = log_in_to(address, self.system.identity)
            try:
                # Followed until then, for commits may be under way.
                link.leave()
                try:
                    operator.call("detach", self.system.identity.node, seconds=HAND_OVER_SECONDS)
                    link.stop()
                except BaseException:
                    link.stop()
                    follower = linking.redirect(self.database, address, core.mode)
                    if follower is not None:
                        self._start_following(follower)
                    raise
            finally:
                operator.close()
            with self.system.lock:
                core.close()
        return self.database.root.lsn

    def resume(self) -> None:
        """Follow the primary again after `suspend`, from the commit this node has stayed at.

        Raises:
            ReplicationError: it was not suspended.
        """
        with self.changing_role:
            link, core = self.system.link, self.system.secondary
            if not isinstance(link, Follower) or core is None or link.address is None or core.state != "detached":
                raise ReplicationError("this node was not suspended")
            follower = linking.redirect(self.database, link.address, core.mode)
            if follower is not None:
                self._start_following(follower)

    def follows(self, address: Address) -> bool:
        """Tell whether this node follows the one at that address already, linked or trying to be."""
        link = self.system.link
        return isinstance(link, Follower) and not link.is_cut and link.address == address

    def promote(self) -> PromotionReport:
        """Make this node's database a primary. Damage that its blocks have is told afterwards, by an event.

        Raises:
            ReplicationError: it is no secondary.
        """
        if self.keeper is not None:
            return self.keeper.promote()
        with self.changing_role:
            report = self.promote_to(None)
        # To look before would hold up the first writes for as long as all records take.
        self.system.check_itself()
        return report

    def promote_to(self, epoch: Epoch | None) -> PromotionReport:
        """Promote, for a caller who holds `changing_role`."""
        report = promote(self.database, epoch)
        emit("promoted", node=self.system.identity.node, epoch=report.epoch, lsn=report.lsn)
        return report

    def stand_aside(self) -> tuple[str, int, int, int]:
        """Let go of the primary, so that another may stand; returns incarnation, epoch, transaction and LSN received.

        Nothing is acknowledged to that primary any more until this node is told to follow again.

        Raises:
            ReplicationError: this node is no secondary.
        """
        link, core = self.system.link, self.system.secondary
        if core is None or not isinstance(link, Follower):
            raise ReplicationError("this node is not a secondary")
        link.stop()
        with self.system.lock:
            identity = self.system.identity
            return identity.incarnation.hex(), identity.epoch, core.received_transaction, core.received_lsn

    def ask_aside(self, member: Member, seconds: float) -> Place | None:
        """Make a member let go of the former primary and tell its place; None: it is gone, restarted, or silent."""
        return ask_member(member, self.system.identity, self.address.security, seconds)

    def hand_over(self, address: Address, mode: Mode) -> dict[str, Any]:
        """Make the secondary at `address` the primary and follow it; nothing is lost, and nothing copied.

        It must be nearly level already. Open transactions are waited for; then no more begin, the secondary gets level,
        and leads. Returns its report.

        Raises:
            ReplicationError: it is not level in time, or refuses; this node then stays the primary.
        """
        database, publisher = self.database, self.system.publisher
        if publisher is None or database.read_only is not None:
            raise ReplicationError("this node is not a primary with secondaries")
        operator = log_in_to(address, self.system.identity)
        try:
            with self.changing_role:
                self._await_near(operator, address)
                if self.keeper is None:
                    with between_transactions(database):
                        self._await_level(operator, address)
                        report: dict[str, Any] = operator.call("promote", seconds=HAND_OVER_SECONDS).value
                        publisher.fence(Epoch(report["epoch"]))
                        self.system.successor = str(address)
                else:
                    report = self._hand_over_by_record(self.keeper, operator, address, mode)
        finally:
            operator.close()
        with self.changing_role:
            if not self.follows(address):
                self.follow_now(address, mode)
        return report

    def status(self) -> dict[str, Any]:
        """Tell what this node is and how far it and its secondaries have come. Cost: no message sent."""
        identity = self.system.identity
        answer: dict[str, Any] = {
            "node": identity.node,
            "address": identity.address,
            "incarnation": identity.incarnation.hex(),
            "uptime_seconds": round(time.monotonic() - self.started_at, 3),
            "process": os.getpid(),
            "clients": self._clients(),
            "storage_only": self.sessions is None,
            "modules": sorted(name for name in list(sys.modules) if name.startswith("tandemdb")),
            **describe(self.database),
        }
        if self.keeper is not None:
            answer["coordination"] = self.keeper.describe()
        return answer

    def interrupt(self, link: int, ticket: bytes) -> None:
        """Ask the statement that another link's session is running to stop."""
        guest = self.guests.get(link)
        if guest is not None and guest.handler is not None and secrets.compare_digest(guest.ticket, ticket):
            guest.handler.interrupt()

    # Helpers, in call order.

    def _check_uncoordinated(self, what: str) -> None:
        if self.keeper is not None:
            raise ReplicationError(
                f"{what}: this node's part is its coordinator's to say",
                hint="switchover and promote change the record.",
            )

    def _clients(self) -> int:
        return sum(guest.purpose == "client" for guest in list(self.guests.values()))

    def _check_nothing_would_be_lost(self) -> None:
        """Refuse to follow with commits that nobody else has, and that could not be handed back as orphans.

        A primary that has no secondaries keeps no log.
        """
        history, publisher, root = self.system.identity.history, self.system.publisher, self.database.root
        if self.system.secondary is not None or self.database.read_only is not None or not history:
            return
        if publisher is None and len(history) == 1:
            return  # It was never of anybody else's cluster.
        logged = int(history[-1].lsn)
        if publisher is not None:
            with publisher.lock:
                publisher.drain()
                logged = max(logged, publisher.core.log.last_lsn)
        if root.lsn > logged:
            raise ReplicationError(
                f"this primary has made {root.lsn - logged} commits without secondaries",
                detail="Nobody else has them, and no log holds them: to follow another primary would lose them.",
                hint="Make the other one follow this one; or save them and pass --overwrite.",
            )

    def _find_epoch(self, address: Address) -> Epoch:
        return linking.find_epoch(self.system, address)

    def _start_following(self, follower: Follower) -> None:
        follower.start()

    def _await_near(self, operator: Caller, address: Address) -> None:
        """Wait until a secondary needs little time to get what there is, while writers go on."""
        deadline = time.monotonic() + HAND_OVER_SECONDS
        while True:
            began = time.monotonic()
            self._await_lsn(operator, address, self.database.root.lsn, deadline)
            if time.monotonic() - began < NEAR_SECONDS or began >= deadline:
                return

    def _await_level(self, operator: Caller, address: Address) -> dict[str, Any]:
        """Wait until a secondary has got all there is; returns its status. The writer's place is held."""
        return self._await_lsn(operator, address, self.database.root.lsn, time.monotonic() + LEVEL_SECONDS)

    def _await_lsn(self, operator: Caller, address: Address, lsn: int, deadline: float) -> dict[str, Any]:
        """Wait until a secondary of this primary shows a commit; returns its status."""
        identity = self.system.identity
        while True:
            found: dict[str, Any] = operator.call("status", seconds=HAND_OVER_SECONDS).value
            follows = found["cluster"] == identity.cluster.hex() and found["role"] == "secondary"
            if follows and found["lsn"] >= lsn and found["epoch"] == identity.epoch:
                return found
            if time.monotonic() >= deadline:
                if follows:
                    raise ReplicationError(f"{address} is at LSN {found['lsn']}, not {lsn}")
                raise ReplicationError(f"{address} is no secondary of this primary")
            time.sleep(0.002)

    def _hand_over_by_record(
        self, keeper: Keeper, operator: Caller, address: Address, mode: Mode
    ) -> dict[str, Any]:
        """Name the successor on the coordinator's record, follow it, and wait until it is in office.

        Followed it must be before, for it counts on its heirs; who asks here meanwhile whom to turn to waits for that.
        """
        system = self.system
        with between_transactions(self.database):
            found = self._await_level(operator, address)
            successor = Member(found["node"], found["incarnation"], found["address"])
            system.is_settled.clear()
            try:
                epoch = keeper.hand_over(successor, mode)
                self._await_successor(operator, epoch, ("waiting", "primary"))
                follower = linking.become_secondary(self.database, system.identity.node, mode, address)
            except BaseException:
                system.is_settled.set()
                raise
        try:
            self._start_following(follower)
            return self._await_successor(operator, epoch, ("primary",))
        finally:
            system.is_settled.set()

    def _await_successor(self, operator: Caller, epoch: Epoch, roles: tuple[str, ...]) -> dict[str, Any]:
        """Wait until a successor has one of these roles in its epoch."""
        deadline = time.monotonic() + HAND_OVER_SECONDS
        while True:
            found = operator.call("status", seconds=HAND_OVER_SECONDS).value
            if found["role"] in roles and found["epoch"] == epoch:
                return {"epoch": epoch, "lsn": found["lsn"]}
            if time.monotonic() >= deadline:
                raise ReplicationError(f"{found['node']} is named as the primary and does not lead yet")
            time.sleep(0.002)

    def _has_room(self) -> bool:
        return self._connections < connections_max()

    def _serve(self, connected: socket.socket, origin: tuple[Any, ...]) -> None:
        """Serve one connection from login to end; what goes wrong with it concerns no other."""
        channel = None
        link = 0
        with self._lock:
            self._connections += 1
        try:
            transport.set_options(connected)
            connected.settimeout(handshake.LOGIN_SECONDS)
            if self._context is not None:
                connected = transport.accept_tls(self._context, connected, handshake.LOGIN_SECONDS)
            channel = transport.Channel(connected)
            with self._lock:
                self._links = link = self._links + 1
                self._channels[link] = channel
            ticket = secrets.token_bytes(16)
            hello = handshake.admit(channel, self.system.identity, self._secret, self._check, link, ticket)
            self._serve_purpose(channel, hello, link, ticket)
        except (Refused, ProtocolError, ssl.SSLError) as error:
            log.warning("connection from %s refused: %s", origin[0], error)
        except (LinkLost, OSError) as error:
            log.debug("connection from %s ended: %s", origin[0], error)
        except (ReplicationError, MemoryError) as error:
            log.warning("connection from %s failed: %s", origin[0], str(error) or "no memory left")
        finally:
            guest = self.guests.pop(link, None)
            if guest is not None and guest.handler is not None:
                guest.handler.close()
            if channel is not None:
                channel.close()
            connected.close()
            with self._lock:
                self._connections -= 1
                self._channels.pop(link, None)

    def _check(self, hello: Hello) -> None:
        """Refuse what this node has not got, after the login."""
        if hello.purpose == "processing":
            raise Refused("purpose", "this is a node, not a store: it controls its blocks itself")
        if hello.database != self.database.name:
            raise Refused("database", f"unknown database: {hello.database}")
        if hello.purpose == "client" and self.sessions is None:
            raise Refused("purpose", "this node is storage only: it runs no SQL")
        if hello.purpose == "client" and self._clients() >= max(1, connections_max() - PEERS_RESERVED):
            raise Refused("full", f"this node has {self._clients()} clients already and takes no more")
        if hello.purpose == "secondary":
            if self.keeper is not None and not self.keeper.takes_secondaries:
                raise Refused("role", "this node does not lead")
            linking.check_primary(self.database, hello)
        elif hello.purpose == "primary":
            linking.check_secondary(self.database, hello)

    def _serve_purpose(self, channel: transport.Channel, hello: Hello, link: int, ticket: bytes) -> None:
        purpose = hello.purpose
        if purpose in ("client", "operator"):
            handshake.open_up(channel, calls.CALLS, calls.CALL_BYTES_MAX)
            handler: Handler = Operator(self)
            if purpose == "client" and self.sessions is not None:
                handler = self.sessions(self.database)
            self.guests[link] = Guest(purpose, hello.node, ticket, handler)
            calls.serve_calls(channel, handler, lambda: self.is_running)
            return
        handshake.open_up(channel, None)
        self.guests[link] = Guest(purpose, hello.node, ticket, None)
        if purpose == "secondary":
            mode: Mode = "sync" if hello.mode == "sync" else "async"
            linking.accept_secondary(self.database, channel, hello.node, mode, self.limits).run()
            return
        with self.changing_role:
            follower = linking.accept_primary(self.database, hello)
        follower.serve(channel)


def connections_max() -> int:
    """How many connections a node takes at a time."""
    return min(CONNECTIONS_MAX, descriptors_free_for_connections())
